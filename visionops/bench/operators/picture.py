"""The curves by kernel size as an SVG: both axes logarithmic, visionops drawn through, OpenCV dashed."""

from __future__ import annotations

import math
from typing import Any

from visionops.plot import PALETTE

from .compare import OURS

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 70, 640, 40, 430


def draw(curves: dict[str, Any], title: str) -> str:
    """Returns the SVG's text."""
    lines = {
        (name, side): {int(k): v["median"] for k, v in one.items() if k != "fails"}
        for name, sides in curves.items() for side, one in sides.items()
    }  # fmt: skip
    lines = {key: one for key, one in lines.items() if one}
    sizes = sorted({size for one in lines.values() for size in one}) or [1, 10]
    values = [value for one in lines.values() for value in one.values()] or [1.0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    across = math.log(sizes[-1] / sizes[0]) or 1.0

    def x_of(size: float) -> float:
        return LEFT + (RIGHT - LEFT) * math.log(size / sizes[0]) / across

    def y_of(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (math.log10(value) - low) / max(1, high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fafaf9"/>',
        _text(LEFT, 24, title),
        _text((LEFT + RIGHT) / 2, HEIGHT - 10, "kernel size, pixels", "middle"),
        f'<g transform="rotate(-90)">{_text(-(TOP + BOTTOM) / 2, 18, "ns a pixel and channel", "middle")}</g>',
    ]
    for power in range(low, high + 1):
        y = y_of(10.0**power)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{10.0**power:g}", "end"))
    for size in sizes:
        parts.append(f'<path d="M{x_of(size):.1f} {TOP}V{BOTTOM}" stroke="#eee"/>')
        parts.append(_text(x_of(size), BOTTOM + 18, str(size), "middle"))
    colours = {name: "#{:02x}{:02x}{:02x}".format(*PALETTE[i % len(PALETTE)]) for i, name in enumerate(curves)}
    for row, ((name, side), one) in enumerate(lines.items()):
        points = " ".join(f"{x_of(size):.1f},{y_of(value):.1f}" for size, value in sorted(one.items()))
        look = f'fill="none" stroke="{colours[name]}" stroke-width="2"'
        look += "" if side == OURS else ' stroke-dasharray="5 4"'
        y = TOP + 8 + 22 * row
        parts.append(f'<polyline points="{points}" {look}/><path d="M{RIGHT + 14} {y}h26" {look}/>')
        parts.append(_text(RIGHT + 48, y + 4, f"{name}, {side}"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    safe = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#262628">{safe}</text>'
