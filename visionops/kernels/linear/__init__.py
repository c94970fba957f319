"""Linear estimates from matches, compiled with their adjoints: `visionops.geometry` has the definitions."""

from .cpu import fit, fit_adjoint, rays, rays_adjoint

__all__ = ["fit", "fit_adjoint", "rays", "rays_adjoint"]
