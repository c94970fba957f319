"""Exponential and logarithm of rotations and rigid motions, compiled: `visionops.geometry` has the definitions."""

from .cpu import exp, exp_adjoint, log, log_adjoint

__all__ = ["exp", "exp_adjoint", "log", "log_adjoint"]
