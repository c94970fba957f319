"""Minimal solvers on exact problems: how often the truth is among the roots, and how many roots there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops import geometry as vg
from visionops.bench.report import Table

from .lines import OURS, _rays, _split
from .scenes import nearest_root, padded, two_views

NEAR = 1e-4  # of a matrix or a pose, after normalisation

Found = dict[str, float]


def measure(count: int, peers: dict[str, Any]) -> dict[str, dict[str, Found]]:
    """Returns for each solver and side {"roots", "found"}: valid roots a problem, and how often the truth is one."""
    with torch.no_grad():
        return {
            "essential, 5 points": _five(count, peers),
            "fundamental, 7 points": _seven(count, peers),
            "P3P": _p3p(count, peers),
        }


def _five(count: int, peers: dict[str, Any]) -> dict[str, Found]:
    scene = two_views(count, 5, seed=20)
    ours = vg.find_essential(scene["x1"], scene["x2"])
    found = {OURS: _of_roots(ours.matrices, ours.valid, scene["E"])}
    x1, x2 = scene["x1"].numpy(), scene["x2"].numpy()
    if "PoseLib" in peers:
        theirs = [peers["PoseLib"].essential_matrix_5pt(_rays(a), _rays(b)) for a, b in zip(x1, x2, strict=True)]
        found["PoseLib"] = _of_roots(*padded(theirs, 10), scene["E"])
    if "Kornia" in peers:
        matrices = peers["Kornia"].geometry.epipolar.find_essential(scene["x1"], scene["x2"])
        found["Kornia"] = _of_roots(matrices, matrices.isfinite().all(-1).all(-1), scene["E"])
    return found


def _seven(count: int, peers: dict[str, Any]) -> dict[str, Found]:
    scene = two_views(count, 7, seed=30)
    ours = vg.find_fundamental(scene["p1"], scene["p2"], method="7point")
    found = {OURS: _of_roots(ours.matrices, ours.valid, scene["F"])}
    if "OpenCV" in peers:
        cv2 = peers["OpenCV"]
        pairs = zip(scene["p1"].numpy(), scene["p2"].numpy(), strict=True)
        theirs = [_split(cv2.findFundamentalMat(a, b, cv2.FM_7POINT)[0]) for a, b in pairs]
        found["OpenCV"] = _of_roots(*padded(theirs, 3), scene["F"])
    if "Kornia" in peers:
        matrices = peers["Kornia"].geometry.find_fundamental(scene["p1"], scene["p2"], method="7POINT")
        found["Kornia"] = _of_roots(
            matrices, matrices.isfinite().all(-1).all(-1) & (matrices != 0).any(-1).any(-1), scene["F"]
        )
    return found


def _p3p(count: int, peers: dict[str, Any]) -> dict[str, Found]:
    scene = two_views(count, 3, seed=40)
    ours = vg.solve_p3p(scene["points3d"], scene["x2"])
    truth = torch.cat([scene["R"], scene["t"][..., None]], -1)
    found = {OURS: _of_poses(torch.cat([ours.R, ours.t[..., None]], -1), ours.valid, truth)}
    pairs = list(zip(scene["x2"].numpy(), scene["points3d"].numpy(), strict=True))
    if "PoseLib" in peers:
        theirs = [[p.Rt for p in peers["PoseLib"].p3p(_rays(x), points)] for x, points in pairs]
        found["PoseLib"] = _of_poses(*_poses(theirs), truth)
    if "OpenCV" in peers:
        cv2 = peers["OpenCV"]
        theirs = []
        for x, points in pairs:
            vectors, shifts = cv2.solveP3P(points, x, np.eye(3), None, cv2.SOLVEPNP_P3P)[1:]
            theirs.append(
                [
                    np.concatenate([cv2.Rodrigues(r)[0], t.reshape(3, 1)], 1)
                    for r, t in zip(vectors, shifts, strict=True)
                ]
            )
        found["OpenCV"] = _of_poses(*_poses(theirs), truth)
    return found


def _poses(found: list[list[np.ndarray]]) -> tuple[Tensor, Tensor]:
    matrices, valid = np.zeros((len(found), 4, 3, 4)), np.zeros((len(found), 4), bool)
    for i, one in enumerate(found):
        for k, pose in enumerate(one[:4]):
            matrices[i, k], valid[i, k] = pose, True
    return torch.from_numpy(matrices), torch.from_numpy(valid)


def _of_roots(matrices: Tensor, valid: Tensor, truth: Tensor) -> Found:
    near = nearest_root(matrices, valid, truth) < NEAR
    return {"roots": float(valid.sum(-1).double().mean()), "found": float(near.double().mean())}


def _of_poses(poses: Tensor, valid: Tensor, truth: Tensor) -> Found:
    apart = torch.where(valid, (poses - truth[:, None]).square().sum((-1, -2)).sqrt(), torch.inf).amin(-1)
    return {"roots": float(valid.sum(-1).double().mean()), "found": float((apart < NEAR).double().mean())}


def table(results: dict[str, dict[str, Found]]) -> Table:
    rows = [
        [name if i == 0 else "", side, f"{one['roots']:.2f}", f"{one['found']:.2%}"]
        for name, sides in results.items()
        for i, (side, one) in enumerate(sides.items())
    ]
    columns = ["solver", "side", "roots a problem", "found the truth"]
    return Table(
        "Minimal solvers on exact problems", columns, rows, [f"found: a root within {NEAR:g} of the truth."], labels=2
    )
