"""Counts of levels, tables that are looked up, and running sums: what histograms, tone and colour tables stand on."""

from .op import equalize_levels, extremes, integral, level_counts, look_up, look_up3d, look_up_levels, stretch

__all__ = [
    "equalize_levels",
    "extremes",
    "integral",
    "level_counts",
    "look_up",
    "look_up3d",
    "look_up_levels",
    "stretch",
]
