"""`bilateral`: averages of a window, weighted by how near and how alike its pixels are; compiled where it may."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.kernels import native
from visionops.kernels.pixel.units import from_unit, to_unit

from . import cpu, definition
from .autograd import smooth

Array = np.ndarray | Tensor


def bilateral(
    image: Shaped[Tensor, "b c h w"],
    guide: Shaped[Tensor, "b g h w"] | None,
    sigma_color: Float[Array, "#b"],
    sigma_space: Float[Array, "#b"],
    *,
    size: tuple[int, int],
    border: str = "reflect",
) -> Shaped[Tensor, "b c h w"]:
    """Returns images averaged over an ellipse about each pixel, by weights that fall with distance and difference.

    Args:
        image: floating, or uint8 (rounded).
        guide: whose differences count, floating or uint8; None: the image.
        sigma_color: standard deviation of the sum of the channels' differences, in [0, 1] also for uint8.
        sigma_space: standard deviation in pixels.
        size: odd height and width of the ellipse.
        border: "reflect" (without repeating the edge), "replicate", "circular" or "constant" (0).

    Gradient: to all tensors. float16 and bfloat16 compute in float32.
    """
    if image.numel() == 0:
        return image.clone()
    given = [t for t in (guide, sigma_color, sigma_space) if isinstance(t, Tensor)]
    alike = guide is None or guide.dtype == image.dtype
    if alike and image.dtype in native.SWEEP_DTYPES and native.may_run(image, *given):
        return cpu.smooth(image, guide, sigma_color, sigma_space, size, border)
    x = to_unit(image)
    g = None if guide is None else to_unit(guide).to(x.dtype)
    color, space = (torch.as_tensor(s).to(x.device, x.dtype) for s in (sigma_color, sigma_space))
    if x.dtype == torch.float32 and native.may_be_recorded(image, *given):
        result = smooth(x, g, color, space, *size, border)
    else:
        result = definition.bilateral(x, g, color, space, size=size, border=border)
    return from_unit(result, image.dtype)
