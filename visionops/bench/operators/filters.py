"""The lines of visionops.filters and visionops.morphology."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from visionops import filters, morphology

from .line import Line, kornia, opencv


def _taps(*size: int) -> torch.Tensor:
    """Returns taps that add up to one."""
    taps = torch.rand(size, generator=torch.Generator().manual_seed(0))
    return taps / taps.sum()


SMALL, LARGE, ROW = _taps(7, 7), _taps(31, 31), _taps(7)


def _guide(x: torch.Tensor) -> torch.Tensor:
    return x.mean(-3, keepdim=True)


def _gaussian(size: int, sigma: float) -> Line:
    return Line(
        f"gaussian_blur {size}x{size}",
        lambda x: filters.gaussian_blur(x, sigma=sigma, kernel_size=size),
        opencv(lambda cv, a: cv.GaussianBlur(a, (size, size), sigma)),
        kornia(lambda k, x: k.filters.gaussian_blur2d(x, size, (sigma, sigma))),
    )


def _box(size: int) -> Line:
    return Line(
        f"box_blur {size}x{size}",
        lambda x: filters.box_blur(x, kernel_size=size),
        opencv(lambda cv, a: cv.blur(a, (size, size))),
        kornia(lambda k, x: k.filters.box_blur(x, size)),
    )


def _median(size: int) -> Line:
    # Kornia reads the middle of sorted windows through a convolution that picks each pixel.
    return Line(
        f"median_blur {size}x{size}",
        lambda x: filters.median_blur(x, kernel_size=size),
        opencv(lambda cv, a: cv.medianBlur(a, size), 0 if size <= 5 else None, 0),
        kornia(lambda k, x: k.filters.median_blur(x, size, "replicate"), 1e-6) if size <= 5 else None,
    )


def _bilateral(size: int) -> Line:
    # OpenCV reads its weights from a table; Kornia's window is a square, which weighs its corners too.
    return Line(
        f"bilateral_blur {size}x{size}",
        lambda x: filters.bilateral_blur(x, kernel_size=size, sigma_color=0.1, sigma_space=2.0),
        opencv(lambda cv, a: cv.bilateralFilter(a, size, 25.5 if a.dtype == np.uint8 else 0.1, 2.0), 1e-3, 1),
        kornia(lambda k, x: k.filters.bilateral_blur(x, size, 0.1, (2.0, 2.0)), 0.1),
    )


def _derivatives(cv: Any, a: Any) -> tuple[Any, Any]:
    return cv.Sobel(a, cv.CV_32F, 1, 0), cv.Sobel(a, cv.CV_32F, 0, 1)


def _difference_of_gaussians(cv: Any, a: Any) -> Any:
    return cv.subtract(cv.GaussianBlur(a, (0, 0), 1.0), cv.GaussianBlur(a, (0, 0), 2.0))


def _as_pairs(pair: Any) -> Any:
    """Returns OpenCV's d/dx and d/dy as (h, w, 3, 2), which becomes (3, 2, h, w)."""
    return np.stack(pair, -1)


def _morphology(name: str, size: int, operation: str, peer: str) -> Line:
    return Line(
        f"{name} {size}x{size}",
        lambda x: getattr(morphology, name)(x, kernel_size=size),
        opencv(lambda cv, a: cv.morphologyEx(a, getattr(cv, operation), np.ones((size, size), np.uint8)), 1e-6, 0),
        kornia(lambda k, x: getattr(k.morphology, peer)(x, x.new_ones(size, size)), 1e-6),
    )


LINES = [
    _box(5),
    _box(31),
    _gaussian(5, 1.1),
    _gaussian(31, 5.0),
    _median(3),
    _median(5),
    _median(15),
    _bilateral(5),
    _bilateral(9),
    Line("joint_bilateral_blur 5x5",
         lambda x: filters.joint_bilateral_blur(x, _guide(x), kernel_size=5, sigma_color=0.1, sigma_space=2.0),
         kornia=kornia(lambda k, x: k.filters.joint_bilateral_blur(x, _guide(x), 5, 0.1, (2.0, 2.0)), 0.2)),
    Line("guided_blur 9x9", lambda x: filters.guided_blur(x, x.flip(-1), kernel_size=9, eps=0.01),
         kornia=kornia(lambda k, x: k.filters.guided_blur(x.flip(-1), x, 9, 0.01), 1e-3, margin=10)),
    Line("non_local_means 7x7 in 11x11",
         lambda x: filters.non_local_means(x, h=10 / 255, patch_size=7, search_size=11),
         opencv(lambda cv, a: cv.fastNlMeansDenoising(a, None, 10, 7, 11), None, 2)),
    Line("filter2d 7x7", lambda x: filters.filter2d(x, SMALL),
         opencv(lambda cv, a: cv.filter2D(a, -1, SMALL.numpy())),
         kornia(lambda k, x: k.filters.filter2d(x, SMALL[None].to(x)))),
    Line("filter2d 31x31", lambda x: filters.filter2d(x, LARGE),
         opencv(lambda cv, a: cv.filter2D(a, -1, LARGE.numpy())),
         kornia(lambda k, x: k.filters.fft_conv(x, LARGE[None].to(x)))),
    Line("filter2d_separable 7x7", lambda x: filters.filter2d_separable(x, ROW, ROW),
         opencv(lambda cv, a: cv.sepFilter2D(a, -1, ROW.numpy(), ROW.numpy())),
         kornia(lambda k, x: k.filters.filter2d_separable(x, ROW[None].to(x), ROW[None].to(x)))),
    Line("spatial_gradient sobel", filters.spatial_gradient, opencv(_derivatives, 1e-5, None, give=_as_pairs),
         kornia(lambda k, x: k.filters.spatial_gradient(x, normalized=False), 1e-5, margin=1)),
    # Kornia's magnitude has 1e-6 under its root.
    Line("sobel", filters.sobel, opencv(lambda cv, a: cv.magnitude(*_derivatives(cv, a)), 1e-5, None),
         kornia(lambda k, x: k.filters.sobel(x, normalized=False), 2e-3, margin=1)),
    Line("laplacian", filters.laplacian, opencv(lambda cv, a: cv.Laplacian(a, cv.CV_32F), 1e-5, None)),
    Line("canny edges", lambda x: filters.canny(x, low=100, high=200)[1],
         opencv(lambda cv, a: cv.Canny(a, 100, 200), None, 0)),
    # Kornia's magnitude is thinned and an eighth, so that results are not compared.
    Line("canny magnitude", lambda x: filters.canny(x, low=0.8, high=1.6, sigma=1.0, norm="l2")[0],
         kornia=kornia(lambda k, x: k.filters.canny(x, 0.1, 0.2)[0], math.inf)),
    Line("unsharp_mask 9x9", lambda x: filters.unsharp_mask(x, sigma=1.5, kernel_size=9),
         opencv(lambda cv, a: cv.addWeighted(a, 2, cv.GaussianBlur(a, (9, 9), 1.5), -1, 0), 1e-5, 2),
         kornia(lambda k, x: k.filters.unsharp_mask(x, 9, (1.5, 1.5)))),
    Line("difference_of_gaussians", lambda x: filters.difference_of_gaussians(x, sigma_low=1.0, sigma_high=2.0),
         opencv(_difference_of_gaussians, 1e-2, None)),
    Line("motion_blur 9", lambda x: filters.motion_blur(x, kernel_size=9, angle=0.0),
         kornia=kornia(lambda k, x: k.filters.motion_blur(x, 9, 0.0, 0.0, border_type="reflect"))),
    Line("blur_pool 3", filters.blur_pool, kornia=kornia(lambda k, x: k.filters.blur_pool2d(x, 3), margin=1)),
    Line("max_blur_pool 3", filters.max_blur_pool,
         kornia=kornia(lambda k, x: k.filters.max_blur_pool2d(x, 3), 1e-5, margin=2)),
    _morphology("erosion", 5, "MORPH_ERODE", "erosion"),
    _morphology("dilation", 5, "MORPH_DILATE", "dilation"),
    _morphology("dilation", 21, "MORPH_DILATE", "dilation"),
    _morphology("opening", 5, "MORPH_OPEN", "opening"),
    _morphology("closing", 5, "MORPH_CLOSE", "closing"),
    _morphology("morphological_gradient", 5, "MORPH_GRADIENT", "gradient"),
    _morphology("top_hat", 5, "MORPH_TOPHAT", "top_hat"),
    _morphology("black_hat", 5, "MORPH_BLACKHAT", "bottom_hat"),
]  # fmt: skip
