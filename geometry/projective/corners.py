"""The maps that few corners determine: perspective of four, affine of three; and the rotation of an image.

Four points p1..p4, homogeneous, are the image of a basis and its sum under S = [p1 p2 p3] diag(l), where
[p1 p2 p3] l = p4. The homography between two such quadruples is S2 S1^-1: a polynomial, up to its scale.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from visionops.arguments import check_number
from visionops.errors import refuse
from visionops.geometry.arguments import check_batches, check_vector, finite_samples, or_nan
from visionops.geometry.linalg import to_homogeneous

from .matrices import RANK, adjugate, affine, of_dtype, pseudo_inverse2, with_last_one
from .pairs import Pairs, clean_pairs, held

# A triangle of an area below this, relative to the square of the extent, is a line; in float64, in float32.
LINE = 1e-9, 1e-5


def get_perspective_transform(
    source: Float[Tensor, "*batch 4 2"], target: Float[Tensor, "*batch 4 2"], *, return_valid: bool = False
) -> Float[Tensor, "*batch 3 3"] | tuple[Tensor, Tensor]:
    """Returns the homography H, with H33 = 1, that takes four points to four others.

    Args:
        source: (x, y), in pixels or any other unit.
        target: in the order of the source.
        return_valid: whether to return also where it is finite and unique: no three points of either are collinear.

    Raises:
        ValueError: for other than four points.

    Gradient: to all points. H is scaled to norm 1 where H33 is less than 1e-8 of its largest component. Where three
        points are collinear H is singular, of all four in one line 0; the gradient is 0. NaN gives NaN, gradient 0.
    Source: Hartley and Zisserman, Multiple View Geometry, 2004, 2.4; see `cv2.getPerspectiveTransform`.

    >>> square = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> get_perspective_transform(square, 2 * square + 3).round(decimals=4).add(0).tolist()
    [[2.0, 0.0, 3.0], [0.0, 2.0, 3.0], [0.0, 0.0, 1.0]]
    """
    p1, p2, _, good = _corners("get_perspective_transform", source, target, 4)
    # About the centres nothing large cancels.
    c1, c2 = p1.mean(-2, keepdim=True), p2.mean(-2, keepdim=True)
    _, turned1, l1, proper1 = _basis(p1 - c1, of_dtype(LINE, source))
    basis2, _, l2, proper2 = _basis(p2 - c2, of_dtype(LINE, target))
    # l2 / l1, times the product of l1.
    ratio = l2 * l1.roll(1, -1) * l1.roll(2, -1)
    h = (basis2 * ratio[..., None, :]) @ turned1
    h = torch.cat([h[..., :2], h[..., 2:] - h[..., :2] @ c1.mT], -1)
    h = torch.cat([h[..., :2, :] + c2.mT * h[..., 2:, :], h[..., 2:, :]], -2)
    proper = proper1 & proper2
    h = or_nan(held(with_last_one(h), proper), good).to(source.dtype)
    return (h, good & proper) if return_valid else h


def get_affine_transform(
    source: Float[Tensor, "*batch 3 2"], target: Float[Tensor, "*batch 3 2"], *, return_valid: bool = False
) -> Float[Tensor, "*batch 2 3"] | tuple[Tensor, Tensor]:
    """Returns the affine map that takes three points to three others.

    Args:
        source: (x, y), in pixels or any other unit.
        target: in the order of the source; they may be collinear.
        return_valid: whether to return also where it is finite and unique: the source is no line.

    Raises:
        ValueError: for other than three points.

    Gradient: to all points. Of a collinear source, the map whose linear part has the least norm, with gradient 0. NaN
        gives NaN, gradient 0.
    Source: see `cv2.getAffineTransform`.

    >>> corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> get_affine_transform(corners, 2 * corners + 3).tolist()
    [[2.0, 0.0, 3.0], [0.0, 2.0, 3.0]]
    """
    p1, p2, _, good = _corners("get_affine_transform", source, target, 3)
    edges1, edges2 = ((p[..., 1:, :] - p[..., :1, :]).mT for p in (p1, p2))
    back, proper = pseudo_inverse2(edges1, of_dtype(RANK, source))
    m = affine(edges2 @ back, p1[..., 0, :], p2[..., 0, :])
    valid = good & proper
    m = or_nan(held(m, valid), good).to(source.dtype)
    return (m, valid) if return_valid else m


def rotation_matrix2d(
    center: Float[Tensor, "*batch 2"],
    angle: Float[Tensor, "*batch"] | float,
    scale: Float[Tensor, "*batch"] | float = 1.0,
) -> Float[Tensor, "*batch 2 3"]:
    """Returns the affine map that turns an image about a point, and scales it.

    Args:
        center: (x, y) in pixels, which stays where it is; pixel centres are integers.
        angle: degrees, counter-clockwise as seen on the screen, where y points down.
        scale: of lengths. Both are numbers, or tensors.

    Raises:
        ValueError: for a center of other than two coordinates, and what is no number of each sample.

    Gradient: to all three. NaN gives NaN, with gradient 0.
    Source: `cv2.getRotationMatrix2D`.

    >>> rotation_matrix2d(torch.tensor([1.0, 1.0]), torch.tensor(90.0)).round(decimals=4).add(0).tolist()
    [[0.0, 1.0, 0.0], [-1.0, 0.0, 2.0]]
    """
    check_vector("rotation_matrix2d", "center", center, 2)
    angle, scale = (
        _number("rotation_matrix2d", name, value, center) for name, value in (("angle", angle), ("scale", scale))
    )
    (center, angle, scale), good = finite_samples((center, 1), (angle, 0), (scale, 0))
    radians = torch.deg2rad(angle)
    cos, sin = scale * torch.cos(radians), scale * torch.sin(radians)
    x, y = center.unbind(-1)
    rows = [[cos, sin, x - cos * x - sin * y], [-sin, cos, y + sin * x - cos * y]]
    return or_nan(torch.stack([torch.stack(torch.broadcast_tensors(*row), -1) for row in rows], -2), good)


def _number(function: str, argument: str, value: Tensor | float, center: Tensor) -> Tensor:
    """Returns a number of each sample, as a tensor."""
    if not isinstance(value, Tensor):
        check_number(function, argument, value)
        return center.new_tensor(value)
    if not value.is_floating_point():
        raise refuse(function, argument, "floating (*batch), or a number", value.dtype)
    check_batches(function, argument, value.shape, center.shape[:-1])
    return value


def _corners(function: str, source: Tensor, target: Tensor, n: int) -> Pairs:
    pairs = clean_pairs(function, source, target, least=n, names=("source", "target"))
    if source.shape[-2] != n:
        raise refuse(function, "source", f"of shape (*batch, {n}, 2)", tuple(source.shape))
    return pairs


def _basis(points: Tensor, line: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns [p1 p2 p3], its adjugate, l, and where no three points are collinear."""
    h = to_homogeneous(points)
    basis, last = h[..., :3, :].mT, h[..., 3, :, None]
    turned = adjugate(basis)
    factors = (turned @ last)[..., 0]
    # det [p1 p2 p3] is the sum of the three other triangles.
    areas = torch.cat([factors, factors.sum(-1, keepdim=True)], -1).detach().abs()
    size = points.detach().square().amax((-1, -2))
    return basis, turned, factors, areas.amin(-1) > line * size
