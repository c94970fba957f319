import torch
from torch import Tensor

from visionops import morphology
from visionops.testing.images import FLOATS, noise_image
from visionops.testing.operators import Operator


def _shapes(n: int, dtype: torch.dtype) -> Tensor:
    return (noise_image(n, torch.float64, size=(11, 12)) > 0.4).to(dtype)


HEIGHTS = torch.tensor([[-0.1, -0.05, -0.2], [0.0, -0.1, -0.05], [-0.3, 0.0, -torch.inf]])
SHAPES = {"values": "uint8 shapes are 1, not 255"}
CONSTANT = {
    **SHAPES,
    **dict.fromkeys(("gradients", "second_order"), "piecewise constant"),
}

CASES = {
    "visionops.morphology.erosion": Operator(morphology.erosion, {"kernel_size": 3}, saves=2),
    "visionops.morphology.dilation": Operator(
        morphology.dilation, {"element": HEIGHTS}
    ),
    "visionops.morphology.opening": Operator(morphology.opening, {"element": morphology.cross(3)}, saves=3),
    "visionops.morphology.closing": Operator(morphology.closing, {"kernel_size": (2, 3), "soft": 0.1}),
    "visionops.morphology.morphological_gradient": Operator(
        morphology.morphological_gradient, {"kernel_size": 3}, saves=3
    ),
    "visionops.morphology.top_hat": Operator(morphology.top_hat, {"kernel_size": (2, 4)}),
    "visionops.morphology.black_hat": Operator(morphology.black_hat, {"element": morphology.ellipse(5)}),
    "visionops.morphology.reconstruction": Operator(
        lambda x: morphology.reconstruction(x.roll(1, -1) * 0.9 if x.is_floating_point() else x // 2, x),
        skip={"values": "another marker for uint8"},
    ),
    "visionops.morphology.skeletonize": Operator(
        morphology.skeletonize, example=_shapes, skip={**SHAPES, "gradients": "0 is the background"}
    ),
    "visionops.morphology.distance_transform": Operator(
        morphology.distance_transform, example=_shapes, dtypes=FLOATS, skip=CONSTANT
    ),
    "visionops.morphology.connected_components": Operator(
        morphology.connected_components, example=_shapes, out=torch.int64, skip=CONSTANT
    ),
}
