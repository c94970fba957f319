import torch
from torch import Tensor

from visionops import color
from visionops.testing.images import noise_image
from visionops.testing.operators import Operator

LEVELS = {"values": "uint8 has levels of its own for signed channels"}
COPY = ("rgb_to_bgr", "bgr_to_rgb", "rgb_to_rgba", "bgr_to_rgba")
AFFINE = ("rgb_to_grayscale", "bgr_to_grayscale", "rgb_to_xyz", "xyz_to_rgb", "rgb_to_ycbcr", "ycbcr_to_rgb")
CURVED = ("rgb_to_hsv", "hsv_to_rgb", "rgb_to_hls", "hls_to_rgb", "rgb_to_linear_rgb", "linear_rgb_to_rgb")
SIGNED = ("rgb_to_lab", "lab_to_rgb", "rgb_to_luv", "luv_to_rgb", "rgb_to_oklab", "oklab_to_rgb")


def _even(n: int, dtype: torch.dtype) -> Tensor:
    return noise_image(n, dtype, size=(8, 6))


def _one(n: int, dtype: torch.dtype) -> Tensor:
    return noise_image(n, dtype, channels=1)


def _four(n: int, dtype: torch.dtype) -> Tensor:
    return noise_image(n, dtype, channels=4)


def _parts(x: Tensor, down: int) -> tuple[Tensor, Tensor]:
    return x[..., :1, :, :], x[..., 1:, ::down, ::2]


CASES = {
    **{f"visionops.color.{name}": Operator(getattr(color, name)) for name in (*COPY, "rgb_to_raw")},
    **{f"visionops.color.{name}": Operator(getattr(color, name), saves=0) for name in AFFINE},
    **{f"visionops.color.{name}": Operator(getattr(color, name), saves=1) for name in CURVED},
    **{f"visionops.color.{name}": Operator(getattr(color, name), saves=1, skip=LEVELS) for name in SIGNED},
    **{
        f"visionops.color.{name}": Operator(getattr(color, name), saves=0, skip=LEVELS)
        for name in ("rgb_to_yuv", "yuv_to_rgb")
    },
    **{
        f"visionops.color.{name}": Operator(getattr(color, name), example=_even, skip=LEVELS)
        for name in ("rgb_to_yuv420", "rgb_to_yuv422")
    },
    "visionops.color.yuv420_to_rgb": Operator(
        lambda x: color.yuv420_to_rgb(*_parts(x, 2)), example=_even, skip=LEVELS
    ),
    "visionops.color.yuv422_to_rgb": Operator(
        lambda x: color.yuv422_to_rgb(*_parts(x, 1)), example=_even, skip=LEVELS
    ),
    "visionops.color.grayscale_to_rgb": Operator(color.grayscale_to_rgb, example=_one),
    "visionops.color.raw_to_rgb": Operator(color.raw_to_rgb, {"pattern": "GRBG"}, example=_one, saves=0),
    "visionops.color.apply_colormap": Operator(color.apply_colormap, {"soft": True}, example=_one),
    "visionops.color.rgba_to_rgb": Operator(color.rgba_to_rgb, {"background": (0.2, 0.5, 0.9)}, example=_four),
    "visionops.color.sepia": Operator(color.sepia, {"strength": 0.6}),
    "visionops.color.planckian_balance": Operator(color.planckian_balance, {"temperature": 4500.0}),
    "visionops.color.gray_world_balance": Operator(color.gray_world_balance),
}
