"""The minimum of any smooth cost, as a differentiable function of its parameters.

g(x*, theta) = df/dx = 0   =>   dx* / dtheta = -H^-1 dg/dtheta,    H = d2f/dx2 at x*

of f, or of least squares f = |r|^2 / 2, g = J^T r, H = J^T J + sum r d2r (not J^T J alone, which would bias the
gradient by the residual).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from visionops.arguments import check_choice, check_count
from visionops.errors import refuse

from .steps import GRADS, Grad, jacobian, may_branch, newton_steps, shape_of_values

Multiply = Callable[[Tensor], Tensor]
LinearSolver = Callable[[Multiply, Tensor], Tensor]
Kind = Literal["least_squares", "general"]
Linear = Literal["cholesky", "cg"] | LinearSolver

# Levenberg's damping: its start, relative to the diagonal, and what it grows and falls by.
DAMPING, GROW, SHRINK = 1e-3, 8.0, 0.2

# Relative size of Gauss-Newton's steps from which on the Hessian takes over.
NEAR = 1e-4

# A matrix of diagonal 1 is singular but for rounding where the trace of its inverse times this many roundings is 1.
SINGULAR = 64


@overload
def implicit_argmin(
    function: Callable[..., Tensor], start: Tensor, *theta: Tensor, kind: Kind = "least_squares",
    linear: Linear = "cholesky", iterations: int = 50, tolerance: float | None = None, grad: Grad = "implicit",
    return_valid: Literal[False] = False,
) -> Tensor: ...  # fmt: skip


@overload
def implicit_argmin(
    function: Callable[..., Tensor], start: Tensor, *theta: Tensor, kind: Kind = "least_squares",
    linear: Linear = "cholesky", iterations: int = 50, tolerance: float | None = None, grad: Grad = "implicit",
    return_valid: Literal[True],
) -> tuple[Tensor, Tensor]: ...  # fmt: skip


def implicit_argmin(
    function: Callable[..., Float[Tensor, "*batch m"]],
    start: Float[Tensor, "*batch n"],
    *theta: Tensor,
    kind: Kind = "least_squares",
    linear: Linear = "cholesky",
    iterations: int = 50,
    tolerance: float | None = None,
    grad: Grad = "implicit",
    return_valid: bool = False,
) -> Float[Tensor, "*batch n"] | tuple[Float[Tensor, "*batch n"], Bool[Tensor, "*batch"]]:
    """Returns the x that minimises a cost of x and theta, by damped Newton steps from a start.

    Args:
        function: of x (*batch, n) and theta: the residuals (*batch, m) of "least_squares", or the cost (*batch) of
            "general". The result of a sample may depend on its own x alone. It is called under `torch.func` transforms.
        start: first x; no gradient goes to it. The minimum itself, with `iterations=0`, where another solver found it.
        theta: tensors that the minimum depends on. What the function closes over gets gradients too.
        kind: "least_squares" steps by Gauss-Newton (Levenberg-Marquardt), and the last third of the way, where that
            slows down because residuals stay, by the damped Hessian; "general" by the damped Hessian alone.
        linear: how steps are solved for. "cholesky" builds the matrix (n by n), "cg" only multiplies by it, up to n
            times; or a function of `(multiply, right)` that returns the solution of multiply(x) = right, both
            (*batch, n), for a symmetric positive definite matrix.
        iterations: at most; on a host they stop when every sample has converged.
        tolerance: of |step| relative to 1 + |x|, from which on a sample has converged. None: the square root of the
            dtype's precision.
        grad: "implicit" differentiates the conditions at the minimum, with the exact Hessian; "unroll" the iterations;
            "none" is a constant.
        return_valid: whether to return also which samples converged to a finite x.

    Raises:
        ValueError: for a negative number of iterations, an unknown option, a cost that is not one number a sample, or
            values of another dtype than the start.

    Gradient: to theta, right to the second derivative, where the Hessian is positive definite; a sample that did not
        converge keeps its best x, with gradient 0. Reverse and forward mode, vmap, torch.compile; with another `linear`
        than "cholesky" reverse mode alone, twice, in eager mode.
    Source: Marquardt 1963; Nocedal and Wright, Numerical Optimization, 2006, chapters 5 and 10.

    >>> data = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    >>> mean = implicit_argmin(lambda x, d: x - d, torch.zeros(1), data)
    >>> mean.item(), torch.autograd.grad(mean.sum(), data)[0].mul(3).round(decimals=4).tolist()
    (3.0, [1.0, 1.0, 1.0])
    """
    check_choice("implicit_argmin", "kind", kind, ("least_squares", "general"))
    check_choice("implicit_argmin", "grad", grad, GRADS)
    if not callable(linear):
        check_choice("implicit_argmin", "linear", linear, ("cholesky", "cg"))
    check_count("implicit_argmin", "iterations", iterations, least=0)
    values = shape_of_values("implicit_argmin", function, start, theta)
    if kind == "general" and values != tuple(start.shape[:-1]):
        raise refuse("implicit_argmin", "function", f"of values {tuple(start.shape[:-1])}, one a sample", values)
    if kind == "least_squares" and values[:-1] != tuple(start.shape[:-1]):
        raise refuse("implicit_argmin", "function", f"of values ({start.shape[:-1]}, m)", values)
    tolerance = torch.finfo(start.dtype).eps ** 0.5 if tolerance is None else tolerance
    problem = _LeastSquares if kind == "least_squares" else _General

    def at(x: Tensor) -> Tensor:
        return function(x, *theta)

    if grad == "unroll":
        x, done = problem(at).minimize(start.detach(), linear, iterations, tolerance)
    else:
        fixed = tuple(t.detach() for t in theta)
        with torch.no_grad():
            x, done = problem(lambda x: function(x, *fixed)).minimize(start.detach(), linear, iterations, tolerance)
    if grad == "implicit":
        x, done = _with_gradient(problem(at), x, done, linear)
    return (x, done) if return_valid else x


class _General:
    """A cost, its gradient, and its Hessian."""

    def __init__(self, cost: Callable[[Tensor], Tensor]) -> None:
        self.cost = cost

    def gradient(self, x: Tensor) -> Tensor:
        value, pull = torch.func.vjp(self.cost, x)[:2]
        return pull(torch.ones_like(value))[0]

    def hessian(self, x: Tensor) -> Tensor:
        return jacobian(self.gradient, x)[1]

    def multiply(self, x: Tensor) -> Multiply:
        """Returns the product with the Hessian, which is symmetric: the pull of the gradient."""
        pull = torch.func.vjp(self.gradient, x)[1]
        return lambda v: pull(v)[0]

    def minimize(
        self, x: Tensor, linear: str | LinearSolver, iterations: int, tolerance: float
    ) -> tuple[Tensor, Bool[Tensor, "*batch"]]:
        """Returns the best x of every sample, and which have converged."""
        return _descend(self, self.hessian, self.multiply, x, linear, iterations, tolerance)


class _LeastSquares(_General):
    """Half the square of residuals; the model of its Hessian that steps are made with is J^T J."""

    def __init__(self, residual: Callable[[Tensor], Tensor]) -> None:
        super().__init__(lambda x: residual(x).square().sum(-1) / 2)
        self.residual = residual

    def gradient(self, x: Tensor) -> Tensor:
        value, pull = torch.func.vjp(self.residual, x)[:2]
        return pull(value)[0]

    def gauss_newton(self, x: Tensor) -> Tensor:
        j = jacobian(self.residual, x)[1]
        return j.mT @ j

    def multiply_gauss_newton(self, x: Tensor) -> Multiply:
        """Returns the product with J^T J; J v is the pull of the pull, which is linear."""
        value, pull = torch.func.vjp(self.residual, x)[:2]
        push = torch.func.vjp(lambda u: pull(u)[0], torch.zeros_like(value))[1]
        return lambda v: pull(push(v)[0])[0]

    def minimize(
        self, x: Tensor, linear: str | LinearSolver, iterations: int, tolerance: float
    ) -> tuple[Tensor, Bool[Tensor, "*batch"]]:
        last = iterations // 3
        models = self.gauss_newton, self.multiply_gauss_newton
        x, done = _descend(self, *models, x, linear, iterations - last, max(tolerance, NEAR) if last else tolerance)
        if not last:
            return x, done
        return super().minimize(x, linear, last, tolerance)


def _descend(
    problem: _General,
    model: Callable[[Tensor], Tensor],
    multiply: Callable[[Tensor], Multiply],
    x: Tensor,
    linear: str | LinearSolver,
    iterations: int,
    tolerance: float,
) -> tuple[Tensor, Bool[Tensor, "*batch"]]:
    """Returns the best x of every sample, and where the last step was small."""
    cost = problem.cost(x)
    damping = torch.full_like(cost, DAMPING)
    slack = 4 * torch.finfo(x.dtype).eps  # near the minimum costs differ by rounding alone
    done = torch.zeros_like(cost, dtype=torch.bool)
    for _ in range(iterations):
        gradient = problem.gradient(x)
        if linear == "cholesky":
            step, solved = _damped_matrix(model(x), gradient, damping)
        else:
            step, solved = _damped_product(multiply(x), gradient, damping, linear)
        ahead = torch.where(done[..., None], x, x - step)
        there = problem.cost(ahead)
        better = solved & (there <= cost + slack * cost.abs())
        small = torch.linalg.vector_norm(step, dim=-1) <= tolerance * (1 + torch.linalg.vector_norm(x, dim=-1))
        done = done | (solved & small & cost.isfinite())
        x = torch.where(better[..., None], ahead, x)
        cost = torch.where(better, there, cost)
        damping = (damping * torch.where(better, SHRINK, GROW)).clamp(1e-12, 1e12)
        if may_branch(x) and bool(done.all()):
            break
    return x, done if iterations else cost.isfinite()


def _damped_matrix(model: Tensor, gradient: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the step that a damped model of the cost asks for, and where it is one."""
    size = model.diagonal(dim1=-2, dim2=-1).abs()
    size = size.clamp(min=1e-9 * size.amax(-1, keepdim=True).clamp(min=1e-30))
    return _cholesky(model + torch.diag_embed(damping[..., None] * size), gradient)


def _damped_product(
    multiply: Multiply, gradient: Tensor, damping: Tensor, linear: str | LinearSolver
) -> tuple[Tensor, Tensor]:
    """As `_damped_matrix`, of a product. Without the diagonal, the size is that of its product with the gradient."""
    norm, tiny = torch.linalg.vector_norm, torch.finfo(gradient.dtype).tiny
    ridge = damping * norm(multiply(gradient), dim=-1) / norm(gradient, dim=-1).clamp(min=tiny)
    step = _solver(linear)(lambda v: multiply(v) + ridge[..., None] * v, gradient)
    good = step.isfinite().all(-1)
    return torch.where(good[..., None], step, 0), good


def _solver(linear: str | LinearSolver) -> LinearSolver:
    return linear if callable(linear) else _conjugate_gradients


def definite_factor(
    matrix: Float[Tensor, "*batch n n"],
) -> tuple[Float[Tensor, "*batch n n"], Float[Tensor, "*batch n"], Bool[Tensor, "*batch"]]:
    """Returns L and s with matrix^-1 = S (L L^T)^-1 S, S = diag(s), and where the matrix is positive definite, beyond
    what rounding makes of a singular one. Elsewhere they are those of the identity.
    """
    diagonal = matrix.diagonal(dim1=-2, dim2=-1)
    good = matrix.isfinite().all(-1).all(-1) & (diagonal > 0).all(-1)
    scale = torch.where(good[..., None], diagonal, 1).rsqrt()
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    scaled = torch.where(good[..., None, None], scale[..., None] * matrix * scale[..., None, :], eye)
    factor, info = torch.linalg.cholesky_ex(scaled)
    good = good & (info == 0)
    factor = torch.where(good[..., None, None], factor, eye)
    # Of the inverse, unlike of a pivot, rounding leaves the size.
    trace = torch.linalg.solve_triangular(factor, eye, upper=False).square().sum((-1, -2))
    good = good & (trace * SINGULAR * torch.finfo(matrix.dtype).eps < 1)
    return torch.where(good[..., None, None], factor, eye), torch.where(good[..., None], scale, 1), good


def _cholesky(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Returns matrix^-1 right, and where the matrix is positive definite; 0 elsewhere."""
    finite = matrix.isfinite().all(-1).all(-1) & right.isfinite().all(-1)
    eye = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    factor, info = torch.linalg.cholesky_ex(torch.where(finite[..., None, None], matrix, eye))
    good = finite & (info == 0)
    factor = torch.where(good[..., None, None], factor, eye)
    step = torch.cholesky_solve(torch.where(good[..., None], right, 0)[..., None], factor)[..., 0]
    return step, good


def _conjugate_gradients(multiply: Multiply, right: Tensor) -> Tensor:
    """Returns the solution of multiply(x) = right by as many steps as unknowns, at most; fewer on a host."""
    x, rest = torch.zeros_like(right), right
    ahead, energy = rest, rest.square().sum(-1, keepdim=True)
    target = energy * torch.finfo(right.dtype).eps ** 2
    for _ in range(right.shape[-1]):
        image = multiply(ahead)
        curvature = (ahead * image).sum(-1, keepdim=True)
        go = (energy > target) & (curvature > 0)
        rate = torch.where(go, energy / torch.where(go, curvature, 1), 0)
        x, rest = x + rate * ahead, rest - rate * image
        new = rest.square().sum(-1, keepdim=True)
        ahead = rest + torch.where(go, new / torch.where(go, energy, 1), 0) * ahead
        energy = new
        if may_branch(right) and not bool((energy > target).any()):
            break
    return x


def _with_gradient(
    problem: _General, x: Tensor, done: Tensor, linear: str | LinearSolver
) -> tuple[Tensor, Bool[Tensor, "*batch"]]:
    """Returns x, where it is a minimum, as a function of what the problem depends on."""
    if linear == "cholesky":
        with torch.no_grad():
            factor, scale, definite = definite_factor(problem.hessian(x).detach())
            done = done & definite

        def correct(value: Tensor) -> Tensor:
            right = torch.where(done[..., None], value, 0) * scale
            return torch.cholesky_solve(right[..., None], factor)[..., 0] * scale

    else:
        with torch.no_grad():
            multiply = problem.multiply(x.detach())

        def correct(value: Tensor) -> Tensor:
            return _Inverse.apply(torch.where(done[..., None], value, 0), _solver(linear), multiply)

    return newton_steps(x, problem.gradient, correct), done


class _Inverse(torch.autograd.Function):
    """The product with the inverse of a constant symmetric matrix: its derivative is itself, not its solver's."""

    @staticmethod
    def forward(ctx: Any, right: Tensor, solver: LinearSolver, multiply: Multiply) -> Tensor:
        ctx.solver, ctx.multiply = solver, multiply
        return solver(multiply, right)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _Inverse.apply(grad, ctx.solver, ctx.multiply), None, None
