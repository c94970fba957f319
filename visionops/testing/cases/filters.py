import torch

from visionops.filters import gaussian_blur, gaussian_kernel1d
from visionops.testing.operators import DOUBLES, Operator

CASES = {
    "visionops.filters.gaussian_blur": Operator(gaussian_blur, {"sigma": 0.8}, saves=0),
    "visionops.filters.gaussian_kernel1d": Operator(
        lambda x: gaussian_kernel1d(x, 7), example=lambda n, dtype: torch.arange(1, n + 1).to(dtype) / 2, dtypes=DOUBLES
    ),
}
