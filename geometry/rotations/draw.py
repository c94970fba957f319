"""Rotations at random."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from .quaternion import quaternion_to_matrix


def random_rotation(
    batch: Sequence[int] = (),
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Float[Tensor, "*batch 3 3"]:
    """Returns rotation matrices drawn uniformly: all as likely, whatever turns them.

    Args:
        batch: their batch dimensions.
        generator: what they are drawn from; None is torch's own.
        dtype: floating; None is torch's default.
        device: None is the generator's, or torch's default.

    Source: G. Marsaglia, Choosing a point from the surface of a sphere, 1972, in four dimensions.

    >>> random_rotation((2,), generator=torch.Generator().manual_seed(0)).det().round(decimals=4).tolist()
    [1.0, 1.0]
    """
    if device is None and generator is not None:
        device = generator.device
    return quaternion_to_matrix(torch.randn(*batch, 4, generator=generator, dtype=dtype, device=device))
