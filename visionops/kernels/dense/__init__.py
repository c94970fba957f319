"""Correlation with dense kernels, in two or three dimensions."""

from .op import filter_dense

__all__ = ["filter_dense"]
