"""Derivatives of images by small kernels, all of them in one pass: Sobel, Scharr, central differences, Laplacian.

A derivative along x is a row of taps for it and a column that smooths: dx = image * (column x row).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_border, check_choice, check_image, flatten, unflatten
from visionops.errors import refuse
from visionops.kernels.dense import filter_dense
from visionops.module import as_module

from .taps import check_volume, count_of

Border = Literal["reflect", "replicate", "circular", "constant"]
Taps = tuple[float, ...]
Components = dict[int, tuple[tuple[int, ...], ...]]

SMOOTH: dict[str, Taps] = {"sobel": (1, 2, 1), "scharr": (3, 10, 3), "diff": (0, 1, 0)}
# Of each order along one axis; order 0 smooths, by the operator.
DIFFERENCES: dict[int, Taps] = {1: (-1, 0, 1), 2: (1, -2, 1)}
# The orders along the last axes of each component.
PLANE: Components = {1: ((1, 0), (0, 1)), 2: ((2, 0), (1, 1), (0, 2))}
SPACE: Components = {
    1: ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    2: ((2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 1, 0), (0, 1, 1), (1, 0, 1)),
}


def spatial_gradient(
    image: Float[Tensor, "*batch c h w"],
    *,
    operator: Literal["sobel", "scharr", "diff"] = "sobel",
    order: int = 1,
    border: Border = "reflect",
) -> Float[Tensor, "*batch c n h w"]:
    """Returns the derivatives of each channel: d/dx and d/dy, or for order 2 d2/dx2, d2/dxdy and d2/dy2.

    Args:
        image: floating.
        operator: "sobel" smooths across by 1 2 1, "scharr" by 3 10 3, "diff" not at all. Taps are not normalised, as in
            OpenCV: of a slope of 1 per pixel the first derivative is 8, 32 and 2.
        order: 1, taps -1 0 1; or 2, taps 1 -2 1, and -1 0 1 both ways for the mixed one.
        border: "reflect" does not repeat the edge, as OpenCV's default.

    Raises:
        ValueError: for an unknown operator or border, or another order.

    Gradient: to the image; nothing is kept for it. float16 and bfloat16 compute in float32.
    Source: OpenCV Sobel with ksize 3 and Scharr.

    >>> spatial_gradient(torch.arange(5.0).expand(1, 5, 5))[0, :, 2, 2].tolist()
    [8.0, 0.0]
    """
    check_image("spatial_gradient", image, floating=True)
    check_border("spatial_gradient", border)
    kernels = _kernels("spatial_gradient", operator, order, PLANE)[:, None].to(image.device)
    out = filter_dense(flatten(image)[:, :, None], kernels[None], border=border)[:, :, :, 0]
    return out.reshape(*image.shape[:-2], *out.shape[-3:])


def spatial_gradient3d(
    image: Float[Tensor, "*batch c d h w"],
    *,
    operator: Literal["sobel", "scharr", "diff"] = "diff",
    order: int = 1,
    border: Border = "reflect",
) -> Float[Tensor, "*batch c n d h w"]:
    """Returns the derivatives of volumes by x, y, z, or for order 2 by xx, yy, zz, xy, yz, xz.

    Args:
        image: floating.
        operator: as in `spatial_gradient`, smoothing across in both directions.
        order: 1 or 2.
        border: "reflect" does not repeat the edge.

    Raises:
        ValueError: for an unknown operator or border, or another order.

    Gradient: to the image; nothing is kept for it. float16 and bfloat16 compute in float32.

    >>> spatial_gradient3d(torch.arange(5.0).expand(1, 5, 5, 5))[0, :, 2, 2, 2].tolist()
    [2.0, 0.0, 0.0]
    """
    check_volume("spatial_gradient3d", image, floating=True)
    check_border("spatial_gradient3d", border)
    kernels = _kernels("spatial_gradient3d", operator, order, SPACE).to(image.device)
    flat = image.reshape(count_of(image.shape[:-4]), *image.shape[-4:])
    out = filter_dense(flat, kernels[None], border=border)
    return out.reshape(*image.shape[:-3], *out.shape[-4:])


def sobel(image: Float[Tensor, "*batch c h w"], *, border: Border = "reflect") -> Float[Tensor, "*batch c h w"]:
    """Returns the magnitude of the gradient, sqrt(dx^2 + dy^2), by Sobel's taps.

    Args:
        image: floating.
        border: "reflect" does not repeat the edge, as OpenCV's default.

    Raises:
        ValueError: for an unknown border.

    Gradient: to the image, 0 where the magnitude is 0. It keeps the image. float16 and bfloat16 compute in float32.
    Source: OpenCV Sobel, ksize 3, not normalised: a slope of 1 per pixel gives 8. scikit-image's is 4 sqrt(2) times
    less.

    >>> sobel(torch.arange(5.0).expand(1, 5, 5))[0, 2, 2].item()
    8.0
    """
    return _magnitude("sobel", image, border)


def scharr(image: Float[Tensor, "*batch c h w"], *, border: Border = "reflect") -> Float[Tensor, "*batch c h w"]:
    """Returns the magnitude of the gradient, sqrt(dx^2 + dy^2), by Scharr's taps: the same at every angle to 0.5 %.

    Args:
        image: floating.
        border: "reflect" does not repeat the edge, as OpenCV's default.

    Raises:
        ValueError: for an unknown border.

    Gradient: to the image, 0 where the magnitude is 0. It keeps the image. float16 and bfloat16 compute in float32.
    Source: OpenCV Scharr, not normalised: a slope of 1 per pixel gives 32. scikit-image's is 16 sqrt(2) times less.

    >>> scharr(torch.arange(5.0).expand(1, 5, 5))[0, 2, 2].item()
    32.0
    """
    return _magnitude("scharr", image, border)


def laplacian(
    image: Float[Tensor, "*batch c h w"], *, kernel_size: int = 1, border: Border = "reflect"
) -> Float[Tensor, "*batch c h w"]:
    """Returns d2/dx2 + d2/dy2 of each channel.

    Args:
        image: floating.
        kernel_size: see `laplacian_kernel`.
        border: "reflect" does not repeat the edge, as OpenCV's default.

    Raises:
        ValueError: for a size that is even or below 1, or an unknown border.

    Gradient: to the image; nothing is kept for it. float16 and bfloat16 compute in float32.
    Source: OpenCV Laplacian, not normalised.

    >>> laplacian(torch.arange(5.0).square().expand(1, 5, 5))[0, 2, 2].item()
    2.0
    """
    check_image("laplacian", image, floating=True)
    check_border("laplacian", border)
    kernel = laplacian_kernel(kernel_size).to(image.device)
    out = filter_dense(flatten(image)[:, :, None], kernel[None, None, None], border=border)
    return unflatten(out[:, :, 0, 0], image.shape[:-3])


def sobel_kernel(
    kernel_size: int = 3, *, operator: Literal["sobel", "scharr", "diff"] = "sobel", order: int = 1
) -> Float[Tensor, "n k k"]:
    """Returns the kernels of `spatial_gradient` in double precision: of d/dx and d/dy, or xx, xy and yy.

    Args:
        kernel_size: odd, at least 3: beyond 3, Sobel's taps are convolved with 1 2 1 again, as in OpenCV.
        operator: "scharr" and "diff" have size 3 only.
        order: of the derivative, 1 or 2.

    Raises:
        ValueError: for a size that is even or below 3, an unknown operator, or another order.

    >>> sobel_kernel()[0].tolist()
    [[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]]
    """
    good = isinstance(kernel_size, int) and kernel_size >= 3 and kernel_size % 2 == 1
    if not good or (operator != "sobel" and kernel_size != 3):
        raise refuse("sobel_kernel", "kernel_size", "odd and at least 3, or 3 for scharr and diff", kernel_size)
    return _kernels("sobel_kernel", operator, order, PLANE, kernel_size)


def laplacian_kernel(kernel_size: int = 1) -> Float[Tensor, "k k"]:
    """Returns the taps of the sum of both second derivatives, in double precision.

    Args:
        kernel_size: odd. 1 is the 3x3 kernel of four neighbours; others are the sums of Sobel's second derivatives.

    Raises:
        ValueError: for a size that is even or below 1.
    Source: OpenCV Laplacian.

    >>> laplacian_kernel().tolist()
    [[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]]
    """
    if not isinstance(kernel_size, int) or kernel_size < 1 or kernel_size % 2 == 0:
        raise refuse("laplacian", "kernel_size", "odd and positive", kernel_size)
    if kernel_size == 1:
        return torch.tensor([[0, 1, 0], [1, -4, 1], [0, 1, 0]], dtype=torch.float64)
    along, _, down = sobel_kernel(kernel_size, order=2)
    return along + down


def _magnitude(operator: str, image: Tensor, border: str) -> Tensor:
    check_image(operator, image, floating=True)
    check_border(operator, border)
    kernels = _kernels(operator, operator, 1, PLANE)[:, None].to(image.device)
    out = filter_dense(flatten(image)[:, :, None], kernels[None], border=border, norm="l2")
    return unflatten(out[:, :, 0, 0], image.shape[:-3])


def _kernels(
    function: str, operator: str, order: int, components: Components, size: int = 3
) -> Tensor:
    """Returns a kernel for each component of this order; the orders of a component are by x, y (, z)."""
    check_choice(function, "operator", operator, SMOOTH)
    if order not in components:
        raise refuse(function, "order", "1 or 2", order)
    return torch.stack([_outer([_along(operator, o, size) for o in reversed(c)]) for c in components[order]])


def _along(operator: str, order: int, size: int) -> Tensor:
    taps = torch.tensor(DIFFERENCES[order] if order else SMOOTH[operator], dtype=torch.float64)
    smooth = torch.tensor([[[1.0, 2.0, 1.0]]], dtype=torch.float64)
    for _ in range(size // 2 - 1):
        taps = torch.nn.functional.conv1d(taps[None, None], smooth, padding=2)[0, 0]
    return taps


def _outer(factors: list[Tensor]) -> Tensor:
    result = factors[0]
    for factor in factors[1:]:
        result = result[..., None] * factor
    return result


Sobel = as_module(sobel)
Scharr = as_module(scharr)
Laplacian = as_module(laplacian)
SpatialGradient = as_module(spatial_gradient)
SpatialGradient3d = as_module(spatial_gradient3d)
