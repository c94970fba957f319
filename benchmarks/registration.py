"""Which photometric loss registers two real photos: the same descent under each, from the same start.

    python benchmarks/registration.py

The photos are views of a painted wall (graf 1 and 3 of Mikolajczyk and others, at half size), 30 degrees apart, whose
homography is known. The unknowns are where the four corners go, eight numbers, which start some pixels off; Adam
descends, from blurred photos to sharp ones. The second time the second photo is darker, through a curve, and fades
towards one side, as after another exposure under another light.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from visionops import filters, losses, resample
from visionops import geometry as vg
from visionops.bench.machine import environment
from visionops.bench.report import Report, Table
from visionops.geometry import losses as geometric

ROOT = Path(__file__).resolve().parent
DATA = ROOT.parent / "tests" / "geometry" / "data"
D = torch.float64

# Of two images and where they count.
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
LOSSES: dict[str, Loss] = {
    "squared": lambda a, b, m: losses.barron(a, b, mask=m, alpha=2.0),
    "Charbonnier": lambda a, b, m: losses.charbonnier(a, b, mask=m, scale=0.01),
    "Cauchy": lambda a, b, m: losses.cauchy(a, b, mask=m, scale=0.05),
    "Geman-McClure": lambda a, b, m: losses.geman_mcclure(a, b, mask=m, scale=0.1),
    "Welsch": lambda a, b, m: losses.welsch(a, b, mask=m, scale=0.1),
    "SSIM 11x11": lambda a, b, m: losses.ssim(a, b, mask=m),
    "MS-SSIM": lambda a, b, m: losses.ms_ssim(a, b, mask=m),
    "normalised Laplacian pyramid": lambda a, b, m: losses.normalized_laplacian_pyramid(a, b, mask=m),
    "photometric (SSIM 3x3 + L1)": lambda a, b, m: geometric.photometric(a, b, mask=m),
    "census 7x7": lambda a, b, m: geometric.census(a, b, mask=m),
    "mutual information": lambda a, b, m: losses.mutual_information(a, b, mask=m),
    "normalised mutual information": lambda a, b, m: losses.normalized_mutual_information(a, b, mask=m),
}

# Blur of each level in pixels, and steps on it.
LEVELS = ((4.0, 120), (2.0, 120), (0.7, 160))
RATE = 0.3
HALF = torch.tensor([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]], dtype=D)
TRUE = HALF @ torch.tensor(
    [
        [7.6285898e-01, -2.9922929e-01, 2.2567123e02],
        [3.3443473e-01, 1.0143901e00, -7.6999973e01],
        [3.4663091e-04, -1.4364524e-05, 1.0000000e00],
    ],
    dtype=D,
) @ torch.linalg.inv(HALF)
CORNERS = torch.tensor([[0.0, 0], [399, 0], [399, 319], [0, 319]], dtype=D)
STARTS = 5
# Pixels, up to which a registration has come home.
HOME = 1.5


def photo(name: str) -> Tensor:
    return torch.from_numpy(np.array(Image.open(DATA / name).convert("L"))).float()[None, None] / 255


def relit(image: Tensor) -> Tensor:
    """Returns a photo under another light."""
    fade = torch.linspace(1.0, 0.6, image.shape[-1])
    return 0.75 * (image**1.3) * fade + 0.03


def register(loss: Loss, one: Tensor, two: Tensor, offsets: Tensor) -> list[float]:
    """Returns the mean distance of the corners from where they should be, before each step and after the last."""
    goal = vg.transform_points(TRUE, CORNERS)
    corners = (goal + offsets).requires_grad_()
    path = []
    for sigma, steps in LEVELS:
        a, b = (filters.gaussian_blur(image, sigma=sigma) for image in (one, two))
        inner = torch.zeros_like(one[0, :1], dtype=torch.bool)
        inner[:, 8:-8, 8:-8] = True
        optimizer = torch.optim.Adam([corners], lr=RATE)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=RATE / 30)
        for _ in range(steps):
            path.append(float((corners.detach() - goal).norm(dim=-1).mean()))
            back = torch.linalg.inv(vg.find_homography(CORNERS, corners)).float()
            both = resample.warp_perspective(torch.cat([b, torch.ones_like(b)], 1), back[None])
            seen = inner & (both[0, 1:].detach() > 0.999)
            value = loss(both[:, :1], a, seen[None])
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
    return [*path, float((corners.detach() - goal).norm(dim=-1).mean())]


def main() -> None:
    torch.set_num_threads(2)
    env = environment()
    one, two = photo("graf1.jpg"), photo("graf3.jpg")
    generator = torch.Generator().manual_seed(0)
    starts = [6 * torch.randn(4, 2, generator=generator, dtype=D) for _ in range(STARTS)]
    rows, results = [], {}
    for name, loss in LOSSES.items():
        row = [name]
        for light, second in (("as photographed", two), ("another light", relit(two))):
            paths = [register(loss, one, second, offsets) for offsets in starts]
            ends = [p[-1] for p in paths]
            # Until which step each came home to stay, of those that did.
            steps = [next(i for i in range(len(p)) if max(p[i:]) < HOME) for p in paths if p[-1] < HOME]
            results.setdefault(name, {})[light] = {"before": [p[0] for p in paths], "end": ends, "steps": steps}
            row += [f"{np.median(ends):.2f}", f"{len(steps)} of {STARTS}", f"{np.median(steps):.0f}" if steps else ""]
        print(*row, sep="  ", flush=True)
        rows.append(row)
    before = np.median(results[next(iter(LOSSES))]["as photographed"]["before"])
    within = f"within {HOME} px"
    columns = ["loss", "end, px", within, "steps", "end, other light", within, "steps"]
    notes = [
        f"{STARTS} starts, corners {before:.1f} px off in the median; {sum(n for _, n in LEVELS)} steps, 3 blurs.",
        "end: the mean distance of the corners from the truth, in the median; steps: until it stays so near.",
    ]
    report = Report("registration", env, [Table("Graf 1 to graf 3, 400x320", columns, rows, notes)], results)
    report.save(ROOT / "results" / "registration.json")
    report.show()


if __name__ == "__main__":
    main()
