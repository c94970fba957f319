"""`visionops demo`: runs pipelines over real photos and writes one self-contained page about what came out."""

from __future__ import annotations

import datetime
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

__all__ = ["main"]

_MARK = ('<svg viewBox="0 0 26 26" aria-hidden="true"><rect x="1" y="7" width="14" height="14" rx="3" fill="none" '
         'stroke="currentColor" stroke-width="2"/><path d="M11 5.5 23 3l2.5 12-12 2.5z" fill="currentColor" opacity=".35"/></svg>')  # fmt: skip


def main(output: str | os.PathLike[str] = "demo/index.html") -> None:
    """Writes the page.

    Args:
        output: the file; its folder is made.

    Raises:
        OSError: the file cannot be written; told before the work begins.
        ValueError: without scikit-image, which carries the photos.
    """
    from rich.console import Console

    start = time.perf_counter()
    target = Path(output)
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("a", encoding="utf-8"):
        pass
    with _one_thread(), warnings.catch_warnings():
        # Python 3.12 warns of fork beside threads: rich's, which hold nothing a worker needs.
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        text = _write(Console(stderr=True), start)
    target.write_text(text, encoding="utf-8")
    took = time.perf_counter() - start
    print(f"wrote {target} ({len(text) / 2**20:.1f} MB) in {took:.0f} s. Open it in a browser.")


def _write(console: Any, start: float) -> str:
    from . import disparity, labels, learning, sharpness, shows, speed, textures, ways

    photos = labels.photos()
    with _bars(console) as run:
        mosaic = run("draws of four photos", 1, lambda step: shows.mosaic(photos))
        parts = [
            run("classification", 1, lambda step: shows.classification(photos)),
            run("boxes", 1, lambda step: shows.detection(photos)),
            run("masks", 1, lambda step: shows.segmentation(photos)),
            run("keypoints", 1, lambda step: shows.pose(photos)),
            run("MixUp and CutMix", 1, lambda step: shows.mixing(photos)),
            run("predictions back", 1, lambda step: ways.back(photos)),
            run("stereo pair", 1, lambda step: ways.stereo()),
        ]
        sharp, gain = run("sharpness", sharpness.DRAWS, lambda step: sharpness.sharpness(photos, step))
        learned = run("gradients", learning.STEPS + 1, lambda step: learning.learning(photos, step))
        told = run("textures", 2 * len(textures.SEEDS), textures.textures)
        steps = sum(count for _, count in disparity.LEVELS)
        deep = run("disparity", steps, lambda step: disparity.disparity(disparity.LEVELS, step))
        fast, rates = run("DataLoader", len(speed.PIPELINES) * speed.ROUNDS, lambda step: speed.speed(photos, step))
    took = time.perf_counter() - start
    return _assemble(mosaic, [*parts, sharp, fast, learned, told, deep], gain, rates, took)


def _assemble(mosaic: str, parts: list[str], gain: float, rates: dict[str, dict[str, list[float]]], took: float) -> str:
    import numpy as np

    from visionops.bench.machine import environment, summary
    from visionops.pipeline.targets import KINDS

    from . import page, pipelines

    pipe = pipelines.everything()
    env = environment()
    fastest = float(np.median(rates["crop"]["visionops"]))
    passes = len(pipe.plan.passes)
    facts = [
        ("classification", f"{page.steps(pipe)} \u2192 {passes}", "steps of the pipeline above, passes over the pixels"),
        ("speed", f"{fastest:,.0f}/s", "images from one DataLoader worker, cropped, flipped, normalised"),
        ("sharpness", f"+{gain:.1f} dB", "by making pixels once instead of five times"),
        ("masks", f"{len(KINDS)} targets", "images, masks, boxes and their labels, keypoints, cameras, classes"),
    ]
    cells = "".join(f'<li><a href="#{a}"><b>{b}</b><span>{c}</span></a></li>' for a, b, c in facts)
    head = f"""<header class="top"><div class="hero"><div>
<p class="name">{_MARK}visionops</p>
<h1>Augmentation, planned into one pass.</h1>
<p class="lead">visionops plans a chain of image operators before it runs: neighbouring moves become one resampling, neighbouring
colours one sweep, and masks, boxes, keypoints and cameras follow. It runs in a DataLoader worker, on a batch, and under
autograd, with gradients to every parameter.</p>
{page.code(page.source_of(pipelines.everything, "", "out = pipe(image=photo, boxes=boxes, mask=mask)"))}
</div><div>{mosaic}<p class="note" style="margin-top:10px">Framed, the photo; beside it, draws of this pipeline.</p>
{page.plan(pipe)}</div></div>
{page.diagram(pipe)}
<ul class="facts">{cells}</ul></header>"""
    when = datetime.datetime.now().astimezone().strftime("%d %B %Y, %H:%M")
    foot = f"""<footer><p>Computed in {took:.0f} s on {when} by <code>visionops demo</code>: every picture and every number on this page.
{escape(summary(env))}, Python {env["python"]}, {env["cores"]} cores, {escape(env["system"])}.</p>
<p>Photos: <code>skimage.data</code>. Labels: placed by hand, vessels by a threshold, disparity measured by Middlebury 2014.</p></footer>"""
    return page.page(head + "<main>" + "\n".join(parts) + "</main>" + foot)


@contextmanager
def _bars(console: Any) -> Iterator[Callable[[str, int, Callable[[Callable[[], None]], Any]], Any]]:
    """Shows a bar for each part while it runs. Yields what runs a part: (name, steps, function of an advance)."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(finished_text="[green]\u2713"), TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:

        def run(name: str, total: int, work: Callable[[Callable[[], None]], Any]) -> Any:
            task = progress.add_task(name, total=total)
            try:
                return work(lambda: progress.advance(task))
            finally:
                progress.update(task, completed=total)

        yield run


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keeps torch and OpenCV at one thread: the pictures are small, workers are forked, and other work may go on."""
    from importlib import import_module

    import torch

    from visionops.bench.machine import installed

    opencv = import_module("cv2") if installed("cv2") else None
    threads, before = torch.get_num_threads(), opencv.getNumThreads() if opencv else 0
    try:
        torch.set_num_threads(1)
        if opencv:  # a pool of OpenCV's that lives before a fork hangs in the worker
            opencv.setNumThreads(1)
        yield
    finally:
        torch.set_num_threads(threads)
        if opencv:
            opencv.setNumThreads(before)
