"""A line of the table: an operator of visionops, and the calls of OpenCV and Kornia that do the same work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Call = Callable[[Any], Any]


@dataclass(frozen=True)
class Peer:
    """The same work in another library.

    Attributes:
        call: (library, input) -> output; of OpenCV for one image (h, w, 3), of Kornia for the batch.
        near: how far float32 may be from it, in the units of our output; None: not done in float32; infinity: not
            the same result, and so not compared.
        levels: how far uint8 may be from it, in levels; None: not done in uint8.
        take: our input -> its input, where units differ; not timed. `take_levels` for uint8.
        give: its output -> our output, where units differ; not timed. `give_levels` for uint8.
        margin: pixels at the border that are not compared, where borders differ.
        backward: whether it has a gradient to the image, and so is timed with it.
    """

    call: Callable[[Any, Any], Any]
    near: float | None = 1e-5
    levels: float | None = None
    take: Call | None = None
    give: Call | None = None
    take_levels: Call | None = None
    give_levels: Call | None = None
    margin: int = 0
    backward: bool = True


@dataclass(frozen=True)
class Line:
    """An operator at one setting.

    Attributes:
        name: of the function, and after a space the setting.
        ours: what it does to a batch of images.
        opencv: the same work there, None where it has none.
        kornia: likewise.
        source: makes the input out of RGB images; None takes those.
        turn: whether the first channel of the output is a hue in turns, and so compared on the circle.
    """

    name: str
    ours: Call
    opencv: Peer | None = None
    kornia: Peer | None = None
    source: Call | None = None
    turn: bool = False

    @property
    def operator(self) -> str:
        """The function's name."""
        return self.name.split(" ")[0]


def opencv(
    call: Callable[[Any, Any], Any], near: float | None = 1e-5, levels: float | None = 1, **more: Any
) -> Peer:
    """Returns a peer that is called in a loop over images (h, w, 3), float32 and uint8."""
    return Peer(call, near, levels, **more)


def kornia(call: Callable[[Any, Any], Any], near: float = 1e-5, **more: Any) -> Peer:
    """Returns a peer that is called on the batch, float32 only."""
    return Peer(call, near, **more)
