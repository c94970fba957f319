"""Augmenting a float batch under autograd: time of forward and backward, and memory kept between, beside Kornia."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import visionops.augment as va
from visionops import Pipeline
from visionops.kernels.native import definitions_only
from visionops.testing import saved_bytes

from .machine import NOT_INSTALLED, environment, installed, version_of
from .photos import load_photos
from .report import Report, Table, cell, progress, spread
from .rounds import Side, measure

ROUNDS = 9
THREADS = 2
BATCH, SIZE = 16, (256, 256)
# What the project asks of itself beside Kornia where colours are jittered: times its speed, the share of its memory.
FASTER, LEANER = 6.0, 0.25
PIPELINES = {"move": "affine, perspective", "jitter": "+ colour jitter", "full": "+ 7-tap blur, normalise"}
DIFFERENCES = (
    "Kornia resamples once for the affine map and once for the perspective; visionops once in all, as it would in use.",
    "Both draw their parameters within the time, on every call; every step runs on every image.",
    "The loss is a weighted sum of the result, whose cost is the same on both sides. Its gradient goes to the images.",
)


def steps_of(which: str) -> list[Any]:
    """Returns the steps of one of the pipelines."""
    steps: list[Any] = [va.Affine(rotate=(-30, 30), shear=(-10, 10)), va.Perspective(0.2)]
    if which != "move":
        steps.append(va.ColorJitter(0.4, 0.4, 0.4, 0.1))
    if which == "full":
        steps += [va.GaussianBlur(sigma=(0.1, 2.0), kernel_size=7), va.Normalize(0.45, 0.25)]
    return steps


def kornia_of(which: str) -> nn.Module:
    """Returns its nearest pipeline in Kornia."""
    import kornia.augmentation as K

    steps: list[nn.Module] = [K.RandomAffine(30.0, shear=10.0, p=1.0), K.RandomPerspective(0.2, p=1.0)]
    if which != "move":
        steps.append(K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0))
    if which == "full":
        steps += [K.RandomGaussianBlur((7, 7), (0.1, 2.0), p=1.0), K.Normalize(torch.tensor(0.45), torch.tensor(0.25))]
    return nn.Sequential(*steps)


def run(*, seconds: float = 3.0, rounds: int = ROUNDS, batch: int = BATCH, size: tuple[int, int] = SIZE) -> Report:
    """Returns the table.

    Args:
        seconds: of measuring, for each side and pipeline, over all rounds.
        rounds: the sides take turns this often.
        batch: images in the batch.
        size: of the images.
    """
    images = _batch(batch, size)
    weights = torch.rand(images.shape, generator=torch.Generator().manual_seed(0))
    results: dict[str, Any] = {"batch": list(images.shape), "bytes": images.nbytes, "differences": list(DIFFERENCES),
                               "pipelines": {}}  # fmt: skip
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    try:
        env = environment()
        with progress("training", rounds * len(PIPELINES)) as advance:
            for which in PIPELINES:
                results["pipelines"][which] = _compare(which, images, weights, rounds, seconds, advance)
    finally:
        torch.set_num_threads(threads)
    notes = ["Median (quartiles) over rounds in which the sides take turns; a ratio is formed within a round.",
             *DIFFERENCES]  # fmt: skip
    if not installed("kornia"):
        notes.append(f"Kornia is {NOT_INSTALLED}.")
    table = Table(
        f"Forward and backward of {'x'.join(map(str, images.shape))} float32, {THREADS} threads",
        ["pipeline", "side", "ms", "x Kornia", "kept, MB", "of Kornia's", "wanted"],
        [row for which, title in PIPELINES.items() for row in _rows(title, results["pipelines"][which])],
        notes,
        labels=2,
    )
    return Report("training", env, [table], results)


def _batch(count: int, size: tuple[int, int]) -> Tensor:
    """Returns real photos, cut to one size."""
    named, _ = load_photos(8)
    h, w = size
    tiles = [torch.from_numpy(p).permute(2, 0, 1)[None] / 255.0 for p in named.values()]
    same = [nn.functional.interpolate(t, size=(h, w), mode="bilinear", antialias=True) for t in tiles]
    return torch.cat([same[i % len(same)] for i in range(count)])


def _compare(
    which: str, images: Tensor, weights: Tensor, rounds: int, seconds: float, advance: Callable[[], None]
) -> dict[str, Any]:
    pipe = Pipeline(*steps_of(which), seed=0)
    calls: dict[str, Callable[[Tensor], Tensor]] = {
        "visionops": lambda x: pipe(image=x)["image"],
        "visionops, definitions": lambda x: _defined(pipe, x),
    }
    if installed("kornia"):
        other = kornia_of(which)
        calls[f"Kornia {version_of('kornia')}"] = other
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a peer's own code
        sides = [Side(name, "step", _step(call, images, weights)) for name, call in calls.items()]
        rates = measure(sides, rounds=rounds, seconds=seconds / rounds, advance=advance)
        kept = [sum(saved_bytes(_forward(call, images))) for call in calls.values()]
    found: dict[str, Any] = {}
    for name, rate, size in zip(calls, rates, kept, strict=True):
        times = (1000 * len(images) / np.array(rate)).tolist()
        found[name] = {"milliseconds": times, **spread(times), "kept_bytes": size}
    peer = next((name for name in found if name.startswith("Kornia")), None)
    if peer is not None:
        for one in found.values():
            one["times_kornia"] = np.divide(found[peer]["milliseconds"], one["milliseconds"]).tolist()
            one["share_of_kornia"] = one["kept_bytes"] / found[peer]["kept_bytes"]
    return found


def _defined(pipe: Pipeline, x: Tensor) -> Tensor:
    with definitions_only():
        return pipe(image=x)["image"]


def _step(call: Callable[[Tensor], Tensor], images: Tensor, weights: Tensor) -> Callable[[], int]:
    leaf = images.clone().requires_grad_()

    def step() -> int:
        leaf.grad = None
        (call(leaf) * weights).sum().backward()
        return len(images)

    step()
    assert leaf.grad is not None and leaf.grad.abs().max() > 0
    return step


def _forward(call: Callable[[Tensor], Tensor], images: Tensor) -> Callable[[], Tensor]:
    leaf = images.clone().requires_grad_()
    return lambda: call(leaf)


def _rows(title: str, found: dict[str, Any]) -> list[list[str]]:
    rows: list[list[str]] = []
    for name, one in found.items():
        ratio, share = one.get("times_kornia"), one.get("share_of_kornia")
        is_peer = name.startswith("Kornia") or ratio is None
        verdict = ""
        if name == "visionops" and ratio is not None and title != PIPELINES["move"]:
            reached = float(np.median(ratio)) >= FASTER and share <= LEANER
            verdict = f"{FASTER:g}x, {LEANER:.0%}: {'met' if reached else 'MISSED'}"
        rows.append(
            [
                title if not rows else "",
                name,
                cell(one["milliseconds"], "{:.1f}"),
                "-" if is_peer else cell(ratio, "{:.1f}"),
                f"{one['kept_bytes'] / 1e6:.1f}",
                "-" if is_peer else f"{share:.0%}",
                verdict,
            ]
        )
    return rows
