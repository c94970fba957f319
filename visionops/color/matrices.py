"""Matrices between colour spaces, as the numbers of an affine conversion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Linear sRGB to CIE XYZ: ITU-R BT.709 primaries with white point D65, the digits of OpenCV and scikit-image.
XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
# What white becomes: its own rows' sums, so that greys have no chroma at all.
WHITE = XYZ.sum(1)


def numbers(matrix: np.ndarray, shift: Sequence[float] = (0.0, 0.0, 0.0)) -> tuple[float, ...]:
    """Returns matrix and shift, row by row.

    >>> numbers(np.eye(3), (7, 8, 9))
    (1.0, 0.0, 0.0, 7.0, 0.0, 1.0, 0.0, 8.0, 0.0, 0.0, 1.0, 9.0)
    """
    return tuple(np.column_stack([matrix, shift]).ravel().tolist())


def inverse_numbers(matrix: np.ndarray, shift: Sequence[float] = (0.0, 0.0, 0.0)) -> tuple[float, ...]:
    """Returns the numbers of the conversion back."""
    back = np.linalg.inv(matrix)
    return numbers(back, -back @ np.asarray(shift))  # type: ignore[arg-type]
