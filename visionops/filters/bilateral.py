"""Bilateral filter: an average of the neighbours that are alike.

out(p) = sum_q w(p, q) image(q) / sum_q w(p, q)
w(p, q) = exp(-|guide(q) - guide(p)|^2 / (2 sigma_color^2) - |q - p|^2 / (2 sigma_space^2))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import (
    check_border,
    check_guide,
    check_image,
    check_positive,
    flatten,
    kernel_sizes,
    per_sample,
    unflatten,
)
from visionops.kernels.bilateral import bilateral
from visionops.module import as_module

# What a tensor's sigma counts as at least; its square is still far from the end of float32's range.
SIGMA_FLOOR = 1e-6


def bilateral_blur(
    image: Shaped[Tensor, "*batch c h w"],
    *,
    kernel_size: int | Sequence[int],
    sigma_color: float | np.ndarray | Tensor,
    sigma_space: float | np.ndarray | Tensor,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image smoothed within its regions, not across their edges.

    Args:
        image: floating, or uint8 (rounded); its channels are weighed together, by the sum of their differences.
        kernel_size: odd diameter of the window, which is a disk, or (height, width) of an ellipse.
        sigma_color: difference, added up over the channels, at which a weight has fallen to 0.61; in the image's units,
            those of [0, 1] also for uint8; above 0; a number, or one for each sample, (*batch).
        sigma_space: pixels at which a weight has fallen to 0.61; above 0; likewise.
        border: as `gaussian_blur`. "constant" is 0 outside, and counts.

    Raises:
        ValueError: for an even kernel size, a sigma of 0, or an unknown border.

    Gradient: to image, and to the sigmas where they are tensors. Where two pixels have the same value in a channel, the
    difference's absolute value has the subgradient 0; a flat patch has that of a Gaussian blur. Autograd keeps the
    image. Half precision computes in float32.
    Source: Tomasi and Manduchi, "Bilateral Filtering for Gray and Color Images", ICCV 1998. As OpenCV's
    bilateralFilter(d=kernel_size), which for uint8 has sigmaColor = 255 sigma_color, and which rounds grey down in
    small windows.

    >>> step = torch.tensor([0.0, 0.1, 0.9, 1.0]).expand(1, 4, 4)
    >>> [round(v, 3) for v in bilateral_blur(step, kernel_size=3, sigma_color=0.1, sigma_space=2.0)[0, 1].tolist()]
    [0.028, 0.084, 0.916, 0.972]
    """
    return _blur("bilateral_blur", image, None, kernel_size, sigma_color, sigma_space, border)


def joint_bilateral_blur(
    image: Shaped[Tensor, "*batch c h w"],
    guide: Shaped[Tensor, "*batch g h w"],
    *,
    kernel_size: int | Sequence[int],
    sigma_color: float | np.ndarray | Tensor,
    sigma_space: float | np.ndarray | Tensor,
    border: Literal["reflect", "replicate", "circular", "constant"] = "reflect",
) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image smoothed within the guide's regions, not across their edges.

    Args:
        image: floating, or uint8 (rounded).
        guide: of the image's size, any number of channels, floating or uint8.
        kernel_size: odd diameter of the window, which is a disk, or (height, width) of an ellipse.
        sigma_color: as `bilateral_blur`, of the guide's differences.
        sigma_space: as `bilateral_blur`.
        border: as `bilateral_blur`.

    Raises:
        ValueError: for a guide of another size, an even kernel size, a sigma of 0, or an unknown border.

    Gradient: to image, guide, and the sigmas where they are tensors; else as `bilateral_blur`. Autograd keeps
    both images.
    Source: Petschnigg et al., "Digital Photography with Flash and No-Flash Image Pairs", SIGGRAPH 2004, eq. 3. As
    OpenCV's ximgproc.jointBilateralFilter.

    >>> image, guide = torch.tensor([1.0, 0.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 1.0, 1.0])
    >>> options = {"kernel_size": 3, "sigma_color": 0.1, "sigma_space": 2.0}
    >>> out = joint_bilateral_blur(image.expand(1, 4, 4), guide.expand(1, 4, 4), **options)
    >>> [round(v, 3) for v in out[0, 1].tolist()]
    [0.61, 0.242, 0.0, 0.0]
    """
    check_image("joint_bilateral_blur", image)
    check_guide("joint_bilateral_blur", image, guide)
    return _blur("joint_bilateral_blur", image, guide, kernel_size, sigma_color, sigma_space, border)


def _blur(
    function: str, image: Tensor, guide: Tensor | None, kernel_size: Any, color: Any, space: Any, border: str
) -> Tensor:
    check_image(function, image)
    check_border(function, border)
    size = kernel_sizes(function, kernel_size)
    sigmas = []
    for name, value in (("sigma_color", color), ("sigma_space", space)):
        check_positive(function, name, value)
        value = per_sample(function, name, value, image)
        sigmas.append(value.clamp(min=SIGMA_FLOOR) if isinstance(value, Tensor) else np.array([value]))
    flat_guide = None if guide is None else flatten(guide)
    out = bilateral(flatten(image), flat_guide, *sigmas, size=size, border=border)
    return unflatten(out, image.shape[:-3])


BilateralBlur = as_module(bilateral_blur)
