"""An angle and a brightness found by gradient descent through a pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import nn

import visionops as vo
import visionops.augment as va
from visionops import Pipeline

from . import page
from .charts import curve
from .shows import Photos

ANGLE, BRIGHTNESS, STEPS, SIZE = 24.0, 0.62, 60, 192


def camera(angle: nn.Parameter, brightness: nn.Parameter) -> Pipeline:
    return vo.Pipeline(
        va.Rotate(angle),
        va.Brightness(brightness),
        va.GaussianBlur(sigma=2.0),
    )


def learning(photos: Photos, advance: Callable[[], None] = lambda: None) -> str:
    """Returns the section."""
    picture = Image.fromarray(photos["coffee"][:, 80:480]).resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    photo = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
    with torch.no_grad():
        wanted = camera(nn.Parameter(torch.tensor(ANGLE)), nn.Parameter(torch.tensor(BRIGHTNESS)))(photo)
    angle, brightness = nn.Parameter(torch.tensor(-12.0)), nn.Parameter(torch.tensor(1.1))
    pipe = camera(angle, brightness)
    optimiser = torch.optim.Adam([{"params": [angle], "lr": 2.5}, {"params": [brightness], "lr": 0.04}], betas=(0.6, 0.95))
    angles, factors, losses, frames = [], [], [], {}
    start = time.perf_counter()
    for step in range(STEPS + 1):
        angles.append(angle.item())
        factors.append(brightness.item())
        out = pipe(photo, index=0)
        loss = (out - wanted).square().mean()
        losses.append(loss.item())
        if step in (0, 3, 6, 9, 12, 18, STEPS):
            frames[step] = out.detach()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        advance()
    took = time.perf_counter() - start
    shown = [page.figure(wanted, "<b>wanted</b>", alt="target", kind="before")]
    shown += [page.figure(frame, f"step {step}: {angles[step]:.1f}\u00b0, \u00d7{factors[step]:.2f}", alt=f"step {step}")
              for step, frame in frames.items()]  # fmt: skip
    charts = "".join([
        curve("Angle, degrees", [("us", angles)], target=ANGLE, form="{:.0f}"),
        curve("Brightness, factor", [("us", factors)], target=BRIGHTNESS, form="{:.2f}"),
        curve("Loss, mean squared error", [("us", losses)], log=True, form="{:.0e}"),
    ])  # fmt: skip
    source = ("angle = nn.Parameter(torch.tensor(-12.0))\nbrightness = nn.Parameter(torch.tensor(1.1))\n\n"
              + page.source_of(camera) + "\n\nerror = pipe(photo) - wanted\nerror.square().mean().backward()")  # fmt: skip
    return page.section(
        "gradients", "Ask the pipeline which way to turn",
        "A bound can be an <code>nn.Parameter</code>, and the loss reaches it through the warp, the colours and the blur. "
        f"From \u221212\u00b0 and \u00d71.1 Adam comes to {angles[-1]:.2f}\u00b0 and \u00d7{factors[-1]:.3f}; the picture was made "
        f"with {ANGLE:g}\u00b0 and \u00d7{BRIGHTNESS:g}. {STEPS} steps took {took:.1f} s on one thread.",
        page.beside(page.row(shown, columns=4) + f'<div class="charts small">{charts}</div>', page.code(source), page.plan(pipe)),
    )  # fmt: skip
