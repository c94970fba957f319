"""Minimal solvers of two views, and roots of polynomials, compiled: `visionops.geometry` has the definitions."""

from .cpu import LARGEST_DEGREE, minimal_adjoint, minimal_solve, real_roots

__all__ = ["LARGEST_DEGREE", "minimal_adjoint", "minimal_solve", "real_roots"]
