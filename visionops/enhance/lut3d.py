"""Tables over red, green and blue: what a .cube file holds, and what a network can learn.

H. Zeng et al., Learning image-adaptive 3D lookup tables, 2020.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_choice, check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.kernels.stats import look_up3d
from visionops.module import as_module


def lut3d(
    image: Shaped[Tensor, "*batch 3 h w"],
    table: Float[Tensor, "*#batch c n n n"],
    *,
    interpolation: Literal["trilinear", "tetrahedral"] = "trilinear",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the table's entries at the image's colours.

    Args:
        image: RGB, floating in [0, 1] (clamped), or uint8 (rounded).
        table: floating, in [0, 1]: ``table[:, r, g, b]`` is what the colour (r, g, b) / (n - 1) becomes, n at least 2;
            for all samples, or (*batch, c, n, n, n). The rows of a .cube file, whose red runs fastest, are
            ``rows.reshape(n, n, n, 3).permute(3, 2, 1, 0)``; ``torch.stack(torch.meshgrid(*[torch.linspace(0, 1, n)] *
            3, indexing="ij"))`` changes nothing.
        interpolation: "trilinear" reads eight entries, "tetrahedral" four, which keeps greys grey.

    Raises:
        ValueError: for a table of another shape, or an unknown interpolation.

    Gradient: to the image and to the table. At an entry that of the cell after it; where fractions are equal,
        "tetrahedral" has a kink, of whose sides it takes one.
    Source: Zeng et al. 2020 for trilinear, Adobe's .cube specification; Pillow ImageFilter.Color3DLUT.

    >>> import torch
    >>> same = torch.stack(torch.meshgrid(*[torch.linspace(0, 1, 9)] * 3, indexing="ij"))
    >>> lut3d(torch.tensor([0.25, 0.3, 0.7])[:, None, None], same).flatten().round(decimals=4).tolist()
    [0.25, 0.30000001192092896, 0.699999988079071]
    """
    check_image("lut3d", image, channels=3)
    check_choice("lut3d", "interpolation", interpolation, ("trilinear", "tetrahedral"))
    batch = tuple(image.shape[:-3])
    if not isinstance(table, Tensor) or table.ndim < 4 or len({*table.shape[-3:]}) != 1 or table.shape[-1] < 2:
        shape = tuple(table.shape) if isinstance(table, Tensor) else type(table).__name__
        raise refuse("lut3d", "table", "a tensor (*batch, c, n, n, n) with n at least 2", shape)
    if tuple(table.shape[:-4]) not in ((), (1,) * len(batch), batch):
        raise refuse("lut3d", "table", f"one, or of batch {batch}", tuple(table.shape))
    entries = table.reshape(-1, *table.shape[-4:]) if table.numel() else table.new_empty(0, *table.shape[-4:])
    x = to_unit(flatten(image))
    result = look_up3d(x, entries.to(x.device, x.dtype), interpolation == "tetrahedral")
    return unflatten(from_unit(result, image.dtype), batch)


Lut3d = as_module(lut3d)
