"""What `visionops bench` measures: the loader and decoding, what fusing keeps, what importing costs.

Each module has `run(...)`, which returns a `Report`: tables for a person, and plain data with every raw round.
"""

from .report import Report, Table

__all__ = ["Report", "Table"]
