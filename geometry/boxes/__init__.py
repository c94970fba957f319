"""Boxes in images: formats, overlap, suppression, clipping and what matrices make of them.

Coordinates are those of pixel edges: the pixel at row 0, column 0 is the box (0, 0, 1, 1), and an image (0, 0, w, h).
"""

from .formats import box_area, convert_boxes
from .overlap import box_iou
from .rotated import rotated_box_iou
from .suppression import nms, nms_mask
from .transform import clip_boxes, transform_boxes

__all__ = [
    "box_area",
    "box_iou",
    "clip_boxes",
    "convert_boxes",
    "nms",
    "nms_mask",
    "rotated_box_iou",
    "transform_boxes",
]
