"""Linear maps of colours or of whole images, and the one that leaves no correlation and changes least.

A = C + eps I, of the covariance C     W = A^(-1/2)     out = W (x - mean)

A. Bell, T. Sejnowski, The independent components of natural scenes are edge filters, 1997.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_choice, check_image
from visionops.errors import refuse
from visionops.module import as_module

# Up to here the second derivative of A^(-1/2), of d^3 numbers, is kept exact.
SMALL = 16


def zca_whitening(
    image: Float[Tensor, "*batch c h w"], *, of: Literal["colours", "images"] = "colours", eps: float = 1e-6
) -> Float[Tensor, "*batch c h w"]:
    """Returns the image with a mean of 0 and a covariance of 1, turned as little as possible.

    Args:
        image: floating.
        of: "colours" whitens the colours of each image over its pixels; "images" whitens whole images, as vectors of
            c h w numbers, over the last batch dimension.
        eps: added to the covariance's diagonal, above 0: what varies less is left out rather than blown up.

    Raises:
        ValueError: for an eps not above 0, or "images" without a batch dimension.

    Gradient: to the image, also where variances are equal or 0; second derivatives up to 16 channels. Halves compute
        in float32.
    Source: Bell and Sejnowski 1997. The covariance is over n, not n - 1.

    >>> noise = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(0))
    >>> torch.cov(zca_whitening(noise, eps=1e-9).flatten(1), correction=0).round(decimals=3).diagonal().tolist()
    [1.0, 1.0, 1.0]
    """
    check_image("zca_whitening", image, floating=True)
    check_choice("zca_whitening", "of", of, ("colours", "images"))
    if not eps > 0:
        raise refuse("zca_whitening", "eps", "above 0", eps)
    if of == "images" and image.ndim < 4:
        raise refuse("zca_whitening", "image", "of shape (*batch, n, c, h, w)", tuple(image.shape))
    if image.numel() == 0:
        return image.clone()
    x = image if image.dtype == torch.float64 else image.float()
    points = x.flatten(-2).transpose(-1, -2) if of == "colours" else x.flatten(-3)
    centred = points - points.mean(-2, keepdim=True)
    covariance = centred.transpose(-1, -2) @ centred / points.shape[-2]
    eye = torch.eye(points.shape[-1], dtype=x.dtype, device=x.device)
    white = centred @ inverse_sqrt(covariance + eps * eye)
    out = white.transpose(-1, -2) if of == "colours" else white
    return out.reshape(image.shape).to(image.dtype)


def inverse_sqrt(matrix: Float[Tensor, "*n d d"]) -> Float[Tensor, "*n d d"]:
    """Returns A^(-1/2) of symmetric positive matrices, with derivatives that are finite at equal eigenvalues.

    It is the value at A plus the first two terms of the series around it, which are 0 and carry the derivatives: with
    s the square roots of the eigenvalues, the divided differences of s^-1 by s^2 are
    [i, k] = -1 / (si sk (si + sk)) and [i, k, j] = (si + sk + sj) / (si sk sj (si + sk) (sk + sj) (si + sj)).
    """
    values, vectors = torch.linalg.eigh(matrix.detach())
    root = values.clamp(min=torch.finfo(values.dtype).tiny).sqrt()
    back = vectors.transpose(-1, -2)
    change = back @ (matrix - matrix.detach()) @ vectors
    a, b = root[..., :, None], root[..., None, :]
    series = torch.diag_embed(1 / root) - change / (a * b * (a + b))
    if root.shape[-1] <= SMALL:
        a, b, c = root[..., :, None, None], root[..., None, :, None], root[..., None, None, :]
        second = (a + b + c) / (a * b * c * (a + b) * (b + c) * (a + c))
        series = series + (second * change[..., :, :, None] * change[..., None, :, :]).sum(-2)
    return vectors @ series @ back


def linear_transform(
    image: Float[Tensor, "*batch c h w"], matrix: Float[Tensor, "d e"], *, mean: Tensor | None = None
) -> Float[Tensor, "*batch c h w"]:
    """Returns matrix (x - mean), x being the colours of each pixel or the whole image as one vector.

    Args:
        image: floating.
        matrix: (d, c), which turns colours into d channels; or (c h w, c h w), which turns images, flattened in that
            order.
        mean: of as many numbers as the matrix has columns; None is 0.

    Raises:
        ValueError: for a matrix or a mean of another shape.

    Gradient: to the image, matrix and mean.
    Source: torchvision LinearTransformation, which multiplies from the right.

    >>> linear_transform(torch.tensor([1.0, 2.0, 3.0])[:, None, None], torch.ones(1, 3)).item()
    6.0
    """
    check_image("linear_transform", image, floating=True)
    c, h, w = image.shape[-3:]
    rows, columns = matrix.shape if matrix.ndim == 2 else (0, 0)
    whole = (rows, columns) == (c * h * w,) * 2 and columns != c
    if columns != c and not whole:
        n = c * h * w
        raise refuse("linear_transform", "matrix", f"(d, {c}) or ({n}, {n})", tuple(matrix.shape))
    if mean is not None and mean.numel() != columns:
        raise refuse("linear_transform", "mean", f"{columns} numbers", tuple(mean.shape))
    x = image if image.dtype == torch.float64 else image.float()
    points = x.flatten(-3)[..., None] if whole else x.flatten(-2)
    turn = matrix.to(x.device, x.dtype)
    out = turn @ points
    if mean is not None:
        out = out - turn @ mean.to(x.device, x.dtype).reshape(-1, 1)
    return out.reshape(*image.shape[:-3], c if whole else rows, h, w).to(image.dtype)


ZcaWhitening = as_module(zca_whitening)
LinearTransform = as_module(linear_transform)
