"""Morphology: what shapes do to shapes, on grey and binary images."""

from .components import ConnectedComponents, connected_components
from .compound import (
    BlackHat,
    Closing,
    MorphologicalGradient,
    Opening,
    TopHat,
    black_hat,
    closing,
    morphological_gradient,
    opening,
    top_hat,
)
from .distance import DistanceTransform, distance_transform
from .elements import box, cross, ellipse
from .erosion import Dilation, Erosion, dilation, erosion
from .reconstruction import reconstruction
from .skeletonize import Skeletonize, skeletonize

__all__ = [
    "BlackHat",
    "Closing",
    "ConnectedComponents",
    "Dilation",
    "DistanceTransform",
    "Erosion",
    "MorphologicalGradient",
    "Opening",
    "Skeletonize",
    "TopHat",
    "black_hat",
    "box",
    "closing",
    "connected_components",
    "cross",
    "dilation",
    "distance_transform",
    "ellipse",
    "erosion",
    "morphological_gradient",
    "opening",
    "reconstruction",
    "skeletonize",
    "top_hat",
]
