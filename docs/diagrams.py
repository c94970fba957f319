"""Conventions as line drawings: SVG in the colours of the page, put where it says `<!-- diagram NAME -->`."""

from __future__ import annotations

from html import escape

ACCENT = "var(--md-typeset-a-color)"
RED, GREEN, BLUE = "#d1495b", "#4f9d69", "#3d7dca"  # of x, y and z, everywhere


def svg(width: int, height: int, title: str, *parts: str) -> str:
    """Returns a drawing as one line, which Markdown leaves alone."""
    return (
        f'<figure class="diagram"><svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{escape(title)}" fill="none" stroke="currentColor" font-size="13">'
        f"{''.join(parts)}</svg><figcaption>{escape(title)}</figcaption></figure>"
    )


def line(
    x1: float, y1: float, x2: float, y2: float, *, color: str = "currentColor", width: float = 1.2, dash: str = ""
) -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="M{x1:g} {y1:g}L{x2:g} {y2:g}" stroke="{color}" stroke-width="{width:g}"{dashed}/>'


def arrow(x1: float, y1: float, x2: float, y2: float, *, color: str = "currentColor", width: float = 1.8) -> str:
    """Returns a line with a head at its end."""
    dx, dy = x2 - x1, y2 - y1
    length = (dx * dx + dy * dy) ** 0.5
    ux, uy = dx / length, dy / length
    bx, by = x2 - 9 * ux, y2 - 9 * uy
    head = f"M{x2:g} {y2:g}L{bx - 4 * uy:.4g} {by + 4 * ux:.4g}L{bx + 4 * uy:.4g} {by - 4 * ux:.4g}Z"
    return line(x1, y1, bx, by, color=color, width=width) + f'<path d="{head}" fill="{color}" stroke="none"/>'


def text(x: float, y: float, words: str, *, color: str = "currentColor", anchor: str = "start") -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="{color}" stroke="none" text-anchor="{anchor}">{escape(words)}</text>'


def dot(x: float, y: float, *, color: str = "currentColor") -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="3.5" fill="{color}" stroke="none"/>'


def rectangle(x: float, y: float, w: float, h: float, *, color: str = "currentColor", width: float = 1.2) -> str:
    return f'<rect x="{x:g}" y="{y:g}" width="{w:g}" height="{h:g}" stroke="{color}" stroke-width="{width:g}"/>'


def pixels() -> str:
    cells = [rectangle(60 + 44 * i, 40 + 44 * j, 44, 44) for i in range(4) for j in range(3)]
    return svg(
        520, 210, "Points count from the centre of the top-left pixel, boxes from its corner",
        *cells,
        dot(82, 62, color=ACCENT), text(20, 24, "point (0, 0)", color=ACCENT),
        line(62, 28, 80, 58, color=ACCENT),
        dot(170, 106, color=ACCENT), text(250, 110, "point (2, 1): image[..., 1, 2]", color=ACCENT),
        line(176, 106, 246, 106, color=ACCENT, dash="3 3"),
        rectangle(60, 40, 88, 132, color=RED, width=2.5),
        text(250, 160, "box (0, 0, 2, 3): width 2, height 3", color=RED),
        line(150, 160, 246, 156, color=RED, dash="3 3"),
        arrow(60, 190, 130, 190, color=RED), text(136, 194, "x"),
        arrow(40, 40, 40, 110, color=GREEN), text(36, 126, "y"),
    )  # fmt: skip


def directions() -> str:
    def grid(x: float, label: str) -> str:
        return "".join(rectangle(x + 20 * i, 50 + 20 * j, 20, 20) for i in range(5) for j in range(4)) + text(
            x + 50, 40, label, anchor="middle"
        )

    return svg(
        520, 190, "A matrix maps source to output; a map for remap, output to source",
        grid(40, "source"), grid(380, "output"),
        dot(90, 80, color=ACCENT), dot(450, 100, color=ACCENT),
        arrow(98, 80, 441, 99, color=ACCENT),
        text(260, 78, "matrix: (x, y, 1) -> (x', y', w')", color=ACCENT, anchor="middle"),
        arrow(441, 108, 98, 88, color=RED),
        text(260, 122, "map_xy[y', x'] = (x, y)", color=RED, anchor="middle"),
        text(260, 168, "flow: point + flow = where it went", anchor="middle"),
    )  # fmt: skip


def camera() -> str:
    return svg(
        520, 240, "A camera looks along +z; x points right, y down, as in its image",
        dot(90, 120), text(82, 112, "camera", anchor="end"),
        arrow(90, 120, 470, 120, color=BLUE), text(476, 124, "z", color=BLUE),
        arrow(90, 120, 140, 92, color=RED), text(144, 92, "x", color=RED),
        arrow(90, 120, 90, 190, color=GREEN), text(84, 208, "y", color=GREEN),
        '<path d="M210 60L290 16L290 176L210 220Z" stroke-width="1.2"/>',
        arrow(210, 60, 262, 31, color=RED), text(236, 34, "u", color=RED, anchor="end"),
        arrow(210, 60, 210, 120, color=GREEN), text(196, 96, "v", color=GREEN, anchor="end"),
        dot(430, 60, color=ACCENT), text(438, 62, "X", color=ACCENT),
        line(90, 120, 430, 60, color=ACCENT, dash="4 3"), dot(256, 90.7, color=ACCENT),
        text(300, 108, "(u, v) = K X / z", color=ACCENT),
        text(300, 206, "X = R X_world + t"),
    )  # fmt: skip


def epipolar() -> str:
    return svg(
        520, 220, "Two views: X of the first camera is R X + t in the second, where x2 lies on the line F x1",
        rectangle(60, 60, 140, 100), rectangle(320, 60, 140, 100),
        text(60, 180, "view 1"), text(460, 180, "view 2", anchor="end"),
        dot(120, 100, color=ACCENT), text(114, 118, "x1", color=ACCENT),
        line(320, 140, 460, 84, color=RED, width=2), text(464, 84, "F x1", color=RED),
        dot(390, 112, color=ACCENT), text(396, 130, "x2", color=ACCENT),
        dot(260, 20), text(268, 24, "X"), line(260, 20, 120, 100, dash="3 3"), line(260, 20, 390, 112, dash="3 3"),
        arrow(204, 196, 316, 196, color=BLUE), text(260, 212, "R, t", color=BLUE, anchor="middle"),
        text(260, 120, "x2ᵀ F x1 = 0", anchor="middle"),
    )  # fmt: skip


def rotations() -> str:
    def turn(x: float, up: bool, label: str) -> str:
        sweep = "A40 40 0 0 0" if up else "A40 40 0 0 1"
        end = (x + 28.3, 100 - 28.3) if up else (x + 28.3, 100 + 28.3)
        tip = (end[0] - 6, end[1] - 5) if up else (end[0] - 6, end[1] + 5)
        return (
            arrow(x, 100, x + 80, 100, color=RED) + text(x + 84, 104, "x", color=RED)
            + arrow(x, 100, x, 180, color=GREEN) + text(x - 4, 196, "y", color=GREEN)
            + f'<path d="M{x + 40} 100{sweep} {end[0]:g} {end[1]:g}" stroke="{ACCENT}" stroke-width="2"/>'
            + arrow(end[0] + 2, end[1], *tip, color=ACCENT) + text(x + 40, 40, label, color=ACCENT, anchor="middle")
        )  # fmt: skip

    return svg(
        520, 210, "Images turn by degrees, against the clock as seen; geometry by radians, from x to y",
        turn(90, True, "rotate(image, 45)"), turn(340, False, "so2.exp(pi / 4)"),
    )  # fmt: skip


DIAGRAMS = {"pixels": pixels, "directions": directions, "camera": camera, "epipolar": epipolar, "rotations": rotations}


def diagram(name: str) -> str:
    return DIAGRAMS[name]()
