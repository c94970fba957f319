"""The Brown-Conrady lens and its inverse, compiled: `visionops.geometry.cameras` has the definitions."""

from .cpu import project, project_adjoint, see, undistort, undistort_adjoint

__all__ = ["project", "project_adjoint", "see", "undistort", "undistort_adjoint"]
