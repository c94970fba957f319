from collections.abc import Callable

import torch
from torch import Tensor

from visionops import losses, metrics
from visionops.testing.images import FLOATS, noise_image
from visionops.testing.operators import Inputs, Loss, Operator


def _pair(n: int, dtype: torch.dtype) -> Inputs:
    image = noise_image(n, dtype, size=(5, 4))
    return image, 0.8 * image.flip(-1)


def _images(n: int, dtype: torch.dtype) -> Inputs:
    image = noise_image(n, dtype)
    return image, 0.8 * image.flip(-1)


def _volumes(n: int, dtype: torch.dtype) -> Inputs:
    volume = noise_image(n, dtype, channels=10, size=(4, 5)).unflatten(1, (2, 5))
    return volume, 0.8 * volume.flip(-1)


def _pixels(x: Tensor, *_: Tensor) -> tuple[int, ...]:
    """Returns the shape of a mask of the pixels of images, for all channels."""
    return (*x.shape[:-3], 1, *x.shape[-2:])


def _heat_maps(n: int, dtype: torch.dtype) -> Inputs:
    images = (4 * x.double() for x in _images(n, dtype))
    return tuple(x.flatten(-2).softmax(-1).unflatten(-1, x.shape[-2:]).to(dtype) for x in images)


# What an image of three channels is divided by.
BETA = torch.tensor([0.2, 0.5, 1.0], dtype=torch.float64)
GAMMA = torch.tensor([[0.5, 0.1, 0.2], [0.0, 0.3, 0.1], [0.2, 0.2, 0.4]], dtype=torch.float64)


def _with_shape(n: int, dtype: torch.dtype) -> Inputs:
    """Returns images, and for each channel a shape between 0 and 2 and a scale."""
    numbers = torch.tensor([0.3, 1.1, 1.7], dtype=dtype).reshape(3, 1, 1).expand(n, 3, 1, 1)
    return *_pair(n, dtype), numbers, 0.5 * numbers


def _equal(*rest: float) -> Callable[[], Inputs]:
    """Returns a maker of two equal images, and of numbers that go with them."""
    image = noise_image(1, torch.float64)
    return lambda: (image, image.clone(), *(torch.full((1, 1, 1, 1), v, dtype=torch.float64) for v in rest))


def _barron(prediction: Tensor, target: Tensor, alpha: Tensor, scale: Tensor, **options: object) -> Tensor:
    return losses.barron(prediction, target, alpha=alpha, scale=scale, nll=True, **options)  # type: ignore[arg-type]


CASES: dict[str, Operator] = {
    f"visionops.losses.{name}": Loss(
        getattr(losses, name), {"scale": 0.3}, _pair, dtypes=FLOATS, regular={"equal": _equal()}
    )
    for name in ("charbonnier", "cauchy", "welsch", "geman_mcclure")
}
CASES |= {
    "visionops.losses.barron": Loss(
        _barron,
        {},
        _with_shape,
        regular={"a shape of 0": _equal(0.0, 0.5), "a shape of 1": _equal(1.0, 0.5)},
        singular={"a shape of 2": _equal(2.0, 0.5)},
    ),
    "visionops.losses.ms_ssim": Loss(
        losses.ms_ssim, {"window_size": 3, "weights": (0.4, 0.6), "data_range": 4.0}, _images, dtypes=FLOATS,
        masks=_pixels, regular={"equal": _equal()}, means=False,
    ),
    "visionops.losses.ssim3d": Loss(
        losses.ssim3d, {"window_size": 3}, _volumes, dtypes=FLOATS,
        masks=lambda x, _: (*x.shape[:-4], 1, *x.shape[-3:]),
    ),
    "visionops.losses.kl_divergence": Loss(losses.kl_divergence, {}, _heat_maps, dtypes=FLOATS),
    "visionops.losses.js_divergence": Loss(losses.js_divergence, {}, _heat_maps, dtypes=FLOATS),
    "visionops.losses.mutual_information": Loss(
        losses.mutual_information, {"bins": 6}, _images, dtypes=FLOATS, masks=_pixels, means=False,
        regular={"equal": _equal()},
    ),
    "visionops.losses.normalized_mutual_information": Loss(
        losses.normalized_mutual_information, {"bins": 6}, _images, dtypes=FLOATS, masks=_pixels, means=False,
        regular={"equal": _equal()},
    ),
    "visionops.losses.normalized_laplacian_pyramid": Loss(
        losses.normalized_laplacian_pyramid, {"levels": 3}, _images, dtypes=FLOATS, masks=_pixels, means=False,
        singular={"equal": _equal()},
    ),
    "visionops.losses.psnr": Loss(
        losses.psnr, {}, _images, dtypes=FLOATS, masks=_pixels, means=False, regular={"equal": _equal()}
    ),
    "visionops.losses.total_variation": Loss(
        losses.total_variation, {"kind": "isotropic"}, noise_image, dtypes=FLOATS, masks=_pixels,
        singular={"flat": lambda: (torch.full((1, 3, 4, 5), 0.5, dtype=torch.float64),)},
    ),
    "visionops.losses.divisive_normalization": Operator(
        losses.divisive_normalization, {"beta": BETA, "gamma": GAMMA}, dtypes=FLOATS
    ),
    "visionops.losses.inverse_divisive_normalization": Operator(
        losses.inverse_divisive_normalization, {"beta": 4 * BETA, "gamma": GAMMA, "power": 1.5}, dtypes=FLOATS
    ),
    "visionops.metrics.psnr": Operator(
        lambda x: metrics.psnr(x, 0.8 * x.flip(-1) + 0.3, reduction="none"), dtypes=FLOATS
    ),
    "visionops.metrics.ms_ssim": Operator(
        lambda x: metrics.ms_ssim(
            x, 0.8 * x.flip(-1), window_size=1, weights=(0.4, 0.6), data_range=4.0, reduction="none"
        ),
        dtypes=FLOATS,
    ),
    "visionops.metrics.ssim3d": Operator(
        lambda x: metrics.ssim3d(x, 0.8 * x.flip(-1), window_size=3, reduction="none"), {},
        lambda n, dtype: _volumes(n, dtype)[0], FLOATS,
    ),
}  # fmt: skip
