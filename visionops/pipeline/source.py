"""Image files that are decoded no further than a warp reads them.

path or bytes -> `Source`, which can be pickled -> for one run, `Opened`: the encoded bytes with their header read ->
the pixels that a warp reads, at the scale that it minifies to, and where they lie in the image (`reading`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from torch import Tensor

from visionops._checks import describe

if TYPE_CHECKING:
    from .opened import Opened


class Source:
    """An image file that a pipeline reads when it needs the pixels. See `visionops.augment.read`."""

    __slots__ = ("_given", "_size")

    def __init__(self, given: Any) -> None:
        if not isinstance(given, str | os.PathLike | bytes | bytearray | memoryview):
            raise TypeError(f"read: source must be a path or bytes, got {describe(given)}. Give a file's name.")
        self._given = bytes(given) if isinstance(given, bytearray | memoryview) else given
        self._size: tuple[int, int] | None = None

    def __repr__(self) -> str:
        given = f"{len(self._given)} bytes" if isinstance(self._given, bytes) else repr(os.fspath(self._given))
        return f"read({given})"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the upright image, from the header."""
        if self._size is None:
            from .opened import size_of_file

            self._size = size_of_file(self._given)
        return self._size

    def decoded(self, mode: Literal["RGB", "raw"] = "RGB") -> np.ndarray:
        """Returns the whole image, as `visionops.io.read_image` does."""
        from visionops.io import read_image

        return read_image(self._given, mode=mode)

    def open(self) -> Opened | Tensor:
        """Returns a JPEG with its header read; any other image decoded, (3, h, w)."""
        from .opened import open_file

        return open_file(self._given)
