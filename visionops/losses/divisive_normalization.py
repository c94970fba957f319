"""Divisive normalisation: each channel divided by what all of them are worth at that pixel, and its inverse.

y_i = x_i / (beta_i + sum_j gamma_ij |x_j|^a)^e

Source: Carandini and Heeger, Normalization as a canonical neural computation, 2012; generalised, and as a layer (GDN):
Balle, Laparra and Simoncelli, Density modeling of images using a generalized normalization transformation, ICLR 2016,
with a = 2 and e = 1/2 in End-to-end optimized image compression, ICLR 2017.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_positive, check_range
from visionops.errors import refuse
from visionops.module import as_module
from visionops.precision import exact

from .reduction import check_floating

# Fixed-point steps that shrink an error by a e each, up to so many, before Newton's.
FIXED, SMALL = 100, 1e-6


def divisive_normalization(
    image: Float[Tensor, "*batch c h w"],
    beta: Float[Tensor, " c"],
    gamma: Float[Tensor, "c c"],
    *,
    power: float = 2.0,
    exponent: float = 0.5,
) -> Float[Tensor, "*batch c h w"]:
    """Returns the image divided by a pool of its channels: strong channels inhibit each other.

    Args:
        image: floating x, of any channels: features, or colours.
        beta: above 0, for each channel, of any precision; the values are not checked.
        gamma: at least 0: row i is what channel i is divided by.
        power: a, at least 1.
        exponent: e, above 0. With a e = 1 strong inputs saturate.

    Raises:
        ValueError: for shapes that do not go together, and numbers out of range.

    Gradient: to image, beta and gamma, of every order; with a power of 1 the subgradient 0 of |x| at 0. Half precision
    computes in float32.
    Source: Balle et al. 2016. The square root of a pool of squares is their GDN; a power and an exponent of 1 the
    normalisation of Laparra et al. 2016.

    >>> x = torch.tensor([3.0, 4.0]).reshape(2, 1, 1)
    >>> divisive_normalization(x, torch.zeros(2), torch.ones(2, 2)).flatten().tolist()  # x / |x|
    [0.6000000238418579, 0.800000011920929]

    As a layer that learns; a parametrization keeps what it learns above 0:

    >>> from torch.nn.utils import parametrize
    >>> beta, gamma = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(0.1 * torch.eye(2))
    >>> gdn = DivisiveNormalization(beta, gamma)
    >>> for name in ("beta", "gamma"):
    ...     _ = parametrize.register_parametrization(gdn, name, torch.nn.Softplus(), unsafe=True)
    >>> gdn(x).shape
    torch.Size([2, 1, 1])
    """
    _check("divisive_normalization", image, beta, gamma, power, exponent)
    beta, gamma = beta.to(image.dtype), gamma.to(image.dtype)
    return image / _divisor(image, beta, gamma, power, exponent)


def inverse_divisive_normalization(
    image: Float[Tensor, "*batch c h w"],
    beta: Float[Tensor, " c"],
    gamma: Float[Tensor, "c c"],
    *,
    power: float = 2.0,
    exponent: float = 0.5,
) -> Float[Tensor, "*batch c h w"]:
    """Returns what `divisive_normalization` makes an image of: exactly, not by the one step of image codecs.

    Args:
        image: floating y.
        beta: above 0, for each channel.
        gamma: at least 0.
        power: a, at least 1.
        exponent: e, above 0, with a e at most 1: beyond that there are two answers.

    Raises:
        ValueError: for shapes that do not go together, and numbers out of range.

    Gradient: to image, beta and gamma: by the implicit function theorem, of the first two orders where a e < 1. With
    a e = 1 the powers of x solve a linear system, of c unknowns for each pixel, which is what is differentiated; a
    pixel that is not the normalisation of anything, too strong for any x, gives 0, with gradient 0. Half precision
    computes in float32. Memory grows as c^2 for each pixel: it is for few channels.
    Source: Balle et al. 2016, appendix, who iterate; the linear system is what their iteration converges to.

    >>> x, b, g = torch.tensor([3.0, 4.0]).reshape(2, 1, 1), torch.ones(2), torch.full((2, 2), 0.1)
    >>> y = divisive_normalization(x, b, g)
    >>> inverse_divisive_normalization(y, b, g).flatten().round(decimals=4).tolist()
    [3.0, 4.0]
    """
    function = "inverse_divisive_normalization"
    _check(function, image, beta, gamma, power, exponent)
    if power * exponent > 1 + 1e-12:
        raise refuse(function, "exponent", f"at most 1 / power, {1 / power:.6g}", exponent)
    y, b, g = image.movedim(-3, -1), beta.to(image.dtype), gamma.to(image.dtype)
    # s = |x|^a obeys s = |y|^a (beta + gamma s)^(a e).
    if math.isclose(power * exponent, 1):
        with torch.no_grad():
            solved = _linear(y.abs() ** power, b, g)
            possible = ((solved >= 0) & solved.isfinite()).all(-1, keepdim=True)
        y = torch.where(possible, y, 0)
        s = _linear(y.abs() ** power, b, g)
    else:
        s = _iterated(y.abs() ** power, b, g, power * exponent)
    return (y * (b + s @ g.mT) ** exponent).movedim(-1, -3)


DivisiveNormalization = as_module(exact(divisive_normalization))
InverseDivisiveNormalization = as_module(exact(inverse_divisive_normalization))


def _check(function: str, image: Any, beta: Any, gamma: Any, power: float, exponent: float) -> None:
    check_floating(function, "image", image)
    c = image.shape[-3]
    for name, value, shape in (("beta", beta, (c,)), ("gamma", gamma, (c, c))):
        check_floating(function, name, value, "(c)" if name == "beta" else "(c, c)")
        if value.shape != shape:
            raise refuse(function, name, f"of shape {shape}", tuple(value.shape))
    check_range(function, "power", power, 1)
    check_positive(function, "exponent", exponent)


def _divisor(x: Tensor, beta: Tensor, gamma: Tensor, power: float, exponent: float) -> Tensor:
    powers = x * x if power == 2 else x.abs() ** power
    pool = (gamma @ powers.flatten(-2)).reshape(x.shape) + beta[:, None, None]
    return pool**exponent


def _linear(q: Float[Tensor, "*batch c"], beta: Tensor, gamma: Tensor) -> Float[Tensor, "*batch c"]:
    """Returns s = q (beta + gamma s)."""
    eye = torch.eye(len(beta), dtype=q.dtype, device=q.device)
    return torch.linalg.solve_ex(eye - q[..., None] * gamma, q * beta)[0]


def _iterated(q: Float[Tensor, "*batch c"], beta: Tensor, gamma: Tensor, p: float) -> Float[Tensor, "*batch c"]:
    """Returns s = q (beta + gamma s)^p, p < 1: a contraction of logarithms by p."""
    with torch.no_grad():
        s = q * beta**p
        for _ in range(min(FIXED, math.ceil(math.log(SMALL) / math.log(p)))):
            s = q * (beta + s @ gamma.mT) ** p
    eye = torch.eye(len(beta), dtype=q.dtype, device=q.device)
    # Two of Newton's steps square what is left of the error twice, and carry two orders of derivatives.
    for _ in range(2):
        pool = beta + s @ gamma.mT
        slope = eye - (p * q * pool ** (p - 1))[..., None] * gamma
        s = s - torch.linalg.solve_ex(slope, s - q * pool**p)[0]
    return s
