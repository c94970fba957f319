"""Structuring elements against OpenCV."""

import cv2
import numpy as np
import pytest

from visionops.morphology import box, cross, ellipse

SHAPES = {box: cv2.MORPH_RECT, cross: cv2.MORPH_CROSS, ellipse: cv2.MORPH_ELLIPSE}


@pytest.mark.parametrize("make", SHAPES)
def test_is_opencvs(make):
    for h in range(1, 24):
        for w in range(1, 24):
            np.testing.assert_array_equal(make((h, w)).numpy(), cv2.getStructuringElement(SHAPES[make], (w, h)))


def test_refusals():
    with pytest.raises(ValueError, match="ellipse: kernel_size must be positive"):
        ellipse(0)
