from functools import partial

import torch
from torch import Tensor

from visionops import filters
from visionops.testing.images import FLOATS, noise_image
from visionops.testing.operators import DOUBLES, Operator

TAPS = torch.tensor([[0.1, 0.3, -0.2], [0.4, 0.5, 0.2]])
GABOR = {"sigma": 1.0, "angle": 30.0, "wavelength": 4.0, "phase": 40.0, "kernel_size": 5}


def _sigmas(n: int, dtype: torch.dtype) -> Tensor:
    return torch.arange(1, n + 1).to(dtype) / 2


def _volume(n: int, dtype: torch.dtype) -> Tensor:
    return noise_image(n, dtype, size=(12, 5)).unflatten(-2, (3, 4))


def _constant(make: object) -> Operator:
    """Returns the case of a maker of kernels that takes no tensor: it scales by the first value of each row."""
    return Operator(lambda x: x[:, None, None] * make().flatten().to(x.dtype), example=_sigmas, dtypes=DOUBLES)  # type: ignore[operator]


CASES = {
    "visionops.filters.blur_pool": Operator(filters.blur_pool, saves=0),
    "visionops.filters.box_blur": Operator(filters.box_blur, {"kernel_size": (3, 4)}, saves=0),
    "visionops.filters.box_kernel": _constant(partial(filters.box_kernel, 3)),
    "visionops.filters.canny": Operator(filters.canny, {"low": 0.8, "high": 1.2, "norm": "l2"}, dtypes=FLOATS, saves=2),
    "visionops.filters.difference_of_gaussians": Operator(
        filters.difference_of_gaussians, {"sigma_low": 0.6}, dtypes=FLOATS, saves=0
    ),
    "visionops.filters.fft_filter2d": Operator(filters.fft_filter2d, {"kernel": TAPS}),
    "visionops.filters.filter2d": Operator(filters.filter2d, {"kernel": TAPS}, saves=0),
    "visionops.filters.filter2d_separable": Operator(
        filters.filter2d_separable, {"taps_x": TAPS[0], "taps_y": TAPS[1, :2]}, saves=0
    ),
    "visionops.filters.filter3d": Operator(
        filters.filter3d, {"kernel": torch.stack([TAPS, -0.5 * TAPS])}, example=_volume, saves=0
    ),
    "visionops.filters.gabor": Operator(filters.gabor, GABOR, dtypes=FLOATS, saves=0),
    "visionops.filters.gabor_kernel": Operator(
        lambda x: filters.gabor_kernel(sigma=x, angle=20 * x, wavelength=4.0, kernel_size=5), example=_sigmas,
        dtypes=DOUBLES,
    ),
    "visionops.filters.gaussian_blur": Operator(filters.gaussian_blur, {"sigma": 0.8}, saves=0),
    "visionops.filters.gaussian_kernel1d": Operator(
        lambda x: filters.gaussian_kernel1d(x, 7), example=_sigmas, dtypes=DOUBLES
    ),
    "visionops.filters.gaussian_kernel2d": Operator(
        lambda x: filters.gaussian_kernel2d(x, (3, 5)), example=_sigmas, dtypes=DOUBLES
    ),
    "visionops.filters.laplacian": Operator(filters.laplacian, dtypes=FLOATS, saves=0),
    "visionops.filters.laplacian_kernel": _constant(partial(filters.laplacian_kernel, 5)),
    "visionops.filters.max_blur_pool": Operator(filters.max_blur_pool),
    "visionops.filters.motion_blur": Operator(
        filters.motion_blur, {"kernel_size": 5, "angle": 30.0, "direction": 0.3}, saves=0
    ),
    "visionops.filters.motion_kernel": Operator(
        lambda x: filters.motion_kernel(5, 25 * x, 0.2 * x), example=_sigmas, dtypes=DOUBLES
    ),
    "visionops.filters.scharr": Operator(filters.scharr, dtypes=FLOATS, saves=1),
    "visionops.filters.sobel": Operator(filters.sobel, dtypes=FLOATS, saves=1),
    "visionops.filters.sobel_kernel": _constant(partial(filters.sobel_kernel, 5, order=2)),
    "visionops.filters.spatial_gradient": Operator(filters.spatial_gradient, {"order": 2}, dtypes=FLOATS, saves=0),
    "visionops.filters.spatial_gradient3d": Operator(
        filters.spatial_gradient3d, {"operator": "sobel"}, example=_volume, dtypes=FLOATS, saves=0
    ),
    "visionops.filters.unsharp_mask": Operator(filters.unsharp_mask, {"sigma": 0.8, "amount": 0.5}, saves=0),
}
