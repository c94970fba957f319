"""JPEG: the header, and a rectangle of the pixels at 1/1, 1/2, 1/4 or 1/8. Its definition is `visionops.io.decode`."""

from .op import Header, decode, header

__all__ = ["Header", "decode", "header"]
