"""Colour maps: greys as colours, by matplotlib's names.

`colormaps.npy` holds 256 colours a map, as fractions of 65535: those of matplotlib 3.11 (whose licence is BSD-like),
sampled. They are viridis, magma, inferno, plasma (van der Walt and Smith, CC0), cividis (Nunez, Anderton and Renslow,
2018), turbo (Mikhailov, Google, Apache-2.0), coolwarm (Moreland, 2009), and jet, gray, hot and cool, straight lines
between a few colours.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_choice, check_image
from visionops.errors import refuse
from visionops.kernels.pixel.units import from_unit, to_unit
from visionops.module import as_module

COLORMAPS = ("viridis", "magma", "inferno", "plasma", "cividis", "turbo", "coolwarm", "jet", "gray", "hot", "cool")

_tables = torch.from_numpy(np.load(Path(__file__).with_name("colormaps.npy")).astype(np.float64) / 65535)


def apply_colormap(
    image: Shaped[Tensor, "*batch 1 h w"],
    *,
    colormap: str | Float[np.ndarray | Tensor, "n 3"] = "viridis",
    soft: bool = False,
) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns the colours of a map at the image's values.

    Args:
        image: floating, clamped to [0, 1], or uint8.
        colormap: "viridis", "magma", "inferno", "plasma", "cividis", "turbo", "coolwarm", "jet", "gray", "hot" or
            "cool"; or a table of at least two colours in [0, 1].
        soft: interpolates between the colours, the first at 0 and the last at 1, which has a gradient. Otherwise [0, 1]
            is cut into n equal parts, of one colour each, as matplotlib does.

    Raises:
        ValueError: for an unknown name, or a table of another shape.

    Gradient: to a table that is a tensor; to the image only where `soft`, 0 outside [0, 1] and the slope of one side at
    the table's colours.

    >>> apply_colormap(torch.tensor([[[0.0, 1.0]]]), colormap="cool")[:, 0].T.tolist()
    [[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]]
    """
    check_image("apply_colormap", image, channels=1)
    if not isinstance(colormap, str):
        colormap = torch.as_tensor(colormap)
        if colormap.ndim != 2 or colormap.shape[0] < 2 or colormap.shape[1] != 3:
            raise refuse("apply_colormap", "colormap", "of shape (n, 3), n at least 2", tuple(colormap.shape))
        table = colormap
    else:
        check_choice("apply_colormap", "colormap", colormap, COLORMAPS)
        table = _tables[COLORMAPS.index(colormap)]
    if image.dtype == torch.uint8:
        levels = torch.arange(256, device=image.device)
        colours = from_unit(_at(levels.reshape(1, 1, 256) / 255, table, soft), torch.uint8)
        return _colours(colours.squeeze(1).T, image.long())
    return _at(to_unit(image), table, soft).to(image.dtype)


def _at(x: Tensor, table: Tensor, soft: bool) -> Tensor:
    table, n = table.to(x.device, x.dtype), table.shape[0]
    # Clamped after the conversion too: what is no number becomes no index.
    if soft:
        at = x.clamp(0, 1) * (n - 1)
        low = at.detach().long().clamp(0, n - 2)
        return torch.addcmul(_colours(table, low), _colours(table.diff(dim=0), low), at - low)
    return _colours(table, (x.detach() * n).clamp(0, n).long().clamp(0, n - 1))


def _colours(table: Shaped[Tensor, "n 3"], index: Shaped[Tensor, "*batch 1 h w"]) -> Shaped[Tensor, "*batch 3 h w"]:
    # By columns: rows would come out with their colours last, to be moved at the cost of a copy.
    batch, (h, w) = index.shape[:-3], index.shape[-2:]
    columns = table.T.expand(*batch, 3, -1)
    return columns.gather(-1, index.flatten(-2).expand(*batch, 3, h * w)).unflatten(-1, (h, w))


ApplyColormap = as_module(apply_colormap)
