"""Structural similarity.

S = (2 mx my + C1) (2 sxy + C2) / ((mx^2 + my^2 + C1) (sx^2 + sy^2 + C2)),   C1 = (0.01 range)^2,  C2 = (0.03 range)^2

where m and s are means and (co)variances under a Gaussian window. Source: Wang, Bovik, Sheikh and Simoncelli, Image
quality assessment: from error visibility to structural similarity, IEEE TIP 2004, equation 13.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from visionops.errors import mistake
from visionops.filters import gaussian_kernel1d
from visionops.kernels import filter_separable
from visionops.kernels.functions import is_traced


def ssim(
    image1: Float[Tensor, "*batch c h w"],
    image2: Float[Tensor, "*batch c h w"],
    *,
    window_size: int = 11,
    sigma: float = 1.5,
    data_range: float = 1.0,
    padding: Literal["valid", "reflect"] = "valid",
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the structural similarity of two images: 1 where they are equal, at least -1.

    Each channel counts for itself, and so does each window. The defaults are the paper's.

    Args:
        image1: floating, of at least `window_size` each way.
        image2: of the same shape.
        window_size: odd number of taps of the Gaussian window.
        sigma: of the window, in pixels.
        data_range: between black and white, 1 for images in [0, 1].
        padding: "valid" counts whole windows only; "reflect" has one at every pixel, and reads a mirror image outside.
        reduction: "mean" and "sum" over everything; "none" gives the map (*batch, c, h, w), with "valid" smaller by
            window_size - 1 each way.

    Raises:
        ValueError: for shapes that differ or are smaller than the window, and for options out of range.

    Gradient: to both images, of every order; finite at flat and at equal images. Half precision computes in float32.
    Source: Wang et al. 2004; `skimage.metrics.structural_similarity` with gaussian_weights=True and
    use_sample_covariance=False is the same number for one channel.

    >>> ramp = torch.linspace(0, 1, 16).expand(1, 16, 16)
    >>> ssim(ramp, ramp).item(), round(ssim(ramp, 0.5 * ramp).item(), 3)
    (1.0, 0.651)
    """
    window = Window(window_size, sigma, data_range, padding)
    window.check(image1, image2, reduction, ("image1", "image2"))
    values = similarity(image1, image2, window)
    if reduction != "none":
        values = values.mean() if reduction == "mean" else values.sum()
    return values.to(image1.dtype)


class Window(NamedTuple):
    """The options that metric and loss share."""

    size: int
    sigma: float
    data_range: float
    padding: str

    def check(self, x: Tensor, y: Tensor, reduction: str, names: tuple[str, str]) -> None:
        """Raises for a caller's mistake; `names` are those of the images."""
        for name, image in zip(names, (x, y), strict=True):
            if not image.is_floating_point():
                raise mistake("ssim", name, "floating", image.dtype, "Divide a uint8 image by 255.")
        if x.ndim < 3:
            raise mistake("ssim", names[0], "of shape (*batch, c, h, w)", tuple(x.shape), "Add a channel.")
        if x.shape != y.shape or x.dtype != y.dtype:
            got = f"{tuple(y.shape)} of {y.dtype} beside {tuple(x.shape)} of {x.dtype}"
            raise mistake("ssim", names[1], f"of the shape and dtype of {names[0]}", got)
        if not isinstance(self.size, int) or self.size < 1 or self.size % 2 == 0:
            raise mistake("ssim", "window_size", "odd and positive", self.size, "Add 1.")
        if min(x.shape[-2:]) < self.size:
            rule = f"at least as large as the window of {self.size}x{self.size}"
            raise mistake("ssim", names[0], rule, tuple(x.shape), "Give a smaller window_size.")
        for name, value in (("sigma", self.sigma), ("data_range", self.data_range)):
            if not value > 0:
                raise mistake("ssim", name, "above 0", value)
        if self.padding not in ("valid", "reflect"):
            raise mistake("ssim", "padding", "'valid' or 'reflect'", repr(self.padding))
        if reduction not in ("mean", "sum", "none"):
            raise mistake("ssim", "reduction", "'mean', 'sum' or 'none'", repr(reduction))

    def centres(self, image: Tensor) -> Tensor:
        """Returns the pixels (..., h', w') that have a window around them."""
        r = self.size // 2 if self.padding == "valid" else 0
        return image[..., r : image.shape[-2] - r, r : image.shape[-1] - r]


def similarity(x: Tensor, y: Tensor, window: Window) -> Tensor:
    """Returns the map (*batch, c, h', w') of `ssim`, at least in float32."""
    x, y = (t.float() if t.dtype in (torch.float16, torch.bfloat16) else t for t in (x, y))
    taps = gaussian_kernel1d(window.sigma, window.size)
    mx, my, product = (window.centres(filtered(t, taps)) for t in (x, y, x * y))
    # The two squares are needed as a sum only.
    squares = window.centres(filtered(torch.addcmul(x * x, y, y), taps))
    quotient = _quotient if is_traced() else _Quotient.apply
    return quotient(mx, my, squares, product, window)


def filtered(image: Float[Tensor, "*batch h w"], taps: np.ndarray | Tensor) -> Float[Tensor, "*batch h w"]:
    """Returns the image filtered with the same taps both ways."""
    flat = image.reshape(-1, 1, *image.shape[-2:]) if image.numel() else image.new_empty(0, 1, *image.shape[-2:])
    return filter_separable(flat, taps, taps, border="reflect").reshape(image.shape)


class _Quotient(torch.autograd.Function):
    """`_quotient`, of which autograd would keep six maps more than the four that it is made from."""

    @staticmethod
    def forward(mx: Tensor, my: Tensor, squares: Tensor, product: Tensor, window: Window) -> Tensor:
        return _quotient(mx, my, squares, product, window)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:4])
        ctx.window = inputs[4]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        mx, my, squares, product = ctx.saved_tensors
        a, b, c, d = _factors(mx, my, squares, product, ctx.window)
        per = grad / (c * d)
        to_squares = -per * a * b / d
        cross, own = 2 * per * (b - a), 2 * to_squares * (d - c) / c
        return own * mx + cross * my, own * my + cross * mx, to_squares, 2 * per * a, None


def _quotient(mx: Tensor, my: Tensor, squares: Tensor, product: Tensor, window: Window) -> Tensor:
    a, b, c, d = _factors(mx, my, squares, product, window)
    return a * b / (c * d)


def _factors(mx: Tensor, my: Tensor, squares: Tensor, product: Tensor, window: Window) -> tuple[Tensor, ...]:
    c1, c2 = (0.01 * window.data_range) ** 2, (0.03 * window.data_range) ** 2
    mxy, mxx = mx * my, torch.addcmul(mx * mx, my, my)
    return 2 * mxy + c1, 2 * (product - mxy) + c2, mxx + c1, squares - mxx + c2
