"""Means over rectangular windows, at a cost that does not depend on their height and hardly on their width."""

from .op import filter_box

__all__ = ["filter_box"]
