"""A small network on three textures, trained with and without the pipeline, tested on what it did not see."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from visionops.plot import grid

from . import labels, page, pipelines
from .charts import bars
from .pipelines import PATCH

SEEDS, EPOCHS, BATCH, TRAINED, TESTED = (0, 1, 2), 20, 60, 200, 120
# Rows of each texture: what trains and what tests never overlap.
UPPER, LOWER = (0, 320), (320, 512)
AROUND = 2 * PATCH  # a training patch with its surroundings, which rotation brings in
TURN, ZOOM, LIGHT = 180.0, (0.75, 1.5), (0.5, 1.5)
NAMES = {False: "trained without", True: "trained with the pipeline"}


class Sets(NamedTuple):
    """Grey patches (n, 1, h, w) in [0, 1]; the classes are brick, grass, gravel."""

    train: Tensor
    train_class: Tensor
    upright: Tensor
    moved: Tensor
    test_class: Tensor


def textures(advance: Callable[[], None] = lambda: None) -> str:
    """Returns the section."""
    start = time.perf_counter()
    accuracy: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    for seed in SEEDS:
        sets = patches(seed, TRAINED, TESTED)
        for augmented, found in accuracy.items():
            network = trained(sets, seed, augmented, EPOCHS)
            found.append((score(network, sets.upright, sets.test_class), score(network, sets.moved, sets.test_class)))
            advance()
    took = time.perf_counter() - start
    upright, moved = ({name: [pair[k] for pair in accuracy[with_it]] for with_it, name in NAMES.items()} for k in (0, 1))
    charts = _chart("On upright test patches", upright) + _chart("On rotated, rescaled, relit ones", moved)
    without, with_it = (np.mean(found) for found in moved.values())
    shown = [page.framed(picture, caption, alt=caption) for caption, picture in _pictures(patches(SEEDS[0], 8, 8))]
    steps = "for image, label in batches:\n    image = pipe(image=image)[\"image\"]\n    loss = cross_entropy(net(image), label)"
    told = page.note(
        f"{TRAINED} training patches of each texture come from the upper rows of scikit-image's three photos, {TESTED} test patches "
        "from the lower ones; no pixel is in both. Test patches are rotated by any angle, scaled by 0.75 to 1.5 and lit by 0.5 to 1.5 "
        f"with <code>skimage.transform</code>, not by the pipeline. Same network, same {EPOCHS} epochs, same seeds; bars are means of "
        f"{len(SEEDS)} seeds, whiskers the lowest and the highest."
    )  # fmt: skip
    return page.section(
        "textures", "Trained on what you have, right on what comes",
        f"A network of three convolutions tells brick, grass and gravel apart. It trains on upright, evenly lit patches, and meets turned, "
        f"scaled, dim ones. With the pipeline on its batches it gets {with_it:.0%} of those right; without, {without:.0%}; guessing "
        f"gets {1 / 3:.0%}. All {2 * len(SEEDS)} trainings took {took:.0f} s on one thread.",
        page.beside(page.row(shown, columns=3, kind="triple") + f'<div class="charts">{charts}</div>',
                    page.code(page.source_of(pipelines.textures, "", *steps.split("\n"))), page.plan(pipelines.textures()), told),
    )  # fmt: skip


def patches(seed: int, trained: int, tested: int) -> Sets:
    """Returns patches of each texture: `trained` upper ones with surroundings, `tested` lower ones, upright and moved."""
    rng = np.random.default_rng(seed)
    photos = list(labels.textures().values())
    train = [_cut(photo, rng, UPPER, AROUND) for photo in photos for _ in range(trained)]
    upright = [_cut(photo, rng, LOWER, PATCH) for photo in photos for _ in range(tested)]
    moved = [_moved(photo, rng) for photo in photos for _ in range(tested)]
    classes = torch.arange(len(photos))
    images = (torch.from_numpy(np.stack(several)).float()[:, None] for several in (train, upright, moved))
    first, second, third = images
    return Sets(first, classes.repeat_interleave(trained), second, third, classes.repeat_interleave(tested))


def trained(sets: Sets, seed: int, augmented: bool, epochs: int) -> nn.Module:
    """Returns the network after its epochs, on the middle of each patch or on what the pipeline makes of it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network, pipe = _network(), pipelines.textures()
        optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
        slower = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
        edge = (AROUND - PATCH) // 2
        middle = sets.train[..., edge : edge + PATCH, edge : edge + PATCH]
        for epoch in range(epochs):
            pipe.set_epoch(epoch)
            for index in torch.randperm(len(middle)).split(BATCH):
                image = pipe(image=sets.train[index], index=index)["image"] if augmented else middle[index]
                loss = nn.functional.cross_entropy(network(image), sets.train_class[index])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            slower.step()
    return network.eval()


@torch.no_grad()
def score(network: nn.Module, images: Tensor, classes: Tensor) -> float:
    return (network(images).argmax(1) == classes).float().mean().item()


class _Centred(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image - 0.45


def _network() -> nn.Module:
    layers: list[nn.Module] = [_Centred()]
    for before, after in ((1, 12), (12, 24), (24, 32)):
        layers += [nn.Conv2d(before, after, 5 if before == 1 else 3, 2, 2 if before == 1 else 1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 3))


def _cut(photo: np.ndarray, rng: np.random.Generator, rows: tuple[int, int], side: int) -> np.ndarray:
    y, x = rng.integers(rows[0], rows[1] - side + 1), rng.integers(0, photo.shape[1] - side + 1)
    return photo[y : y + side, x : x + side]


def _moved(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a lower patch that scikit-image rotated and scaled about its middle, and that is lit otherwise."""
    from skimage.transform import AffineTransform, SimilarityTransform, warp

    scale, angle, light = rng.uniform(*ZOOM), np.deg2rad(rng.uniform(-TURN, TURN)), rng.uniform(*LIGHT)
    reach = PATCH / scale / np.sqrt(2) + 1
    x, y = rng.uniform(reach, photo.shape[1] - 1 - reach), rng.uniform(LOWER[0] + reach, LOWER[1] - 1 - reach)
    middle = AffineTransform(translation=(-(PATCH - 1) / 2,) * 2)
    back = middle + SimilarityTransform(scale=1 / scale, rotation=angle) + AffineTransform(translation=(x, y))
    return np.clip(light * warp(photo, back, output_shape=(PATCH, PATCH), order=1), 0, 1)


def _chart(title: str, scores: dict[str, list[float]]) -> str:
    entries = [("guessing", "peer2", 100 / 3, 100 / 3, 100 / 3, "")]
    for (name, found), kind in zip(scores.items(), ("peer", "us"), strict=True):
        mean = sum(found) / len(found)
        entries.append((name, kind, 100 * mean, 100 * min(found), 100 * max(found), ""))
    return bars(title, entries, unit="%")


def _pictures(sets: Sets) -> list[tuple[str, np.ndarray]]:
    edge = (AROUND - PATCH) // 2
    drawn = pipelines.textures()(image=sets.train, index=torch.arange(len(sets.train)))["image"]
    kinds = {"training patches": sets.train[..., edge : edge + PATCH, edge : edge + PATCH],
             "the same, through the pipeline": drawn, "test patches, made by scikit-image": sets.moved}  # fmt: skip
    return [(name, grid(list(several), columns=4, cell=PATCH)) for name, several in kinds.items()]
