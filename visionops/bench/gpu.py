"""Images per second of batches on a GPU, forward and with backward, beside Kornia, and how near a copy's bandwidth.

The work is uint8 NCHW batches on the device to normalised float32 224x224, draws included. Without a CUDA device it is
not run, and nothing is written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops import Pipeline

from .machine import NOT_INSTALLED, environment, installed, version_of
from .report import Report, Table, cell, progress, spread
from .rounds import Side, measure
from .sides import DIFFERENCES, SIZE, _check, kornia_pipeline, visionops_pipeline

ROUNDS = 9
PIPELINES = {"crop": "ImageNet: crop, flip, normalise", "full": "heavy: + affine, perspective, jitter, blur"}
FORMS = ("forward", "forward and backward")
COPIED = 2**28  # bytes of the copy that gives the bandwidth: more than a cache holds


def why_not() -> str | None:
    """Returns why the benchmark cannot run here, None where it can."""
    if torch.cuda.is_available():
        return None
    built = torch.version.cuda
    return "torch sees no CUDA device" if built else f"torch {torch.__version__} is built without CUDA"


def run(
    *, device: str = "cuda", batch: int = 256, source: int = 512, seconds: float = 2.0, rounds: int = ROUNDS,
    compiler: Callable[[torch.nn.Module], Any] = torch.compile, copied: int = COPIED,
) -> Report:  # fmt: skip
    """Returns the table.

    Args:
        device: "cuda"; "cpu" runs the same code, for its test.
        batch: images in a batch.
        source: height and width of each.
        seconds: of measuring, for each side, form and pipeline, over all rounds.
        rounds: the sides take turns this often.
        compiler: compiles Kornia's pipeline.
        copied: bytes of the copy that gives the bandwidth.
    """
    torch.manual_seed(0)
    images = torch.randint(0, 256, (batch, 3, source, source), dtype=torch.uint8, device=device)
    bandwidth = copy_bandwidth(device, copied, rounds)
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device != "cpu" else "cpu",
        "batch": list(images.shape), "bytes_per_second_of_a_copy": bandwidth,
        "bytes_per_image": dict(zip(FORMS, least_bytes(source), strict=True)), "pipelines": {},
    }  # fmt: skip
    with progress("gpu", rounds * len(PIPELINES)) as advance:
        for which in PIPELINES:
            sides, missing = make_sides(which, images, compiler)
            rates = measure(sides, rounds=rounds, seconds=seconds / rounds, advance=advance)
            mine: dict[str, Any] = {}
            for side, rate in zip(sides, rates, strict=True):
                mine.setdefault(side.name, {})[side.form] = {"images_per_second": rate, **spread(rate)}
            found["pipelines"][which] = {"sides": mine, "missing": missing}
    columns = ["pipeline", "side"]
    for form in FORMS:
        columns += [f"{form}, images/s", "of a copy's bandwidth"]
    notes = [
        "Median (quartiles) over rounds in which the sides take turns; each batch ends with a synchronisation.",
        "The bound is what must be read and written, at the speed of a device-to-device copy: bytes in, float32 out; "
        "with backward float32 in and out, and both gradients.",
        "Backward starts at float32 images, made from the bytes in the timed work: bytes have no gradient.",
        *(line for line in DIFFERENCES if "Kornia" in line and "stacked" not in line),
    ]
    title = f"{found['device']}: uint8 batches {batch}x3x{source}x{source} to normalised float32 224x224, bilinear"
    rows = [row for which in PIPELINES for row in _rows(which, found)]
    return Report("gpu", environment(), [Table(title, columns, rows, notes, labels=2)], found)


def least_bytes(source: int) -> tuple[int, int]:
    """Returns the bytes that an image must move, forward, and forward and backward."""
    read, written = 3 * source**2, 3 * SIZE[0] * SIZE[1] * 4
    return read + written, 2 * (4 * read + written)


def copy_bandwidth(device: str, size: int, rounds: int) -> float:
    """Returns the bytes per second, read and written, of the fastest of some copies on the device."""
    a = torch.zeros(size, dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    times = []
    for _ in range(rounds + 1):
        _finish(device)
        start = time.perf_counter()
        b.copy_(a)
        _finish(device)
        times.append(time.perf_counter() - start)
    return 2 * size / min(times[1:])


def make_sides(
    which: str, images: Tensor, compiler: Callable[[torch.nn.Module], Any]
) -> tuple[list[Side], dict[str, str]]:
    """Returns the sides of one pipeline in both forms, and why the others are missing."""
    twins = os.environ.get("VISIONOPS_TRITON") == "1" and images.is_cuda
    sides, missing = [], {}
    for antialias in (False, True):
        pipe = visionops_pipeline(which, antialias=antialias)
        name = f"visionops, {'Triton' if twins else 'definitions'}, antialias={antialias}"
        sides += _both(name, partial(_image, pipe), images)
    if not installed("kornia"):
        return sides, {"Kornia": NOT_INSTALLED}
    peer = kornia_pipeline(which).to(images.device)
    name = f"Kornia {version_of('kornia')}"
    sides += _both(name, lambda x: peer(_as_float(x)), images)
    compiled = compiler(peer)
    try:
        sides += _both(f"{name}, compiled", lambda x: compiled(_as_float(x)), images)
    except Exception as error:  # of whatever the compiler cannot take: told in the table
        missing[f"{name}, compiled"] = f"fails: {type(error).__name__}"
    return sides, missing


def _both(name: str, run: Callable[[Tensor], Tensor], images: Tensor) -> list[Side]:
    """Returns a side's two units of work, each tried once."""
    batch, device = len(images), images.device.type
    weight = torch.ones(batch, 3, *SIZE, device=images.device)

    def forward() -> int:
        with torch.no_grad():
            run(images)
        _finish(device)
        return batch

    def backward() -> int:
        x = _as_float(images).requires_grad_()
        run(x).backward(weight)
        assert x.grad is not None
        _finish(device)
        return batch

    with torch.no_grad():
        _check(run(images), SIZE, batch)
    backward()
    return [Side(name, form, work) for form, work in zip(FORMS, (forward, backward), strict=True)]


def _image(pipe: Pipeline, x: Tensor) -> Tensor:
    return pipe(image=x)["image"]


def _as_float(x: Tensor) -> Tensor:
    return x.float().div_(255) if x.dtype == torch.uint8 else x


def _finish(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def _rows(which: str, found: dict[str, Any]) -> list[list[str]]:
    mine = found["pipelines"][which]
    rows: list[list[str]] = []
    for name, forms in mine["sides"].items():
        row = ["" if rows else PIPELINES[which], name]
        for form in FORMS:
            rates = forms[form]["images_per_second"]
            share = np.array(rates) * found["bytes_per_image"][form] / found["bytes_per_second_of_a_copy"]
            row += [cell(rates, "{:.0f}"), cell((100 * share).tolist(), "{:.1f}", "%")]
        rows.append(row)
    return rows + [["", name, why, "-", "-", "-"] for name, why in mine["missing"].items()]
