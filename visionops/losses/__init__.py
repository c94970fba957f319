"""Losses: scalars to descend on, with masks and weights."""

from .ssim import ssim

__all__ = ["ssim"]
