"""What every conversion of three channels does around the kernel."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.kernels.color import Conversion, convert


def apply(
    function: str, image: Shaped[Tensor, "*batch 3 h w"], conversion: Conversion
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image converted."""
    check_image(function, image, channels=3)
    return unflatten(convert(flatten(image), conversion), image.shape[:-3])
