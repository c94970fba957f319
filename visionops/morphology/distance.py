"""The distance transform: how far each pixel is from the background."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from visionops.arguments import check_image, flatten, unflatten
from visionops.kernels.morphology import distance
from visionops.module import as_module


def distance_transform(image: Shaped[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch c h w"]:
    """Returns the Euclidean distance in pixels from each pixel to the nearest one that is 0, of its channel.

    Exact: 0 where the image is 0, infinite throughout a channel that has no 0.

    Args:
        image: floating or uint8; 0 is background. The result of uint8 is float32, else of the image's dtype.

    Gradient: none, the result is constant between images that have the same zeros.
    Source: Felzenszwalb and Huttenlocher, Distance Transforms of Sampled Functions (2012);
    scipy.ndimage.distance_transform_edt; OpenCV's distanceTransform is exact with DIST_MASK_PRECISE.

    >>> distance_transform(torch.tensor([[[0.0, 1.0, 1.0, 1.0]]]))
    tensor([[[0., 1., 2., 3.]]])
    """
    check_image("distance_transform", image)
    dtype = image.dtype if image.is_floating_point() else torch.float32
    return unflatten(distance(flatten(image)).sqrt().to(dtype), image.shape[:-3])


DistanceTransform = as_module(distance_transform)
