"""The pipelines of the page. It shows their source, in lines of at most 50: what you read there is what ran."""

from __future__ import annotations

import visionops as vo
import visionops.augment as va
from visionops import Pipeline

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PATCH = 48


def everything() -> Pipeline:
    return vo.Pipeline(
        va.RandomResizedCrop((224, 224)),
        va.HorizontalFlip(p=0.5),
        va.Affine(rotate=(-30, 30), shear=(-10, 10)),
        va.Perspective(0.2),
        va.ColorJitter(0.4, 0.4, 0.4, 0.1),
        va.GaussianBlur(sigma=(0.1, 2.0), p=0.5),
        va.Normalize(MEAN, STD),
        seed=0,
    )


def classification() -> Pipeline:
    return vo.Pipeline(
        va.RandomResizedCrop(224, scale=(0.2, 1)),
        va.HorizontalFlip(p=0.5),
        va.ColorJitter(0.4, 0.4, 0.4, 0.1),
        va.OneOf(va.Grayscale(), va.Solarize(0.6),
                 va.Posterize(3), p=0.25),
        va.Erase(value=MEAN, p=0.25),
        va.Normalize(MEAN, STD),
        seed=1,
    )


def detection() -> Pipeline:
    return vo.Pipeline(
        va.Resize(384),
        va.RandomCrop((320, 320)),
        va.HorizontalFlip(p=0.5),
        va.Affine((-15, 15), scale=(0.7, 1.3)),
        va.ColorJitter(0.3, 0.3, 0.3),
        box_min_visibility=0.3,
        fill=0.5,
    )


def segmentation() -> Pipeline:
    return vo.Pipeline(
        va.Resize(320),
        va.CenterCrop((320, 320)),
        va.Rotate((-25, 25)),
        va.Elastic(alpha=9, sigma=22),
        va.HorizontalFlip(p=0.5),
        va.Gamma((0.8, 1.3)),
        va.GaussianNoise((0, 0.04)),
    )


def pose() -> Pipeline:
    return vo.Pipeline(
        va.HorizontalFlip(p=0.5),
        va.Affine((-35, 35), scale=(0.8, 1.1)),
        va.Perspective(0.3),
        va.Brightness((0.8, 1.3)),
        keypoint_swap=[(0, 1), (3, 4)],
        fill=0.5,
    )


def mixup() -> Pipeline:
    return vo.Pipeline(
        va.RandomResizedCrop(224, scale=(0.4, 1)),
        va.HorizontalFlip(p=0.5),
        va.MixUp(alpha=1.0, num_classes=6),
        va.Normalize(MEAN, STD),
        seed=3,
    )


def cutmix() -> Pipeline:
    return vo.Pipeline(
        va.RandomResizedCrop(224, scale=(0.4, 1)),
        va.HorizontalFlip(p=0.5),
        va.CutMix(alpha=1.0, num_classes=6),
        va.Normalize(MEAN, STD),
        seed=3,
    )


def many_views() -> Pipeline:
    return vo.Pipeline(
        va.Resize((448, 448)),
        va.HorizontalFlip(p=0.5),
        va.Affine((-30, 30), scale=(0.8, 1)),
        va.Perspective(0.25),
        va.Normalize(MEAN, STD),
    )


def stereo_pair() -> Pipeline:
    return vo.Pipeline(
        va.RandomResizedCrop((320, 480),
                             scale=(0.4, 0.8),
                             ratio=(1.4, 1.6)),
        va.HorizontalFlip(p=0.5),
        va.Rotate((-10, 10)),
        va.ColorJitter(0.3, 0.3, 0.3),
        targets={"right_image": "image"},
    )


def textures() -> Pipeline:
    return vo.Pipeline(
        va.Affine(
            rotate=(-180, 180), scale=(0.75, 1.5),
        ),
        va.CenterCrop((PATCH, PATCH)),
        va.Brightness((0.5, 1.5)),
        seed=0,
    )
