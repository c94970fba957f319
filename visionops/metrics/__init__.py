"""Metrics: how good a prediction is, larger being better where not said otherwise."""

from .ssim import ssim

__all__ = ["ssim"]
