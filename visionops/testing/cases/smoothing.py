from typing import Any

from visionops.filters import (
    anisotropic_diffusion,
    bilateral_blur,
    guided_blur,
    joint_bilateral_blur,
    non_local_means,
    total_variation_denoise,
)
from visionops.testing.operators import Operator

BILATERAL: dict[str, Any] = {"kernel_size": 3, "sigma_color": 0.5, "sigma_space": 1.2}

CASES = {
    "visionops.filters.anisotropic_diffusion": Operator(anisotropic_diffusion, {"kappa": 0.3, "iterations": 4}),
    "visionops.filters.bilateral_blur": Operator(bilateral_blur, BILATERAL, saves=1),
    "visionops.filters.joint_bilateral_blur": Operator(
        lambda x: joint_bilateral_blur(x, x.flip(-1)[..., :2, :, :], **BILATERAL)
    ),
    "visionops.filters.guided_blur": Operator(guided_blur, {"kernel_size": 3, "eps": 0.01}),
    "visionops.filters.non_local_means": Operator(
        non_local_means, {"h": 0.4, "sigma": 0.05, "patch_size": 3, "search_size": 3}, saves=1
    ),
    "visionops.filters.total_variation_denoise": Operator(total_variation_denoise, {"weight": 0.2, "iterations": 5}),
}
