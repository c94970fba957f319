import torch
from torch import Tensor

from visionops.geometry import split_intrinsics
from visionops.testing.operators import DOUBLES, Operator


def _intrinsics(n: int, dtype: torch.dtype) -> Tensor:
    turn = torch.tensor([[0.8, 0.6, 3.0], [-0.6, 0.8, 2.0], [0.0, 0.0, 1.0]], dtype=dtype)
    k = torch.tensor([[100.0, 0.5, 60.0], [0.0, 110.0, 50.0], [0.0, 0.0, 1.0]], dtype=dtype)
    return (turn @ k).expand(n, 3, 3) + 0.01 * torch.arange(n, dtype=dtype)[:, None, None]


CASES = {
    "visionops.geometry.split_intrinsics": Operator(split_intrinsics, example=_intrinsics, dtypes=DOUBLES),
}
