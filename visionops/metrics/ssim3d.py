"""Structural similarity of volumes: `visionops.metrics.ssim` with a window in three dimensions."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from .ssim import Window, averaged, similarity


def ssim3d(
    image1: Float[Tensor, "*batch c d h w"],
    image2: Float[Tensor, "*batch c d h w"],
    *,
    window_size: int = 11,
    sigma: float = 1.5,
    window: Literal["gaussian", "box"] = "gaussian",
    data_range: float = 1.0,
    padding: Literal["valid", "reflect"] = "valid",
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the structural similarity of two volumes: 1 where they are equal, at least -1.

    Args:
        image1: floating, of at least `window_size` in depth, height and width.
        image2: of the same shape.
        window_size: odd number of taps along each axis.
        sigma: of the Gaussian, in voxels.
        window: "gaussian" or "box".
        data_range: between black and white.
        padding: as in `ssim`.
        reduction: "mean" and "sum" over everything; "none" gives the map (*batch, c, d, h, w), with "valid" smaller by
            window_size - 1 along each axis.

    Raises:
        ValueError: as `ssim`.

    Gradient: as of `ssim`.
    Source: Wang et al. 2004; `skimage.metrics.structural_similarity` of a volume, with the settings named at `ssim`.
    Kornia's pads by repeating the edge.

    >>> ramp = torch.linspace(0, 1, 16).expand(1, 12, 12, 16)
    >>> ssim3d(ramp, ramp).item(), round(ssim3d(ramp, 0.5 * ramp).item(), 3)
    (1.0, 0.651)
    """
    options = Window(window_size, sigma, data_range, padding, window, "ssim3d", 3)
    options.check(image1, image2, reduction, ("image1", "image2"))
    return averaged(similarity(image1, image2, options), reduction, image1.dtype)
