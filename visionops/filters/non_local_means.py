"""Non-local means: an average of pixels whose surroundings look alike.

out(p) = sum_q w(p, q) image(q) / sum_q w(p, q),   w(p, q) = exp(-max(d(p, q) - 2 sigma^2, 0) / h^2)
d(p, q) = mean over the patch and the channels of (image(p + k) - image(q + k))^2

over the q of a square about p.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_border, check_image, check_positive, flatten, is_whole, per_sample, unflatten
from visionops.errors import refuse
from visionops.kernels.non_local import non_local
from visionops.module import as_module

# What h counts as at least; its square is still far from the end of float32's range.
H_FLOOR = 1e-6


def non_local_means(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    h: float | np.ndarray | Tensor,
    sigma: float | np.ndarray | Tensor = 0.0,
    patch_size: int = 7,
    search_size: int = 21,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image averaged over pixels with like surroundings, which keeps texture that repeats.

    Args:
        image: floating, or uint8 (rounded); its channels are weighed together.
        h: root of the mean squared difference of patches at which a weight has fallen to 1/e: 0.4 to 1.2 times the
            noise's standard deviation; in [0, 1] also for uint8; above 0; a number, or one for each sample,
            (*batch).
        sigma: standard deviation of the noise, which patches are expected to differ by; likewise; at least 0.
        patch_size: odd side of what is compared. The cost does not depend on it.
        search_size: odd side of where the pixels are looked for. The cost is proportional to its square.
        border: as `gaussian_blur`. "constant" is 0 outside, and counts.

    Raises:
        ValueError: for an even size, an h of 0, or a negative sigma.

    Gradient: to image, and to h and sigma where they are tensors; where patches differ by just 2 sigma^2, that of the
    max's first argument. On a CPU autograd keeps the image; elsewhere, in double precision and for second derivatives
    several images for each pixel of half the search window. Half precision computes in float32.
    Source: Buades, Coll and Morel, "Non-Local Means Denoising", IPOL 2011, with the middle's own weight 1. As OpenCV's
    fastNlMeansDenoising, whose h is 255 times this and which takes weights below 1e-3 for 0; scikit-image's
    denoise_nl_means weighs the pixels of a patch by a Gaussian, and its fast mode's patches are a pixel smaller.

    >>> line = torch.tensor([0.0, 0.1, 0.0, 0.9, 1.0, 1.0]).expand(1, 1, 6)
    >>> out = non_local_means(line, h=0.2, patch_size=1, search_size=3, border="replicate")
    >>> [round(v, 3) for v in out.flatten().tolist()]
    [0.028, 0.039, 0.044, 0.944, 0.972, 1.0]
    """
    check_image("non_local_means", image)
    check_border("non_local_means", border)
    check_positive("non_local_means", "h", h)
    if not isinstance(sigma, Tensor) and not (sigma.min() if isinstance(sigma, np.ndarray) else sigma) >= 0:
        raise refuse("non_local_means", "sigma", "at least 0", sigma)
    for name, size in (("patch_size", patch_size), ("search_size", search_size)):
        if not is_whole(size) or size < 1 or size % 2 == 0:
            raise refuse("non_local_means", name, "odd and positive", size)
    strength, noise = (_number(name, value, image) for name, value in (("h", h), ("sigma", sigma)))
    rate, floor = -1 / strength.clamp(min=H_FLOOR).square(), 2 * noise.square()
    radii = {"patch": int(patch_size) // 2, "search": int(search_size) // 2}
    out = non_local(flatten(image), rate, floor, **radii, border=border)
    return unflatten(out, image.shape[:-3])


def _number(name: str, value: float | np.ndarray | Tensor, image: Tensor) -> Tensor:
    """Returns (b or 1,) in the dtype that the image is computed with."""
    dtype = torch.float64 if image.dtype == torch.float64 else torch.float32
    given = per_sample("non_local_means", name, value, image)
    return torch.as_tensor(given, dtype=dtype, device=image.device).reshape(-1)


NonLocalMeans = as_module(non_local_means)
