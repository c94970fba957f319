"""The root of any system of equations, as a differentiable function of its parameters.

F(x*, theta) = 0   =>   dx* / dtheta = -(dF/dx)^-1 dF/dtheta
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_choice, check_count
from visionops.errors import refuse

from .steps import GRADS, Grad, jacobian, may_branch, newton_steps, shape_of_values


@overload
def implicit_root(
    function: Callable[..., Tensor], start: Tensor, *theta: Tensor, iterations: int = 20,
    tolerance: float | None = None, grad: Grad = "implicit", return_valid: Literal[False] = False,
) -> Tensor: ...  # fmt: skip


@overload
def implicit_root(
    function: Callable[..., Tensor], start: Tensor, *theta: Tensor, iterations: int = 20,
    tolerance: float | None = None, grad: Grad = "implicit", return_valid: Literal[True],
) -> tuple[Tensor, Tensor]: ...  # fmt: skip


def implicit_root(
    function: Callable[..., Float[Tensor, "*batch n"]],
    start: Float[Tensor, "*batch n"],
    *theta: Tensor,
    iterations: int = 20,
    tolerance: float | None = None,
    grad: Grad = "implicit",
    return_valid: bool = False,
) -> Float[Tensor, "*batch n"] | tuple[Float[Tensor, "*batch n"], Bool[Tensor, "*batch"]]:
    """Returns x with function(x, *theta) = 0, by Newton's method from a start.

    Args:
        function: of x (*batch, n) and theta, to (*batch, n); the result of a sample may depend on its own x alone. It
            is called under `torch.func` transforms.
        start: first x; no gradient goes to it. The solution itself, with `iterations=0`, where another solver found it.
        theta: tensors that the solution depends on. What the function closes over gets gradients too.
        iterations: at most; on a host they stop when every sample has converged.
        tolerance: of |step| relative to 1 + |x|, from which on a sample has converged. None: the square root of the
            dtype's precision, after which one more step is exact to it.
        grad: "implicit" differentiates the equations at the solution, at the memory of two evaluations; "unroll"
            differentiates the iterations; "none" is a constant.
        return_valid: whether to return also which samples converged to a finite x.

    Raises:
        ValueError: for a negative number of iterations, an unknown `grad`, or a function of another number of values or
            of another dtype.

    Gradient: to theta, right to the second derivative, where the Jacobian is invertible; a sample that did not converge
        keeps its last x, with gradient 0. Reverse and forward mode, vmap, torch.compile.

    >>> two = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    >>> root = implicit_root(lambda x, a: x**2 - a, torch.ones(1, dtype=torch.float64), two)
    >>> torch.autograd.grad(root.sum(), two)[0].item().__round__(6)  # 1 / (2 sqrt 2)
    0.353553
    """
    check_choice("implicit_root", "grad", grad, GRADS)
    check_count("implicit_root", "iterations", iterations, least=0)
    values = shape_of_values("implicit_root", function, start, theta)
    if values != tuple(start.shape):
        raise refuse("implicit_root", "function", f"of values {tuple(start.shape)}, as many as unknowns", values)
    tolerance = torch.finfo(start.dtype).eps ** 0.5 if tolerance is None else tolerance

    def at(x: Tensor) -> Tensor:
        return function(x, *theta)

    if grad == "unroll":
        x, done = _newton(at, start.detach(), iterations, tolerance)
    else:
        with torch.no_grad():
            x, done = _newton(_constant(function, theta), start.detach(), iterations, tolerance)
    if grad == "implicit":
        x = _with_gradient(at, x, done)
    return (x, done) if return_valid else x


def _constant(function: Callable[..., Tensor], theta: tuple[Tensor, ...]) -> Callable[[Tensor], Tensor]:
    fixed = tuple(t.detach() for t in theta)
    return lambda x: function(x, *fixed)


def _newton(
    at: Callable[[Tensor], Tensor], x: Tensor, iterations: int, tolerance: float
) -> tuple[Tensor, Bool[Tensor, "*batch"]]:
    """Returns the last x, and where the step from it is small; what has converged does not move."""
    for _ in range(iterations):
        step, regular = _solve(*reversed(jacobian(at, x)))
        small = _is_small(step, x, tolerance)
        x = torch.where(regular[..., None], x - step, x)
        if may_branch(x) and bool((small | ~regular).all()):
            break
    step, regular = _solve(*reversed(jacobian(at, x)))
    return x, regular & _is_small(step, x, tolerance)


def _is_small(step: Tensor, x: Tensor, tolerance: float) -> Tensor:
    return torch.linalg.vector_norm(step, dim=-1) <= tolerance * (1 + torch.linalg.vector_norm(x, dim=-1))


def _solve(matrix: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Returns matrix^-1 value, and where there is one; 0 elsewhere."""
    finite = matrix.isfinite().all(-1).all(-1) & value.isfinite().all(-1)
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    solution, info = torch.linalg.solve_ex(torch.where(finite[..., None, None], matrix, eye), value[..., None])
    regular = finite & (info == 0) & solution.isfinite().all(-1).all(-1)
    return torch.where(regular[..., None], solution[..., 0], 0), regular


def _with_gradient(at: Callable[[Tensor], Tensor], x: Tensor, done: Tensor) -> Tensor:
    """Returns x, where it is a root, as a function of what `at` depends on."""
    with torch.no_grad():
        matrix = jacobian(at, x)[1].detach()
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    factors, pivots, _ = torch.linalg.lu_factor_ex(torch.where(done[..., None, None], matrix, eye))

    def correct(value: Tensor) -> Tensor:
        kept = torch.where(done[..., None], value, 0)
        return torch.linalg.lu_solve(factors, pivots, kept[..., None])[..., 0]

    return newton_steps(x, at, correct)
