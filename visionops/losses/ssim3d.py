"""Structural dissimilarity of volumes, with masks: 1 - `visionops.metrics.ssim3d`."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from visionops.metrics.ssim import Window

from .ssim import dissimilarity


def ssim3d(
    prediction: Float[Tensor, "*batch c d h w"],
    target: Float[Tensor, "*batch c d h w"],
    *,
    window_size: int = 11,
    sigma: float = 1.5,
    window: Literal["gaussian", "box"] = "gaussian",
    data_range: float = 1.0,
    padding: Literal["valid", "reflect"] = "valid",
    mask: Bool[Tensor, "*#shape"] | None = None,
    weight: Float[Tensor, "*#shape"] | None = None,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*out"]:
    """Returns 1 minus the structural similarity of volumes: 0 where they are equal, at most 2.

    Args:
        prediction: floating, of at least `window_size` in depth, height and width.
        target: of the same shape.
        window_size: odd number of taps along each axis.
        sigma: of the Gaussian, in voxels.
        window: "gaussian" or "box".
        data_range: between black and white.
        padding: as in `ssim`.
        mask: True where voxels count, broadcast to (*batch, c, d, h, w). A window counts if all its voxels do.
        weight: of the window around each voxel, broadcast to (*batch, c, d, h, w).
        reduction: as in `ssim`; "none" gives the map (*batch, c, d, h, w), with "valid" smaller by window_size - 1
            along each axis.

    Raises:
        ValueError: as `ssim`.

    Gradient: as of `ssim`.
    Source: Wang et al. 2004, see `visionops.metrics.ssim3d`. Kornia's `SSIM3DLoss` is half of this, and pads by
    repeating the edge.

    >>> ramp = torch.linspace(0, 1, 16).expand(1, 12, 12, 16)
    >>> round(ssim3d(0.5 * ramp, ramp).item(), 3)
    0.349
    """
    options = Window(window_size, sigma, data_range, padding, window, "ssim3d", 3)
    return dissimilarity(prediction, target, options, mask, weight, reduction)
