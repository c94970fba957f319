"""What `visionops bench` measures: loaders, decoding, training steps, compiled pipelines, GPUs, fusing, import time.

Each module has `run(...)`, which returns a `Report`: tables for a person, and plain data with every raw round.
"""

from .report import Report, Table

__all__ = ["Report", "Table"]
