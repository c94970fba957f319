"""Minima and maxima over structuring elements, and what grows over a whole image: distances, labels, reconstruction."""

from .op import compound, extremum
from .opaque import components, distance, reconstruction_source, skeleton

__all__ = ["components", "compound", "distance", "extremum", "reconstruction_source", "skeleton"]
