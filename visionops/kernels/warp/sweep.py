"""The sweep in plain torch: the prefilter, the resampling, then the pixel program. The meaning of what kernels run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.kernels.pixel import definition as pixel_definition
from visionops.kernels.pixel.program import Program, decode_tensors
from visionops.kernels.pixel.units import from_unit, to_unit

from . import definition
from .reduce import reduce
from .spec import Spec


def run_definition(
    image: Tensor,
    inverse: Tensor | None,
    coordinates: Tensor | None,
    planes: Tensor | None,
    levels: np.ndarray | Tensor | None,
    program: Program,
    spec: Spec,
) -> Tensor:
    """Returns the images (b, c, h, w) after the sweep, with a graph."""
    plain = spec.is_plain(image.dtype, program)
    x = image if plain else to_unit(image)
    if inverse is not None or coordinates is not None:
        unit = 1 / 255 if image.dtype == torch.uint8 and not plain else 1.0
        options: dict[str, Any] = {
            "interpolation": spec.interpolation,
            "border": spec.border,
            "fill": typed(np.array(spec.fill) * unit, x.dtype).to(x.device),
            "planes": planes,
            "fills": None if planes is None else typed(np.array(spec.fills) * unit, x.dtype).to(x.device),
        }
        if levels is None:
            x = definition.warp(x, inverse, spec.size, coordinates=coordinates, **options)
        else:
            x = reduce(x, inverse, spec.size, coordinates, levels, options)
    return x if plain else from_unit(pixel_definition.pixel(x, program), spec.dtype)


def define(
    image: Tensor,
    inverse: Tensor | None,
    coordinates: Tensor | None,
    params: Tensor,
    planes: Tensor | None,
    levels: Tensor | None,
    codes: Tensor,
    spec: Spec,
) -> Tensor:
    """Returns the same, of tensors as kernels take them."""
    program = decode_tensors(codes, params, spec.program)
    return run_definition(image, inverse, coordinates, planes, levels, program, spec)


def typed(values: np.ndarray | Sequence[float], dtype: torch.dtype) -> Tensor:
    """Returns numbers in a dtype, rounded where it holds integers."""
    array = np.asarray(values)
    return torch.from_numpy(array if dtype.is_floating_point else array.round()).to(dtype)
