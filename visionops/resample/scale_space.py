"""Scale space: an image at ever larger blurs, in octaves that halve it.

Level i of octave o has a blur of sigma 2^(i / levels) of its own pixels, which are 2^o of the image's.

Source: Lowe, Distinctive Image Features from Scale-Invariant Keypoints (2004), section 3; the steps of OpenCV's SIFT.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_count, check_image
from visionops.errors import refuse
from visionops.filters import gaussian_blur

from .resize import resize
from .warping import check_pixels


class ScaleSpace(NamedTuple):
    """Octaves of blurred images.

    Attributes:
        octaves: (*batch, levels + 3, c, h, w) each, half as large as the one before.
        sigmas: (octaves, levels + 3), the blur of each level in pixels of the image.
        steps: the size of each octave's pixels, in pixels of the image.
    """

    octaves: list[Float[Tensor, "*batch n c _h _w"]]
    sigmas: Float[Tensor, "o n"]
    steps: list[float]


def scale_space(
    image: Float[Tensor, "*batch c h w"],
    *,
    levels: int = 3,
    sigma: float = 1.6,
    octaves: int | None = None,
    assumed_blur: float = 0.5,
    doubled: bool = False,
    min_size: int = 15,
) -> ScaleSpace:
    """Returns the image at levels + 3 blurs in each octave, as SIFT needs them: (octaves, sigmas, steps).

    Args:
        image: floating.
        levels: steps between a blur and its double.
        sigma: the blur of an octave's first level, pixels of that octave, above 0.
        octaves: how many; None goes on while the shorter side has `min_size` pixels.
        assumed_blur: what the image has already, pixels.
        doubled: whether to begin at twice the size, without antialias as OpenCV's SIFT.
        min_size: pixels, at least 1.

    Raises:
        ValueError: for counts under 1 or a sigma that is not above 0.

    Gradient: to the image. The blurs are fixed numbers.

    >>> space = scale_space(torch.rand(1, 40, 60), levels=2)
    >>> [tuple(octave.shape) for octave in space.octaves], space.steps
    ([(5, 1, 40, 60), (5, 1, 20, 30)], [1.0, 2.0])
    """
    check_image("scale_space", image, floating=True)
    check_pixels("scale_space", image)
    for name, value in (("levels", levels), ("octaves", 1 if octaves is None else octaves), ("min_size", min_size)):
        check_count("scale_space", name, value)
    if not sigma > 0:
        raise refuse("scale_space", "sigma", "above 0", sigma)
    step = 1.0
    if doubled:
        image = resize(image, (2 * image.shape[-2], 2 * image.shape[-1]), antialias=False)
        step, assumed_blur = 0.5, 2 * assumed_blur
    if octaves is None:
        octaves = max(int(math.log2(max(min(image.shape[-2:]) / min_size, 1))) + 1, 1)
    wanted = [sigma * 2 ** (i / levels) for i in range(levels + 3)]
    base = _blur(image, assumed_blur, sigma)
    found, steps = [], []
    for _ in range(octaves):
        images = [base]
        for before, after in itertools.pairwise(wanted):
            images.append(_blur(images[-1], before, after))
        found.append(torch.stack(images, -4))
        steps.append(step)
        base = images[levels][..., ::2, ::2]  # twice the blur, and so that of the next octave
        step *= 2
    sigmas = torch.tensor([[s * w for w in wanted] for s in steps], dtype=image.dtype, device=image.device)
    return ScaleSpace(found, sigmas, steps)


def _blur(image: Tensor, before: float, after: float) -> Tensor:
    """Returns an image of one blur at another."""
    return gaussian_blur(image, sigma=math.sqrt(max(after**2 - before**2, 1e-4)))
