"""Resampling at a matrix or a dense map."""

from .op import warp

__all__ = ["warp"]
