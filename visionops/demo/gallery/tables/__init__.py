"""The tables, one file for each family: family -> group -> operator -> its picture."""

from __future__ import annotations

from visionops.demo.gallery.picture import Picture

from . import augment, color, enhance, filters, losses, morphology, resample

NUMBER = "is a number, or one for each image"
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
    **{
        f"visionops.losses.{name}": NUMBER
        for name in (
            *("confusion_matrix_loss", "dice", "focal", "hausdorff", "js_divergence", "kl_divergence", "lovasz_hinge"),
            *("lovasz_softmax", "ms_ssim", "mutual_information", "normalized_laplacian_pyramid"),
            *("normalized_mutual_information", "psnr", "tversky"),
        )
    },
    "visionops.losses.inverse_divisive_normalization": "gives back what was normalised",
    "visionops.losses.ssim3d": VOLUME,
    "visionops.filters.filter3d": VOLUME,
    "visionops.filters.spatial_gradient3d": VOLUME,
    "visionops.resample.resize3d": VOLUME,
    "visionops.resample.warp_affine3d": VOLUME,
    "visionops.resample.warp_perspective3d": VOLUME,
}
"""Public functions and steps that have no picture, each with the reason."""
