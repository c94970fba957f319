"""Non-local means: averages of pixels whose surroundings look alike."""

from .op import non_local

__all__ = ["non_local"]
