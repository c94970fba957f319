"""Eigenvalues and eigenvectors of many small symmetric matrices."""

from .op import eigen_symmetric

__all__ = ["eigen_symmetric"]
