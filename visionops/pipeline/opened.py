"""An encoded JPEG in memory, decoded when a pass asks for pixels. Imported with the first file: it needs Pillow."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops import io
from visionops.kernels import jpeg

from . import matrix as mat
from .matrix import Matrix


def open_file(given: Any) -> Opened | Tensor:
    """Returns a JPEG with its header read; any other image decoded, (3, h, w)."""
    data, name = io.read_bytes(given)
    size, orientation, reduces = _header(data, name)
    if reduces:
        return Opened(data, name, size, orientation)
    return _channels_first(io.upright(*io.decode(data, name, "RGB", io.MAX_PIXELS)))


def size_of_file(given: Any) -> tuple[int, int]:
    """Returns the (height, width) of the upright image, from the header."""
    size, orientation, _ = _header(*io.read_bytes(given))
    return _upright_size(size, orientation)


class Opened:
    """An encoded JPEG that stands for its image, (3, h, w) in uint8, until a pass asks for pixels.

    Attributes:
        stored: (height, width) before it is turned upright.
        shape: of the upright image.
        swaps: whether turning it swaps the axes.
    """

    dtype, device = torch.uint8, torch.device("cpu")

    def __init__(self, data: bytes, name: str, stored: tuple[int, int], orientation: int) -> None:
        self.data, self.name, self.stored, self.orientation = data, name, stored, orientation
        self.shape = (3, *_upright_size(stored, orientation))
        self.swaps = io.ORIENTATIONS[orientation][0]

    @property
    def turn(self) -> Matrix:
        """The matrix from the upright image to the stored one."""
        _, rows, columns = io.ORIENTATIONS[self.orientation]
        _, h, w = self.shape
        x = (float(columns), 0.0, 0.0 if columns > 0 else w - 1.0)
        y = (0.0, float(rows), 0.0 if rows > 0 else h - 1.0)
        return y + x if self.swaps else x + y

    def whole(self) -> Tensor:
        """Returns the upright image (3, h, w)."""
        return _channels_first(io.upright(self._decode(0, (0, 0, self.stored[1], self.stored[0]))[0], self.orientation))

    def part(self, level: int, box: tuple[int, int, int, int]) -> tuple[Tensor, Matrix]:
        """Returns pixels (3, h, w) of the stored image at 1 / 2 ** level, and the matrix to them from the upright one.

        Args:
            level: at most 3, and such that no side is shorter than 2 ** level.
            box: (left, top, right, bottom) of the reduced image that has to be among the pixels.
        """
        array, left, top = self._decode(level, box)
        scale = 0.5**level
        centre = scale / 2 - 0.5
        return _channels_first(array), mat.product((scale, 0.0, centre - left, 0.0, scale, centre - top), self.turn)

    def _decode(self, level: int, box: tuple[int, int, int, int]) -> tuple[np.ndarray, int, int]:
        found = jpeg.decode(self.data, 1 << level, box)
        if found is not None:
            return *found, box[1]
        # Pillow decodes what libjpeg-turbo cannot, or says what is wrong with it.
        return io.decode(self.data, self.name, "RGB", io.MAX_PIXELS, 1 << level)[0], 0, 0


def _header(data: bytes, name: str) -> tuple[tuple[int, int], int, bool]:
    """Returns the stored (height, width), the orientation, and whether it is a JPEG that can be reduced."""
    found = jpeg.header(data)
    if found is None or found.has_metadata or found.size[0] * found.size[1] > io.MAX_PIXELS:
        return io.read_header(data, name)
    return found.size, 1, True


def _upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return size[::-1] if io.ORIENTATIONS[orientation][0] else size


def _channels_first(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).permute(2, 0, 1)
