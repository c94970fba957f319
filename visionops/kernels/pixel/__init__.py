"""Per-pixel colour programs."""

from .op import pixel
from .program import Instruction, Op, Program

__all__ = ["Instruction", "Op", "Program", "pixel"]
