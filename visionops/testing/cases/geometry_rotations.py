"""Rotations in all their forms, and Lie groups."""

from __future__ import annotations

from collections.abc import Callable
from math import pi

import torch
from torch import Tensor

from visionops.geometry import rotations
from visionops.geometry.groups import se2, se3, sim3, so2, so3
from visionops.testing.operators import Geometry, Inputs

from .geometry_solvers import random

Example = Callable[[int, torch.dtype], Inputs]
AXES = torch.cat([torch.eye(3, dtype=torch.float64), torch.tensor([[0.36, -0.48, 0.8]], dtype=torch.float64)])
GROUPS = {"so2": (so2, 1, 2), "se2": (se2, 3, 2), "so3": (so3, 3, 3), "se3": (se3, 6, 3), "sim3": (sim3, 7, 3)}


def turns(*angles: float) -> Tensor:
    """Returns rotation vectors of these angles about each axis and a generic one."""
    return torch.cat([angle * AXES for angle in angles])


def _vectors(size: int, *, seed: int = 0) -> Example:
    return lambda n, dtype: (random(n, dtype, size, seed=seed),)


def _matrices(n: int, dtype: torch.dtype) -> Inputs:
    return (rotations.axis_angle_to_matrix(0.7 * random(n, torch.float64, 3, seed=2)).to(dtype),)


def _made(make: Callable[[Tensor], Tensor], *angles: float) -> Callable[[], Inputs]:
    return lambda: (make(turns(*angles)),)


def _is(*rows: object) -> Callable[[], Inputs]:
    return lambda: (torch.tensor(rows, dtype=torch.float64),)


SMALL, NEAR, HALF = (0.0, 1e-8, 1e-4, 1.0), (pi - 1e-2, pi - 1e-4), (pi, pi - 1e-8)
# Also where a step of finite differences is longer than the angle: exp is smooth there.
VECTORS = {"0": _is([0.0] * 3), "small": _made(lambda v: v, *SMALL), "pi": _made(lambda v: v, *HALF, *NEAR, 7.0)}
MATRICES = {
    "identity": _made(rotations.axis_angle_to_matrix, *SMALL),
    "near pi": _made(rotations.axis_angle_to_matrix, *NEAR),
}
QUATERNIONS = {
    "identity": _made(rotations.axis_angle_to_quaternion, *SMALL),
    "near pi": _made(rotations.axis_angle_to_quaternion, *NEAR),
}
HALF_MATRICES = {"pi": _made(rotations.axis_angle_to_matrix, *HALF), "0": _is([[0.0] * 3] * 3)}
HALF_QUATERNIONS = {
    "pi": _is([0.0, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1], [0, 0.6, -0.8, 0]),
    "0": _is([0.0] * 4),
}
COLUMNS = {"orthonormal": _is([1.0, 0, 0, 0, 1, 0], [0, 0, 1, 1, 0, 0])}
DEPENDENT = {
    "0": _is([0.0] * 6),
    "parallel": _is([1.0, 2, 3, 2, 4, 6], [0, 0, 2, 0, 0, -1]),
    "one of 0": _is([0.0, 0, 0, 1, 2, 3], [1, 2, 3, 0, 0, 0]),
}


def _locked(convention: str) -> Callable[[], Inputs]:
    ends = (0.0, pi) if convention[0] == convention[2] else (-pi / 2, pi / 2)
    return lambda: (torch.tensor([[0.3, ends[0], -0.5], [0.3, ends[1], -0.5]], dtype=torch.float64),)


def _locked_as(make: Callable[..., Tensor], convention: str) -> Callable[[], Inputs]:
    return lambda: (make(*_locked(convention)(), convention=convention),)


def _slerp(start: Tensor, end: Tensor, t: Tensor) -> Tensor:
    return rotations.slerp(start, end, t)


def _pair(n: int, dtype: torch.dtype) -> Inputs:
    return (*_matrices(n, dtype), _matrices(2 * n, torch.float64)[0].flip(0)[:n].to(dtype))


def _average_rotation(elements: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    return rotations.average_rotation(elements, weights=weights, return_valid=True)


def _many(n: int, dtype: torch.dtype) -> Inputs:
    around = 0.4 * random(n, torch.float64, 5, 3, seed=3)
    return rotations.axis_angle_to_matrix(around).to(dtype), random(n, dtype, 5, seed=4).square() + 0.1


CASES = {
    "axis_angle_to_matrix": Geometry(rotations.axis_angle_to_matrix, example=_vectors(3), regular=VECTORS),
    "axis_angle_to_quaternion": Geometry(rotations.axis_angle_to_quaternion, example=_vectors(3), regular=VECTORS),
    "axis_angle_to_euler": Geometry(
        rotations.axis_angle_to_euler, {"convention": "zyx"}, example=_vectors(3), regular={"0": VECTORS["0"]}
    ),
    "axis_angle_to_rotation_6d": Geometry(rotations.axis_angle_to_rotation_6d, example=_vectors(3), regular=VECTORS),
    "quaternion_to_matrix": Geometry(
        rotations.quaternion_to_matrix,
        example=_vectors(4),
        regular={**QUATERNIONS, "pi": HALF_QUATERNIONS["pi"]},
        singular={"0": HALF_QUATERNIONS["0"]},
    ),
    "quaternion_to_axis_angle": Geometry(
        rotations.quaternion_to_axis_angle, example=_vectors(4), regular=QUATERNIONS, singular=HALF_QUATERNIONS
    ),
    "quaternion_to_euler": Geometry(
        rotations.quaternion_to_euler,
        {"convention": "zxz"},
        example=_vectors(4),
        singular={
            **QUATERNIONS,
            **HALF_QUATERNIONS,
            "gimbal lock": _locked_as(rotations.euler_to_quaternion, "zxz"),
        },
    ),
    "quaternion_to_rotation_6d": Geometry(
        rotations.quaternion_to_rotation_6d, example=_vectors(4), regular=QUATERNIONS, singular=HALF_QUATERNIONS
    ),
    "quaternion_multiply": Geometry(
        rotations.quaternion_multiply,
        example=lambda n, dtype: (random(n, dtype, 4), random(n, dtype, 4, seed=1)),
    ),
    "quaternion_inverse": Geometry(
        rotations.quaternion_inverse, example=_vectors(4), singular={"0": HALF_QUATERNIONS["0"]}
    ),
    "quaternion_rotate": Geometry(
        rotations.quaternion_rotate,
        solves=True,
        example=lambda n, dtype: (random(n, dtype, 4), random(n, dtype, 5, 3, seed=1)),
        singular={"0": lambda: (torch.zeros(1, 4), torch.ones(1, 2, 3))},
    ),
    "slerp": Geometry(
        _slerp,
        example=lambda n, dtype: (random(n, dtype, 4), random(n, dtype, 4, seed=1), random(n, dtype, seed=2)),
        regular={"one": lambda: (*_vectors(4)(2, torch.float64) * 2, torch.tensor([0.3, 0.6]))},
        singular={
            "half a turn": lambda: (torch.eye(4)[:2], torch.eye(4)[2:], torch.tensor([0.3, 1.0])),
            "0": lambda: (torch.zeros(1, 4), torch.zeros(1, 4), torch.tensor([0.3])),
        },
    ),
    "matrix_to_axis_angle": Geometry(
        rotations.matrix_to_axis_angle, example=_matrices, regular=MATRICES, singular=HALF_MATRICES
    ),
    "matrix_to_quaternion": Geometry(
        rotations.matrix_to_quaternion, example=_matrices, regular=MATRICES, singular=HALF_MATRICES
    ),
    "matrix_to_euler": Geometry(
        rotations.matrix_to_euler,
        example=_matrices,
        regular={"identity": MATRICES["identity"]},
        singular={
            "near pi": MATRICES["near pi"],
            **HALF_MATRICES,
            "gimbal lock": _locked_as(rotations.euler_to_matrix, "xyz"),
        },
    ),
    "matrix_to_rotation_6d": Geometry(rotations.matrix_to_rotation_6d, example=_matrices),
    "euler_to_matrix": Geometry(
        rotations.euler_to_matrix, {"convention": "zyx"}, example=_vectors(3), regular={"lock": _locked("zyx")}
    ),
    "euler_to_quaternion": Geometry(
        rotations.euler_to_quaternion, {"convention": "xyx"}, example=_vectors(3), regular={"lock": _locked("xyx")}
    ),
    "euler_to_axis_angle": Geometry(
        rotations.euler_to_axis_angle,
        example=_vectors(3),
        regular={"0": VECTORS["0"]},
        singular={"pi": _is([pi, 0, 0])},
    ),
    "euler_to_rotation_6d": Geometry(
        rotations.euler_to_rotation_6d, example=_vectors(3), regular={"lock": _locked("xyz")}
    ),
    "rotation_6d_to_matrix": Geometry(
        rotations.rotation_6d_to_matrix,
        {"return_valid": True},
        example=_vectors(6),
        regular=COLUMNS,
        singular=DEPENDENT,
    ),
    "rotation_6d_to_axis_angle": Geometry(
        rotations.rotation_6d_to_axis_angle, example=_vectors(6), singular={**COLUMNS, **DEPENDENT}
    ),
    "rotation_6d_to_quaternion": Geometry(
        rotations.rotation_6d_to_quaternion, example=_vectors(6), singular={**COLUMNS, **DEPENDENT}
    ),
    "rotation_6d_to_euler": Geometry(
        rotations.rotation_6d_to_euler, example=_vectors(6), singular={**COLUMNS, **DEPENDENT}
    ),
    "geodesic_distance": Geometry(
        rotations.geodesic_distance,
        example=_pair,
        regular={"near pi": lambda: (AXES[:3].diag_embed()[:1] * 0 + torch.eye(3), *MATRICES["near pi"]())},
        singular={
            "one": lambda: _matrices(2, torch.float64) * 2,
            "pi": lambda: (torch.eye(3), *HALF_MATRICES["pi"]()),
            "0": lambda: (torch.eye(3)[None], torch.zeros(1, 3, 3)),
        },
    ),
    "average_rotation": Geometry(
        _average_rotation,
        example=_many,
        solves=True,
        regular={"one": lambda: (torch.eye(3).expand(1, 4, 3, 3), torch.tensor([[1.0, 2, 3, 4]]))},
        singular={
            "none": lambda: (torch.eye(3).expand(1, 4, 3, 3), torch.zeros(1, 4)),
            "half a turn": lambda: (
                torch.stack([torch.eye(3), torch.diag(torch.tensor([1.0, -1, -1]))])[None],
                torch.ones(1, 2),
            ),
        },
    ),
}


def _elements(name: str, spread: float = 0.7, *shape: int) -> Example:
    group, k, _ = GROUPS[name]
    return lambda n, dtype: (group.exp(spread * random(n, torch.float64, *shape, k, seed=5)).to(dtype),)


def _tangents(name: str, *angles: float) -> Callable[[], Inputs]:
    """Returns tangents that turn by these angles, about each axis and a generic one in space."""
    k = GROUPS[name][1]
    phi = torch.tensor(angles, dtype=torch.float64)[:, None] if k in (1, 3) and name != "so3" else turns(*angles)
    rest = random(len(phi), torch.float64, 3, seed=6)
    return {
        "so2": lambda: (phi,),
        "so3": lambda: (phi,),
        "se2": lambda: (torch.cat([rest[:, :2], phi], -1),),
        "se3": lambda: (torch.cat([rest, phi], -1),),
        "sim3": lambda: (torch.cat([rest, phi, rest[:, :1]], -1),),
    }[name]


def _of(name: str, *angles: float) -> Callable[[], Inputs]:
    return lambda: (GROUPS[name][0].exp(*_tangents(name, *angles)()),)


AS_SE2 = {"compiles": "one loop for all groups, which takes half a minute; SE2 and SO3 are compiled"}


def _group_cases(name: str) -> dict[str, Geometry]:
    group, k, d = GROUPS[name]
    one = torch.eye(len(group.exp(torch.zeros(k))), dtype=torch.float64)
    elements = _elements(name)

    def average(elements: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        return group.average(elements, weights=weights, return_valid=True)

    def two(n: int, dtype: torch.dtype) -> Inputs:
        start, end = elements(2 * n, dtype)[0].chunk(2)
        return start, end, random(n, dtype, seed=7)

    return {
        "exp": Geometry(
            group.exp,
            example=_vectors(k),
            regular={
                "0": lambda: (torch.zeros(1, k),),
                "small": _tangents(name, *SMALL),
                "pi": _tangents(name, *HALF, *NEAR),
            },
        ),
        "log": Geometry(
            group.log,
            example=elements,
            regular={"identity": lambda: (one[None],), "small": _of(name, *SMALL), "near pi": _of(name, *NEAR)},
            singular={"pi": _of(name, *HALF), "0": lambda: (one[None] * 0,)},
        ),
        "hat": Geometry(group.hat, example=_vectors(k)),
        "vee": Geometry(group.vee, example=elements),
        "inverse": Geometry(group.inverse, example=elements, singular={"0": lambda: (one[None] * 0,)}),
        "act": Geometry(group.act, example=lambda n, dtype: (*elements(n, dtype), random(n, dtype, 4, d, seed=8))),
        "adjoint": Geometry(group.adjoint, example=elements, singular={"0": lambda: (one[None] * 0,)}),
        "interpolate": Geometry(
            group.interpolate,
            example=two,
            regular={"one": lambda: (one[None], one[None], torch.tensor([0.3]))},
            singular={"pi": lambda: (one, *_of(name, *HALF)(), torch.tensor(0.3))},
        ),
        "average": Geometry(
            average,
            example=lambda n, dtype: (
                *_elements(name, 0.3, 4)(n, dtype),
                random(n, dtype, 4, seed=9).square() + 0.1,
            ),
            solves=True,
            regular={"one": lambda: (one.expand(1, 4, *one.shape), torch.tensor([[1.0, 2, 3, 4]]))},
            singular={"none": lambda: (one.expand(1, 4, *one.shape), torch.zeros(1, 4))},
            skip=AS_SE2 if name in ("so2", "se3", "sim3") else {},
        ),
    }


CASES = {f"visionops.geometry.{name}": case for name, case in CASES.items()}
for _name in GROUPS:
    CASES.update({f"visionops.geometry.groups.{_name}.{what}": case for what, case in _group_cases(_name).items()})
for _name in ("so3", "se3"):
    _group, _k, _ = GROUPS[_name]
    CASES[f"visionops.geometry.groups.{_name}.left_jacobian"] = Geometry(
        _group.left_jacobian,
        example=_vectors(_k),
        regular={"small": _tangents(_name, *SMALL), "pi": _tangents(_name, *HALF)},
    )
