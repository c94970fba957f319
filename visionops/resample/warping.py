"""What the warps share: checks, matrices of each sample, and the call of the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_border, check_choice, flatten, is_whole, per_sample, unflatten
from visionops.errors import refuse
from visionops.kernels import warp

Array = np.ndarray | Tensor | Sequence[Any]
Fill = float | Sequence[float] | np.ndarray | Tensor
INTERPOLATIONS = ("nearest", "bilinear", "bicubic")


def check_pixels(function: str, image: Tensor, *, moved: bool = False, volume: bool = False) -> None:
    """Raises unless the image has pixels, floating or uint8; of any dtype where they are only moved."""
    shape = "(*batch, c, d, h, w)" if volume else "(*batch, c, h, w)"
    name = "volume" if volume else "image"
    if not isinstance(image, Tensor):
        raise refuse(function, name, f"a tensor {shape}", type(image).__name__, "torch.from_numpy makes one.")
    extents = 3 if volume else 2
    if image.ndim < extents + 1 or 0 in image.shape[-extents:]:
        raise refuse(function, name, f"of shape {shape}, not without pixels", tuple(image.shape))
    if not (moved or image.is_floating_point() or image.dtype == torch.uint8):
        raise refuse(function, name, "floating or uint8", image.dtype, 'Or take interpolation="nearest".')


def check_warp(function: str, image: Tensor, interpolation: str, border: str) -> None:
    check_choice(function, "interpolation", interpolation, INTERPOLATIONS)
    check_border(function, border)
    check_pixels(function, image, moved=interpolation == "nearest")


def check_size(function: str, size: Any, extents: int = 2) -> tuple[int, ...]:
    """Returns the size of an output, positive whole numbers."""
    names = "(depth, height, width)" if extents == 3 else "(height, width)"
    good = isinstance(size, Sequence) and len(size) == extents and all(is_whole(n) and n > 0 for n in size)
    if not good:
        raise refuse(function, "size", f"positive whole numbers {names}", size)
    return tuple(int(n) for n in size)


def per_channel(function: str, fill: Fill, channels: int) -> float | list[float]:
    """Returns the fill as a number, or as one for each channel."""
    fill = fill.tolist() if hasattr(fill, "tolist") else fill
    if isinstance(fill, int | float):
        return float(fill)
    if not isinstance(fill, Sequence) or isinstance(fill, str) or len(fill) != channels:
        raise refuse(function, "fill", f"a number or {channels} of them, one for each channel", fill)
    return [float(f) for f in fill]


def like_positions(values: Tensor) -> Tensor:
    """Returns the numbers in the precision of positions: float64 on a host, float32 on a device."""
    return values.double() if values.device.type == "cpu" else values.float()


def matrices(
    function: str, matrix: Array, image: Tensor, shape: tuple[int, int], extents: int = 2
) -> Float[Tensor, "#b rows columns"]:
    """Returns matrices of the shape, given one or for each sample, with one batch dimension."""
    if not isinstance(matrix, Tensor):
        matrix = torch.as_tensor(matrix, dtype=torch.float64, device=image.device)
    batch = tuple(image.shape[: -extents - 1])
    if tuple(matrix.shape) not in (shape, (1, *shape), (*batch, *shape)):
        expected = " or ".join(map(str, dict.fromkeys((shape, (*batch, *shape)))))
        raise refuse(function, "matrix", f"of shape {expected}", tuple(matrix.shape))
    matrix = like_positions(matrix.to(image.device))
    return matrix.new_empty(0, *shape) if 0 in matrix.shape else matrix.reshape(-1, *shape)


def of_batch(function: str, argument: str, values: Tensor, image: Tensor, shape: tuple[Any, ...]) -> Tensor:
    """Returns values (*shape) of all samples, or (*batch, *shape) of each, with one batch dimension.

    A None in the shape is any number.
    """
    batch = tuple(image.shape[:-3])
    rule = ", ".join("n" if n is None else str(n) for n in shape)
    own = tuple(values.shape[values.ndim - len(shape) :]) if values.ndim >= len(shape) else ()
    fits = len(own) == len(shape) and all(n is None or n == m for n, m in zip(shape, own, strict=True))
    if not fits or tuple(values.shape[: values.ndim - len(shape)]) not in ((), (1,), batch):
        raise refuse(function, argument, f"of shape (*batch, {rule}), of the image's batch", tuple(values.shape))
    values = values.to(image.device)
    if not values.is_floating_point():
        values = values.float()
    return values.new_empty(0, *own) if 0 in values.shape else values.reshape(-1, *own)


def affine(entries: Sequence[Tensor | float], like: Tensor) -> Float[Tensor, "#b 2 3"]:
    """Returns the matrices of six numbers, by rows, each one or (b)."""
    device = like.device
    kind = torch.float64 if device.type == "cpu" else torch.float32
    values = [torch.as_tensor(v, dtype=kind, device=device).reshape(-1) for v in entries]
    return torch.stack(torch.broadcast_tensors(*values), 1).reshape(-1, 2, 3)


def invert_affine(matrix: Float[Tensor, "b 2 3"]) -> Float[Tensor, "b 3 3"]:
    """Returns the inverses; a singular matrix gives values that are not finite."""
    a, b, c, d, e, f = matrix.flatten(1).unbind(1)
    rows = torch.stack([e, -b, b * f - c * e, -d, a, c * d - a * f], 1) / (a * e - b * d)[:, None]
    last = torch.tensor([0.0, 0.0, 1.0], dtype=rows.dtype, device=rows.device).expand(len(rows), 3)
    return torch.cat([rows, last], 1).reshape(-1, 3, 3)


def invert(matrix: Float[Tensor, "b 3 3"]) -> Float[Tensor, "b 3 3"]:
    """Returns the inverses by cofactors; a singular matrix gives values that are not finite."""
    r0, r1, r2 = matrix.unbind(1)
    cross = torch.linalg.cross
    columns = torch.stack([cross(r1, r2), cross(r2, r0), cross(r0, r1)], 2)
    return columns / (r0 * columns[:, :, 0]).sum(1)[:, None, None]


def axes(function: str, argument: str, value: Any, image: Tensor) -> tuple[float | Tensor, float | Tensor]:
    """Returns the values of x and y, given one for both, a pair, or a tensor (*batch, 2)."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise refuse(function, argument, "one value or two, (x, y)", value)
        x, y = (per_sample(function, argument, v, image) for v in value)
        return x, y
    if isinstance(value, np.ndarray | Tensor) and tuple(value.shape) == (*image.shape[:-3], 2):
        x, y = (per_sample(function, argument, value[..., i], image) for i in (0, 1))
        return x, y
    both = per_sample(function, argument, value, image)
    return both, both


def sample(
    function: str,
    image: Shaped[Tensor, "*batch c h w"],
    inverse: Float[Tensor, "#b 3 3"] | None,
    size: Sequence[int],
    *,
    coordinates: Float[Tensor, "#b oh ow 2"] | None = None,
    interpolation: str,
    border: str,
    fill: Fill,
) -> Shaped[Tensor, "*batch c oh ow"]:
    """Returns the image resampled; arguments as in `visionops.kernels.warp`, but for any batch."""
    fill = per_channel(function, fill, image.shape[-3])
    flat = flatten(image)
    if flat.numel() == 0:
        return image.new_empty((*image.shape[:-2], *size))
    out = warp(
        flat, inverse, (size[0], size[1]),
        coordinates=coordinates, interpolation=interpolation, border=border, fill=fill,
    )  # fmt: skip
    return unflatten(out, image.shape[:-3])
