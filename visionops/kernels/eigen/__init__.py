"""Eigenvalues and eigenvectors of many small symmetric matrices."""

from .op import eigen_symmetric, least_eigenvector

__all__ = ["eigen_symmetric", "least_eigenvector"]
