"""One line of the table, measured: sides in turns, ratios formed within a round, and how far results are apart."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from visionops.bench.machine import installed
from visionops.bench.photos import load_photos
from visionops.bench.report import spread
from visionops.bench.rounds import Side, counted, measure

from .line import Line, Peer

THREADS = 2
OURS = "visionops"
FORMS = ("float32", "uint8", "backward")
Work = Callable[[], Any]


def photos(batch: int, size: tuple[int, int]) -> Tensor:
    """Returns a batch of real photos in uint8, (batch, 3, h, w)."""
    named, _ = load_photos()
    tiles = [torch.from_numpy(photo).permute(2, 0, 1)[None].float() for photo in named.values()]
    same = [nn.functional.interpolate(t, size=size, mode="bilinear", antialias=True) for t in tiles]
    return torch.cat([same[i % len(same)] for i in range(batch)]).round().clamp(0, 255).to(torch.uint8)


def input_of(line: Line, levels: Tensor, form: str) -> Tensor:
    """Returns what the line's operator gets: levels, or the same colours as float32 in [0, 1]."""
    x = levels if form == "uint8" else levels.float() / 255
    return (line.source(x) if line.source else x).contiguous()


def images_of(x: Tensor) -> list[np.ndarray]:
    """Returns the batch as OpenCV has it: images (h, w, c), or (h, w) of one channel."""
    return [np.ascontiguousarray(one.permute(1, 2, 0).numpy()).squeeze(-1) if one.shape[0] == 1
            else np.ascontiguousarray(one.permute(1, 2, 0).numpy()) for one in x]  # fmt: skip


def batch_of(images: list[Any]) -> Tensor:
    """Returns OpenCV's images (h, w), (h, w, c) or (h, w, c, k) as a batch (b, ..., h, w)."""
    stacked = torch.from_numpy(np.stack(images))
    return stacked if stacked.ndim == 3 else torch.movedim(stacked, (1, 2), (-2, -1))


def libraries() -> dict[str, Any]:
    """Returns the peers that are installed, by name."""
    found = {"OpenCV": "cv2", "Kornia": "kornia"}
    return {name: importlib.import_module(module) for name, module in found.items() if installed(module)}


def works_of(line: Line, levels: Tensor, form: str, peers: dict[str, Any]) -> dict[str, tuple[Work, Peer | None]]:
    """Returns what each side does in a form, and the peer's description; {} where there is no side to compare with."""
    works: dict[str, tuple[Work, Peer | None]] = {}
    x = input_of(line, levels, form)
    of_form = {"float32": ("OpenCV", "Kornia"), "uint8": ("OpenCV",), "backward": ("Kornia",)}[form]
    for name in of_form:
        peer: Peer | None = getattr(line, name.lower())
        if peer is None or name not in peers or (peer.levels if form == "uint8" else peer.near) is None:
            continue
        if form == "backward" and not peer.backward:
            continue
        works[name] = (_peer_work(peers[name], name, peer, x, form), peer)
    return {OURS: (_work(line.ours, x, form), None), **works} if works else {}


def _peer_work(library: Any, name: str, peer: Peer, x: Tensor, form: str) -> Work:
    take = peer.take_levels if form == "uint8" else peer.take
    if name == "OpenCV":
        images = [np.ascontiguousarray(take(one) if take else one) for one in images_of(x)]
        return lambda: [peer.call(library, one) for one in images]
    return _work(lambda y: peer.call(library, y), take(x) if take else x, form)


def _work(call: Callable[[Tensor], Any], x: Tensor, form: str) -> Work:
    if form != "backward":

        def forward() -> Any:
            with torch.no_grad():
                return call(x)

        return forward
    leaf = x.clone().requires_grad_()
    with torch.no_grad():
        shape = call(x).shape
    weights = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(x)

    def step() -> Any:
        y = call(leaf)
        torch.autograd.grad(y, leaf, weights)
        return y.detach()

    return step


def difference(line: Line, peer: Peer, form: str, ours: Tensor, theirs: Any) -> float:
    """Returns the largest difference of the results, in the units of ours, margins left out."""
    give = peer.give_levels if form == "uint8" else peer.give
    if isinstance(theirs, list):
        theirs = batch_of([give(one) if give else one for one in theirs])
    elif give is not None:
        theirs = give(theirs)
    if peer.near == math.inf:
        return 0.0
    assert theirs.numel() == ours.numel(), f"{line.name}: results of {tuple(ours.shape)} and {tuple(theirs.shape)}"
    apart = (ours.double() - theirs.reshape(ours.shape).double()).abs()
    if line.turn:
        period = 256 if form == "uint8" else 1
        apart[..., 0, :, :] = torch.minimum(apart[..., 0, :, :], period - apart[..., 0, :, :])
    if peer.margin:
        m = peer.margin
        apart = apart[..., m:-m, m:-m]
    return float(apart.max())


def side_by_side(
    line: Line, levels: Tensor, form: str, peers: dict[str, Any], *, rounds: int, seconds: float
) -> dict[str, Any]:
    """Returns for each side its milliseconds a batch, and for peers the ratio to ours and how far they are apart.

    A side that raises has {"fails": why} instead. {} where no peer does this.
    """
    found: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a peer's own code
        try:
            works = works_of(line, levels, form, peers)
            first = {name: work() for name, (work, _) in works.items() if name == OURS}
        except Exception as error:  # an operator that cannot run is told in its row; the others are measured
            return {OURS: {"fails": f"{type(error).__name__}: {error}"[:200]}}
        running = []
        for name, (work, peer) in works.items():
            if peer is None:
                running.append(name)
                continue
            try:
                apart = difference(line, peer, form, first[OURS], work())
            except Exception as error:  # of the peer
                found[name] = {"fails": f"{type(error).__name__}: {error}"[:200]}
                continue
            near = peer.levels if form == "uint8" else peer.near
            found[name] = {"difference": apart, "near": None if near == math.inf else near}
            running.append(name)
        first.clear()
        sides = [Side(name, form, counted(works[name][0], len(levels))) for name in running]
        rates = measure(sides, rounds=rounds, seconds=seconds / rounds) if len(sides) > 1 else []
    times = {name: (1000 * len(levels) / np.array(rate)).tolist() for name, rate in zip(running, rates, strict=False)}
    for name, one in times.items():
        mine = found.setdefault(name, {})
        mine |= {"milliseconds": one, **spread(one)}
        if name != OURS:
            mine["ratio"] = np.divide(one, times[OURS]).tolist()
    return found
