from typing import Any

import torch
from torch import Tensor

from visionops import enhance
from visionops.testing.images import FLOATS, noise_image
from visionops.testing.operators import DOUBLES, Operator

STEPS = dict.fromkeys(("gradients", "second_order", "singular"), "piecewise constant")
STRAIGHT = dict.fromkeys(("gradients", "second_order", "singular"), "the gradient is straight through")
LEVELS = "levels jump where a float rounds the other way"
TABLE = torch.stack(torch.meshgrid(*[torch.linspace(0, 1, 4)] * 3, indexing="ij")) ** 1.3


def _scaled(name: str, argument: str) -> Any:
    """Returns the operator with an argument in [0, 1] brought to the units of the image."""

    def run(image: Tensor, **options: Any) -> Tensor:
        if image.dtype == torch.uint8:
            options[argument] = 255 * options[argument]
        return getattr(enhance, name)(image, **options)

    return run


CASES = {
    f"visionops.enhance.{name}": case
    for name, case in {
        "adjust_brightness": Operator(enhance.adjust_brightness, {"factor": 0.8}, saves=1),
        "adjust_contrast": Operator(enhance.adjust_contrast, {"factor": 0.7}, saves=1),
        "adjust_saturation": Operator(enhance.adjust_saturation, {"factor": 0.7}, saves=1),
        "adjust_hue": Operator(enhance.adjust_hue, {"shift": 0.2}, saves=1),
        "adjust_gamma": Operator(enhance.adjust_gamma, {"gamma": 1.7}, saves=1),
        "adjust_log": Operator(enhance.adjust_log, {"gain": 0.9}),
        "adjust_sigmoid": Operator(enhance.adjust_sigmoid, {"gain": 3.0}),
        "adjust_sharpness": Operator(enhance.adjust_sharpness, {"factor": 0.6}),
        "invert": Operator(enhance.invert, saves=0),
        "solarize": Operator(_scaled("solarize", "threshold"), {"threshold": 0.6}, saves=1),
        "posterize": Operator(enhance.posterize, {"bits": 3}, skip=STRAIGHT),
        "autocontrast": Operator(enhance.autocontrast),
        # The tables are larger than the small image.
        "equalize": Operator(enhance.equalize, saves=2),
        "clahe": Operator(enhance.clahe, {"grid": (2, 3)}, saves=2),
        "match_histograms": Operator(enhance.match_histograms, {"reference": noise_image(1, torch.float32)[0] ** 2}),
        "histogram": Operator(lambda x: enhance.histogram(x, bins=9, soft="cubic"), dtypes=DOUBLES),
        "histogram2d": Operator(
            lambda x: enhance.histogram2d(x, x.flip(-1) ** 2, bins=5, soft="cubic"), dtypes=DOUBLES
        ),
        "integral_image": Operator(enhance.integral_image, dtypes=FLOATS, saves=0),
        "normalize": Operator(enhance.normalize, {"mean": (0.4, 0.5, 0.6), "std": 0.3}, dtypes=FLOATS, saves=0),
        "denormalize": Operator(enhance.denormalize, {"mean": 0.4, "std": (0.2, 0.3, 0.4)}, dtypes=FLOATS, saves=0),
        "min_max_normalize": Operator(enhance.min_max_normalize, {"low": 0.1, "high": 0.8}),
        "zca_whitening": Operator(enhance.zca_whitening, {"eps": 0.01}, dtypes=FLOATS),
        "linear_transform": Operator(
            enhance.linear_transform, {"matrix": torch.tensor([[0.5, 0.2, 0.3], [0.1, 0.0, 0.8]])}, dtypes=FLOATS
        ),
        "add_weighted": Operator(lambda x: enhance.add_weighted(x, x.flip(-1), alpha=0.3, beta=0.6)),
        "threshold": Operator(_scaled("threshold", "threshold"), {"threshold": 0.45, "kind": "trunc"}),
        "otsu_threshold": Operator(enhance.otsu_threshold, skip=STEPS),
        "adaptive_threshold": Operator(
            enhance.adaptive_threshold, {"kernel_size": 3}, skip={**STEPS, "values": LEVELS}
        ),
        "lut1d": Operator(enhance.lut1d, {"table": torch.tensor([0.1, 0.3, 0.9, 0.6])}, saves=1),
        "tone_curve": Operator(
            enhance.tone_curve, {"points": torch.tensor([[0.2, 0.0], [0.5, 0.9], [0.8, 0.2]])}
        ),
        "lut3d": Operator(enhance.lut3d, {"table": TABLE}, saves=1),
        "jpeg_compress": Operator(
            enhance.jpeg_compress, {"quality": 60.0, "rounding": "soft"}, skip={"values": "8 bits round everything"}
        ),
    }.items()
}
