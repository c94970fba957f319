"""Augmentations: steps of a `visionops.Pipeline`, and the distributions their parameters are drawn from."""

from visionops.pipeline.distributions import (
    Choice,
    Constant,
    Distribution,
    LogUniform,
    Normal,
    PerSample,
    Symmetric,
    Uniform,
)

from .affine import Affine, Rotate
from .crop import CenterCrop, Crop, RandomCrop, RandomResizedCrop
from .elastic import Elastic
from .erase import Erase
from .flip import HorizontalFlip, Rotate90, VerticalFlip
from .groups import OneOf, Sequential, SomeOf
from .jitter import Brightness, ColorJitter, Contrast, Hue, Saturation
from .local import GaussianBlur
from .mix import CutMix, MixUp
from .noise import GaussianNoise
from .perspective import Perspective
from .rasterize import Rasterize
from .read import read
from .resize import Pad, Resize
from .tone import Gamma, Grayscale, Invert, Normalize, Posterize, Solarize, ToFloat

__all__ = [
    "Affine",
    "Brightness",
    "CenterCrop",
    "Choice",
    "ColorJitter",
    "Constant",
    "Contrast",
    "Crop",
    "CutMix",
    "Distribution",
    "Elastic",
    "Erase",
    "Gamma",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "HorizontalFlip",
    "Hue",
    "Invert",
    "LogUniform",
    "MixUp",
    "Normal",
    "Normalize",
    "OneOf",
    "Pad",
    "PerSample",
    "Perspective",
    "Posterize",
    "RandomCrop",
    "RandomResizedCrop",
    "Rasterize",
    "Resize",
    "Rotate",
    "Rotate90",
    "Saturation",
    "Sequential",
    "Solarize",
    "SomeOf",
    "Symmetric",
    "ToFloat",
    "Uniform",
    "VerticalFlip",
    "read",
]
