"""Solvers as differentiable functions: solved without gradients, then differentiable Newton steps at the solution."""

from .argmin import implicit_argmin
from .nearest import nearest_essential, nearest_rank2, nearest_rotation
from .null_vector import null_vector
from .root import implicit_root

__all__ = ["implicit_argmin", "implicit_root", "nearest_essential", "nearest_rank2", "nearest_rotation", "null_vector"]
