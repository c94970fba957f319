"""Camera intrinsics after augmentation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.errors import mistake


def split_intrinsics(
    intrinsics: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch 3 3"], Float[Tensor, "*batch 3 3"]]:
    """Returns intrinsics with positive focal lengths, and the rotation or reflection that stands before them.

    ``intrinsics = K @ R`` with K upper triangular, positive on its diagonal and K[2, 2] = 1, up to scale, and R
    orthogonal. An augmentation changes a camera's K to M K literally; a flip makes a focal length negative, a
    rotation of the image mixes its axes. Here that part becomes R, which multiplies points before they are
    projected: points in front of the camera are ``R @ (x, y, z)``. A reflection has determinant -1.

    Args:
        intrinsics: invertible, in pixel-centre coordinates, such as `Pipeline` returns.

    Raises:
        ValueError: unless the last two dimensions are 3 by 3.

    Gradient: to the intrinsics, where they are invertible. Source: RQ decomposition by QR of the reversed transpose.

    >>> K, R = split_intrinsics(torch.tensor([[-100.0, 0, 80], [0, 100, 60], [0, 0, 1]]))
    >>> K[0, 0].item(), R.diagonal().tolist()
    (100.0, [-1.0, 1.0, 1.0])
    """
    if intrinsics.shape[-2:] != (3, 3):
        raise mistake("split_intrinsics", "intrinsics", "of shape (*batch, 3, 3)", tuple(intrinsics.shape))
    # A = K R; with J the exchange matrix, (J A)^T = Q U gives A = (J U^T J) (J Q^T).
    q, u = torch.linalg.qr(intrinsics.flip(-2).mT)
    k, r = u.mT.flip((-2, -1)), q.mT.flip(-2)
    sign = torch.where(k.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).to(k.dtype)
    k, r = k * sign[..., None, :], r * sign[..., :, None]
    return k / k[..., 2:, 2:], r
