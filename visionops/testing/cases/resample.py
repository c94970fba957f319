import torch
from torch import Tensor

from visionops import resample
from visionops.testing.images import PIXELS, noise_image
from visionops.testing.operators import Operator

MATRIX = [[0.9, 0.2, 0.3], [-0.1, 1.1, 0.2]]
HOMOGRAPHY = [*MATRIX, [0.002, 0.001, 1.0]]
TURN = [[0.9, 0.2, 0.1, 0.3], [-0.1, 1.1, 0.1, 0.2], [0.05, -0.1, 0.95, -0.1]]
QUAD = [[1.2, 0.7], [7.1, 1.3], [6.6, 7.9], [0.4, 8.2]]
POINTS = torch.tensor([[0.3, 0.2], [7.1, 0.4], [6.8, 7.7], [0.6, 8.1], [3.2, 4.4]])
SHIFTS = torch.tensor([[0.3, -0.2], [0.5, 0.4], [-0.7, 0.1], [0.2, 0.6], [-0.4, 0.9]])
NOISE = 2 * noise_image(1, torch.float64, channels=2)[0] - 1


def _map() -> Tensor:
    y, x = torch.meshgrid(torch.arange(7.0), torch.arange(6.0), indexing="ij")
    return torch.stack([x + 0.4 * torch.sin(y) + 0.3, y * 1.3 + 0.2 * torch.cos(x) - 0.7], -1)


def _volume(n: int, dtype: torch.dtype) -> Tensor:
    return noise_image(n, dtype, channels=10, size=(5, 4)).unflatten(1, (2, 5))


def _pyramid(image: Tensor) -> Tensor:
    low = resample.pyramid_down(image)
    return resample.collapse_pyramid([image, low, resample.pyramid_down(low)])


def _patches(n: int, dtype: torch.dtype) -> Tensor:
    return noise_image(n, dtype, channels=18, size=(4, 3)).unflatten(1, (6, 3))


FLOATING = PIXELS[:4]

CASES = {
    "visionops.resample.resize": Operator(resample.resize, {"size": (7, 11)}, saves=0),
    "visionops.resample.rescale": Operator(
        resample.rescale, {"factor": (0.6, 1.7), "interpolation": "area"}, saves=0
    ),
    "visionops.resample.warp_affine": Operator(resample.warp_affine, {"matrix": MATRIX, "size": (7, 6)}, saves=0),
    "visionops.resample.warp_perspective": Operator(
        resample.warp_perspective, {"matrix": HOMOGRAPHY, "border": "reflect"}, saves=0
    ),
    "visionops.resample.remap": Operator(
        resample.remap, {"map_xy": _map(), "interpolation": "bicubic", "fill": 0.3}, saves=0,
        dtypes=FLOATING,
    ),
    "visionops.resample.hflip": Operator(resample.hflip),
    "visionops.resample.vflip": Operator(resample.vflip),
    "visionops.resample.rot90": Operator(resample.rot90, {"turns": 3}),
    "visionops.resample.rotate": Operator(resample.rotate, {"angle": 25.0}, saves=0),
    "visionops.resample.translate": Operator(resample.translate, {"translation": (0.7, -1.2)}, saves=0),
    "visionops.resample.scale": Operator(resample.scale, {"factor": (1.3, 0.8)}, saves=0),
    "visionops.resample.shear": Operator(resample.shear, {"angle": (10.0, -7.0)}, saves=0),
    "visionops.resample.crop": Operator(resample.crop, {"top": 1, "left": -1, "height": 4, "width": 5}),
    "visionops.resample.center_crop": Operator(resample.center_crop, {"size": (4, 10)}),
    "visionops.resample.crop_and_resize": Operator(
        resample.crop_and_resize, {"boxes": [0.7, 1.2, 6.3, 8.1], "size": (5, 6)}, saves=0
    ),
    "visionops.resample.crop_by_boxes": Operator(resample.crop_by_boxes, {"boxes": QUAD, "size": (5, 6)}, saves=0),
    "visionops.resample.pad": Operator(resample.pad, {"padding": (1, 2, 3, 4), "border": "reflect"}),
    "visionops.resample.pyramid_down": Operator(resample.pyramid_down, saves=0),
    "visionops.resample.pyramid_up": Operator(resample.pyramid_up, saves=0),
    "visionops.resample.gaussian_pyramid": Operator(resample.gaussian_pyramid, {"levels": 3}, saves=0),
    "visionops.resample.laplacian_pyramid": Operator(
        resample.laplacian_pyramid, {"levels": 3}, dtypes=FLOATING, saves=0
    ),
    "visionops.resample.collapse_pyramid": Operator(_pyramid, dtypes=FLOATING, saves=0),
    "visionops.resample.scale_space": Operator(
        lambda x: resample.scale_space(x, levels=2, octaves=2).octaves, dtypes=FLOATING
    ),
    "visionops.resample.elastic_transform": Operator(
        resample.elastic_transform, {"alpha": 4.0, "sigma": 1.5, "noise": NOISE}
    ),
    "visionops.resample.thin_plate_spline": Operator(
        resample.thin_plate_spline, {"source_points": POINTS, "target_points": POINTS + SHIFTS}
    ),
    "visionops.resample.warp_polar": Operator(resample.warp_polar, {"size": (8, 5), "radius": 4.3}),
    "visionops.resample.extract_patches": Operator(
        resample.extract_patches, {"size": (4, 3), "stride": 2, "padding": 2}
    ),
    "visionops.resample.combine_patches": Operator(
        resample.combine_patches, {"size": (8, 8), "stride": (4, 2), "padding": (0, 1)}, example=_patches
    ),
    "visionops.resample.resize3d": Operator(resample.resize3d, {"size": (7, 3, 6)}, example=_volume, saves=0),
    "visionops.resample.warp_affine3d": Operator(resample.warp_affine3d, {"matrix": TURN}, example=_volume),
    "visionops.resample.warp_perspective3d": Operator(
        resample.warp_perspective3d,
        {"matrix": [*TURN, [0.01, 0.0, 0.02, 1.0]], "border": "reflect"}, example=_volume,
    ),
}  # fmt: skip
