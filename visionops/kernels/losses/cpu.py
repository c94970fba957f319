"""The compiled functions, on float32 tensors of one batch dimension that have elements."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from visionops.kernels import native

# In the order that the compiled module knows.
RHO = ("square", "charbonnier", "cauchy", "welsch", "geman_mcclure")


def robust_sums(a: Float[Tensor, "b n"], b: Float[Tensor, "b n"], rho: str, scale: float) -> Float[Tensor, " b"]:
    """Returns the sums of a robust function of (a - b) / scale over each row."""
    a, b = a.contiguous(), b.contiguous()
    sums = native.module.robust_sums(
        a.data_ptr(), b.data_ptr(), *a.shape, 1 / scale, RHO.index(rho), torch.get_num_threads()
    )
    return torch.tensor(sums, dtype=torch.float32, device="cpu")


def robust_slopes(
    grad: Tensor, given: Sequence[Tensor | None], output: None, shape: Sequence[int], fixed: tuple[str, float],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Returns the gradients of `robust_sums`."""
    a, b = (t.contiguous() for t in given if t is not None)
    rho, scale = fixed
    by = [native.empty(a.shape, torch.float32) if need else None for need in needs]
    native.module.robust_slopes(
        a.data_ptr(), b.data_ptr(), a.shape[1], 1 / scale, RHO.index(rho), grad.tolist(),
        *(0 if t is None else t.data_ptr() for t in by), torch.get_num_threads(),
    )  # fmt: skip
    return by


def focal_of_labels(
    x: Float[Tensor, "b n"], y: Float[Tensor, "b n"], alpha: Float[Tensor, " b"], gamma: float, weighted: bool
) -> Float[Tensor, "b n"]:
    """Returns the focal losses of logits and labels; a row of labels has one alpha."""
    out = native.empty(x.shape, torch.float32)
    _focal_of_labels(x, y, alpha, None, gamma, weighted, out, None)
    return out


def focal_slopes_of_labels(
    grad: Tensor, given: Sequence[Tensor | None], output: None, shape: Sequence[int], fixed: tuple[float, bool],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Returns the gradients of `focal_of_labels` to logits and labels."""
    x, y, alpha = given
    assert x is not None and y is not None and alpha is not None
    by = [native.empty(x.shape, torch.float32) if need else None for need in needs[:2]]
    _focal_of_labels(x, y, alpha, grad.contiguous(), *fixed, *by)
    return [*by, None]


def _focal_of_labels(
    x: Tensor, y: Tensor, alpha: Tensor, grad: Tensor | None, gamma: float, weighted: bool, out: Tensor | None,
    by_y: Tensor | None,
) -> None:
    x, y = x.contiguous(), y.contiguous()
    on = alpha.tolist()
    off = [1 - a for a in on] if weighted else on
    native.module.focal_of_labels(
        *(0 if t is None else t.data_ptr() for t in (x, y, grad)), on, off, x.shape[1], gamma,
        *(0 if t is None else t.data_ptr() for t in (out, by_y)), torch.get_num_threads(),
    )  # fmt: skip


def focal_of_classes(
    x: Float[Tensor, "b c n"], place: Int[Tensor, "b n"], gamma: float
) -> Float[Tensor, "b n"]:
    """Returns the focal losses of logits and the class of each pixel."""
    out = native.empty(place.shape, torch.float32)
    _focal_of_classes(x, place, None, gamma, out)
    return out


def focal_slopes_of_classes(
    grad: Tensor, given: Sequence[Tensor | None], output: None, shape: Sequence[int], fixed: tuple[float],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Returns the gradient of `focal_of_classes` to the logits."""
    x, place = given
    assert x is not None and place is not None
    out = native.empty(x.shape, torch.float32)
    _focal_of_classes(x, place, grad.contiguous(), fixed[0], out)
    return [out, None]


def _focal_of_classes(x: Tensor, place: Tensor, grad: Tensor | None, gamma: float, out: Tensor) -> None:
    x, place = x.contiguous(), place.contiguous()
    native.module.focal_of_classes(
        *(0 if t is None else t.data_ptr() for t in (x, place, grad)), *x.shape, gamma, out.data_ptr(),
        torch.get_num_threads(),
    )  # fmt: skip


def jaccard_steps(
    errors: Float[Tensor, "b n"], there: Float[Tensor, "b n"], counts: Bool[Tensor, "b n"] | None
) -> Float[Tensor, "b n"]:
    """Returns by how much Jaccard's loss grows as pixels are got wrong, those of most error first, equal ones in their
    order; errors below 0 are 0, and what does not count comes last."""
    given = [None if t is None else t.contiguous() for t in (errors, there, counts)]
    out = native.empty(errors.shape, torch.float32)
    native.module.jaccard_steps(
        *(0 if t is None else t.data_ptr() for t in given), *out.shape, out.data_ptr(), torch.get_num_threads()
    )
    return out


def eroded_sum(wrong: Float[Tensor, "b h w"], iterations: int, alpha: float) -> Float[Tensor, "b h w"]:
    """Returns the sum of a map eroded 1, 2, ... times, the k-th times k^alpha."""
    return _erosion(wrong, None, iterations, alpha)


def eroded_sum_adjoint(
    grad: Tensor, given: Sequence[Tensor | None], output: None, shape: Sequence[int], fixed: tuple[int, float],
    needs: Sequence[bool],
) -> list[Tensor | None]:
    """Returns the gradient of `eroded_sum`."""
    (wrong,) = given
    assert wrong is not None
    return [_erosion(wrong, grad.contiguous(), *fixed)]


def _erosion(wrong: Tensor, grad: Tensor | None, iterations: int, alpha: float) -> Tensor:
    wrong = wrong.contiguous()
    out = native.empty(wrong.shape, torch.float32)
    native.module.erosion(
        wrong.data_ptr(), 0 if grad is None else grad.data_ptr(), *wrong.shape, iterations, alpha, out.data_ptr(),
        torch.get_num_threads(),
    )  # fmt: skip
    return out
