"""Charts as inline SVG. Colours are the page's variables, so they follow light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def bars(title: str, entries: Sequence[tuple[str, str, float, float, float, str]], *, unit: str) -> str:
    """Returns horizontal bars from zero, with a whisker from the lower to the upper quartile.

    Args:
        title: above the bars.
        entries: (name, class, median, low, high, remark) of each.
        unit: behind the numbers.
    """
    width, step, top = 340, 46, 30
    most = max((high for *_, high, _ in entries), default=1.0)
    parts = [f'<text x="0" y="14" class="title">{escape(title)}</text>']
    for i, (name, kind, median, low, high, remark) in enumerate(entries):
        y = top + i * step
        x, x0, x1 = (max(width * v / most, 1.0) for v in (median, low, high))
        number = f"{median:,.0f} {unit}" + (f" \u00b7 {remark}" if remark else "")
        parts.append(
            f'<text x="0" y="{y + 13}">{escape(name)}</text>'
            f'<text x="{width}" y="{y + 13}" class="value" text-anchor="end">{escape(number)}</text>'
            f'<rect x="0" y="{y + 20}" width="{width}" height="12" rx="3" class="track"/>'
            f'<rect x="0" y="{y + 20}" width="{x:.1f}" height="12" rx="3" class="{kind}"/>'
            f'<path d="M{x0:.1f} {y + 26}H{x1:.1f}M{x0:.1f} {y + 22.5}v7M{x1:.1f} {y + 22.5}v7" class="whisker"/>'
        )
    return _svg(width, top + step * len(entries), title, parts)


def curve(
    title: str,
    series: Sequence[tuple[str, Sequence[float]]],
    *,
    target: float | None = None,
    form: str = "{:g}",
    log: bool = False,
) -> str:
    """Returns lines over the steps.

    Args:
        title: above the lines.
        series: (class, values) of each line.
        target: drawn dashed across.
        form: of the numbers at the axis.
        log: whether the axis is logarithmic.
    """
    from math import log10

    width, height, left, top, bottom = 270, 170, 44, 28, 22
    values = [v for _, line in series for v in line] + ([] if target is None else [target])
    low, high = min(values), max(values)
    if log:
        low, high = log10(low), log10(high)
    pad = 0.06 * (high - low or 1.0)
    low, high = low - pad, high + pad

    def at(v: float) -> float:
        share = ((log10(v) if log else v) - low) / (high - low)
        return height - bottom - share * (height - top - bottom)

    count = max(len(line) for _, line in series)
    parts = [f'<text x="0" y="14" class="title">{escape(title)}</text>']
    for tick in range(4):
        v = low + pad + (high - low - 2 * pad) * tick / 3
        v = 10**v if log else v
        y = at(v)
        parts.append(f'<path d="M{left} {y:.1f}H{width}" class="line"/>'
                     f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" class="tick">{form.format(v)}</text>')  # fmt: skip
    for tick in (0, count - 1):
        x = left + (width - left) * tick / (count - 1)
        anchor = "start" if tick == 0 else "end"
        text = "step 0" if tick == 0 else str(tick)
        parts.append(f'<text x="{x:.1f}" y="{height - 4}" text-anchor="{anchor}" class="tick">{text}</text>')
    if target is not None:
        parts.append(f'<path d="M{left} {at(target):.1f}H{width}" class="target"/>')
    for kind, line in series:
        points = " ".join(f"{left + (width - left) * i / (count - 1):.1f},{at(v):.1f}" for i, v in enumerate(line))
        parts.append(f'<polyline points="{points}" class="{kind}"/>')
    return _svg(width, height, title, parts)


def shares(names: Sequence[str], values: Sequence[float], colours: Sequence[Sequence[int]]) -> str:
    """Returns a soft label as one bar, and its parts above one in a hundred in words."""
    parts = sorted((v, n, c) for v, n, c in zip(values, names, colours, strict=False) if v >= 0.005)[::-1]
    strip = "".join(f'<i style="width:{100 * v:.1f}%;background:rgb{tuple(c)}"></i>' for v, _, c in parts)
    words = "".join(f"<span>{escape(n)} <b>{100 * v:.0f}%</b></span>" for v, n, _ in parts)
    return f'<div class="shares"><div>{strip}</div><p>{words}</p></div>'


def _svg(width: int, height: int, title: str, parts: Sequence[str]) -> str:
    return (f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
            f'{"".join(parts)}</svg>')  # fmt: skip
