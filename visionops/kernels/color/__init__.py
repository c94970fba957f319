"""Conversions between colour spaces."""

from .op import Conversion, Levels, convert

__all__ = ["Conversion", "Levels", "convert"]
