"""A picture of every operator: a table for each family, whose code is both run and shown."""

from __future__ import annotations

from .picture import Picture, Shown, render
from .tables import TABLES, WITHOUT

__all__ = ["TABLES", "WITHOUT", "Picture", "Shown", "render"]
