"""The bilateral filter."""

from .op import bilateral

__all__ = ["bilateral"]
