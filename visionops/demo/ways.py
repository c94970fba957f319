"""Two ways round: predictions back to the source photo, and a stereo pair with its cameras."""

from __future__ import annotations

from html import escape

import numpy as np
import torch

from visionops.plot import PALETTE

from . import labels, page, pipelines
from .shows import Photos, denormalised

VIEWS = 4


def back(photos: Photos) -> str:
    """Returns the section on `inverse`: vessels found on four views, brought back, and a vote."""
    photo = photos["retina"]
    pipe = pipelines.many_views()
    wanted = labels.vessels(photo)
    seen, views, returned = [], [], []
    for view in range(VIEWS):
        params = pipe.sample(photo.shape[:2], index=0, view=view)
        image = pipe.apply(params, image=photo)["image"]
        colours = np.rint(denormalised(image).permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        found = labels.vessels(colours)
        home = pipe.inverse(params, mask=found)["mask"].numpy()
        shown = pipe.inverse(params, mask=np.ones_like(found))["mask"].numpy()
        seen.append(shown)
        views.append(page.figure(colours, f"view {view}: found here", alt="view with vessels", mask=found, scale=0.8))
        returned.append((home, view))
    votes, possible = sum(home for home, _ in returned), sum(seen)
    vote = ((2 * votes >= possible) & (possible > 0)).astype(np.uint8)
    homes = [page.figure(photo, f"back home: IoU {_iou(home, wanted, seen[v]):.2f}", alt="photo with vessels", mask=home, scale=0.7)
             for home, v in returned]  # fmt: skip
    points = torch.rand(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 380 + 66
    params = pipe.sample(photo.shape[:2], index=0)
    there = pipe.apply(params, keypoints=points)["keypoints"]
    error = (pipe.inverse(params, keypoints=there)["keypoints"] - points).abs().max().item()
    last = page.row([page.figure(photo, "the photo", alt="retina", kind="before"),
                     page.figure(photo, "what the threshold finds on the photo itself", alt="retina with vessels", mask=wanted),
                     page.figure(photo, f"vote of the {VIEWS} views: <b>IoU {_iou(vote, wanted, possible > 0):.2f}</b>",
                                 alt="retina with vessels", mask=vote)], columns=3, kind="triple")  # fmt: skip
    calls = ("", "params = pipe.sample((h, w), index=0, view=k)", 'view = pipe.apply(params, image=photo)',
             'found = segment(view["image"])', 'home = pipe.inverse(params, mask=found)')  # fmt: skip
    return page.section(
        "inverse", "And back again",
        "Draw once, look, and bring the answer home. A plain threshold looks for vessels in four augmented views of one "
        f"photo; each answer returns to the photo's own pixels, where the views vote. {len(points)} points sent there and back "
        f"end within {_power(error)} px of where they began.",
        page.beside(page.row(views, columns=VIEWS) + page.row(homes, columns=VIEWS) + last,
                    page.code(page.source_of(pipelines.many_views, *calls)), page.plan(pipe)),
    )  # fmt: skip


def stereo() -> str:
    """Returns the section on the stereo pair."""
    left, right, disparity = labels.stereo()
    K = np.array([[labels.FOCAL, 0, labels.CENTRE[0]], [0, labels.FOCAL, labels.CENTRE[1]], [0, 0, 1]])
    rows, columns = np.indices(disparity.shape)[:, 40:460:60, 90:700:60].reshape(2, -1)
    known = np.isfinite(disparity[rows, columns])
    points = np.stack([columns, rows], 1)[known].astype(np.float64)
    depth = labels.FOCAL * labels.BASELINE / (disparity[rows, columns][known] + labels.SHIFT)
    pipe = pipelines.stereo_pair()
    params = pipe.sample(left.shape[:2], index=4)
    out = pipe.apply(params, image=left, right_image=right, keypoints=points, intrinsics=K)
    moved, inside, K2 = out["keypoints"].numpy(), out["keypoints_valid"].numpy(), out["intrinsics"].numpy()
    rays = np.concatenate([points, np.ones((len(points), 1))], 1) @ np.linalg.inv(K).T
    projected = (rays * depth[:, None]) @ K2.T
    error = np.abs(projected[:, :2] / projected[:, 2:] - moved).max()
    few = np.argsort(depth)[:: max(1, len(depth) // 7)][:7]
    pictures = page.row([page.figure(left, "left", alt="left photo", kind="before", keypoints=points[few], scale=0.8),
                         page.figure(right, "right", alt="right photo", kind="before", scale=0.8),
                         page.figure(out["image"], "left, augmented", alt="left photo, augmented", keypoints=moved[few],
                                     keypoints_valid=inside[few]),
                         page.figure(out["right_image"], "right, by the same draw", alt="right photo, augmented")],
                        columns=2, kind="single")  # fmt: skip
    metres = page.legend([f"{d:.2f} m" for d in depth[few]], PALETTE[: len(few)])
    matrices = (f'<div class="matrices"><div><span>K, of the photo</span><pre>{_matrix(K)}</pre></div>'
                f"<div><span>K' = M K, of what the network sees</span><pre>{_matrix(K2)}</pre></div></div>")  # fmt: skip
    return page.section(
        "stereo", "A camera that stays a camera",
        "Both photos of a stereo pair take one draw, and the camera matrix follows it. To check: "
        f"{len(points)} points are lifted to 3-D by the measured disparity and projected again with the new K'. They fall "
        f"within {_power(error)} px of where the keypoints went.",
        page.beside(pictures + metres + matrices, page.code(page.source_of(
            pipelines.stereo_pair, "", "out = pipe(image=left, right_image=right,", "           keypoints=points, intrinsics=K)",
        )), page.plan(pipe)),
    )  # fmt: skip


def _iou(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> float:
    a, b = (v.astype(bool) & where.astype(bool) for v in (a, b))
    return float((a & b).sum() / max((a | b).sum(), 1))


def _matrix(m: np.ndarray) -> str:
    return escape("\n".join(" ".join(f"{v:9.2f}" for v in row) for row in m))


def _power(v: float) -> str:
    """Returns a small number rounded up to a power of ten."""
    exponent = int(np.ceil(np.log10(max(v, 1e-16))))
    return f"10<sup>{exponent}</sup>".replace("-", "\u2212")


