"""Distances, labels, thinning and reconstruction: definitions in plain torch that loop until nothing changes."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from visionops.kernels.rank.definition import padded

FOUR = ((-1, 0), (0, -1), (0, 1), (1, 0))
EIGHT = (*FOUR, (-1, -1), (-1, 1), (1, -1), (1, 1))
# From the right, against the clock.
AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def squared_distance(image: Shaped[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Returns the squared distance to the nearest zero of the image: exact, columns first, then rows."""
    h, w = image.shape[2:]
    far = float(h + w + 1)
    at = torch.arange(h, device=image.device, dtype=torch.float64)[:, None]
    zero = image == 0
    above = at - torch.where(zero, at, -far).cummax(2).values
    below = torch.where(zero, at, h + far).flip(2).cummin(2).values.flip(2) - at
    column = torch.minimum(above, below).square()
    column = torch.where(zero.any(2, keepdim=True), column, torch.inf)
    best = column.clone()
    for shift in range(1, w):
        if not (best > shift * shift).any():
            break
        beside = column + shift * shift
        best[..., shift:] = torch.minimum(best[..., shift:], beside[..., : w - shift])
        best[..., : w - shift] = torch.minimum(best[..., : w - shift], beside[..., shift:])
    return best


def components(image: Shaped[Tensor, "b c h w"], connectivity: int) -> Int[Tensor, "b c h w"]:
    """Returns labels: every pixel takes the least index among its neighbours, then that of the pixel it points to."""
    h, w = image.shape[2:]
    inside = image != 0
    own = torch.arange(h * w, device=image.device).reshape(h, w)
    label = torch.where(inside, own, h * w)
    while True:
        least = label
        for dy, dx in EIGHT if connectivity == 8 else FOUR:
            least = torch.minimum(least, _moved(label, dy, dx, h * w))
        least = torch.where(inside, least, h * w)
        # Index h w of what is outside points to itself.
        table = torch.nn.functional.pad(least.flatten(2), (0, 1), value=h * w)
        least = table.gather(2, table)[..., : h * w].reshape(image.shape)
        if torch.equal(least, label):
            break
        label = least
    number = (label == own).flatten(2).cumsum(2)
    return torch.where(inside, number.gather(2, label.flatten(2).clamp(max=h * w - 1)).reshape(image.shape), 0)


def skeleton(image: Shaped[Tensor, "b c h w"]) -> Bool[Tensor, "b c h w"]:
    """Returns which pixels thinning leaves: two passes in turn, until neither removes a pixel."""
    kept = image != 0
    tables = [torch.tensor(t, device=image.device) for t in removed()]
    while True:
        before = kept
        for table in tables:
            code = sum(_moved(kept, dy, dx, 0).long() << i for i, (dy, dx) in enumerate(AROUND))
            kept = kept & ~table[code]
        if torch.equal(kept, before):
            return kept


@functools.cache
def removed() -> tuple[list[bool], list[bool]]:
    """Returns for each pass and each of 256 neighbourhoods whether the pixel goes, as Guo and Hall (1989) say.

    Neighbours are x1 to x8, from the right against the clock: the bits of the number, from the lowest. A pixel goes if
    they cross from 0 to 1 once (G1), if it neither ends a line nor lies within (G2), and if it is at the upper right or
    the lower left of its shape in the first or second pass (G3, and that turned by 180 degrees).
    """
    passes: tuple[list[bool], list[bool]] = ([], [])
    for code in range(256):
        x = [bool(code >> (k - 1) % 8 & 1) for k in range(10)]  # x[9] is x1 again
        crossings = sum(not x[k] and (x[k + 1] or x[k + 2]) for k in (1, 3, 5, 7))
        pairs = min(sum(x[k] or x[k + 1] for k in first) for first in ((1, 3, 5, 7), (2, 4, 6, 8)))
        goes = crossings == 1 and 2 <= pairs <= 3
        passes[0].append(goes and not ((x[2] or x[3] or not x[8]) and x[1]))
        passes[1].append(goes and not ((x[6] or x[7] or not x[4]) and x[5]))
    return passes


def reconstruction_source(
    marker: Shaped[Tensor, "b c h w"], mask: Shaped[Tensor, "b c h w"], connectivity: int
) -> Int[Tensor, "b c h w"]:
    """Returns where each value of the marker's reconstruction under the mask comes from.

    A value is min(marker, mask), raised to its neighbours' as far as the mask allows, until nothing changes.
    """
    h, w = mask.shape[2:]
    own = torch.arange(h * w, device=mask.device).reshape(h, w).expand(mask.shape)
    value = torch.minimum(marker, mask)
    source = torch.where(marker <= mask, own, own + h * w)
    lowest = 0 if mask.dtype == torch.uint8 else -torch.inf
    changes = True
    while changes:
        changes = False
        for dy, dx in EIGHT if connectivity == 8 else FOUR:
            beside = _moved(value, dy, dx, lowest)
            offer = torch.minimum(beside, mask)
            raised = offer > value
            source = torch.where(raised, torch.where(beside <= mask, _moved(source, dy, dx, 0), own + h * w), source)
            value = torch.where(raised, offer, value)
            changes = changes or bool(raised.any())
    return source


def _moved(image: Tensor, dy: int, dx: int, fill: float) -> Tensor:
    """Returns at each pixel the one that is (dy, dx) from it."""
    h, w = image.shape[2:]
    wide = padded(padded(image, 2, 1, 1, "constant", fill), 3, 1, 1, "constant", fill)
    return wide[..., 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w]
