"""Photos in OpenCV's layout, and the way there and back."""

import numpy as np
import pytest
import skimage.data
import torch


@pytest.fixture(scope="session")
def grey_levels():
    """A photo (121, 150, 3), uint8."""
    return np.ascontiguousarray(skimage.data.astronaut()[20:141, 150:300])


@pytest.fixture(scope="session")
def photo(grey_levels):
    """The same, float32 in [0, 1]."""
    return grey_levels.astype(np.float32) / 255


@pytest.fixture(scope="session")
def apply():
    """Calls an operator of (c, h, w) tensors on an array (h, w, c)."""

    def run(operator, image, *args, **options):
        return operator(torch.from_numpy(image).permute(2, 0, 1), *args, **options).permute(1, 2, 0).numpy()

    return run
