"""Patches of an image on a grid, and images of patches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import flatten, is_whole
from visionops.errors import refuse

from .pad import pad, sides_of
from .warping import check_pixels, check_size


def extract_patches(
    image: Shaped[Tensor, "*batch c h w"],
    size: int | tuple[int, int],
    *,
    stride: int | tuple[int, int] | None = None,
    padding: int | Sequence[int] = 0,
) -> Shaped[Tensor, "*batch n c ph pw"]:
    """Returns the patches of the image, row by row.

    Args:
        image: of any dtype.
        size: (height, width) of a patch; one number is both.
        stride: pixels from one patch to the next, (down, across); None takes the size.
        padding: zeros around the image first, as in `pad`. What remains beyond the last whole patch is left out.

    Raises:
        ValueError: for a patch larger than the image.

    Gradient: to the image.

    >>> extract_patches(torch.arange(4).reshape(1, 1, 4), (1, 2), stride=(1, 1))[:, 0, 0].tolist()
    [[0, 1], [1, 2], [2, 3]]
    """
    check_pixels("extract_patches", image, moved=True)
    (ph, pw), (sy, sx) = _grid("extract_patches", size, stride)
    image = pad(image, padding) if padding else image
    h, w = image.shape[-2:]
    if ph > h or pw > w:
        raise refuse("extract_patches", "size", f"at most the image's {(h, w)}", (ph, pw), "Give padding.")
    rows, columns = (h - ph) // sy + 1, (w - pw) // sx + 1
    if (sy, sx) == (ph, pw):  # each pixel is in one patch: moved there, and its gradient back
        whole = image[..., : rows * ph, : columns * pw]
        patches = whole.reshape(*image.shape[:-2], rows, ph, columns, pw).movedim((-4, -2), (-5, -4))
    elif image.requires_grad and torch.is_grad_enabled() and image.numel():  # the view below has a slow gradient
        flat = torch.nn.functional.unfold(flatten(image), (ph, pw), stride=(sy, sx))
        patches = flat.reshape(*image.shape[:-2], ph, pw, rows, columns).movedim((-2, -1), (-5, -4))
    else:
        patches = image.unfold(-2, ph, sy).unfold(-2, pw, sx).movedim(-5, -3)
    return patches.flatten(-5, -4).contiguous()  # of (*batch, rows, columns, c, ph, pw)


def combine_patches(
    patches: Shaped[Tensor, "*batch n c ph pw"],
    size: tuple[int, int],
    *,
    stride: int | tuple[int, int] | None = None,
    padding: int | Sequence[int] = 0,
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image that patches are of, means where they overlap, 0 where there are none.

    Args:
        patches: as `extract_patches` returns them; floating, or uint8 (rounded).
        size: (height, width) of the image.
        stride: as it was given there.
        padding: as it was given there; it is cut off.

    Raises:
        ValueError: for another number of patches than the size has.

    Gradient: to the patches.

    >>> image = torch.rand(3, 8, 8)
    >>> torch.equal(combine_patches(extract_patches(image, 4), (8, 8)), image)
    True
    """
    check_pixels("combine_patches", patches)
    h, w = check_size("combine_patches", size)
    (ph, pw), (sy, sx) = _grid("combine_patches", tuple(patches.shape[-2:]), stride)
    left, top, right, bottom = sides_of("combine_patches", padding)
    high, wide = h + top + bottom, w + left + right
    rows, columns = (high - ph) // sy + 1, (wide - pw) // sx + 1
    if patches.ndim < 4 or patches.shape[-4] != max(rows, 0) * max(columns, 0):
        rule = f"(*batch, {rows * columns}, c, h, w), a {rows} x {columns} grid"
        raise refuse("combine_patches", "patches", rule, tuple(patches.shape))
    kind = patches.dtype if patches.dtype == torch.float64 else torch.float32
    batch, c = patches.shape[:-4], patches.shape[-3]
    shape = (rows, columns, c, ph, pw)
    grid = patches.reshape(-1, *shape) if patches.numel() else patches.new_empty(0, *shape)
    total = _fold(grid.to(kind), (high, wide), (sy, sx))
    count = _fold(torch.ones(1, rows, columns, 1, ph, pw, dtype=kind, device=patches.device), (high, wide), (sy, sx))
    image = (total / count.clamp(min=1))[..., top : top + h, left : left + w]
    image = image.round() if patches.dtype == torch.uint8 else image
    return image.reshape(*batch, c, h, w).to(patches.dtype)


def _fold(grid: Tensor, size: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    b, rows, columns, c, ph, pw = grid.shape
    flat = grid.permute(0, 3, 4, 5, 1, 2).reshape(b, c * ph * pw, rows * columns)
    return torch.nn.functional.fold(flat, size, (ph, pw), stride=stride) if b else grid.new_empty(0, c, *size)


def _grid(function: str, size: object, stride: object) -> tuple[tuple[int, ...], tuple[int, ...]]:
    window = check_size(function, size if isinstance(size, Sequence) else (size, size))
    if stride is None:
        return window, window
    pair = tuple(stride) if isinstance(stride, Sequence) else (stride, stride)
    if len(pair) != 2 or not all(is_whole(n) and n > 0 for n in pair):
        raise refuse(function, "stride", "positive whole pixels, one number or (down, across)", stride)
    return window, pair
