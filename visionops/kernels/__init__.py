"""The few primitives that every operator is made of. Each folder holds a definition in plain torch and its twins."""

from .filter import filter_separable
from .pixel import Instruction, Op, pixel
from .resize import resample
from .warp import warp

__all__ = ["Instruction", "Op", "filter_separable", "pixel", "resample", "warp"]
