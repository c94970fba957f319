"""Window order statistics: the k-th smallest value around each pixel."""

from .op import rank

__all__ = ["rank"]
