"""The disparity of the stereo pair, found by gradient descent through the warp: no network, no training data."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

import visionops as vo
import visionops.augment as va
from visionops import losses
from visionops.kernels import warp

from . import labels, page
from .charts import curve

# The photos' size is divided by the first for the second's number of steps; each level goes on from the one before.
LEVELS = ((16, 120), (8, 100), (4, 80), (2, 40))
START, RATE, SMOOTHNESS = 48.0, 0.15, 0.00625  # pixels of the whole photo; pixels of the level; of the loss
FAR_OFF = 2.0  # pixels of the whole photo
# From far to near.
COLOURS = ((48, 18, 59), (65, 100, 220), (40, 187, 200), (140, 235, 80), (250, 190, 50), (200, 40, 10))

Watch = Callable[[Tensor, float], None]


def shifted(right: Tensor, disparity: Tensor) -> Tensor:
    h, w = disparity.shape
    x, y = torch.arange(w), torch.arange(h)
    y = y[:, None].expand(h, w).to(disparity)
    at = torch.stack([x - disparity, y], -1)
    return warp(right[None], None, (h, w),
                coordinates=at[None])[0]  # fmt: skip


def dissimilarity(ours: Tensor, left: Tensor) -> Tensor:
    ssim = losses.ssim(ours, left, window_size=7,
                       padding="reflect")  # fmt: skip
    l1 = (ours - left).abs().mean()
    return 0.85 * ssim / 2 + 0.15 * l1


def roughness(disparity: Tensor, left: Tensor) -> Tensor:
    total = disparity.new_zeros(())
    for dim in (-1, -2):
        edge = left.diff(dim=dim).abs().mean(0)
        step = disparity.diff(dim=dim).square()
        slope = (step + 1e-4).sqrt()
        slope = slope / (10 * edge).exp()
        total = total + slope.mean()
    return total


def recover(
    left: np.ndarray, right: np.ndarray, levels: Sequence[tuple[int, int]], start: float, watch: Watch = lambda *_: None
) -> Tensor:
    """Returns the disparity (h, w) at the last level's size, in pixels of the whole photo.

    Args:
        left: uint8 (H, W, 3).
        right: likewise; what `left` shows at x is at x minus the disparity.
        levels: (what the size is divided by, steps), from coarse to fine.
        start: the disparity everywhere at first.
        watch: called at each step with the disparity as it is, and its loss.
    """
    height, width = left.shape[:2]
    found = torch.full((1, 1), start)
    for divisor, steps in levels:
        size = height // divisor, width // divisor
        small = vo.Pipeline(va.Resize(size), va.ToFloat())
        there, here = small(right), small(left)
        base, scale = _resized(found, size), width / size[1]
        # A sum of fields from coarse to fine, so that one step of Adam moves whole regions too.
        fields = [nn.Parameter(torch.zeros(-(-size[0] // s), -(-size[1] // s))) for s in (1, 2, 4, 8, 16)]
        optimiser = torch.optim.Adam(fields, lr=RATE)
        for _ in range(steps):
            local = base / scale + torch.stack([_resized(field, size) for field in fields]).sum(0)
            loss = dissimilarity(shifted(there, local), here) + SMOOTHNESS * scale * roughness(local, here)
            watch(local.detach() * scale, loss.item())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            found = base + scale * torch.stack([_resized(field, size) for field in fields]).sum(0)
    return found


def visible(truth: np.ndarray) -> np.ndarray:
    """Returns where a disparity (h, w) is known, and the right photo shows the same point: nothing nearer hides it."""
    h, w = truth.shape
    known = np.isfinite(truth)
    at = np.rint(np.indices((h, w))[1] - np.where(known, truth, 0)).astype(int)
    inside = known & (at >= 0)
    nearest, rows = np.full((h, w), -np.inf), np.indices((h, w))[0]
    np.maximum.at(nearest, (rows[inside], at[inside]), truth[inside])
    return inside & (nearest[rows, at.clip(0)] - np.where(known, truth, 0) <= 1)


def errors(disparity: Tensor, truth: Tensor, counts: Tensor) -> tuple[float, float]:
    """Returns the mean error in pixels where it counts, and the share that is more than `FAR_OFF` off."""
    off = (_resized(disparity, (truth.shape[0], truth.shape[1])) - truth).abs()[counts]
    return off.mean().item(), (off > FAR_OFF).float().mean().item()


def disparity(levels: Sequence[tuple[int, int]] = LEVELS, advance: Callable[[], None] = lambda: None) -> str:
    """Returns the section."""
    left, right, measured = labels.stereo()
    counts = visible(measured)
    truth, where = torch.from_numpy(measured).float(), torch.from_numpy(counts)
    kept, means, shares, descent = [], [], [], []

    def watch(found: Tensor, loss: float) -> None:
        mean, share = errors(found, truth, where)
        kept.append(found)
        means.append(mean)
        shares.append(100 * share)
        descent.append(loss)
        advance()

    began = time.perf_counter()
    last = recover(left, right, levels, START, watch)
    took = time.perf_counter() - began
    mean, share = errors(last, truth, where)
    ends = np.cumsum([0] + [steps for _, steps in levels]).tolist()
    rows = [(f"step {end}", kept[end], means[end], shares[end]) for end in ends[:-1]]
    rows.append((f"step {ends[-1]}, the end", last, mean, 100 * share))
    whole = _resized(last, measured.shape).numpy()
    high = float(np.nanmax(measured))
    pictures = [page.figure(left, "left photo", alt="left photo of a motorcycle", kind="before", scale=0.7)]
    for name, found, mean_then, _ in rows:
        picture = _coloured(_resized(found, measured.shape).numpy(), high)
        pictures.append(page.framed(picture, f"{name}: {mean_then:.1f} px off", alt=f"disparity at {name}"))
    pictures.append(page.framed(_coloured(measured, high), "<b>measured</b>; black where unknown", alt="measured disparity"))
    off = np.where(counts, np.abs(whole - measured), np.nan)
    pictures.append(page.framed(_coloured(off, 10.0), "how far off at the end, 0 to 10 px", alt="error of the disparity"))
    charts = "".join([
        curve("Mean error, pixels", [("us", means)], form="{:.0f}"),
        curve(f"Off by more than {FAR_OFF:g} px, %", [("us", shares)], form="{:.0f}"),
        curve("Loss: SSIM, L1, smoothness", [("us", descent)], form="{:.2f}"),
    ])  # fmt: skip
    cells = "".join(f"<tr><td>{name}</td><td>{m:.2f} px</td><td>{s:.1f}%</td></tr>" for name, _, m, s in rows)
    table = f"<table><tr><th></th><th>mean error</th><th>off by more than {FAR_OFF:g} px</th></tr>{cells}</table>"
    told = page.note(
        f"Pixels are those of the whole photo, {measured.shape[1]}\u00d7{measured.shape[0]}. Counted are the {counts.mean():.0%} whose "
        "disparity is known and which the right photo shows too; pixels hidden there are left out. Levels go from "
        f"1/{levels[0][0]} to 1/{levels[-1][0]} of the size; the loss jumps where one begins, since there is more detail to match."
    )  # fmt: skip
    return page.section(
        "disparity", "Depth from two photos, by gradient alone",
        "Every pixel's disparity is a parameter. The right photo is pulled over the left one by the differentiable warp, and "
        "Adam lowers 0.85 of SSIM, 0.15 of L1 and a smoothness that gives way at edges. No network and no labels: the measured "
        f"disparity only judges. From {means[0]:.1f} px off, the mean error falls to {mean:.1f} px, and of the pixels "
        f"{share:.0%} end more than {FAR_OFF:g} px off, after {shares[0]:.0f}% at the start. {ends[-1]} steps took {took:.0f} s on one thread.",
        page.beside(page.row(pictures, columns=4) + f'<div class="charts small">{charts}</div>' + table,
                    page.code("\n\n".join(map(page.text_of, (shifted, dissimilarity, roughness)))), told),
    )  # fmt: skip


def _resized(field: Tensor, size: tuple[int, ...]) -> Tensor:
    return interpolate(field[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]


def _coloured(values: np.ndarray, high: float) -> np.ndarray:
    """Returns values from 0 to `high` as colours, at half the size; black where they are not finite."""
    values = values[::2, ::2]
    at = np.nan_to_num(values / high).clip(0, 1) * (len(COLOURS) - 1)
    channels = [np.interp(at, np.arange(len(COLOURS)), channel) for channel in zip(*COLOURS, strict=True)]
    return np.where(np.isfinite(values)[..., None], np.stack(channels, -1), 0).astype(np.uint8)
