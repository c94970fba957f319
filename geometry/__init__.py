"""Multi-view geometry: cameras and the maps between images."""

from .intrinsics import split_intrinsics

__all__ = ["split_intrinsics"]
