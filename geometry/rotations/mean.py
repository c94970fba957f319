"""The mean of rotations, by chords."""

from __future__ import annotations

from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.errors import refuse
from visionops.geometry.arguments import check_matrix, check_weights, finite_rows, or_nan
from visionops.geometry.implicit import nearest_rotation


@overload
def average_rotation(
    rotations: Tensor, *, weights: Tensor | None = None, return_valid: Literal[False] = False
) -> Tensor: ...


@overload
def average_rotation(
    rotations: Tensor, *, weights: Tensor | None = None, return_valid: Literal[True]
) -> tuple[Tensor, Tensor]: ...


def average_rotation(
    rotations: Float[Tensor, "*batch n 3 3"],
    *,
    weights: Float[Tensor, "*batch n"] | None = None,
    return_valid: bool = False,
) -> Float[Tensor, "*batch 3 3"] | tuple[Float[Tensor, "*batch 3 3"], Bool[Tensor, "*batch"]]:
    """Returns the rotation that minimises the weighted sum of squared Frobenius distances to many.

    It is the rotation nearest to their mean, unique however far they lie apart short of symmetry; `so3.average` is the
    mean by arcs.

    Args:
        rotations: rotation matrices.
        weights: below 0 counts as 0; a rotation of weight 0 may be anything, NaN too. None counts all alike.
        return_valid: whether to return also where the mean is finite and unique: not of none, nor of two half a turn
            apart.

    Raises:
        ValueError: for other shapes.

    Gradient: to rotations and weights, by the implicit function theorem; 0 where the mean is not unique. NaN in what
        counts gives NaN and gradient 0.
    Source: Hartley et al., Rotation averaging, 2013, 5.3.

    >>> turns = torch.tensor([[0.1, 0.0, 0.0], [0.3, 0.0, 0.0]])
    >>> from visionops.geometry.rotations import axis_angle_to_matrix, matrix_to_axis_angle
    >>> matrix_to_axis_angle(average_rotation(axis_angle_to_matrix(turns)))[0]
    tensor(0.2000)
    """
    x, w, good = weighted("average_rotation", "rotations", rotations, weights, 3)
    mean, unique = nearest_rotation((w[..., None, None] * x).sum(-3), return_valid=True)
    mean = or_nan(mean, good).to(rotations.dtype)
    return (mean, good & unique) if return_valid else mean


def weighted(
    function: str, argument: str, elements: Tensor, weights: Tensor | None, size: int
) -> tuple[Float[Tensor, "*batch n d d"], Float[Tensor, "*batch n"], Bool[Tensor, "*batch"]]:
    """Returns elements, the identity for those that do not count, weights of sum 1 or 0, and where all is finite."""
    check_matrix(function, argument, elements, (size, size))
    if elements.ndim < 3:
        raise refuse(function, argument, f"of shape (*batch, n, {size}, {size})", tuple(elements.shape))
    x = elements.double()
    if weights is None:
        w = torch.ones_like(x[..., 0, 0])
        x, good = finite_rows(x, 3)
    else:
        check_weights(function, weights, elements.flatten(-2))
        w, known = finite_rows(weights.double(), 1)
        w = w.clamp(min=0)
        eye = torch.eye(size, dtype=x.dtype, device=x.device)
        x, good = finite_rows(torch.where(w[..., None, None] > 0, x, eye), 3)
        good = good & known
    total = w.sum(-1, keepdim=True)
    return x, w / torch.where(total > 0, total, 1), good
