"""Filters: blurs, derivatives, and the kernels they are made of."""

from .gaussian import GaussianBlur, gaussian_blur, gaussian_kernel1d

__all__ = ["GaussianBlur", "gaussian_blur", "gaussian_kernel1d"]
