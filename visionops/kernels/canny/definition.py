"""Canny's edges in plain torch: the meaning of `find_edges`, with OpenCV's rules for ties and directions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.kernels.dense import definition

# tan(22.5 degrees) in units of 2^-15, as OpenCV rounds it.
TANGENT, ONE = 13573, 32768


def sobel_kernels(like: Tensor) -> Float[Tensor, "1 2 1 3 3"]:
    """Returns the kernels of d/dx and d/dy."""
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]], dtype=like.dtype, device=like.device)
    return torch.stack([across, across.T])[None, :, None]


def find_edges(
    image: Float[Tensor, "b c h w"], low: Float[Tensor, "#b"], high: Float[Tensor, "#b"], norm: str
) -> Float[Tensor, "b 1 h w"]:
    """Returns 1 on edges, 0 elsewhere; arguments as in `visionops.kernels.canny`, of one scale."""
    parts = definition.filter_dense(image[:, :, None], sobel_kernels(image), border="replicate", fill=0.0, norm="none")
    dx, dy = parts[:, :, 0, 0], parts[:, :, 1, 0]
    # Squares keep the order, and are exact where the image is of whole numbers.
    size = dx.abs() + dy.abs() if norm == "l1" else dx.square() + dy.square()
    steepest = size.argmax(1, keepdim=True)
    dx, dy, size = (t.gather(1, steepest) for t in (dx, dy, size))
    low, high = (t.to(size.dtype)[:, None, None, None] for t in (low, high))
    if norm == "l2":
        low, high = (t * t.clamp(min=0) for t in (low, high))
    thin = (size > low) & _is_maximum(size, dx, dy)
    return _connected(thin & (size > high), thin).to(image.dtype)


def _is_maximum(size: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Returns where no neighbour across the edge is larger; of equal ones the first stays."""
    h, w = size.shape[-2:]
    padded = torch.nn.functional.pad(size, (1, 1, 1, 1))

    def at(y: int, x: int) -> Tensor:
        return padded[..., 1 + y : 1 + y + h, 1 + x : 1 + x + w]

    width, height = dx.abs(), dy.abs() * ONE
    level, steep = height < width * TANGENT, height > width * (TANGENT + 2 * ONE)
    falling = (dx < 0) == (dy < 0)
    before = torch.where(level, at(0, -1), torch.where(steep, at(-1, 0), torch.where(falling, at(-1, -1), at(-1, 1))))
    after = torch.where(level, at(0, 1), torch.where(steep, at(1, 0), torch.where(falling, at(1, 1), at(1, -1))))
    return (size > before) & ((size > after) | ((size == after) & (level | steep)))


def _connected(strong: Tensor, thin: Tensor) -> Tensor:
    """Returns the thin pixels that touch a strong one, or one that does, and so on."""
    while True:
        grown = (torch.nn.functional.max_pool2d(strong.float(), 3, stride=1, padding=1) > 0) & thin
        if not (grown != strong).any():
            return grown
        strong = grown
