import numpy as np

from visionops.kernels import filter_separable, resample
from visionops.kernels.pixel import Instruction, Op, pixel
from visionops.kernels.warp import warp
from visionops.testing.operators import Operator

MATRIX = np.array([[[0.9, 0.2, 0.3], [-0.1, 1.1, 0.2], [0.002, 0.001, 1.0]]])
PROGRAM = (
    Instruction(Op.SCALE, (1.2,) * 3 + (-0.05,) * 3 + (0.0, 1.0)),
    Instruction(Op.HUE, (0.2,)),
    Instruction(Op.GAMMA, (1.3, 1.0)),
)
TAPS = np.array([[0.2, 0.5, 0.3]])
FLAT = {"batch_dims": "kernels take one batch dimension"}

CASES = {
    "visionops.kernels.warp": Operator(lambda x: warp(x, MATRIX, (7, 6)), saves=0, skip=FLAT),
    "visionops.kernels.pixel": Operator(lambda x: pixel(x, PROGRAM), saves=1, skip=FLAT),
    "visionops.kernels.resample": Operator(
        lambda x: resample(x, (7, 13), "bicubic_antialias", "pyramid_up"), saves=0, skip=FLAT
    ),
    "visionops.kernels.filter_separable": Operator(lambda x: filter_separable(x, TAPS, TAPS), saves=0, skip=FLAT),
}
