import torch
from torch import Tensor

from visionops import losses
from visionops.testing.images import FLOATS, noise_image
from visionops.testing.operators import Inputs, Loss, Operator

LABELS = torch.tensor([[[0, 1, 2, 2, 1], [0, 0, 255, 2, 1], [1, 1, 0, 2, -1], [2, 0, 1, 1, 0]]])

WEIGHTS = torch.tensor([0.5, 1.0, 2.0])


def _logits(n: int, dtype: torch.dtype) -> Inputs:
    return ((6 * noise_image(n, torch.float64, size=(4, 5)) - 3).to(dtype),)


def _probabilities(n: int, dtype: torch.dtype) -> Inputs:
    return ((4 * noise_image(n, torch.float64, size=(4, 5))).softmax(-3).to(dtype),)


def _with_shares(n: int, dtype: torch.dtype) -> Inputs:
    (p,) = _probabilities(n, torch.float64)
    return p.to(dtype), p.flip(-1).to(dtype)


def _labelled(x: Tensor) -> Tensor:
    """Returns classes for images of any batch, some of them none."""
    return LABELS[0].expand(*x.shape[:-3], 4, 5)


def _pixels(x: Tensor, *_: Tensor) -> tuple[int, ...]:
    return (*x.shape[:-3], 1, *x.shape[-2:])


CASES: dict[str, Operator] = {
    "visionops.losses.focal": Loss(
        lambda x, **options: losses.focal(x, _labelled(x).clamp(0, 2), gamma=1.5, alpha=WEIGHTS, **options),
        example=_logits, dtypes=FLOATS,
        regular={"certain": lambda: (40.0 * (torch.arange(3.0).double() - 1).reshape(1, 3, 1, 1).expand(1, 3, 4, 5),)},
    ),
    "visionops.losses.dice": Loss(
        losses.dice, example=_with_shares, dtypes=FLOATS, masks=_pixels, means=False,
        skip={"reductions": "a weight is of classes, a mask of pixels: see its tests"},
    ),
    "visionops.losses.tversky": Loss(
        lambda x, **options: losses.tversky(x, _labelled(x), alpha=0.3, beta=0.7, **options),
        example=_probabilities, dtypes=FLOATS, masks=_pixels, means=False,
        skip={"reductions": "a weight is of classes, a mask of pixels: see its tests"},
    ),
    "visionops.losses.lovasz_softmax": Loss(
        lambda x, **options: losses.lovasz_softmax(x, _labelled(x), **options),
        example=_probabilities, dtypes=FLOATS, masks=_pixels, means=False,
        skip={"reductions": "a weight is of classes, a mask of pixels: see its tests"},
    ),
    "visionops.losses.lovasz_hinge": Loss(
        lambda x, **options: losses.lovasz_hinge(x, _labelled(x), **options),
        example=_logits, dtypes=FLOATS, masks=_pixels, means=False,
        skip={"reductions": "a weight is of classes, a mask of pixels: see its tests"},
    ),
    "visionops.losses.hausdorff": Loss(
        losses.hausdorff, {"iterations": 2}, _with_shares, dtypes=FLOATS, masks=_pixels,
        skip={"gradients": "the maximum that a map is stretched by counts as a constant: see its tests"},
    ),
    "visionops.losses.confusion_matrix_loss": Loss(
        losses.confusion_matrix_loss, {"metric": "mcc"}, _with_shares, dtypes=FLOATS, masks=_pixels, means=False,
        skip={"reductions": "a weight is of samples, a mask of pixels: see its tests"},
    ),
}  # fmt: skip
