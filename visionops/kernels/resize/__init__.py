"""Separable resampling: every output row and column reads a few neighbouring source rows and columns."""

from .op import resample

__all__ = ["resample"]
