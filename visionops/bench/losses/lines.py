"""What is timed: the inputs of a loss, ours, and the peers' that compute the same, brought to the same scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from visionops import losses
from visionops.bench.geometry.scenes import two_views
from visionops.bench.operators.compare import photos
from visionops.geometry import losses as geometry_losses

OURS = "visionops"
Inputs = tuple[Tensor, ...]
# Images have three channels, and segmentations three classes.
CHANNELS = 3


class Size(NamedTuple):
    """Of a batch of images."""

    batch: int
    height: int
    width: int


class Peer(NamedTuple):
    """The same loss in another library.

    Attributes:
        call: of the module and the inputs.
        near: how far the values may be apart, relative to the peer's; None: it is another quantity, not compared.
    """

    call: Callable[..., Tensor]
    near: float | None = 1e-4


@dataclass(frozen=True)
class Line:
    """One loss.

    Attributes:
        name: of the loss, and after a comma the setting.
        make: makes the inputs.
        ours: of those inputs.
        peers: by name.
        leaves: the first so many inputs get gradients.
    """

    name: str
    make: Callable[[Size], Inputs]
    ours: Callable[..., Tensor]
    peers: Mapping[str, Peer] = field(default_factory=dict)
    leaves: int = 1


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _images(size: Size) -> Inputs:
    """Returns photos, blurred a little and with noise, and the photos."""
    target = photos(size.batch, (size.height, size.width)).float() / 255
    noise = torch.randn(target.shape, generator=_generator(0))
    return (torch.nn.functional.avg_pool2d(target, 3, 1, 1) + 0.05 * noise).clamp(0, 1), target


def _image(size: Size) -> Inputs:
    return _images(size)[:1]


def _small_images(size: Size) -> Inputs:
    """Returns images of a sixteenth of the pixels, all that Kornia has memory for."""
    return _images(Size(size.batch, size.height // 4, size.width // 4))


def _volumes(size: Size) -> Inputs:
    """Returns volumes (batch, 3, 16, h / 4, w / 4): as many values as images have."""
    shape = (size.batch, CHANNELS, 16, size.height // 4, size.width // 4)
    target = torch.rand(shape, generator=_generator(0))
    return 0.8 * target + 0.2 * torch.rand(shape, generator=_generator(1)), target


def _heatmaps(size: Size) -> Inputs:
    """Returns heat maps of sum 1 each."""
    shape = (size.batch, CHANNELS, size.height, size.width)
    maps = [torch.randn(shape, generator=_generator(seed)).flatten(-2).softmax(-1).reshape(shape) for seed in (0, 1)]
    return maps[0], maps[1]


def _segmentation(size: Size) -> Inputs:
    """Returns logits of three classes, and labels that they are right about more often than not."""
    target = torch.randint(CHANNELS, (size.batch, size.height, size.width), generator=_generator(0))
    logits = torch.randn(size.batch, CHANNELS, size.height, size.width, generator=_generator(1))
    return logits + torch.nn.functional.one_hot(target, CHANNELS).movedim(-1, 1), target


def _binary(size: Size) -> Inputs:
    """Returns logits and labels of three channels, each for itself."""
    shape = (size.batch, CHANNELS, size.height, size.width)
    target = torch.randint(2, shape, generator=_generator(0)).float()
    return torch.randn(shape, generator=_generator(1)) + target, target


def _disparity(size: Size) -> Inputs:
    """Returns an inverse depth, and the image beside it."""
    image = _images(size)[1]
    return 0.1 + image.mean(1, keepdim=True) + 0.1 * torch.rand(image[:, :1].shape, generator=_generator(2)), image


def _matches(size: Size) -> Inputs:
    """Returns a fundamental matrix for each sample, and a match for each of its pixels, off by about a pixel."""
    scene = two_views(size.batch, size.height * size.width, seed=0)
    noise = [torch.randn(scene["p1"].shape, generator=_generator(seed)) for seed in (0, 1)]
    return scene["F"].float(), (scene["p1"] + noise[0]).float(), (scene["p2"] + noise[1]).float()


def _robust(name: str) -> Line:
    return Line(
        name, _images, getattr(losses, name),
        {"Kornia": Peer(lambda k, p, t: getattr(k.losses, f"{name}_loss")(p, t, "mean"))},
    )  # fmt: skip


LINES = [
    Line(
        "ssim", _images, losses.ssim,
        {
            "Kornia": Peer(lambda k, p, t: 2 * k.losses.ssim_loss(p, t, 11, padding="valid")),
            "pytorch-msssim": Peer(lambda s, p, t: 1 - s.ssim(p, t, data_range=1.0)),
        },
    ),
    Line(
        "ssim, reflect", _images, partial(losses.ssim, padding="reflect"),
        {
            "Kornia": Peer(lambda k, p, t: 2 * k.losses.ssim_loss(p, t, 11)),
            "torchmetrics": Peer(
                lambda m, p, t: 1 - m.functional.image.structural_similarity_index_measure(p, t, data_range=1.0)
            ),
        },
    ),
    Line(
        "ms_ssim", _images, losses.ms_ssim,
        {
            "torchmetrics": Peer(
                lambda m, p, t: 1 - m.functional.image.multiscale_structural_similarity_index_measure(
                    p, t, data_range=1.0
                ),
                None,  # it averages over channels before it multiplies levels
            ),
            "pytorch-msssim": Peer(lambda s, p, t: 1 - s.ms_ssim(p, t, data_range=1.0)),
        },
    ),
    Line(
        "ssim3d", _volumes, losses.ssim3d,
        {
            "Kornia": Peer(lambda k, p, t: 2 * k.losses.ssim3d_loss(p, t, 11, padding="valid")),
            "pytorch-msssim": Peer(lambda s, p, t: 1 - s.ssim(p, t, data_range=1.0)),
        },
    ),
    Line(
        "psnr", _images, losses.psnr,
        {
            "Kornia": Peer(lambda k, p, t: k.losses.psnr_loss(p, t, 1.0), None),  # of the error of the whole batch
            "torchmetrics": Peer(
                lambda m, p, t: -m.functional.image.peak_signal_noise_ratio(p, t, 1.0, dim=(1, 2, 3))
            ),
        },
    ),
    *(_robust(name) for name in ("charbonnier", "cauchy", "welsch", "geman_mcclure")),
    Line(
        "total_variation", _image, losses.total_variation,
        {
            "Kornia": Peer(lambda k, p: k.losses.total_variation(p).sum() / p.numel()),
            "torchmetrics": Peer(lambda m, p: m.functional.image.total_variation(p, "sum") / p.numel()),
        },
    ),
    Line(
        "mutual_information, 1/16 of the pixels", _small_images, partial(losses.mutual_information, bins=64),
        {"Kornia": Peer(lambda k, p, t: k.losses.mutual_information_loss_2d(p, t).mean(), None)},  # of another window
    ),
    Line(
        "kl_divergence", _heatmaps, losses.kl_divergence,
        {
            "Kornia": Peer(lambda k, p, t: k.losses.kl_div_loss_2d(p, t)),
            "torchmetrics": Peer(
                lambda m, p, t: m.functional.regression.kl_divergence(*(x.flatten(0, 1).flatten(1) for x in (t, p)))
            ),
        },
    ),
    Line(
        "js_divergence", _heatmaps, losses.js_divergence,
        {"Kornia": Peer(lambda k, p, t: k.losses.js_div_loss_2d(p, t))},
    ),
    Line(
        "focal", _segmentation, losses.focal,
        {"Kornia": Peer(lambda k, p, t: CHANNELS * k.losses.focal_loss(p, t, None, reduction="mean"))},
    ),
    Line(
        "focal, of labels", _binary, lambda p, t: losses.focal(p, t, alpha=0.25),
        {"Kornia": Peer(lambda k, p, t: k.losses.binary_focal_loss_with_logits(p, t, reduction="mean"))},
    ),
    Line(
        "dice", _segmentation, lambda p, t: losses.dice(p.softmax(1), t, smooth=0.0),
        {"Kornia": Peer(lambda k, p, t: k.losses.dice_loss(p, t, average="macro"))},
    ),
    Line(
        "tversky", _segmentation, lambda p, t: losses.tversky(p.softmax(1), t, alpha=0.3, beta=0.7, smooth=0.0),
        {"Kornia": Peer(lambda k, p, t: k.losses.tversky_loss(p, t, 0.3, 0.7))},
    ),
    Line(
        "lovasz_hinge", _binary, losses.lovasz_hinge,
        {"Kornia": Peer(lambda k, p, t: k.losses.lovasz_hinge_loss(p.flatten(0, 1)[:, None], t.flatten(0, 1)))},
    ),
    Line(
        "lovasz_softmax", _segmentation, lambda p, t: losses.lovasz_softmax(p.softmax(1), t),
        {"Kornia": Peer(lambda k, p, t: k.losses.lovasz_softmax_loss(p, t))},
    ),
    Line(
        "hausdorff", _segmentation, lambda p, t: losses.hausdorff(p.softmax(1), t),
        {"Kornia": Peer(lambda k, p, t: k.losses.HausdorffERLoss()(p.softmax(1), t[:, None]))},
    ),
    Line(
        "edge_aware_smoothness", _disparity, partial(geometry_losses.edge_aware_smoothness, normalize=False),
        {"Kornia": Peer(lambda k, d, image: k.losses.inverse_depth_smoothness_loss(d, image))},
    ),
    Line(
        "sampson", _matches, geometry_losses.sampson,
        {"Kornia": Peer(lambda k, F, p, q: k.geometry.epipolar.sampson_epipolar_distance(p, q, F).mean())},
        leaves=3,
    ),
    Line(
        "symmetric_epipolar", _matches, geometry_losses.symmetric_epipolar,
        {"Kornia": Peer(lambda k, F, p, q: k.geometry.epipolar.symmetrical_epipolar_distance(p, q, F).mean())},
        leaves=3,
    ),
]  # fmt: skip
