"""Skeletons: what thinning leaves of a shape."""

from __future__ import annotations

import torch
from jaxtyping import Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.kernels.morphology import skeleton
from visionops.module import as_module


def skeletonize(image: Shaped[Tensor, "*batch c h w"]) -> Shaped[Tensor, "*batch c h w"]:
    """Returns the image on the skeleton of what is not zero, and 0 elsewhere.

    The skeleton is one pixel wide, of each channel by itself, and connected where the shape is by 8 neighbours.

    Args:
        image: floating or uint8; 0 is background.

    Gradient: 1 to pixels of the skeleton, 0 elsewhere. Which pixels those are is not differentiable.
    Source: Guo and Hall, Parallel Thinning with Two-Subiteration Algorithms, Communications of the ACM (1989);
    the same pixels as skimage.morphology.thin. What skimage calls skeletonize is another variant.

    >>> skeletonize(torch.ones(1, 3, 5))[0].int().tolist()
    [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    """
    check_image("skeletonize", image)
    kept = unflatten(skeleton(flatten(image)), image.shape[:-3])
    return torch.where(kept, image, 0)


Skeletonize = as_module(skeletonize)
