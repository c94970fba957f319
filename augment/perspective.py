"""Random perspective: the corners of the image move inwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from visionops.errors import mistake
from visionops.pipeline.distributions import bound_values, uniforms_like
from visionops.pipeline.matrix import Matrix
from visionops.pipeline.numbers import Size
from visionops.pipeline.steps import Geometric, Values

# Corners in order: top left, top right, bottom right, bottom left; the way inwards along x and y.
INWARDS = ((1, 1), (-1, 1), (-1, -1), (1, -1))


class Perspective(Geometric):
    """Shows the image as if the camera had turned: each corner moves inwards by a random part of the half size.

    Args:
        distortion: the largest part, from 0 (nothing) up to but not including 1, as torchvision's distortion_scale.
        border: how the image continues outside, "constant" fill, "reflect", "replicate" or "circular".
        fill: None takes the pipeline's.
        p: the probability that it runs.

    The corners are those of the pixel edges, so that an image of one pixel has a size.
    """

    def __init__(
        self,
        distortion: Any = 0.5,
        *,
        border: Literal["constant", "reflect", "replicate", "circular"] = "constant",
        fill: Any = None,
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p, border=border, fill=fill, distortion=distortion)
        bounds = bound_values(self.drawn["distortion"])
        if bounds and not (bounds[0] >= 0 and bounds[1] < 1):
            raise mistake("Perspective", "distortion", "from 0 up to but not including 1", distortion)

    @property
    def draws(self) -> int:
        return self.drawn["distortion"].draws + 8

    def sample(self, uniforms: Sequence[Any], size: Size) -> dict[str, Any]:
        distribution = self.drawn["distortion"]
        if self.is_learnable:
            uniforms = uniforms_like([distribution], uniforms)
        strength = distribution.draw(uniforms[8:])
        return {f"corner{i // 2}_{'xy'[i % 2]}": strength * uniforms[i] for i in range(8)}

    def matrix(self, values: Values, size: Size) -> Matrix:
        h, w = size
        # The quadrilateral in units of the image, (0, 0) to (1, 1), each corner moved by its part of one half.
        quad = []
        for i, (ix, iy) in enumerate(INWARDS):
            quad.append(((ix < 0) + ix * 0.5 * values[f"corner{i}_x"], (iy < 0) + iy * 0.5 * values[f"corner{i}_y"]))
        a, b, c, d, e, f, g, k = _square_to(quad)
        # Edges -> unit square -> quadrilateral -> edges; an edge at 0 is the centre coordinate -1/2.
        rows = (
            (a * w - 0.5 * g, b * w - 0.5 * k, c * w - 0.5),
            (d * h - 0.5 * g, e * h - 0.5 * k, f * h - 0.5),
            (g, k, 1.0),
        )
        return tuple(v for p, q, r in rows for v in (p / w, q / h, 0.5 * p / w + 0.5 * q / h + r))


def _square_to(quad: Sequence[tuple[Any, Any]]) -> tuple[Any, ...]:
    """Returns the homography from the unit square to a quadrilateral, its last entry 1.

    Source: Heckbert, Fundamentals of texture mapping and image warping (1989), section 2.2.3.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad
    dx1, dx2, dx3 = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, dy3 = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    det = dx1 * dy2 - dx2 * dy1
    g, k = (dx3 * dy2 - dx2 * dy3) / det, (dx1 * dy3 - dx3 * dy1) / det
    return x1 - x0 + g * x1, x3 - x0 + k * x3, x0, y1 - y0 + g * y1, y3 - y0 + k * y3, y0, g, k
