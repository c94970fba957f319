"""Minimal solvers on exact problems: how many roots there are, whether they solve the equations, whether the truth is
one of them, and how long that takes."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops import geometry as vg
from visionops.bench.report import Table
from visionops.bench.rounds import Side, counted
from visionops.bench.rounds import measure as measure_rounds

from .lines import OURS, _rays, _split
from .scenes import Problem, nearest_root, padded, two_views, unit

NEAR = 1e-4  # of a matrix or a pose, after normalisation
SOLVES = 1e-6  # of what equations leave, of unit rays, rotations and matrices
ROUNDS = 3
NARROW = 1e-3  # radians

Found = dict[str, float]
# What is timed, and what makes roots (count, slots, ...) of it and says which are there.
Run = tuple[Callable[[], Any], Callable[[Any], tuple[Tensor, Tensor]]]


def measure(count: int, peers: dict[str, Any]) -> dict[str, dict[str, Found]]:
    """Returns for each solver and side {"roots", "solve", "found", "milliseconds"}: roots a problem, the share of them
    that solve the equations, how often the truth is one, and the time of all problems."""
    five, seven = two_views(count, 5, seed=20), two_views(count, 7, seed=30)
    wide, narrow = two_views(count, 3, seed=40), _narrow(count)
    with torch.no_grad():
        return {
            "essential, 5 points": _judged(_five(five, peers), partial(_of_essential, five), _near(five["E"])),
            "fundamental, 7 points": _judged(_seven(seven, peers), partial(_of_fundamental, seven), _near(seven["F"])),
            "P3P": _judged(_p3p(wide, peers), partial(_of_pose, wide), _near_pose(wide)),
            f"P3P at {NARROW:g} radians": _judged(_p3p(narrow, peers), partial(_of_pose, narrow), _near_pose(narrow)),
        }


def _judged(
    sides: dict[str, Run], leaves: Callable[[Tensor], Tensor], near: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, Found]:
    """Returns what is found of each side.

    Args:
        leaves: of roots (count, slots, ...), what the equations leave.
        near: of roots and which are there, how far the nearest is from the truth.
    """
    works = [Side(name, "forward", counted(run, 1)) for name, (run, _) in sides.items()]
    rates = measure_rounds(works, rounds=ROUNDS, seconds=0)
    found = {}
    for (name, (run, roots_of)), rate in zip(sides.items(), rates, strict=True):
        roots, there = roots_of(run())
        rest = leaves(torch.where(there[..., None, None], roots, 1))
        found[name] = {
            "roots": float(there.sum(-1).double().mean()),
            "solve": float((rest < SOLVES)[there].double().mean()),
            "found": float((near(roots, there) < NEAR).double().mean()),
            "milliseconds": 1000 / statistics.median(rate),
        }
    return found


def _five(scene: Problem, peers: dict[str, Any]) -> dict[str, Run]:
    x1, x2 = scene["x1"].numpy(), scene["x2"].numpy()
    sides: dict[str, Run] = {
        OURS: (lambda: vg.find_essential(scene["x1"], scene["x2"]), lambda r: (r.matrices, r.valid))
    }
    if "PoseLib" in peers:
        solve = peers["PoseLib"].essential_matrix_5pt
        rays = [(_rays(a), _rays(b)) for a, b in zip(x1, x2, strict=True)]
        sides["PoseLib"] = (lambda: [solve(a, b) for a, b in rays], lambda found: padded(found, 10))
    if "Kornia" in peers:
        theirs = peers["Kornia"].geometry.epipolar.find_essential
        sides["Kornia"] = (lambda: theirs(scene["x1"], scene["x2"]), lambda E: (E, E.isfinite().all(-1).all(-1)))
    return sides


def _seven(scene: Problem, peers: dict[str, Any]) -> dict[str, Run]:
    p1, p2 = scene["p1"], scene["p2"]
    sides: dict[str, Run] = {
        OURS: (lambda: vg.find_fundamental(p1, p2, method="7point"), lambda r: (r.matrices, r.valid))
    }
    if "OpenCV" in peers:
        cv2, pairs = peers["OpenCV"], list(zip(p1.numpy(), p2.numpy(), strict=True))
        sides["OpenCV"] = (
            lambda: [cv2.findFundamentalMat(a, b, cv2.FM_7POINT)[0] for a, b in pairs],
            lambda found: padded([_split(F) for F in found], 3),
        )
    if "Kornia" in peers:
        theirs = peers["Kornia"].geometry.find_fundamental
        sides["Kornia"] = (
            lambda: theirs(p1, p2, method="7POINT"),
            lambda F: (F, F.isfinite().all(-1).all(-1) & (F != 0).any(-1).any(-1)),
        )
    return sides


def _p3p(scene: Problem, peers: dict[str, Any]) -> dict[str, Run]:
    x, X = scene["x2"], scene["points3d"]
    sides: dict[str, Run] = {
        OURS: (lambda: vg.solve_p3p(X, x), lambda r: (torch.cat([r.R, r.t[..., None]], -1), r.valid))
    }
    pairs = list(zip(x.numpy(), X.numpy(), strict=True))
    if "PoseLib" in peers:
        solve, given = peers["PoseLib"].p3p, [(_rays(a), b) for a, b in pairs]
        sides["PoseLib"] = (
            lambda: [solve(a, b) for a, b in given],
            lambda found: _poses([[p.Rt for p in one] for one in found]),
        )
    if "OpenCV" in peers:
        cv2, eye = peers["OpenCV"], np.eye(3)
        sides["OpenCV"] = (
            lambda: [cv2.solveP3P(b, a, eye, None, cv2.SOLVEPNP_P3P)[1:] for a, b in pairs],
            lambda found: _poses(
                [
                    [np.concatenate([cv2.Rodrigues(r)[0], t.reshape(3, 1)], 1) for r, t in zip(*one, strict=True)]
                    for one in found
                ]
            ),
        )
    return sides


def _narrow(count: int) -> Problem:
    """Returns points that a camera sees close together, and its pose."""
    scene = two_views(count, 3, seed=50)
    R, t = scene["R"], scene["t"]
    apart = scene["points3d"] - scene["points3d"].mean(1, keepdim=True)
    moved = torch.tensor([0.0, 0, 10], dtype=torch.float64) + 10 * NARROW * apart
    return scene | {"points3d": (moved - t[:, None]) @ R, "x2": moved[..., :2] / moved[..., 2:]}


def _poses(found: list[list[np.ndarray]]) -> tuple[Tensor, Tensor]:
    matrices, valid = np.zeros((len(found), 4, 3, 4)), np.zeros((len(found), 4), bool)
    for i, one in enumerate(found):
        for k, pose in enumerate(one[:4]):
            matrices[i, k], valid[i, k] = pose, True
    return torch.from_numpy(matrices), torch.from_numpy(valid)


def _of_essential(scene: Problem, E: Tensor) -> Tensor:
    """Returns the largest of x2^T E x1, of unit rays, and of 2 E E^T E - tr(E E^T) E."""
    E = unit(E)
    gram = E @ E.mT
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    cubic = (2 * gram @ E - trace * E).abs().amax((-1, -2))
    return torch.maximum(cubic, _epipolar(E, scene["x1"], scene["x2"]))


def _of_fundamental(scene: Problem, F: Tensor) -> Tensor:
    """Returns the largest of x2^T F x1 and det F, of rays of a camera of 500 pixels."""
    scale = torch.tensor([500.0, 500.0, 1.0], dtype=torch.float64)
    F = unit(scale[:, None] * F * scale)
    return torch.maximum(torch.linalg.det(F).abs(), _epipolar(F, scene["p1"] / 500, scene["p2"] / 500))


def _epipolar(matrix: Tensor, x1: Tensor, x2: Tensor) -> Tensor:
    h1, h2 = (torch.nn.functional.normalize(vg.to_homogeneous(x), dim=-1)[:, None] for x in (x1, x2))
    return ((h2 @ matrix) * h1).sum(-1).abs().amax(-1)


def _of_pose(scene: Problem, pose: Tensor) -> Tensor:
    """Returns the largest of R^T R - I and of the distances from where points are seen."""
    R, t = pose[..., :3], pose[..., 3]
    rounded = (R.mT @ R - torch.eye(3, dtype=R.dtype)).abs().amax((-1, -2))
    y = scene["points3d"][:, None] @ R.mT + t[..., None, :]
    apart = (y[..., :2] / y[..., 2:] - scene["x2"][:, None]).abs().amax((-1, -2))
    return torch.maximum(rounded, apart)


def _near(truth: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda roots, there: nearest_root(roots, there, truth)


def _near_pose(scene: Problem) -> Callable[[Tensor, Tensor], Tensor]:
    truth = torch.cat([scene["R"], scene["t"][..., None]], -1)[:, None]
    return lambda poses, there: torch.where(there, (poses - truth).square().sum((-1, -2)).sqrt(), torch.inf).amin(-1)


def table(results: dict[str, dict[str, Found]]) -> Table:
    rows = [
        [
            *(name if i == 0 else "", side, f"{one['roots']:.2f}"),
            *(f"{one['solve']:.2%}", f"{one['found']:.2%}", f"{one['milliseconds']:.1f}"),
        ]
        for name, sides in results.items()
        for i, (side, one) in enumerate(sides.items())
    ]
    columns = ["solver", "side", "roots a problem", "solve the equations", "found the truth", "ms"]
    notes = [
        f"solve: what is left is less than {SOLVES:g}, of unit rays and matrices.",
        f"found: a root within {NEAR:g} of the truth.",
        f"ms: all problems, the median of {ROUNDS}; ours at once, PoseLib and OpenCV one by one.",
    ]
    return Table("Minimal solvers on exact problems", columns, rows, notes, labels=2)
