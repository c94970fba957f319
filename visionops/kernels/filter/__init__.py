"""Separable correlation."""

from .op import filter_separable

__all__ = ["filter_separable"]
