"""Loops over pixels that losses are slow without, compiled: `visionops.losses` has their definitions."""

from .cpu import (
    RHO,
    eroded_sum,
    eroded_sum_adjoint,
    focal_of_classes,
    focal_of_labels,
    focal_slopes_of_classes,
    focal_slopes_of_labels,
    jaccard_steps,
    robust_slopes,
    robust_sums,
)

__all__ = [
    "RHO",
    "eroded_sum",
    "eroded_sum_adjoint",
    "focal_of_classes",
    "focal_of_labels",
    "focal_slopes_of_classes",
    "focal_slopes_of_labels",
    "jaccard_steps",
    "robust_slopes",
    "robust_sums",
]
