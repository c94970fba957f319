"""What is timed: a problem, ours on all of them at once, Kornia likewise, and OpenCV or PoseLib one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops import geometry as vg

from .scenes import DISTORTION, K, Problem, homographies, nearest_root, normal, padded, two_views, uniform

OURS = "visionops"
One = dict[str, np.ndarray]
_ZERO, _EYE = np.zeros(3), torch.eye(3, dtype=torch.float64)
EXACT = (3, 100, 1e-12)  # OpenCV's criteria: up to 100 iterations, down to 1e-12


@dataclass(frozen=True)
class Line:
    """One row of the table.

    Attributes:
        name: of the row.
        make: makes so many problems, in float64.
        inputs: the names of what the functions take, with gradients in the backward form.
        ours: of those inputs.
        kornia: likewise, of the module first.
        opencv: of the module and the arrays of one problem.
        poselib: likewise.
        error: how far a result is from the truth: a number for each problem. A loop's results come as a list.
        unit: of the error.
    """

    name: str
    make: Callable[[int], Problem]
    inputs: tuple[str, ...]
    ours: Callable[..., Any]
    kornia: Callable[..., Any] | None = None
    opencv: Callable[[Any, One], Any] | None = None
    poselib: Callable[[Any, One], Any] | None = None
    error: Callable[[Any, Problem], Tensor] | None = None
    unit: str = ""


def _stacked(result: Any) -> Tensor:
    return torch.from_numpy(np.stack(result)) if isinstance(result, list) else result


def _up_to_scale(truth: str) -> Callable[[Any, Problem], Tensor]:
    def error(result: Any, problem: Problem) -> Tensor:
        found = _stacked(result)
        return nearest_root(found[:, None], torch.ones(len(found), 1, dtype=torch.bool), problem[truth])

    return error


def _transfer(result: Any, problem: Problem) -> Tensor:
    """Returns the mean distance in pixels between points as the found homography and the true one move them."""
    moved = [vg.transform_points(h, problem["p1"]) for h in (_stacked(result), problem["H"])]
    return (moved[0] - moved[1]).square().sum(-1).sqrt().mean(-1)


def _roots(truth: str, slots: int) -> Callable[[Any, Problem], Tensor]:
    def error(result: Any, problem: Problem) -> Tensor:
        if isinstance(result, list):
            matrices, valid = padded(result, slots)
        elif isinstance(result, Tensor):  # Kornia's: NaN where there is none
            matrices, valid = result, result.isfinite().all(-1).all(-1)
        else:
            matrices, valid = result.matrices, result.valid
        return nearest_root(matrices, valid, problem[truth])

    return error


def _split(result: Any) -> np.ndarray:
    """Returns OpenCV's stacked matrices (3 k, 3) as (k, 3, 3)."""
    return np.zeros((0, 3, 3)) if result is None else np.asarray(result).reshape(-1, 3, 3)


def _essentials_of_opencv(cv2: Any, one: One) -> np.ndarray:
    found = cv2.findEssentialMat(one["x1"], one["x2"], np.eye(3), method=cv2.RANSAC, maxIters=1)[0]
    return _split(found)


def _distances(name: str) -> Callable[[Any, Problem], Tensor]:
    def error(result: Any, problem: Problem) -> Tensor:
        return (_stacked(result).reshape(problem[name].shape) - problem[name]).square().sum(-1).sqrt().amax(-1)

    return error


def _twists(count: int) -> Problem:
    xi = normal(count, 6, seed=3)
    return {"xi": xi, "T": vg.se3.exp(xi), "rotation": xi[:, 3:]}


def _lens(count: int) -> Problem:
    """Ten points for each camera, up to 30 degrees off its axis."""
    x = 0.6 * uniform(count, 10, 2, seed=4)
    points = torch.cat([x, torch.ones(count, 10, 1).double()], -1) * (2 + uniform(count, 10, 1, seed=5))
    intrinsics, distortion = K.expand(count, 3, 3).clone(), DISTORTION.expand(count, 5).clone()
    pixels = vg.BrownConradyCamera(intrinsics, distortion).project(points, return_valid=True)[0]
    return {"points": points, "K": intrinsics, "distortion": distortion, "pixels": pixels, "x": x}


def _poses(count: int) -> Problem:
    scene = two_views(count, 10, noise=0.5, seed=7)
    turned = vg.so3.exp(0.02 * normal(count, 3, seed=8)) @ scene["R"]
    moved = scene["t"] + 0.02 * normal(count, 3, seed=9)
    return {**scene, "R0": turned, "t0": moved, "K": K.expand(count, 3, 3).clone()}


def _refined_by_opencv(cv2: Any, one: One) -> np.ndarray:
    vector, t = cv2.Rodrigues(one["R0"])[0], one["t0"].copy()[:, None]
    vector, t = cv2.solvePnPRefineLM(one["points3d"], one["p2"], one["K"], None, vector, t)
    return np.concatenate([cv2.Rodrigues(vector)[0], t], 1)


def _pose_error(result: Any, problem: Problem) -> Tensor:
    """Returns the largest difference from the true [R t]; poses come as pairs or as matrices."""
    if isinstance(result, tuple):
        result = torch.cat([result[0], result[1][..., None]], -1)
    truth = torch.cat([problem["R"], problem["t"][..., None]], -1)
    return (_stacked(result) - truth).abs().amax((-1, -2))


LINES = [
    Line(
        "homography, DLT, 8 points", lambda n: homographies(n, 8, noise=0.5), ("p1", "p2"), vg.find_homography,
        kornia=lambda k, p1, p2: k.geometry.find_homography_dlt(p1, p2),
        opencv=lambda cv2, one: cv2.findHomography(one["p1"], one["p2"], 0)[0], error=_transfer, unit="px",
    ),
    Line(
        "fundamental, 8 points", lambda n: two_views(n, 8), ("p1", "p2"), vg.find_fundamental,
        kornia=lambda k, p1, p2: k.geometry.find_fundamental(p1, p2, torch.ones_like(p1[..., 0])),
        opencv=lambda cv2, one: cv2.findFundamentalMat(one["p1"], one["p2"], cv2.FM_8POINT)[0], error=_up_to_scale("F"),
    ),
    Line(
        "fundamental, 7 points", lambda n: two_views(n, 7), ("p1", "p2"),
        lambda p1, p2: vg.find_fundamental(p1, p2, method="7point"),
        kornia=lambda k, p1, p2: k.geometry.find_fundamental(p1, p2, method="7POINT"),
        opencv=lambda cv2, one: _split(cv2.findFundamentalMat(one["p1"], one["p2"], cv2.FM_7POINT)[0]),
        error=_roots("F", 3),
    ),
    Line(
        "essential, 5 points", lambda n: two_views(n, 5), ("x1", "x2"), vg.find_essential,
        kornia=lambda k, x1, x2: k.geometry.epipolar.find_essential(x1, x2),
        opencv=_essentials_of_opencv,
        poselib=lambda p, one: p.essential_matrix_5pt(_rays(one["x1"]), _rays(one["x2"])), error=_roots("E", 10),
    ),
    Line(
        "triangulation, 10 points", lambda n: two_views(n, 10), ("P1", "P2", "x1", "x2"), vg.triangulate,
        kornia=lambda k, P1, P2, x1, x2: k.geometry.epipolar.triangulate_points(P1, P2, x1, x2),
        opencv=lambda cv2, one: _from_rows(cv2.triangulatePoints(one["P1"], one["P2"], one["x1"].T, one["x2"].T)),
        error=_distances("points3d"),
    ),
    Line(
        "PnP, refined, 10 points", _poses, ("points3d", "p2", "R0", "t0", "K"), vg.refine_pnp,
        opencv=_refined_by_opencv, error=_pose_error,
    ),
    Line(
        "SE3 exp", _twists, ("xi",), vg.se3.exp,
        kornia=lambda k, xi: k.geometry.liegroup.Se3.exp(xi).matrix(),
        opencv=lambda cv2, one: cv2.Rodrigues(one["rotation"])[0],
    ),
    Line(
        "SE3 log", _twists, ("T",), vg.se3.log,
        kornia=lambda k, T: k.geometry.liegroup.Se3.from_matrix(T).log(),
        opencv=lambda cv2, one: cv2.Rodrigues(one["T"][:3, :3].copy())[0],
    ),
    Line(
        "project, 10 points", _lens, ("points", "K", "distortion"),
        lambda points, K, distortion: vg.BrownConradyCamera(K, distortion).project(points),
        kornia=lambda k, points, K, distortion: k.geometry.calibration.distort_points(
            k.geometry.camera.project_points(points, K[:, None]), K, distortion
        ),
        opencv=lambda cv2, one: cv2.projectPoints(one["points"], _ZERO, _ZERO, one["K"], one["distortion"])[0],
        error=_distances("pixels"), unit="px",
    ),
    Line(
        "undistort, 10 points", _lens, ("pixels", "K", "distortion"),
        lambda pixels, K, distortion: vg.undistort_points(pixels, vg.BrownConradyCamera(K, distortion), matrix=_EYE),
        kornia=lambda k, pixels, K, distortion: (
            k.geometry.calibration.undistort_points(pixels, K, distortion, num_iters=20) - K[:, None, :2, 2]
        ) / 500,
        opencv=lambda cv2, one: cv2.undistortPoints(one["pixels"], one["K"], one["distortion"], criteria=EXACT),
        error=_distances("x"),
    ),
]  # fmt: skip


def _rays(points: np.ndarray) -> np.ndarray:
    rays = np.concatenate([points, np.ones((len(points), 1))], 1)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def _from_rows(points: np.ndarray) -> np.ndarray:
    return (points[:3] / points[3:]).T
