"""What fusing keeps: five affine steps as one resampling, and with a Rasterize after each, beside bicubic."""

from __future__ import annotations

from typing import Any

import numpy as np

import visionops.augment as va
from visionops import Pipeline

from .machine import NOT_INSTALLED, environment, installed, version_of
from .photos import load_photos
from .report import Report, Table, cell, progress, spread

GAIN = 7.0  # dB, the issue's
# The middle of 512x512, which these five steps hardly ever bring fill into; draws in which they do are left out.
MIDDLE = slice(160, 352)
# High: the upper half of the frequencies that pixels can hold, cycles a pixel.
HIGH = (0.25, 0.5)


def chain(*, apart: bool) -> Pipeline:
    """Returns the five steps, merged or with pixels made after each."""
    steps: list[Any] = []
    for _ in range(5):
        steps.append(va.Affine(rotate=(-20, 20), translate=(-5, 5), scale=(0.95, 1.05), shear=(-5, 5)))
        if apart:
            steps.append(va.Rasterize())
    return Pipeline(*steps, va.ToFloat(), antialias=False, seed=0)


def run(*, draws: int = 20) -> Report:
    """Returns how much closer to the reference one resampling comes than five, on a 512x512 photo.

    Args:
        draws: how many times the five steps are drawn.
    """
    env = environment()
    named, real = load_photos(1)
    photo = next(iter(named.values()))
    columns = ["", "PSNR to bicubic, dB", "high band kept", "wanted"]
    title = f"Five affine steps on a 512x512 photo ({next(iter(named))}), {draws} draws, median (quartiles)"
    middle = [MIDDLE.start, MIDDLE.stop]
    results: dict[str, Any] = {"real_photo": real, "middle": middle, "gain_wanted": GAIN, "draws": []}
    if not installed("cv2"):
        rows = [[name, NOT_INSTALLED, "-", ""] for name in ("fused", "Rasterize after each", "gain")]
        return Report("fusing", env, [Table(title, columns, rows)], results)
    fused, apart = chain(apart=False), chain(apart=True)
    with progress("fusing", draws) as advance:
        for index in range(draws):
            if (one := _one(photo, fused, apart, index)) is not None:
                results["draws"].append(one)
            advance()
    kept = {key: [one[key] for one in results["draws"]] for key in results["draws"][0]}
    results["summary"] = {key: spread(values) for key, values in kept.items()}
    gain = results["summary"]["gain"]["median"]
    verdict = f"at least {GAIN:g}: {'met' if gain >= GAIN else 'MISSED'}"
    rows = [["fused", cell(kept["psnr_fused"], "{:.1f}"), cell(kept["high_fused"]), ""],
            ["Rasterize after each", cell(kept["psnr_apart"], "{:.1f}"), cell(kept["high_apart"]), ""],
            ["gain", cell(kept["gain"], "{:.1f}"), "", verdict]]  # fmt: skip
    opencv = version_of("opencv-python-headless", "opencv-python")
    notes = [f"Reference: OpenCV {opencv} warpAffine INTER_CUBIC, float32, at the composed matrix; both sides bilinear",
             f"Measured on the middle {middle[1] - middle[0]} pixels, where no fill shows "
             f"({draws - len(results['draws'])} draws left out).",
             f"High band: energy above {HIGH[0]:g} cycles a pixel, as a share of the reference's."]  # fmt: skip
    return Report("fusing", env, [Table(title, columns, rows, notes)], results)


def _one(photo: np.ndarray, fused: Pipeline, apart: Pipeline, index: int) -> dict[str, float] | None:
    """Returns the numbers of one draw, or None where fill shows in the middle."""
    import cv2

    size = photo.shape[:2]
    params = fused.sample(size, index=index)
    every = np.ones(size, np.uint8)
    # A Rasterize is a step too, and shifts the draws of those behind it: the fused draw is given to both.
    barrier = {"step": "Rasterize", "active": True}
    *moves, to_float = params["steps"]
    same = params | {"steps": [*(entry for move in moves for entry in (move, barrier)), to_float]}
    out = {"fused": fused.apply(params, image=photo, mask=every), "apart": apart.apply(same, image=photo, mask=every)}
    if not all(one["mask"][MIDDLE, MIDDLE].all() for one in out.values()):
        return None
    matrix = fused.matrix(params).numpy()
    exact = photo.astype(np.float32) / np.float32(255)
    reference = cv2.warpAffine(exact, matrix[:2], size[::-1], flags=cv2.INTER_CUBIC)[MIDDLE, MIDDLE]
    found = {}
    for name, one in out.items():
        image = one["image"].permute(1, 2, 0).numpy()[MIDDLE, MIDDLE]
        found[f"psnr_{name}"] = float(-10 * np.log10(np.mean((image.astype(np.float64) - reference) ** 2)))
        found[f"high_{name}"] = high_energy(image) / high_energy(reference)
    return found | {"gain": found["psnr_fused"] - found["psnr_apart"]}


def high_energy(image: np.ndarray) -> float:
    """Returns the energy of (h, w, c) in the high band, under a Hann window."""
    h, w = image.shape[:2]
    window = np.hanning(h)[:, None, None] * np.hanning(w)[None, :, None]
    image = image.astype(np.float64)
    spectrum = np.fft.fft2((image - image.mean((0, 1))) * window, axes=(0, 1))
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w))
    return float((np.abs(spectrum[(radius >= HIGH[0]) & (radius < HIGH[1])]) ** 2).sum())
