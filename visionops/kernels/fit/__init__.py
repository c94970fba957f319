"""Least-squares fits of images by their guides, from the means of windows."""

from .op import fit

__all__ = ["fit"]
