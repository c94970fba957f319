"""A border between passes, on purpose."""

from __future__ import annotations

from visionops.pipeline.steps import Barrier


class Rasterize(Barrier):
    """Makes pixels of what comes before, so that what comes after resamples those.

    Resize(64), Resize(512) merge into a resize to 512 that keeps all detail. With Rasterize between, the detail is
    lost as in a small image that was enlarged. Labels do not notice.
    """

    def __init__(self) -> None:
        super().__init__()
