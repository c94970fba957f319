"""Images given to a pipeline by their files."""

from __future__ import annotations

import os

from visionops.pipeline.source import Source


def read(source: str | os.PathLike[str] | bytes) -> Source:
    """Returns an image file that a pipeline decodes itself, as far as it needs the pixels.

    It stands for the image wherever one sample's is given: ``{"image": read(path), "label": y}`` is what a Dataset
    returns where `Pipeline.collate` is the loader's `collate_fn`. Nothing is opened here, and it pickles as its path.
    The pipeline reads the header, draws, and sees which pixels its first resampling reads.

    A JPEG is decoded at 1/2, 1/4 or 1/8 where both axes are minified by at least that much: in place of as many of
    the prefilter's halvings (``antialias=True``), 0.4 grey levels from them on average and up to 30 at edges. With
    ``antialias=False`` or ``interpolation="nearest"`` nothing is filtered, so that nothing is reduced. A crop decodes
    the columns and rows that it reads, exactly. Where the first pass is not a warp, or continues the image by a border
    rule, the image is decoded whole. Boxes, masks, keypoints and intrinsics beside it are in the coordinates of the
    whole image.

    Pixels are those of `visionops.io.read_image`: RGB, upright by EXIF, grey as three equal channels; its rules hold
    for CMYK and for other formats, which are decoded whole. JPEGs are decoded by libjpeg-turbo, or by Pillow, slower,
    where visionops was built without it: accurate DCT, smooth chroma, the same pixels. As a mask a file gives the
    stored numbers, ``mode="raw"``. With ``output="same"`` an array leaves.

    Args:
        source: a path, or the encoded bytes. ``.size`` of what is returned is its (height, width), for
            `Pipeline.sample`.

    Raises:
        TypeError: the source is neither.

    What `read_image` refuses raises when the pipeline opens it, with the file's name: a missing or empty file, a
    folder, no image, a truncated one. A JPEG damaged in a part that no draw reads may go unseen.

    >>> import io, numpy as np, visionops as vo, visionops.augment as va
    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.fromarray(np.full((64, 96, 3), 200, np.uint8)).save(file, "JPEG")
    >>> photo = read(file.getvalue())
    >>> photo.size, vo.Pipeline(va.Resize((8, 12)))(photo).unique()
    ((64, 96), tensor([200], dtype=torch.uint8))
    """
    return Source(source)
