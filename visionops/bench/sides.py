"""The three loader pipelines as each library writes them, and what differs between them.

Every side gets uint8 HWC photos and gives normalised float32 CHW images of 224x224; its sampling is timed with it.
All steps run on every image (p=1), but for the flip (p=0.5).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

import visionops.augment as va
from visionops import Pipeline

from .machine import installed, version_of
from .rounds import Side

SIZE = (224, 224)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH = 32
PIPELINES = {"crop": "crop, flip, normalise", "jitter": "+ colour jitter", "full": "+ affine, perspective, blur"}
# How many times Albumentations' speed the issue asks for; and what a good engineer reaches.
FLOORS = {"crop": (1.5, 2.0), "jitter": (2.5, 4.0), "full": (3.5, 5.0)}
DIFFERENCES = (
    "Albumentations rounds to uint8 after every step but the last, and its crops to whole pixels; "
    "visionops stays in float and resamples once.",
    "Perspective: Albumentations moves corners by |N(0, s)| (s = 0.063 for the same mean, 0.05) and enlarges what is "
    "inside; visionops and Kornia move them inwards uniformly, up to 0.1 of the size, and fill the rest.",
    "Albumentations' ToTensorV2 returns a view in HWC memory. The output compared is CHW, so its copy is timed; a row "
    "of its own shows it without.",
    "Kornia takes one size a batch: it gets equal crops of the photos, stacked beforehand; the stacking is not timed.",
)

Photos = Sequence[np.ndarray]


def visionops_pipeline(which: str, *, antialias: bool) -> Pipeline:
    """Returns one of the three pipelines."""
    steps: list[Any] = [va.RandomResizedCrop(SIZE), va.HorizontalFlip(p=0.5)]
    if which == "full":
        steps += [va.Affine(rotate=(-30, 30), shear=(-10, 10)), va.Perspective(0.2)]
    if which != "crop":
        steps.append(va.ColorJitter(0.4, 0.4, 0.4, 0.1))
    if which == "full":
        steps.append(va.GaussianBlur(sigma=(0.1, 2.0), kernel_size=7))
    return Pipeline(*steps, va.Normalize(MEAN, STD), antialias=antialias, seed=0)


def albumentations_pipeline(which: str) -> Callable[..., dict[str, Any]]:
    """Returns its nearest pipeline in Albumentations."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for its newest version
    import albumentations as A
    import cv2
    from albumentations.pytorch import ToTensorV2

    linear = cv2.INTER_LINEAR
    steps: list[Any] = [A.RandomResizedCrop(SIZE, interpolation=linear), A.HorizontalFlip(p=0.5)]
    if which == "full":
        shear = {"x": (-10.0, 10.0), "y": (0.0, 0.0)}
        steps += [A.Affine(rotate=(-30, 30), shear=shear, interpolation=linear, p=1),
                  A.Perspective(scale=(0.063, 0.063), keep_size=True, interpolation=linear, p=1)]  # fmt: skip
    if which != "crop":
        steps.append(A.ColorJitter((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1), p=1))
    if which == "full":
        steps.append(A.GaussianBlur(blur_limit=(7, 7), sigma_limit=(0.1, 2.0), p=1))
    return A.Compose([*steps, A.Normalize(MEAN, STD), ToTensorV2()], seed=0)


def kornia_pipeline(which: str) -> torch.nn.Module:
    """Returns its nearest pipeline in Kornia, which takes float batches; it slices crops, its faster mode."""
    import kornia.augmentation as K

    steps: list[torch.nn.Module] = [K.RandomResizedCrop(SIZE, cropping_mode="slice"), K.RandomHorizontalFlip(p=0.5)]
    if which == "full":
        steps += [K.RandomAffine(30.0, shear=10.0, p=1.0), K.RandomPerspective(0.2, p=1.0)]
    if which != "crop":
        steps.append(K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0))
    if which == "full":
        steps.append(K.RandomGaussianBlur((7, 7), (0.1, 2.0), p=1.0))
    return torch.nn.Sequential(*steps, K.Normalize(torch.tensor(MEAN), torch.tensor(STD)))


def make_sides(which: str, photos: Photos, batch: int = BATCH) -> tuple[list[Side], list[str]]:
    """Returns the sides of one pipeline that can run here, and the names of those that are not installed."""
    many = [photos[i % len(photos)] for i in range(batch)]
    sides, missing = [], []
    for antialias in (False, True):
        pipe = visionops_pipeline(which, antialias=antialias)
        name = f"visionops, antialias={antialias}"
        sides.append(Side(name, "single", _each(_indexed(pipe), photos)))
        sides.append(Side(name, "batch", _whole(partial(_collate, pipe, many), batch)))
    if installed("albumentations") and installed("cv2"):
        augment, collate = albumentations_pipeline(which), torch.utils.data.default_collate
        name = f"Albumentations {version_of('albumentations')}"
        view = partial(_call, augment)
        sides.append(Side(name, "single", _each(lambda photo: view(photo).contiguous(), photos)))
        sides.append(Side(f"{name}, left in HWC", "single", _each(view, photos)))
        sides.append(Side(name, "batch", _whole(lambda: collate([augment(image=p)["image"] for p in many]), batch)))
    else:
        missing.append("Albumentations")
    if installed("kornia"):
        sides.append(Side(f"Kornia {version_of('kornia')}", "batch", _whole(_kornia(which, many), batch)))
    else:
        missing.append("Kornia")
    return sides, missing


def _call(pipe: Callable[..., dict[str, Any]], photo: np.ndarray) -> torch.Tensor:
    return pipe(image=photo)["image"]


def _indexed(pipe: Pipeline) -> Callable[[np.ndarray], torch.Tensor]:
    """Returns the call as `__getitem__` makes it: with the sample's index, which keys its draw."""
    index = itertools.count()
    return lambda photo: pipe(image=photo, index=next(index))["image"]


def _collate(pipe: Pipeline, many: Photos) -> torch.Tensor:
    return pipe.collate(many)["image"]


def _kornia(which: str, many: Photos) -> Callable[[], torch.Tensor]:
    h, w = min(p.shape[0] for p in many), min(p.shape[1] for p in many)
    stacked = torch.from_numpy(np.stack([p[:h, :w] for p in many]))
    pipe = kornia_pipeline(which)

    def run() -> torch.Tensor:
        with torch.no_grad():
            return pipe(stacked.permute(0, 3, 1, 2).float().div_(255))  # left in its strides: faster than a copy

    return run


def _each(one: Callable[[np.ndarray], torch.Tensor], photos: Photos) -> Callable[[], int]:
    """Returns a unit of work: every photo once, so that all sides see them equally often."""
    _check(one(photos[0]), SIZE)

    def run() -> int:
        for photo in photos:
            one(photo)
        return len(photos)

    return run


def _whole(all_at_once: Callable[[], torch.Tensor], batch: int) -> Callable[[], int]:
    _check(all_at_once(), SIZE, batch)

    def run() -> int:
        all_at_once()
        return batch

    return run


def _check(image: torch.Tensor, size: tuple[int, int], *batch: int) -> None:
    """Raises unless a side does the work that is compared: normalised float32 images."""
    assert image.dtype == torch.float32 and tuple(image.shape) == (*batch, 3, *size), (image.dtype, image.shape)
    assert image.min() < 0 or image.max() > 1, "not normalised"
