"""JPEGs through libjpeg-turbo, where it was found when visionops was built; None where Pillow has to do it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from visionops.kernels import native

try:
    from visionops import _jpeg as module  # type: ignore[attr-defined]
except ImportError as error:  # built without libjpeg-turbo, or the library is gone
    module = None
    why_not = f"the compiled module is missing ({error})"
else:
    why_not = ""

# A crop begins at a multiple of the interleaved blocks: 8 pixels, times a sampling factor of 1, 2 or 4.
BLOCK = 32  # pixels of the image, before it is reduced


class Header(NamedTuple):
    """What a JPEG says of itself.

    Attributes:
        size: (height, width), as stored.
        has_metadata: whether it may have an orientation.
    """

    size: tuple[int, int]
    has_metadata: bool


def active() -> bool:
    """Returns whether libjpeg-turbo decodes."""
    return module is not None and native.active()


def decoder() -> str:
    """Returns what decodes JPEGs, and why where it is not libjpeg-turbo."""
    return "libjpeg-turbo" if active() else f"Pillow, because {why_not or native.why_not}"


def header(data: bytes) -> Header | None:
    """Returns the header of a JPEG that `decode` can take: grey, YCbCr or RGB. None for any other bytes."""
    found = module.header(data) if active() else None
    if found is None or not found[2]:
        return None
    width, height, _, has_metadata = found
    return Header((height, width), has_metadata)


def decode(data: bytes, reduction: int, box: tuple[int, int, int, int]) -> tuple[np.ndarray, int] | None:
    """Returns RGB pixels (h, w, 3) of a rectangle, and in which column they begin: it may be wider to the left.

    The pixels are those of the whole image, bit for bit, but for the first and the last column of a rectangle that
    does not reach the image's side: their colour knows no neighbour. What lies below is not looked at, if the data end
    as a JPEG does.

    Args:
        reduction: 1, 2, 4 or 8; sides of the reduced image are rounded up.
        box: (left, top, right, bottom), pixels of the reduced image; at least three columns wide, if that is.

    None where libjpeg-turbo cannot, because the data are damaged, cut off or of a rare kind.
    """
    if not active():
        return None
    left, top, right, bottom = box
    left -= left % (BLOCK // reduction)
    pixels = np.empty((bottom - top, right - left, 3), np.uint8)
    return (pixels, left) if module.decode(data, reduction, left, top, pixels) else None
