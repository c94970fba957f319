"""Operators that grow over a whole image: one custom op each, because their loops end when nothing changes.

None has a gradient. What they return, distances, labels or indices, depends on the image only through comparisons.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.functions import opaque

from . import cpu, growth


def _opaque(name: str, dtype: torch.dtype, tensors: int, run: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Returns `run` of images (b, c, h, w) and a number."""
    schema = f"({', '.join(f'Tensor image{i}' for i in range(tensors))}, int option) -> Tensor"
    return opaque(f"morphology_{name}", schema, run, lambda image, *_: image.new_empty(image.shape, dtype=dtype))


def _compiled(image: Tensor) -> bool:
    return native.active() and image.device.type == "cpu"


def _run_distance(image: Tensor, option: int) -> Tensor:
    return cpu.squared_distance(image) if _compiled(image) else growth.squared_distance(image)


def _run_components(image: Tensor, option: int) -> Tensor:
    return cpu.components(image, option) if _compiled(image) else growth.components(image, option)


def _run_skeleton(image: Tensor, option: int) -> Tensor:
    return cpu.skeleton(image) if _compiled(image) else growth.skeleton(image)


def _run_reconstruction(marker: Tensor, mask: Tensor, option: int) -> Tensor:
    run = cpu.reconstruction_source if _compiled(mask) else growth.reconstruction_source
    return run(marker, mask, option)


_distance = _opaque("distance", torch.float64, 1, _run_distance)
_components = _opaque("components", torch.int64, 1, _run_components)
_skeleton = _opaque("skeleton", torch.bool, 1, _run_skeleton)
_reconstruction = _opaque("reconstruction", torch.int64, 2, _run_reconstruction)


def distance(image: Shaped[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Returns the squared distance to the nearest zero in double precision, infinite where there is none."""
    return _distance(image, 0)


def components(image: Shaped[Tensor, "b c h w"], connectivity: int) -> Int[Tensor, "b c h w"]:
    """Returns labels 1, 2, ... of what is connected and not zero, in reading order of their first pixels; else 0."""
    return _components(image, connectivity)


def skeleton(image: Shaped[Tensor, "b c h w"]) -> Bool[Tensor, "b c h w"]:
    """Returns which pixels thinning leaves."""
    return _skeleton(image, 0)


def reconstruction_source(
    marker: Shaped[Tensor, "b c h w"], mask: Shaped[Tensor, "b c h w"], connectivity: int
) -> Int[Tensor, "b c h w"]:
    """Returns where reconstruction by dilation finds each value: an index into marker, or h w + one into mask."""
    return _reconstruction(marker, mask, connectivity)
