import torch
from torch import Tensor

from visionops import losses, metrics
from visionops.testing.images import FLOATS, noise_image
from visionops.testing.operators import Loss, Operator


def images(n: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    image = noise_image(n, dtype)
    return image, 0.8 * image.flip(-1)


CASES = {
    "visionops.losses.ssim": Loss(
        losses.ssim, {"window_size": 5}, images, dtypes=FLOATS, masks=lambda x, _: (*x.shape[:-3], 1, *x.shape[-2:])
    ),
    "visionops.metrics.ssim": Operator(
        lambda x: metrics.ssim(x, 0.8 * x.flip(-1), window_size=5, padding="reflect", reduction="none"), dtypes=FLOATS
    ),
}
