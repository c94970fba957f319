from collections.abc import Callable

import torch

from visionops.geometry import losses
from visionops.testing.images import FLOATS
from visionops.testing.operators import Inputs, Loss, Operator

D = torch.float64
FIXED = ("gradients", "second_order")


def _boxes(n: int, dtype: torch.dtype) -> Inputs:
    """Boxes that overlap, one inside another, and one apart."""
    generator = torch.Generator().manual_seed(n)
    low = torch.rand(n, 4, 2, generator=generator, dtype=D)
    size = 0.5 + torch.rand(2, n, 4, 2, generator=generator, dtype=D)
    shift = torch.tensor([0.1, -0.2, 0.05, 3.0], dtype=D)[:, None]
    return tuple(torch.cat([x, x + s], -1).to(dtype) for x, s in ((low, size[0]), (low + shift, size[1])))


def _turned(n: int, dtype: torch.dtype) -> Inputs:
    generator = torch.Generator().manual_seed(n)
    numbers = torch.rand(2, n, 3, 5, generator=generator, dtype=D) + torch.tensor([0.0, 0, 0.5, 0.5, 0], dtype=D)
    numbers[..., 4] *= 80
    return tuple(box.to(dtype) for box in numbers)


def _same(*box: float) -> Callable[[], Inputs]:
    return lambda: (torch.tensor([[box]], dtype=D), torch.tensor([[box]], dtype=D))


CASES: dict[str, Operator] = {
    **{
        f"visionops.geometry.losses.{name}": Loss(
            getattr(losses, name), example=_boxes, dtypes=FLOATS,
            singular={"equal": _same(1.0, 2.0, 3.0, 5.0), "points": _same(1.0, 2.0, 1.0, 2.0)},
            skip=dict.fromkeys(FIXED if name == "ciou" else (), "alpha is constant: see its tests"),
        )
        for name in ("iou", "giou", "diou", "ciou")
    },
    "visionops.geometry.losses.rotated_iou": Loss(
        losses.rotated_iou, example=_turned, dtypes=FLOATS,
        singular={"equal": _same(1.0, 2.0, 3.0, 5.0, 30.0), "points": _same(1.0, 2.0, 0.0, 0.0, 0.0)},
    ),
}  # fmt: skip
