"""Distances of matches from epipolar geometry, compiled: `visionops.geometry.epipolar.distances` has the definition."""

from .cpu import adjoint, distances

__all__ = ["adjoint", "distances"]
