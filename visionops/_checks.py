"""What images may look like at the boundary of the library, and how a refusal is worded."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import mistake


def describe(value: Any) -> str:
    """Returns what an error says about a value: an array's shape and dtype, else its type."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{type(value).__name__} of shape {tuple(value.shape)} and dtype {value.dtype}"
    return f"{type(value).__name__}"


def image_to_hwc(function: str, image: Any) -> np.ndarray:
    """Returns one image as an (H, W, C) array, C in {1, 3, 4}, uint8 or float32; shares memory where it can.

    A numpy array is read as HWC, a tensor as CHW, both also as HW.
    """
    tensor = hasattr(image, "detach")
    if not tensor and not isinstance(image, np.ndarray):
        raise TypeError(
            f"{function}: image must be a numpy array (H, W, C) or a tensor (C, H, W), got {describe(image)}. "
            "Convert a PIL image with numpy.asarray."
        )
    floating = image.dtype.is_floating_point if tensor else image.dtype.kind == "f"
    if not floating and str(image.dtype) not in ("uint8", "torch.uint8"):
        raise TypeError(
            f"{function}: image must be uint8 in [0, 255] or float in [0, 1], got {describe(image)}. "
            "Scale it and convert it first."
        )
    layout, channel = ("(C, H, W)", 0) if tensor else ("(H, W, C)", -1)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[channel] not in (1, 3, 4)):
        other = image.ndim == 3 and image.shape[-1 - channel] in (1, 3, 4)
        remedy = (
            f"{'permute(2, 0, 1)' if tensor else 'transpose(1, 2, 0)'} moves the channels."
            if other
            else ("Pass one image, not a batch." if image.ndim == 4 else "Pick 1, 3 or 4 channels.")
        )
        rule = f"{layout} with 1, 3 or 4 channels"
        raise mistake(function, "image", rule, describe(image), remedy)
    if 0 in tuple(image.shape):
        raise mistake(function, "image", "of at least one pixel", describe(image), "Skip empty images.")
    if tensor:
        image = image.detach().cpu()
        array = (image.float() if floating else image).numpy()
        array = array.transpose(1, 2, 0) if array.ndim == 3 else array
    else:
        array = image.astype(np.float32) if floating else image
    return array if array.ndim == 3 else array[:, :, None]
