"""Differentiable computer vision in PyTorch: pipelines planned into one pass over the pixels."""

from pathlib import Path as _Path

# Wheel: augment/ and geometry/ sit inside this folder. Checkout: they sit beside it.
_here = _Path(__file__).parent
if not (_here / "augment").is_dir():
    __path__.append(str(_here.resolve().parent))

__version__ = "0.1.0"

from .pipeline import Pipeline

__all__ = ["Pipeline", "__version__"]
