"""Canny's edges: gradients, thin maxima of their length, and those that strong ones are connected to."""

from .op import find_edges

__all__ = ["find_edges"]
