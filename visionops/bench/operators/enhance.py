"""The lines of visionops.enhance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from visionops import color, enhance

from .line import Line, kornia, opencv

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MEAN, _STD = np.array([*MEAN, 0], np.float64), np.array([*STD, 1], np.float64)
LEVELS = np.arange(256)


def _is_bytes(x: Any) -> bool:
    return x.dtype in (torch.uint8, np.uint8)


def _each(work: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Returns the call of what OpenCV does to one channel, for all."""
    return lambda cv, a: cv.merge([work(cv, channel) for channel in cv.split(a)])


def _lut(values: Any) -> Callable[[Any, Any], Any]:
    """Returns the call of OpenCV's table, for uint8."""
    table = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return lambda cv, a: cv.LUT(a, table)


def _brightness(cv: Any, a: Any) -> Any:
    if _is_bytes(a):
        return cv.convertScaleAbs(a, alpha=1.2)
    return cv.threshold(cv.multiply(a, (1.2,) * 4), 1, 0, cv.THRESH_TRUNC)[1]


def _invert(cv: Any, a: Any) -> Any:
    return cv.bitwise_not(a) if _is_bytes(a) else cv.subtract((1.0,) * 4, a)


def _gamma(cv: Any, a: Any) -> Any:
    return _gamma_levels(cv, a) if _is_bytes(a) else cv.pow(a, 1.7)


_gamma_levels = _lut(255 * (LEVELS / 255) ** 1.7)


def _normalize(cv: Any, a: Any) -> Any:
    return cv.divide(cv.subtract(a, _MEAN), _STD)


def _threshold(cv: Any, a: Any) -> Any:
    level, top = (127, 255) if _is_bytes(a) else (0.5, 1.0)
    return cv.threshold(a, level, top, cv.THRESH_BINARY)[1]


def _otsu(cv: Any, a: Any) -> Any:
    return cv.threshold(a, 0, 255, cv.THRESH_BINARY + cv.THRESH_OTSU)[1]


def _adaptive(cv: Any, a: Any) -> Any:
    return cv.adaptiveThreshold(a, 255, cv.ADAPTIVE_THRESH_MEAN_C, cv.THRESH_BINARY, 11, 2)


def _histogram(cv: Any, a: Any) -> Any:
    return np.stack([cv.calcHist([a], [i], None, [256], [0, 256]).reshape(1, 256) for i in range(a.shape[2])], -1)


def _jpeg(cv: Any, a: Any) -> Any:
    return cv.cvtColor(
        cv.imdecode(cv.imencode(".jpg", cv.cvtColor(a, cv.COLOR_RGB2BGR), [cv.IMWRITE_JPEG_QUALITY, 75])[1], 1),
        cv.COLOR_BGR2RGB,
    )


def _one(x: Any) -> Any:
    """Returns a tensor of one number for each image."""
    return x.new_ones(len(x))


# Kornia's equalize rounds its steps to whole pixels, as Pillow's; its CLAHE counts and blends otherwise; its posterize
# cuts floats without rounding them to levels first.
LINES = [
    Line("adjust_brightness", lambda x: enhance.adjust_brightness(x, 1.2), opencv(_brightness),
         kornia(lambda k, x: k.enhance.adjust_brightness_accumulative(x, 1.2))),
    Line("adjust_contrast", lambda x: enhance.adjust_contrast(x, 1.2),
         kornia=kornia(lambda k, x: k.enhance.adjust_contrast_with_mean_subtraction(x, 1.2), 1e-4)),
    Line("adjust_saturation", lambda x: enhance.adjust_saturation(x, 1.2),
         kornia=kornia(lambda k, x: k.enhance.adjust_saturation_with_gray_subtraction(x, 1.2), 1e-4)),
    Line("adjust_hue", lambda x: enhance.adjust_hue(x, 0.1),
         kornia=kornia(lambda k, x: k.enhance.adjust_hue(x, 0.2 * math.pi), 1e-4)),
    Line("adjust_gamma", lambda x: enhance.adjust_gamma(x, 1.7), opencv(_gamma),
         kornia(lambda k, x: k.enhance.adjust_gamma(x, 1.7))),
    Line("adjust_log", enhance.adjust_log, opencv(_lut(255 * np.log2(1 + LEVELS / 255)), None, 1),
         kornia(lambda k, x: k.enhance.adjust_log(x))),
    Line("adjust_sigmoid", enhance.adjust_sigmoid,
         opencv(_lut(255 / (1 + np.exp(10 * (0.5 - LEVELS / 255)))), None, 1),
         kornia(lambda k, x: k.enhance.adjust_sigmoid(x))),
    Line("adjust_sharpness", lambda x: enhance.adjust_sharpness(x, 1.5),
         kornia=kornia(lambda k, x: k.enhance.sharpness(x, 1.5))),
    Line("invert", enhance.invert, opencv(_invert, 1e-6, 0), kornia(lambda k, x: k.enhance.invert(x), 1e-6)),
    Line("solarize", enhance.solarize, opencv(_lut(np.where(LEVELS < 128, LEVELS, 255 - LEVELS)), None, 0),
         kornia(lambda k, x: k.enhance.solarize(x, 0.5), 1e-6)),
    Line("posterize", lambda x: enhance.posterize(x, 4), opencv(_lut(LEVELS // 16 * 16), None, 0),
         kornia(lambda k, x: k.enhance.posterize(x, 4), 1e-2, backward=False)),
    Line("equalize", enhance.equalize, opencv(_each(lambda cv, a: cv.equalizeHist(a)), None, 0),
         kornia(lambda k, x: k.enhance.equalize(x), 0.1, backward=False)),
    Line("clahe", enhance.clahe,
         opencv(_each(lambda cv, a: cv.createCLAHE(2.0, (8, 8)).apply(a)), None, 1),
         kornia(lambda k, x: k.enhance.equalize_clahe(x, 2.0, (8, 8)), 0.5, backward=False)),
    Line("histogram", enhance.histogram, opencv(_histogram, None, 0)),
    Line("integral_image", enhance.integral_image,
         opencv(lambda cv, a: cv.integral(a, sdepth=cv.CV_32S if _is_bytes(a) else cv.CV_32F), 1.0, 0),
         kornia(lambda k, x: k.enhance.integral_image(x), 1.0,
                give=lambda y: torch.nn.functional.pad(y, (1, 0, 1, 0)))),
    Line("normalize", lambda x: enhance.normalize(x, MEAN, STD), opencv(_normalize, 1e-5, None),
         kornia(lambda k, x: k.enhance.normalize(x, torch.tensor(MEAN).to(x), torch.tensor(STD).to(x)))),
    Line("denormalize", lambda x: enhance.denormalize(x, MEAN, STD),
         kornia=kornia(lambda k, x: k.enhance.denormalize(x, torch.tensor(MEAN).to(x), torch.tensor(STD).to(x)))),
    Line("min_max_normalize", enhance.min_max_normalize,
         opencv(_each(lambda cv, a: cv.normalize(a, None, 0, 255 if _is_bytes(a) else 1, cv.NORM_MINMAX))),
         kornia(lambda k, x: k.enhance.normalize_min_max(x), 1e-4)),
    Line("add_weighted", lambda x: enhance.add_weighted(x, x, alpha=0.3, beta=0.6),
         opencv(lambda cv, a: cv.addWeighted(a, 0.3, a, 0.6, 0)),
         kornia(lambda k, x: k.enhance.add_weighted(x, 0.3, x, 0.6, 0.0))),
    Line("threshold", lambda x: enhance.threshold(x, 127 if _is_bytes(x) else 0.5), opencv(_threshold, 0, 0),
         kornia(lambda k, x: k.enhance.threshold(x, 0.5, 1.0), 0, backward=False)),
    Line("otsu_threshold", lambda x: enhance.threshold(x, enhance.otsu_threshold(x)), opencv(_otsu, None, 0),
         source=color.rgb_to_grayscale),
    Line("adaptive_threshold 11x11",
         lambda x: enhance.adaptive_threshold(x, kernel_size=11, offset=2 if _is_bytes(x) else 2 / 255),
         opencv(_adaptive, None, 0), source=color.rgb_to_grayscale),
    Line("lut1d 256", lambda x: enhance.lut1d(x, torch.from_numpy(LEVELS[::-1].astype(np.uint8))),
         opencv(_lut(LEVELS[::-1]), None, 0)),
    # The codecs round and subsample colour otherwise: Kornia does not round pixels.
    Line("jpeg_compress 75", lambda x: enhance.jpeg_compress(x, 75), opencv(_jpeg, None, 40),
         kornia(lambda k, x: k.enhance.jpeg_codec_differentiable(x, 75 * _one(x)), 0.2)),
]  # fmt: skip
