"""Connected components: the shapes of an image, numbered."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Int, Shaped
from torch import Tensor

from visionops.arguments import check_choice, check_image, flatten, unflatten
from visionops.kernels.morphology import components
from visionops.module import as_module


def connected_components(
    image: Shaped[Tensor, "*batch c h w"], *, connectivity: Literal[4, 8] = 8
) -> Int[Tensor, "*batch c h w"]:
    """Returns int64 labels of what is connected and not zero: 1, 2, ... in each channel, and 0 on the background.

    Labels are in reading order of the first pixel of each component, as SciPy's and scikit-image's.

    Args:
        image: floating or uint8; 0 is background.
        connectivity: neighbours of a pixel: 8, or the 4 that share an edge with it.

    Raises:
        ValueError: for another connectivity.

    Gradient: none, labels are integers.
    Source: scipy.ndimage.label (whose default is 4), OpenCV connectedComponents.

    >>> import torch
    >>> connected_components(torch.tensor([[[1.0, 0.0, 2.0, 3.0]]]))
    tensor([[[1, 0, 2, 2]]])
    """
    check_image("connected_components", image)
    check_choice("connected_components", "connectivity", connectivity, (4, 8))
    return unflatten(components(flatten(image), connectivity), image.shape[:-3])


ConnectedComponents = as_module(connected_components)
