"""Gaussian blur by recursion along rows and columns, at a cost that does not depend on sigma."""

from .op import blur_recursive

__all__ = ["blur_recursive"]
