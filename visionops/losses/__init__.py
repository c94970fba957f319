"""Losses: scalars to descend on, with masks and weights."""

from visionops.precision import make_exact as _make_exact

from .barron import barron
from .confusion_matrix import confusion_matrix_loss
from .divergence import js_divergence, kl_divergence
from .divisive_normalization import (
    DivisiveNormalization,
    InverseDivisiveNormalization,
    divisive_normalization,
    inverse_divisive_normalization,
)
from .focal import focal
from .hausdorff import hausdorff
from .laplacian_pyramid import normalized_laplacian_pyramid
from .lovasz import lovasz_hinge, lovasz_softmax
from .ms_ssim import ms_ssim
from .mutual_information import mutual_information, normalized_mutual_information
from .psnr import psnr
from .robust import cauchy, charbonnier, geman_mcclure, welsch
from .ssim import ssim
from .ssim3d import ssim3d
from .total_variation import total_variation
from .tversky import dice, tversky

__all__ = [
    "DivisiveNormalization",
    "InverseDivisiveNormalization",
    "barron",
    "cauchy",
    "charbonnier",
    "confusion_matrix_loss",
    "dice",
    "divisive_normalization",
    "focal",
    "geman_mcclure",
    "hausdorff",
    "inverse_divisive_normalization",
    "js_divergence",
    "kl_divergence",
    "lovasz_hinge",
    "lovasz_softmax",
    "ms_ssim",
    "mutual_information",
    "normalized_laplacian_pyramid",
    "normalized_mutual_information",
    "psnr",
    "ssim",
    "ssim3d",
    "total_variation",
    "tversky",
    "welsch",
]

_make_exact(__name__, __all__, globals())
