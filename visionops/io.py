"""Images from files and to files, through Pillow: `read_image` gives the numpy array that pipelines take.

source (path, bytes, file) -> header checked -> decoded whole or refused -> orientation applied -> uint8 (H, W, C)
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from ._checks import describe, image_to_hwc
from .errors import MissingFileError, NotAFileError, mistake

if TYPE_CHECKING:
    from jaxtyping import Float, Num, UInt8
    from torch import Tensor

__all__ = ["read_image", "write_image"]

# Twice Pillow's threshold for a warning: where Pillow itself refuses.
MAX_PIXELS = 178_956_970

# What the EXIF orientation asks for: whether to swap the axes, then the steps along rows and columns.
ORIENTATIONS = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}

# Suffix to Pillow's format and the numbers of channels it stores.
_WRITABLE = {
    ".bmp": ("BMP", (1, 3)),
    ".jpeg": ("JPEG", (1, 3)),
    ".jpg": ("JPEG", (1, 3)),
    ".png": ("PNG", (1, 3, 4)),
    ".tif": ("TIFF", (1, 3, 4)),
    ".tiff": ("TIFF", (1, 3, 4)),
    ".webp": ("WEBP", (1, 3, 4)),
}


def read_image(
    source: str | os.PathLike[str] | bytes | BinaryIO,
    *,
    mode: Literal["RGB", "RGBA", "L", "raw"] = "RGB",
    max_pixels: int = MAX_PIXELS,
) -> UInt8[np.ndarray, "h w c"] | Num[np.ndarray, "h w"]:
    """Returns an image as a uint8 array (H, W, C) in [0, 255], upright, writable and contiguous.

    Every format that Pillow decodes is read, except EPS, for which it would start another program. The EXIF orientation
    is applied. An animation or a file of several pages gives its first frame. Colour profiles are ignored, so CMYK is
    converted by the plain formula. Alpha is dropped in "RGB" and "L", not blended: read "RGBA" to blend it.

    16-bit greys are divided by 257 and rounded, so that 65535 becomes 255; in 16-bit colour Pillow keeps the high byte.
    Greys of unknown range (32-bit integer or float) are refused but in "raw".

    Args:
        source: a path, the encoded bytes, or a binary file, which is read from where it stands and left open.
        mode: "RGB" (C = 3), "RGBA" (C = 4, opaque if the file has no alpha), "L" (C = 1, ITU-R 601 luma), or "raw" for
            label masks and depth maps: the stored numbers (H, W) of a one-channel image in their own dtype, palette
            indices and not colours.
        max_pixels: refuse larger images by their header, before decoding. Above 178,956,970 pixels Pillow's own limit
            `PIL.Image.MAX_IMAGE_PIXELS` has to be raised as well.

    Raises:
        MissingFileError: there is no such file; a FileNotFoundError and a ValueError.
        NotAFileError: the path is a folder; an IsADirectoryError and a ValueError.
        TypeError: the source is none of the kinds above.
        ValueError: the content is empty, not an image, truncated, damaged (where the format can tell), too large, or
            has no meaning in this mode. A truncated image is never returned in part, unless the program has set
            `PIL.ImageFile.LOAD_TRUNCATED_IMAGES`.

    >>> read_image(b"P5 2 1 255 " + bytes([7, 200]), mode="L").tolist()
    [[[7], [200]]]
    """
    if mode not in ("RGB", "RGBA", "L", "raw"):
        raise mistake("read_image", "mode", "'RGB', 'RGBA', 'L' or 'raw'", repr(mode), "Choose one of these.")
    if isinstance(max_pixels, bool) or not isinstance(max_pixels, int) or max_pixels < 1:
        raise mistake("read_image", "max_pixels", "a positive integer", repr(max_pixels), "Leave it out for a default.")
    data, name = read_bytes(source)
    return upright(*decode(data, name, mode, max_pixels))


def write_image(
    path: str | os.PathLike[str],
    image: UInt8[np.ndarray, "h w c"] | Float[np.ndarray, "h w c"] | UInt8[Tensor, "c h w"] | Float[Tensor, "c h w"],
    *,
    quality: int = 95,
) -> None:
    """Writes an image to a file; the suffix names the format: .bmp, .jpg, .jpeg, .png, .tif, .tiff or .webp.

    The file is encoded in memory, written beside its place and then renamed, so that a failure at any point leaves an
    older file of that name as it was. A symbolic link is followed, and an older file's permissions are kept.

    Args:
        path: where to; the folder has to exist.
        image: a numpy array is (H, W, C) or (H, W), a tensor (C, H, W) or (H, W), on any device; 1, 3 (RGB) or 4 (RGBA)
            channels, which .jpg and .bmp refuse. uint8 in [0, 255] or float in [0, 1]: values outside are clamped, then
            rounded to the nearest of 256 steps.
        quality: 1 to 100, for .jpg and .webp (the others are lossless). From 90 on a JPEG keeps its colours at full
            resolution.

    Raises:
        MissingFileError: the folder does not exist; a FileNotFoundError and a ValueError.
        TypeError: the image is no array or tensor of these dtypes.
        ValueError: an unknown suffix, a shape or a number of channels that cannot be written, a NaN or an infinity.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(pathlib.Path(folder, "a.png"), np.array([[0.0, 0.5, 1.2]]))
    ...     read_image(pathlib.Path(folder, "a.png"), mode="raw").tolist()
    [[0, 128, 255]]
    """
    target = Path(path).resolve()
    kind, channels = _WRITABLE.get(target.suffix.lower(), (None, ()))
    if kind is None:
        rule = f"a file name in {', '.join(_WRITABLE)}"
        raise mistake("write_image", "path", rule, f"'{path}'", "The suffix names the format.")
    if isinstance(quality, bool) or not isinstance(quality, int) or not 1 <= quality <= 100:
        raise mistake("write_image", "quality", "an integer from 1 to 100", repr(quality), "95 is the default.")
    array = image_to_hwc("write_image", image)
    if array.shape[2] not in channels:
        rule = f"of 1 or 3 channels for {target.suffix}"
        raise mistake("write_image", "image", rule, describe(image), "Drop the alpha channel, or write a .png.")
    if array.dtype != np.uint8:
        if not np.isfinite(array).all():
            got = f"{int((~np.isfinite(array)).sum())} values that are NaN or infinite"
            raise mistake("write_image", "image", "finite", got, "Find where they come from, or replace them.")
        array = np.rint(array.clip(0, 1) * 255).astype(np.uint8)
    if not target.parent.is_dir():
        raise MissingFileError(
            f"write_image: path must be in a folder that exists, got '{path}'. Create '{target.parent}' first."
        )
    options = {"quality": quality} if kind in ("JPEG", "WEBP") else {}
    if kind == "JPEG" and quality >= 90:
        options["subsampling"] = 0
    picture = Image.fromarray(np.ascontiguousarray(array[:, :, 0] if array.shape[2] == 1 else array))
    encoded = BytesIO()
    try:
        picture.save(encoded, kind, **options)
    except Exception as error:
        got = f"{describe(image)} ({error})"
        raise mistake("write_image", "image", f"one that {kind} can hold", got, "Write a .png.") from error
    _replace(target, encoded.getbuffer())


def read_bytes(source: Any) -> tuple[bytes, str]:
    """Returns the encoded image, and what errors call it."""
    data, name = None, describe(source)
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        name = f"{len(data)} bytes"
    elif isinstance(source, (str, os.PathLike)):
        name = f"'{os.fspath(source)}'"
        if Path(source).is_dir():
            raise NotAFileError(f"read_image: source must be a file, got the folder {name}. Name an image in it.")
        try:
            data = Path(source).read_bytes()
        except FileNotFoundError as error:
            raise MissingFileError(
                f"read_image: source must be a file that exists, got {name}. The current folder is '{Path.cwd()}'."
            ) from error
    elif hasattr(source, "read"):
        data = source.read()
        name = f"the {'text' if isinstance(data, str) else 'file'} of {name}"
    if not isinstance(data, bytes):
        raise TypeError(f"read_image: source must be a path, bytes or a binary file, got {name}. Open files with 'rb'.")
    if not data:
        raise _bad("a whole image", f"{name}, which is empty", "Fetch the file again.")
    return data, name


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Returns a stored image (H, W) or (H, W, C) turned as its EXIF orientation asks."""
    swap, rows, columns = ORIENTATIONS[orientation]
    return np.ascontiguousarray((array.swapaxes(0, 1) if swap else array)[::rows, ::columns])


def read_header(data: bytes, name: str) -> tuple[tuple[int, int], int, bool]:
    """Returns the stored (height, width), the EXIF orientation, and whether `decode` reduces. Nothing is decoded."""
    with _open(data, name, MAX_PIXELS) as image:
        reduces = image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB")
        # Pillow turns a TIFF itself, and gives its size turned.
        return (image.height, image.width), 1 if image.format == "TIFF" else _orientation(image), reduces


def decode(data: bytes, name: str, mode: str, max_pixels: int, reduction: int = 1) -> tuple[np.ndarray, int]:
    """Returns an image as it is stored, and the EXIF orientation that it waits for.

    Args:
        reduction: 1, 2, 4 or 8; a JPEG is decoded that much smaller, sides rounded up, other formats whole. No side
            may be shorter than it.
    """
    with _open(data, name, max_pixels) as image:
        try:
            if reduction > 1:
                image.draft("RGB", (image.width // reduction, image.height // reduction))
            image.load()
            if image.format == "PNG":
                _check_png(data)
        except Exception as error:  # decoders raise a dozen types, SyntaxError and struct.error among them
            raise _bad("a whole image", f"{name}, truncated or damaged ({error})", "Fetch the file again.") from error
        return _raw(image, name) if mode == "raw" else _eight_bit(image, mode, name), _orientation(image)


def _open(data: bytes, name: str, max_pixels: int) -> Image.Image:
    """Returns the image with its header read and its size checked, nothing decoded yet."""
    most = f"an image of at most {max_pixels} pixels"
    try:
        with _quiet():
            image = Image.open(BytesIO(data))
    except Image.DecompressionBombError as error:
        remedy = "If you trust it, raise max_pixels and PIL.Image.MAX_IMAGE_PIXELS."
        raise _bad(most, f"{name} ({error})", remedy) from error
    except UnidentifiedImageError as error:
        got = f"{name}, which starts with {data[:8]!r}"
        raise _bad("an image that Pillow knows", got, "Look at what was saved there.") from error
    except Exception as error:
        raise _bad("a whole image", f"{name}, whose header is damaged ({error})", "Fetch the file again.") from error
    if image.width * image.height > max_pixels:
        raise _bad(most, f"{name} of {image.width} x {image.height}", "If you trust it, raise max_pixels.")
    if image.format == "EPS":
        raise _bad("a pixel image", f"{name} in EPS", "Convert it to PNG first.")
    return image


def _bad(rule: str, got: str, remedy: str) -> ValueError:
    return mistake("read_image", "source", rule, got, remedy)


_lock = threading.Lock()


def _new_lock() -> None:
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # a loader's worker may be forked while a thread of its parent holds the lock
    os.register_at_fork(after_in_child=_new_lock)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences Pillow on large images and odd metadata; locked, because `catch_warnings` is global to the process."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_png(data: bytes) -> None:
    """Raises where the pixels' checksums are wrong: Pillow decodes on, and gives rows of zeros."""
    view, at = memoryview(data), 8
    while at + 12 <= len(data) and view[at + 4 : at + 8] != b"IEND":
        end = at + 8 + int.from_bytes(view[at : at + 4], "big")
        checksum = int.from_bytes(view[end : end + 4], "big")
        if view[at + 4 : at + 8] == b"IDAT" and zlib.crc32(view[at + 4 : end]) != checksum:
            raise ValueError("a checksum is wrong")
        at = end + 4


def _orientation(image: Image.Image) -> int:
    try:
        with _quiet():
            found = image.getexif().get(0x0112, 1)
    except Exception:  # damaged metadata is no reason to refuse the pixels
        return 1
    return found if found in ORIENTATIONS else 1


def _has_16_bits(image: Image.Image) -> bool:
    # Pillow holds some 16-bit greys in its 32-bit mode: PGM, and PNG before version 11.
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))


def _raw(image: Image.Image, name: str) -> np.ndarray:
    array = np.array(image)
    if array.ndim != 2:
        raise _bad("of one channel in mode 'raw'", f"{name} in {image.mode}", "Read it as 'RGB'.")
    if array.dtype == bool:
        return array.astype(np.uint8)
    return array.astype(np.uint16 if _has_16_bits(image) else array.dtype.newbyteorder("="), copy=False)


def _eight_bit(image: Image.Image, mode: str, name: str) -> np.ndarray:
    if _has_16_bits(image):
        image = Image.fromarray(np.rint(np.asarray(image) / 257).astype(np.uint8))
    elif image.mode in ("I", "F"):
        got = f"{name} in Pillow's mode {image.mode!r}"
        raise _bad("of 8 or 16 bits a channel", got, "Read it with mode='raw' and scale it by its range.")
    elif image.mode == "LAB" or (image.mode == "P" and "transparency" in image.info):
        image = image.convert("RGBA")  # in one step Pillow refuses LAB to L, and warns on a palette with alpha
    array = np.array(image if image.mode == mode else image.convert(mode))
    return array if array.ndim == 3 else array[:, :, None]


def _replace(target: Path, data: memoryview) -> None:
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
