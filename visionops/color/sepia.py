"""Sepia: the browns of old photographs."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, per_sample, unflatten
from visionops.kernels.pixel import Instruction, Op, pixel
from visionops.module import as_module

_TONES = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))


def sepia(
    image: Shaped[Tensor, "*batch 3 h w"], *, strength: float | np.ndarray | Tensor = 1.0
) -> Shaped[Tensor, "*batch 3 h w"]:
    """Returns the image in browns, clipped to [0, 1].

    Args:
        image: floating in [0, 1], or uint8.
        strength: 0 keeps the image, 1 is all sepia; a number, or one for each sample (*batch).

    Raises:
        ValueError: for a strength of another shape.

    Gradient: to the image, where the result was not clipped, and to a strength that is a tensor.
    Source: the matrix of the CSS filter effects (W3C, "Filter Effects Module Level 1").

    >>> sepia(torch.full((3, 1, 1), 0.5)).flatten()
    tensor([0.6755, 0.6015, 0.4685])
    """
    check_image("sepia", image, channels=3)
    amount = per_sample("sepia", "strength", strength, image)
    if not isinstance(amount, Tensor):
        amount = torch.tensor([amount], dtype=torch.float64)
    rest = torch.eye(3, 4, dtype=amount.dtype, device=amount.device)
    tones = torch.tensor([(*row, 0.0) for row in _TONES], dtype=amount.dtype, device=amount.device)
    matrix = (rest + amount[:, None, None] * (tones - rest)).flatten(1)
    bounds = torch.tensor([[0.0, 1.0]], dtype=amount.dtype, device=amount.device).expand(len(matrix), 2)
    program = (Instruction(Op.MATRIX, torch.cat([matrix, bounds], 1)),)
    return unflatten(pixel(flatten(image), program), image.shape[:-3])


Sepia = as_module(sepia)
