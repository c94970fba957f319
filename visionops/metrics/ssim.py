"""Structural similarity.

S = (2 mx my + C1) (2 sxy + C2) / ((mx^2 + my^2 + C1) (sx^2 + sy^2 + C2)),   C1 = (0.01 range)^2,  C2 = (0.03 range)^2

where m and s are means and (co)variances under a window. Source: Wang, Bovik, Sheikh and Simoncelli, Image quality
assessment: from error visibility to structural similarity, IEEE TIP 2004, equation 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_choice, check_positive, not_floating
from visionops.errors import refuse
from visionops.filters import gaussian_kernel1d
from visionops.kernels import filter_separable
from visionops.kernels.functions import is_traced


def ssim(
    image1: Float[Tensor, "*batch c h w"],
    image2: Float[Tensor, "*batch c h w"],
    *,
    window_size: int = 11,
    sigma: float = 1.5,
    window: Literal["gaussian", "box"] = "gaussian",
    data_range: float = 1.0,
    padding: Literal["valid", "reflect"] = "valid",
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the structural similarity of two images: 1 where they are equal, at least -1.

    Each channel counts for itself, and so does each window. The defaults are the paper's.

    Args:
        image1: floating, of at least `window_size` each way.
        image2: of the same shape.
        window_size: odd number of taps of the window.
        sigma: of the Gaussian, in pixels.
        window: "gaussian", or "box" of equal weights, as of the 3x3 and 7x7 in other papers.
        data_range: between black and white, 1 for images in [0, 1].
        padding: "valid" counts whole windows only; "reflect" has one at every pixel, and reads a mirror image outside.
        reduction: "mean" and "sum" over everything; "none" gives the map (*batch, c, h, w), with "valid" smaller by
            window_size - 1 each way.

    Raises:
        ValueError: for shapes that differ or are smaller than the window, and for options out of range.

    Gradient: to both images, of every order; finite at flat and at equal images. Half precision computes in float32.
    Source: Wang et al. 2004; `skimage.metrics.structural_similarity` with gaussian_weights=True, or False for a box of
    7, and use_sample_covariance=False (variances are divided by n, not n - 1) is the same number for one channel;
    torchmetrics' is that of padding="reflect".

    >>> ramp = torch.linspace(0, 1, 16).expand(1, 16, 16)
    >>> ssim(ramp, ramp).item(), round(ssim(ramp, 0.5 * ramp).item(), 3)
    (1.0, 0.651)
    """
    options = Window(window_size, sigma, data_range, padding, window)
    options.check(image1, image2, reduction, ("image1", "image2"))
    return averaged(similarity(image1, image2, options), reduction, image1.dtype)


def averaged(values: Tensor, reduction: str, dtype: torch.dtype) -> Tensor:
    if reduction != "none":
        values = values.mean() if reduction == "mean" else values.sum()
    return values.to(dtype)


class Window(NamedTuple):
    """The options that metrics and losses share; of images, or of volumes."""

    size: int
    sigma: float
    data_range: float
    padding: str
    shape: str = "gaussian"
    function: str = "ssim"
    dims: int = 2

    def check(self, x: Tensor, y: Tensor, reduction: str, names: tuple[str, str]) -> None:
        """Raises for a caller's mistake; `names` are those of the images."""
        for name, image in zip(names, (x, y), strict=True):
            if not isinstance(image, Tensor) or not image.is_floating_point():
                raise not_floating(self.function, name, "a floating tensor", image)
        if x.ndim < 1 + self.dims:
            rule = f"of shape (*batch, c, {'d, ' if self.dims == 3 else ''}h, w)"
            raise refuse(self.function, names[0], rule, tuple(x.shape), "Add a channel.")
        if x.shape != y.shape or x.dtype != y.dtype:
            got = f"{tuple(y.shape)} of {y.dtype} beside {tuple(x.shape)} of {x.dtype}"
            raise refuse(self.function, names[1], f"of the shape and dtype of {names[0]}", got)
        if not isinstance(self.size, int) or self.size < 1 or self.size % 2 == 0:
            raise refuse(self.function, "window_size", "odd and positive", self.size, "Add 1.")
        self.check_size(x.shape, names[0])
        for name, value in (("sigma", self.sigma), ("data_range", self.data_range)):
            check_positive(self.function, name, value)
        for name, choice, known in (
            ("padding", self.padding, ("valid", "reflect")),
            ("window", self.shape, ("gaussian", "box")),
            ("reduction", reduction, ("mean", "sum", "none")),
        ):
            check_choice(self.function, name, choice, known)

    def check_size(self, shape: Sequence[int], name: str, levels: int = 1) -> None:
        """Raises unless an image, halved again and again, holds the window."""
        least = self.size << (levels - 1)
        if min(shape[-self.dims :]) < least:
            box = "x".join([str(self.size)] * self.dims)
            after = f" when halved {levels - 1} times" if levels > 1 else ""
            rule = f"at least as large as the window of {box}{after}"
            raise refuse(self.function, name, rule, tuple(shape), "Give a smaller window_size.")

    def centres(self, image: Tensor) -> Tensor:
        """Returns the pixels (..., h', w') that have a window around them."""
        r = self.size // 2 if self.padding == "valid" else 0
        for dim in range(-self.dims, 0):
            image = image.narrow(dim, r, image.shape[dim] - 2 * r)
        return image

    def means(self, image: Tensor) -> Tensor:
        """Returns the means (..., h', w') under the window."""
        box = self.shape == "box"
        taps = np.full((1, self.size), 1 / self.size) if box else gaussian_kernel1d(self.sigma, self.size)
        return self.centres(filtered(image, taps, self.dims))


def similarity(x: Tensor, y: Tensor, window: Window, *, structure: bool = False) -> Tensor:
    """Returns the map (*batch, c, h', w') of `ssim`, or that of its second factor alone."""
    # The two squares are needed as a sum only.
    mx, my, squares, product = (window.means(t) for t in (x, y, torch.addcmul(x * x, y, y), x * y))
    quotient = _quotient if is_traced() else _Quotient.apply
    return quotient(mx, my, squares, product, window.data_range, structure)


def filtered(
    image: Float[Tensor, "*batch h w"], taps: np.ndarray | Tensor, dims: int = 2
) -> Float[Tensor, "*batch h w"]:
    """Returns the image filtered with the same taps along its last dimensions."""
    if not image.numel():
        return image
    flat = image.reshape(-1, 1, *image.shape[-2:])
    out = filter_separable(flat, taps, taps, border="reflect").reshape(image.shape)
    if dims == 2:
        return out
    slices = out.reshape(-1, 1, image.shape[-3], image.shape[-2] * image.shape[-1])
    return filter_separable(slices, np.ones((1, 1)), taps, border="reflect").reshape(image.shape)


class _Quotient(torch.autograd.Function):
    """`_quotient`, of which autograd would keep six maps more than the four that it is made from."""

    @staticmethod
    def forward(mx: Tensor, my: Tensor, squares: Tensor, product: Tensor, data_range: float, structure: bool) -> Tensor:
        return _quotient(mx, my, squares, product, data_range, structure)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:4])
        ctx.options = inputs[4:]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        mx, my, squares, product = ctx.saved_tensors
        data_range, structure = ctx.options
        a, b, c, d = _factors(mx, my, squares, product, data_range)
        if structure:
            per = grad / d
            to_product, to_squares = 2 * per, -per * b / d
            cross, own = -to_product, -2 * to_squares
        else:
            per = grad / (c * d)
            to_product, to_squares = 2 * per * a, -per * a * b / d
            cross, own = 2 * per * (b - a), 2 * to_squares * (d - c) / c
        return own * mx + cross * my, own * my + cross * mx, to_squares, to_product, None, None


def _quotient(mx: Tensor, my: Tensor, squares: Tensor, product: Tensor, data_range: float, structure: bool) -> Tensor:
    a, b, c, d = _factors(mx, my, squares, product, data_range)
    return b / d if structure else a * b / (c * d)


def _factors(mx: Tensor, my: Tensor, squares: Tensor, product: Tensor, data_range: float) -> tuple[Tensor, ...]:
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    mxy, mxx = mx * my, torch.addcmul(mx * mx, my, my)
    return 2 * mxy + c1, 2 * (product - mxy) + c2, mxx + c1, squares - mxx + c2
