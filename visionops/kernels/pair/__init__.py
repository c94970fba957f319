"""Pixels of one image with those of another, in one pass where nothing needs a gradient."""

from .op import blend, where_above

__all__ = ["blend", "where_above"]
