"""Filters: blurs, derivatives, and the kernels they are made of."""

from .anisotropic import AnisotropicDiffusion, anisotropic_diffusion
from .bilateral import BilateralBlur, bilateral_blur, joint_bilateral_blur
from .box import BoxBlur, box_blur, box_kernel
from .canny import Canny, canny
from .dense import Filter2d, Filter2dSeparable, Filter3d, filter2d, filter2d_separable, filter3d
from .derivatives import (
    Laplacian,
    Scharr,
    Sobel,
    SpatialGradient,
    SpatialGradient3d,
    laplacian,
    laplacian_kernel,
    scharr,
    sobel,
    sobel_kernel,
    spatial_gradient,
    spatial_gradient3d,
)
from .difference import DifferenceOfGaussians, difference_of_gaussians
from .fft import FftFilter2d, fft_filter2d
from .gabor import Gabor, gabor, gabor_kernel
from .gaussian import GaussianBlur, gaussian_blur, gaussian_kernel1d, gaussian_kernel2d
from .guided import GuidedBlur, guided_blur
from .median import MedianBlur, median_blur
from .motion import MotionBlur, motion_blur, motion_kernel
from .non_local_means import NonLocalMeans, non_local_means
from .pool import BlurPool, MaxBlurPool, blur_pool, max_blur_pool
from .rank import RankFilter, rank_filter
from .total_variation import TotalVariationDenoise, total_variation_denoise
from .unsharp import UnsharpMask, unsharp_mask

__all__ = [
    "AnisotropicDiffusion",
    "BilateralBlur",
    "BlurPool",
    "BoxBlur",
    "Canny",
    "DifferenceOfGaussians",
    "FftFilter2d",
    "Filter2d",
    "Filter2dSeparable",
    "Filter3d",
    "Gabor",
    "GaussianBlur",
    "GuidedBlur",
    "Laplacian",
    "MaxBlurPool",
    "MedianBlur",
    "MotionBlur",
    "NonLocalMeans",
    "RankFilter",
    "Scharr",
    "Sobel",
    "SpatialGradient",
    "SpatialGradient3d",
    "TotalVariationDenoise",
    "UnsharpMask",
    "anisotropic_diffusion",
    "bilateral_blur",
    "blur_pool",
    "box_blur",
    "box_kernel",
    "canny",
    "difference_of_gaussians",
    "fft_filter2d",
    "filter2d",
    "filter2d_separable",
    "filter3d",
    "gabor",
    "gabor_kernel",
    "gaussian_blur",
    "gaussian_kernel1d",
    "gaussian_kernel2d",
    "guided_blur",
    "joint_bilateral_blur",
    "laplacian",
    "laplacian_kernel",
    "max_blur_pool",
    "median_blur",
    "motion_blur",
    "motion_kernel",
    "non_local_means",
    "rank_filter",
    "scharr",
    "sobel",
    "sobel_kernel",
    "spatial_gradient",
    "spatial_gradient3d",
    "total_variation_denoise",
    "unsharp_mask",
]
