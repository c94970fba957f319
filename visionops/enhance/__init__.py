"""Enhancement: tone, contrast, histograms, thresholds, tables of colours, normalisation and JPEG."""

from .adaptive import AdaptiveThreshold, adaptive_threshold
from .autocontrast import Autocontrast, autocontrast
from .blend import add_weighted
from .colours import (
    AdjustBrightness,
    AdjustContrast,
    AdjustHue,
    AdjustSaturation,
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
)
from .curves import (
    AdjustGamma,
    AdjustLog,
    AdjustSigmoid,
    Invert,
    Posterize,
    Solarize,
    adjust_gamma,
    adjust_log,
    adjust_sigmoid,
    invert,
    posterize,
    solarize,
)
from .equalize import Clahe, Equalize, clahe, equalize
from .histogram import histogram, histogram2d
from .integral import IntegralImage, integral_image
from .jpeg import JpegCompress, jpeg_compress
from .lut import Lut1d, ToneCurve, lut1d, tone_curve
from .lut3d import Lut3d, lut3d
from .matching import MatchHistograms, match_histograms
from .normalize import Denormalize, MinMaxNormalize, Normalize, denormalize, min_max_normalize, normalize
from .sharpness import AdjustSharpness, adjust_sharpness
from .threshold import Threshold, otsu_threshold, threshold
from .whitening import LinearTransform, ZcaWhitening, linear_transform, zca_whitening

__all__ = [
    "AdaptiveThreshold",
    "AdjustBrightness",
    "AdjustContrast",
    "AdjustGamma",
    "AdjustHue",
    "AdjustLog",
    "AdjustSaturation",
    "AdjustSharpness",
    "AdjustSigmoid",
    "Autocontrast",
    "Clahe",
    "Denormalize",
    "Equalize",
    "IntegralImage",
    "Invert",
    "JpegCompress",
    "LinearTransform",
    "Lut1d",
    "Lut3d",
    "MatchHistograms",
    "MinMaxNormalize",
    "Normalize",
    "Posterize",
    "Solarize",
    "Threshold",
    "ToneCurve",
    "ZcaWhitening",
    "adaptive_threshold",
    "add_weighted",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_log",
    "adjust_saturation",
    "adjust_sharpness",
    "adjust_sigmoid",
    "autocontrast",
    "clahe",
    "denormalize",
    "equalize",
    "histogram",
    "histogram2d",
    "integral_image",
    "invert",
    "jpeg_compress",
    "linear_transform",
    "lut1d",
    "lut3d",
    "match_histograms",
    "min_max_normalize",
    "normalize",
    "otsu_threshold",
    "posterize",
    "solarize",
    "threshold",
    "tone_curve",
    "zca_whitening",
]
