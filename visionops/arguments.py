"""What the arguments of image operators may be: checks that raise the errors, and one batch dimension for kernels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.errors import closest, refuse

BORDERS = ("reflect", "replicate", "circular", "constant")

NUMBER = int | float | np.number | torch.SymInt | torch.SymFloat


def check_image(function: str, image: Tensor, *, channels: int | None = None, floating: bool = False) -> None:
    """Raises unless the image is (*batch, c, h, w), of so many channels, uint8 or floating."""
    shape = f"(*batch, {'c' if channels is None else channels}, h, w)"
    if not isinstance(image, Tensor):
        raise refuse(function, "image", f"a tensor {shape}", type(image).__name__, "torch.from_numpy makes one.")
    if image.ndim < 3 or (channels is not None and image.shape[-3] != channels):
        raise refuse(function, "image", f"of shape {shape}", tuple(image.shape))
    if not image.is_floating_point() and (floating or image.dtype != torch.uint8):
        rule = "floating" if floating else "floating or uint8"
        raise refuse(function, "image", rule, image.dtype, "Convert it, in [0, 1].")


def not_floating(function: str, argument: str, rule: str, value: Any) -> ValueError:
    """Returns the error of a value that is no floating tensor, with what to do about it."""
    if not isinstance(value, Tensor):
        remedy = "torch.from_numpy makes one." if isinstance(value, np.ndarray) else ""
        return refuse(function, argument, rule, type(value).__name__, remedy)
    remedy = "Divide an image by 255." if value.dtype == torch.uint8 else "Call .float()."
    return refuse(function, argument, rule, value.dtype, remedy)


def check_guide(function: str, image: Tensor, guide: Tensor) -> Tensor:
    """Returns the guide, which must be floating or uint8, of the image's batch and size."""
    want = (*image.shape[:-3], "g", *image.shape[-2:])
    if not isinstance(guide, Tensor) or not (guide.is_floating_point() or guide.dtype == torch.uint8):
        kind = guide.dtype if isinstance(guide, Tensor) else type(guide).__name__
        raise refuse(function, "guide", "a floating or uint8 tensor", kind)
    if guide.ndim != image.ndim or (*guide.shape[:-3], "g", *guide.shape[-2:]) != want or not guide.shape[-3]:
        raise refuse(function, "guide", f"of shape {want}".replace("'", ""), tuple(guide.shape))
    return guide


def check_choice(function: str, argument: str, value: Any, known: Iterable[Any]) -> None:
    """Raises unless the value is one of the known; the error says which it is most like."""
    names = tuple(known)
    if value not in names:
        raise refuse(function, argument, "one of those known", repr(value), closest(str(value), tuple(map(str, names))))


def check_border(function: str, border: str) -> None:
    check_choice(function, "border", border, BORDERS)


def is_whole(n: Any) -> bool:
    return isinstance(n, int | np.integer | torch.SymInt) and not isinstance(n, bool)


def kernel_sizes(function: str, kernel_size: int | Sequence[int], *, odd: bool = True) -> tuple[int, int]:
    """Returns (height, width) of a window given as one number or two."""
    sizes = tuple(kernel_size) if isinstance(kernel_size, list | tuple) else (kernel_size, kernel_size)
    rule = "odd and positive" if odd else "positive"
    good = len(sizes) == 2 and all(map(is_whole, sizes))
    if not good or min(sizes) < 1 or (odd and any(s % 2 == 0 for s in sizes)):
        raise refuse(function, "kernel_size", f"{rule}, one number or (height, width)", kernel_size)
    return int(sizes[0]), int(sizes[1])


def check_positive(function: str, argument: str, value: Any) -> None:
    """Raises unless a number, or each of an array, is above 0. A tensor is not read: it may be on a device."""
    if isinstance(value, Tensor) or (isinstance(value, np.ndarray) and not value.size):
        return
    if not isinstance(value, np.ndarray):
        check_number(function, argument, value)
    low = float(np.min(value)) if isinstance(value, np.ndarray) else float(value)
    if not low > 0:
        raise refuse(function, argument, "above 0", low)


def check_range(function: str, argument: str, value: Any, low: float, high: float | None = None) -> None:
    """Raises unless the value is a number of at least `low`, and at most `high` if there is one."""
    known = isinstance(value, NUMBER) and not isinstance(value, bool)
    if not known or not low <= value <= (value if high is None else high):
        rule = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
        raise refuse(function, argument, rule if known else f"a number {rule}", value)


def check_count(function: str, argument: str, value: Any, *, least: int = 1) -> None:
    """Raises unless the value is an integer of at least so much."""
    if not is_whole(value) or value < least:
        raise refuse(function, argument, f"an integer of at least {least}", value)


def flatten(image: Shaped[Tensor, "*batch c h w"]) -> Shaped[Tensor, "b c h w"]:
    """Returns the image with one batch dimension; `unflatten` undoes it."""
    batch = image.shape[:-3]
    if len(batch) == 1:
        return image
    return image.new_empty(0, *image.shape[-3:]) if 0 in batch else image.reshape(-1, *image.shape[-3:])


def unflatten(result: Shaped[Tensor, "b c h w"], batch: Sequence[int]) -> Shaped[Tensor, "*batch c h w"]:
    """Returns a result with the batch dimensions of the image that it came from."""
    return result if len(batch) == 1 else result.reshape(*batch, *result.shape[1:])


def check_number(function: str, argument: str, value: Any) -> None:
    """Raises unless the value is one number."""
    if isinstance(value, bool) or not isinstance(value, NUMBER):
        raise refuse(function, argument, "a number, or an array or tensor of one for each sample", repr(value))


def per_sample(function: str, argument: str, value: Any, image: Tensor) -> float | Tensor:
    """Returns a number as it is, and one for each sample (*batch) as (b,), to go with `flatten(image)`."""
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(value)
    if not isinstance(value, Tensor):
        check_number(function, argument, value)
        return float(value)
    if value.ndim and tuple(value.shape) not in (tuple(image.shape[:-3]), (1,)):
        raise refuse(function, argument, f"a number or of shape {tuple(image.shape[:-3])}", tuple(value.shape))
    return value.reshape(-1).to(image.device)


def column(function: str, argument: str, value: Any, image: Tensor) -> float | Tensor:
    """Returns a number as it is, and one for each sample as (*batch, 1, 1, 1), to go with the image."""
    value = per_sample(function, argument, value, image)
    if not isinstance(value, Tensor):
        return value
    value = value.to(image.dtype) if image.is_floating_point() else value
    return value.reshape(*(image.shape[:-3] if value.numel() != 1 else (1,) * (image.ndim - 3)), 1, 1, 1)
