"""Lie groups, each a namespace: `from visionops.geometry import se3`, then `se3.exp(tangent)`.

Elements are matrices, tangents vectors, and a small change of an element stands on its left.
"""

from . import se2, se3, sim3, so2, so3

__all__ = ["se2", "se3", "sim3", "so2", "so3"]
