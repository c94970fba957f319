"""Steps, planner and executor: a chain of steps becomes a few passes over the pixels."""

from .pipeline import Pipeline

__all__ = ["Pipeline"]
