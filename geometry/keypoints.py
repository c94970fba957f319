"""Points to heat maps and back.

h_n(p) = exp(-|p - p_n|^2 / (2 sigma^2))        p_n = sum over p of p softmax(h_n / T)(p)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_positive
from visionops.errors import refuse
from visionops.resample.warping import check_size

from .arguments import check_points, finite_rows, or_nan


def heatmap_to_points(
    heatmap: Float[Tensor, "*batch n h w"], *, temperature: float | Float[Tensor, ""] = 1.0, return_valid: bool = False
) -> Float[Tensor, "*batch n 2"] | tuple[Float[Tensor, "*batch n 2"], Bool[Tensor, "*batch n"]]:
    """Returns the mean position (x, y) under each map's softmax, in pixels, centres at integers.

    Args:
        heatmap: scores of any range, one map for each point; the logarithm of probabilities gives their mean.
        temperature: above 0, a number or a tensor of one; less comes nearer to the pixel of the highest score.
        return_valid: whether to return also which maps are finite.

    Raises:
        ValueError: for a heat map without pixels or a temperature that is not above 0.

    Gradient: to the heat map and a tensor of temperature, everywhere: of a flat map the result is the middle of the
        image. A map with NaN or infinity gives NaN, with gradient 0.
    Source: Levine et al., End-to-End Training of Deep Visuomotor Policies, 2016 ("spatial softmax").

    >>> heatmap_to_points(torch.tensor([[[0.0, 0.0, 50.0], [0.0, 0.0, 50.0]]])).tolist()
    [[2.0, 0.5]]
    """
    shape = "(*batch, n, h, w)"
    if not isinstance(heatmap, Tensor) or not heatmap.is_floating_point():
        got = heatmap.dtype if isinstance(heatmap, Tensor) else type(heatmap).__name__
        raise refuse("heatmap_to_points", "heatmap", f"a floating tensor {shape}", got)
    if heatmap.ndim < 3 or 0 in heatmap.shape[-2:]:
        raise refuse("heatmap_to_points", "heatmap", f"of shape {shape}, not without pixels", tuple(heatmap.shape))
    check_positive("heatmap_to_points", "temperature", temperature)
    known, good = finite_rows(heatmap, 2)
    share = (known / temperature).flatten(-2).softmax(-1).unflatten(-1, heatmap.shape[-2:])
    means = []
    for dim in (-2, -1):
        # Of rows and columns left after the other are summed up: x first.
        part = share.sum(dim)
        means.append((part * torch.arange(part.shape[-1], dtype=part.dtype, device=part.device)).sum(-1))
    points = or_nan(torch.stack(means, -1), good)
    return (points, good) if return_valid else points


def points_to_heatmap(
    points: Float[Tensor, "*batch n 2"], size: Sequence[int], *, sigma: float | Float[Tensor, ""]
) -> Float[Tensor, "*batch n h w"]:
    """Returns a Gaussian around each point, of height 1.

    Args:
        points: (x, y) in pixels, centres at integers; anywhere, also outside the image.
        size: (height, width) of the maps.
        sigma: standard deviation in pixels, above 0, a number or a tensor of one.

    Raises:
        ValueError: for points of another shape, or a size or sigma that is not positive.

    Gradient: to the points and a tensor of sigma. A point that is not finite gives a map of NaN, with gradient 0.

    >>> points_to_heatmap(torch.tensor([[1.0, 0.0]]), (1, 3), sigma=1.0)[0, 0].round(decimals=3).tolist()
    [0.6069999933242798, 1.0, 0.6069999933242798]
    """
    check_points("points_to_heatmap", "points", points, 2)
    h, w = check_size("points_to_heatmap", size)
    check_positive("points_to_heatmap", "sigma", sigma)
    known, good = finite_rows(points, 1)
    x, y = known[..., None].unbind(-2)
    across = _bell(torch.arange(w, dtype=points.dtype, device=points.device) - x, sigma)
    down = _bell(torch.arange(h, dtype=points.dtype, device=points.device) - y, sigma)
    return or_nan(down[..., :, None] * across[..., None, :], good)


def _bell(distance: Tensor, sigma: float | Tensor) -> Tensor:
    return (-0.5 * (distance / sigma).square()).exp()
