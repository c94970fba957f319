"""How the warps read an image at places that are fields (*batch, 2, h, w)."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_border, check_choice
from visionops.errors import refuse
from visionops.resample.warping import INTERPOLATIONS, Fill, of_batch, sample

Interpolation = Literal["nearest", "bilinear", "bicubic"]
Border = Literal["constant", "reflect", "replicate", "circular"]


def check_image(function: str, image2: Any, interpolation: str, border: str) -> None:
    """Raises unless the image is (*batch, c, h, w) with pixels that the interpolation takes."""
    check_choice(function, "interpolation", interpolation, INTERPOLATIONS)
    check_border(function, border)
    shape = "(*batch, c, h, w)"
    if not isinstance(image2, Tensor):
        raise refuse(function, "image2", f"a tensor {shape}", type(image2).__name__, "torch.from_numpy makes one.")
    if image2.ndim < 3 or 0 in image2.shape[-2:]:
        raise refuse(function, "image2", f"of shape {shape}, not without pixels", tuple(image2.shape))
    if interpolation != "nearest" and not (image2.is_floating_point() or image2.dtype == torch.uint8):
        raise refuse(function, "image2", "floating or uint8", image2.dtype, 'Or take interpolation="nearest".')


def read(
    function: str,
    image2: Shaped[Tensor, "*batch c h2 w2"],
    places: Float[Tensor, "*batch 2 h w"],
    interpolation: str,
    border: str,
    fill: Fill,
    return_valid: bool,
) -> Any:
    """Returns the image at places, and where they lie within the centres of its outer pixels if that is asked for."""
    h, w = image2.shape[-2:]
    x, y = places.detach().split(1, -3)
    valid = (x >= 0) & (x <= w - 1) & (y >= 0) & (y <= h - 1)
    batch = torch.broadcast_shapes(image2.shape[:-3], places.shape[:-3])
    image2 = image2.expand(*batch, *image2.shape[-3:])
    coordinates = of_batch(function, "places", _floats(places).movedim(-3, -1), image2, (None, None, 2))
    out = sample(
        function, image2, None, coordinates.shape[1:3],
        coordinates=coordinates, interpolation=interpolation, border=border, fill=fill,
    )  # fmt: skip
    return (out, valid.expand(*batch, *valid.shape[-3:])) if return_valid else out


def _floats(places: Tensor) -> Tensor:
    """Returns positions in a precision that holds them: half precision has none to spare."""
    return places.float() if places.dtype in (torch.float16, torch.bfloat16) else places
