"""The tables, one file for each family: family -> group -> operator -> its picture."""

from __future__ import annotations

from visionops.demo.gallery.picture import Picture

from . import augment, color, enhance, filters, losses, morphology, resample

VOLUME = "takes a volume, and a photo is none"

Groups = dict[str, dict[str, Picture]]

TABLES: dict[str, Groups] = {
    "visionops.color": color.GROUPS,
    "visionops.filters": filters.GROUPS,
    "visionops.enhance": enhance.GROUPS,
    "visionops.morphology": morphology.GROUPS,
    "visionops.resample": resample.GROUPS,
    "visionops.losses": losses.GROUPS,
    "visionops.augment": augment.GROUPS,
}

WITHOUT: dict[str, str] = {
    "visionops.augment.Rasterize": "ends a pass; the image stays as it was",
    "visionops.augment.read": "opens a file",
    "visionops.filters.filter3d": VOLUME,
    "visionops.filters.spatial_gradient3d": VOLUME,
    "visionops.resample.resize3d": VOLUME,
    "visionops.resample.warp_affine3d": VOLUME,
    "visionops.resample.warp_perspective3d": VOLUME,
}
"""Public functions and steps that have no picture, each with the reason."""
