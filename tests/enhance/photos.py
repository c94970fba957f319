"""Real photographs, and how they go to and from the oracles' layouts."""

import numpy as np
import skimage.data
import torch


def photo(h=120, w=146):
    """Returns part of a colour photo as a uint8 array (h, w, 3)."""
    return np.ascontiguousarray(skimage.data.astronaut()[20 : 20 + h, 150 : 150 + w])


def grey(h=97, w=130):
    return np.ascontiguousarray(skimage.data.camera()[60 : 60 + h, 180 : 180 + w])


def chw(array):
    """Returns an array (h, w) or (h, w, c) as a tensor (c, h, w)."""
    return torch.from_numpy(array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1)))


def hwc(tensor):
    return tensor.permute(1, 2, 0).numpy()


def unit(array):
    """Returns levels as floats in [0, 1]."""
    return (array / 255).astype(np.float32)


def levels_apart(a, b):
    """Returns by how many levels two uint8 images differ at most."""
    return int(np.abs(np.asarray(a, np.int64) - np.asarray(b, np.int64)).max())
