"""Elastic deformation: the image read through a smooth random displacement.

out(p) = image(p + alpha (noise * Gaussian(sigma))(p))

Source: Simard, Steinkraus and Platt, Best practices for convolutional neural networks (2003).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import per_sample
from visionops.filters.gaussian import blurred
from visionops.module import as_module

from .warping import Fill, check_warp, of_batch, sample


def elastic_transform(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    alpha: float | Float[Tensor, "*batch"],
    sigma: float | Float[Tensor, "*batch"],
    noise: Float[Tensor, "*batch 2 h w"] | None = None,
    generator: torch.Generator | None = None,
    interpolation: Literal["nearest", "bilinear", "bicubic"] = "bilinear",
    border: Literal["constant", "reflect", "replicate", "circular"] = "reflect",
    fill: Fill = 0.0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image deformed by smoothed noise.

    Args:
        image: floating, or uint8 (rounded); of any dtype with "nearest".
        alpha: what the smoothed noise is multiplied by, pixels; a number, or one for each sample. Smoothing leaves
            noise of about 0.16 / sigma, so that displacements are about 0.16 alpha / sigma pixels.
        sigma: of the Gaussian that smooths the noise, pixels.
        noise: displacements along x and y before smoothing, for all samples or for each; None draws them uniformly
            from -1 to 1, for each sample.
        generator: what they are drawn from.
        interpolation, border, fill: as in `warp_affine`.

    Raises:
        ValueError: for shapes that do not go together.

    Gradient: to the image, alpha, sigma (where it is a tensor) and the noise.

    >>> elastic_transform(torch.eye(3)[None], alpha=0.0, sigma=2.0)[0, 1].tolist()
    [0.0, 1.0, 0.0]
    """
    check_warp("elastic_transform", image, interpolation, border)
    h, w = image.shape[-2:]
    kind = torch.float64 if image.dtype == torch.float64 else torch.float32
    if noise is None:
        shape = (*image.shape[:-3], 2, h, w)
        noise = torch.rand(shape, generator=generator, device=image.device, dtype=kind) * 2 - 1
    # A number, or (b) of each sample, that goes with noise of each.
    scale, spread = (
        per_sample("elastic_transform", name, value, image) for name, value in (("alpha", alpha), ("sigma", sigma))
    )
    field = of_batch("elastic_transform", "noise", noise, image, (2, h, w)).to(kind)
    if isinstance(spread, Tensor) and spread.numel() > 1:
        field = field.expand(spread.numel(), -1, -1, -1)
    field = blurred("elastic_transform", field, spread.to(kind) if isinstance(spread, Tensor) else spread)
    if isinstance(scale, Tensor):
        scale = scale.to(kind)[:, None, None, None]
    x = torch.arange(w, device=image.device, dtype=kind)
    y = torch.arange(h, device=image.device, dtype=kind)[:, None]
    shift = field * scale
    places = torch.stack([shift[:, 0] + x, shift[:, 1] + y], -1)
    options = {"interpolation": interpolation, "border": border}
    return sample("elastic_transform", image, None, (h, w), coordinates=places, fill=fill, **options)  # type: ignore[arg-type]


ElasticTransform = as_module(elastic_transform)
