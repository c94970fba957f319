"""What the implicit functions share: Newton steps that carry gradients, Jacobians, and when they may be left out.

If F(x, theta) = 0 at x* and J = dF/dx there, x* - J^-1 F(x*, theta) has the value of x* and, as F moves with theta, the
derivative -J^-1 dF/dtheta of the implicit function theorem. J counts as a constant: a second such step makes second
derivatives right, since its error is the product of the first one's and of theta's motion.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import forward_ad

from visionops.errors import refuse
from visionops.kernels.functions import is_traced

# How a solver that iterates is differentiated, everywhere.
Grad = Literal["implicit", "unroll", "none"]
GRADS = ("implicit", "unroll", "none")

# Steps at the solution: the first makes first derivatives right, the second makes second ones right.
STEPS = 2

Map = Callable[[Tensor], Tensor]


def newton_steps(x: Tensor, residual: Map, correct: Map, steps: int = STEPS) -> Tensor:
    """Returns the solution x, which is detached here, with the gradient of the root of the residual.

    Args:
        x: where the residual is 0.
        residual: of x and of whatever needs gradients.
        correct: applies the inverse of its Jacobian at x, a constant.
    """
    x = x.detach()
    for _ in range(steps):
        x = x - correct(residual(x))
    return x


def shape_of_values(name: str, function: Callable[..., Tensor], x: Tensor, theta: Sequence[Tensor]) -> tuple[int, ...]:
    """Returns the shape of what a function gives, or raises where that has another dtype than x."""
    values = function(x, *theta)
    if values.dtype != x.dtype:
        raise refuse(name, "function", f"of values of the start's dtype {x.dtype}", values.dtype, "Convert the start.")
    return tuple(values.shape)


def is_watched(*tensors: Tensor | None) -> bool:
    """Returns whether a derivative by a tensor may be asked for: False only where it is certain that none is."""
    if is_traced():
        return True
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def may_branch(x: Tensor) -> bool:
    """Returns whether code may depend on the values of a tensor: they are on the host, and nothing records."""
    return x.device.type == "cpu" and not is_traced()


def jacobian(
    function: Map, x: Float[Tensor, "*batch n"]
) -> tuple[Float[Tensor, "*batch m"], Float[Tensor, "*batch m n"]]:
    """Returns the value of a function whose samples each have their own x, and its derivative.

    By reverse mode a row at a time, or by forward mode a column at a time where columns are fewer, unless forward mode,
    which does not nest (torch 2.13), is in use around it.
    """
    value, pull = torch.func.vjp(function, x)[:2]
    m, n = value.shape[-1], x.shape[-1]
    if m <= n or forward_ad._current_level >= 0:
        return value, torch.vmap(pull)(_basis(m, value))[0].movedim(0, -2)
    columns = torch.vmap(lambda v: torch.func.jvp(function, (x,), (v,))[1])(_basis(n, x))
    return value, columns.movedim(0, -1)


def _basis(n: int, like: Tensor) -> Tensor:
    """Returns the n unit vectors, each for all samples: (n, *batch, n)."""
    eye = torch.eye(n, dtype=like.dtype, device=like.device)
    return eye.reshape(n, *(1,) * (like.ndim - 1), n).expand(n, *like.shape)
