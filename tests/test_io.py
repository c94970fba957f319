"""`visionops.io` against Pillow, OpenCV and plain numpy."""

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, JpegImagePlugin

import visionops.io
from visionops.io import read_image, write_image


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encode(array, kind="PNG", **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def smooth(h=60, w=80):
    y, x = np.mgrid[:h, :w]
    return np.stack([x * 3, y * 4, (x + y) % 256], -1).astype(np.uint8)


def names(folder):
    return [path.name for path in folder.iterdir()]


def png_header(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


class TestReadImage:
    def test_every_kind_of_source_gives_the_same_array(self, tmp_path):
        array = noise(9, 7, 3)
        path = tmp_path / "a.png"
        path.write_bytes(encode(array))
        with path.open("rb") as file:
            sources = [
                path,
                str(path),
                path.read_bytes(),
                bytearray(path.read_bytes()),
                io.BytesIO(encode(array)),
                file,
            ]
            for source in sources:
                got = read_image(source)
                np.testing.assert_array_equal(got, array)
                assert got.dtype == np.uint8 and got.flags.c_contiguous and got.flags.writeable
            assert not file.closed

    def test_a_file_is_read_from_where_it_stands(self):
        stream = io.BytesIO(b"prefix" + encode(noise(4, 5, 3)))
        stream.seek(6)
        np.testing.assert_array_equal(read_image(stream), noise(4, 5, 3))

    def test_jpeg_is_what_opencv_decodes(self):
        data = encode(smooth(), "JPEG", quality=90)
        expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        assert np.abs(read_image(data).astype(int) - expected).max() <= 3

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation(self, kind, orientation):
        # EXIF: where row 0 and column 0 of the stored image are seen. Each undoes what the camera stored.
        upright = np.repeat(np.repeat(np.array([[0, 60, 120], [180, 220, 255]], np.uint8), 16, 0), 16, 1)
        stored = {
            1: upright,
            2: upright[:, ::-1],
            3: np.rot90(upright, 2),
            4: upright[::-1],
            5: upright.T,
            6: np.rot90(upright, 1),
            7: np.rot90(upright, 2).T,
            8: np.rot90(upright, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"quality": 100} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
        got = read_image(encode(np.ascontiguousarray(stored), kind, exif=exif.tobytes(), **options), mode="L")
        assert got.shape == (32, 48, 1) and got.flags.c_contiguous
        np.testing.assert_allclose(got[:, :, 0].astype(int), upright, atol=2 if kind in ("JPEG", "WEBP") else 0)

    def test_damaged_exif_is_passed_over_without_a_warning(self):
        data = encode(smooth(), "JPEG")
        bad = b"Exif\0\0II*\0\x08\0\0\0\x05\0"
        data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(bad) + 2) + bad + data[2:]
        assert read_image(data).shape == (60, 80, 3)

    def test_metadata_that_cannot_be_parsed_is_passed_over(self, monkeypatch):
        def broken(self):
            raise struct.error("unpack requires a buffer of 8 bytes")

        monkeypatch.setattr(Image.Image, "getexif", broken)
        assert read_image(encode(smooth(), "JPEG")).shape == (60, 80, 3)

    def test_sixteen_bit_greys_are_scaled_not_clipped(self):
        grey = (np.arange(30 * 48) * 45).reshape(30, 48).astype(np.uint16)
        for suffix in (".png", ".tiff", ".pgm"):
            data = cv2.imencode(suffix, grey)[1].tobytes()
            expected = (grey.astype(np.int64) * 2 + 257) // 514  # round(grey / 257), in integers
            np.testing.assert_array_equal(read_image(data, mode="L")[:, :, 0], expected)
            np.testing.assert_array_equal(read_image(data), np.repeat(expected[:, :, None], 3, 2))
            raw = read_image(data, mode="raw")
            assert raw.dtype == np.uint16
            np.testing.assert_array_equal(raw, grey)

    def test_sixteen_bit_colour_keeps_the_high_byte(self):
        colour = np.random.default_rng(0).integers(0, 65536, (8, 9, 3), dtype=np.uint16)
        data = cv2.imencode(".png", colour)[1].tobytes()
        np.testing.assert_array_equal(read_image(data), (colour >> 8)[:, :, ::-1])

    def test_greys_of_unknown_range_are_refused_but_raw(self):
        depth = np.array([[0.5, 1000.0]], np.float32)
        with pytest.raises(ValueError, match=r"8 or 16 bits a channel, got .*'F'.*mode='raw'"):
            read_image(encode(depth, "TIFF"))
        np.testing.assert_array_equal(read_image(encode(depth, "TIFF"), mode="raw"), depth)
        with pytest.raises(ValueError, match=r"mode 'I'"):
            read_image(encode(depth.astype(np.int32), "TIFF"), mode="L")

    def test_palette(self):
        indexed = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "L").convert("P")
        indexed.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
        data = encode(indexed, transparency=bytes([0, 128, 255]))
        assert read_image(data).tolist() == [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
        assert read_image(data, mode="RGBA")[0, :, 3].tolist() == [0, 128, 255]
        assert read_image(data, mode="raw").tolist() == [[0, 1, 2]]

    def test_alpha_is_dropped_and_not_blended(self):
        array = noise(5, 6, 4)
        np.testing.assert_array_equal(read_image(encode(array)), array[:, :, :3])
        np.testing.assert_array_equal(read_image(encode(array), mode="RGBA"), array)
        grey_alpha = Image.fromarray(array[:, :, :2].copy(), "LA")
        np.testing.assert_array_equal(read_image(encode(grey_alpha), mode="L"), array[:, :, :1])
        assert (read_image(encode(array[:, :, :3].copy()), mode="RGBA")[:, :, 3] == 255).all()

    def test_cmyk(self):
        cmyk = Image.fromarray(np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 0, 0, 255]]], np.uint8), "CMYK")
        assert read_image(encode(cmyk, "TIFF")).tolist() == [[[255, 255, 255], [0, 255, 255], [0, 0, 0]]]

    def test_luma(self):
        array = noise(6, 7, 3)
        expected = array @ np.array([0.299, 0.587, 0.114])
        np.testing.assert_allclose(read_image(encode(array), mode="L")[:, :, 0], expected, atol=0.51)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"])
    def test_every_stored_mode_reads_in_every_mode(self, mode):
        image = Image.fromarray(noise(4, 5, 3))
        image = Image.fromarray(noise(4, 5).astype(np.uint16)) if mode == "I;16" else image.convert(mode)
        data = encode(image, "TIFF")
        for wanted, channels in (("RGB", 3), ("RGBA", 4), ("L", 1)):
            got = read_image(data, mode=wanted)
            assert got.shape == (4, 5, channels) and got.dtype == np.uint8

    def test_raw_is_for_one_channel(self):
        bits = np.array([[True, False, True]])
        raw = read_image(encode(bits), mode="raw")
        assert raw.tolist() == [[1, 0, 1]] and raw.dtype == np.uint8
        with pytest.raises(ValueError, match=r"one channel in mode 'raw', got .* in RGB"):
            read_image(encode(noise(2, 2, 3)), mode="raw")

    def test_animation_gives_its_first_frame(self):
        frames = [Image.fromarray(np.full((6, 5, 3), v, np.uint8)) for v in (10, 200)]
        for kind in ("GIF", "PNG", "WEBP", "TIFF"):
            stream = io.BytesIO()
            options = {"lossless": True} if kind == "WEBP" else {}
            frames[0].save(stream, kind, save_all=True, append_images=frames[1:], **options)
            assert (read_image(stream.getvalue()) == 10).all(), kind

    @pytest.mark.parametrize(
        ("kind", "options"),
        [
            ("JPEG", {}),
            ("JPEG", {"progressive": True}),
            ("PNG", {}),
            ("WEBP", {}),
            ("TIFF", {}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("BMP", {}),
            ("GIF", {}),
            ("PPM", {}),
            ("JPEG2000", {}),
        ],
    )
    def test_a_truncated_image_is_whole_or_refused(self, kind, options):
        data = encode(smooth(), kind, **options)
        whole = read_image(data)
        refused = 0
        for keep in sorted({*np.linspace(1, len(data) - 1, 60).astype(int), *range(len(data) - 20, len(data))}):
            try:
                np.testing.assert_array_equal(read_image(data[:keep]), whole)
            except ValueError as error:
                assert str(error).startswith("read_image: source must be")
                refused += 1
        assert refused >= 50

    def test_png_with_zeros_for_an_end_is_refused(self):
        data = encode(noise(200, 200, 3))
        for keep in np.linspace(50, len(data) - 20, 40).astype(int):
            with pytest.raises(ValueError, match="a whole image"):
                read_image(data[:keep] + bytes(len(data) - keep))

    def test_size_is_checked_before_decoding(self):
        huge = png_header(60000, 60000)
        with pytest.raises(ValueError, match=r"at most 178956970 pixels.*3600000000.*raise max_pixels"):
            read_image(huge)
        # Between Pillow's warning and its error: a ValueError of ours, no warning.
        with pytest.raises(ValueError, match=r"at most 1000 pixels, got .* of 12000 x 12000"):
            read_image(png_header(12000, 12000), max_pixels=1000)
        with pytest.raises(ValueError, match=r"a whole image"):
            read_image(png_header(12000, 12000))
        assert read_image(encode(noise(10, 10, 3)), max_pixels=100).shape == (10, 10, 3)
        with pytest.raises(ValueError, match=r"at most 99 pixels, got .* of 10 x 10"):
            read_image(encode(noise(10, 10, 3)), max_pixels=99)

    def test_warnings_stay_as_they_were_under_threads(self):
        before = list(warnings.filters)
        inside, release = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]

        def hold(k):
            with visionops.io._quiet():
                inside[k].set()
                release[k].wait(10)

        threads = [threading.Thread(target=hold, args=(k,)) for k in range(2)]
        threads[0].start()
        inside[0].wait(10)
        threads[1].start()
        assert not inside[1].wait(0.1)
        for k in range(2):
            release[k].set()
            threads[k].join()
        assert list(warnings.filters) == before

    def test_threads_and_forks(self):
        data = encode(smooth(), "JPEG")
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(read_image, [data] * 50))
        assert all(np.array_equal(result, results[0]) for result in results)
        with visionops.io._lock:
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                os._exit(0 if read_image(data).shape == (60, 80, 3) else 1)
        assert os.waitpid(child, 0)[1] == 0

    def test_mistakes(self, tmp_path):
        with pytest.raises(
            FileNotFoundError, match=r"^read_image: source must be a file that exists, got '.*none.png'"
        ):
            read_image(tmp_path / "none.png")
        with pytest.raises(IsADirectoryError, match=r"^read_image: source must be a file, got the folder"):
            read_image(tmp_path)
        for data in (b"hello world, not an image", b"<html></html>", bytes(100)):
            with pytest.raises(ValueError, match=r"^read_image: source must be an image that Pillow knows"):
                read_image(data)
        (tmp_path / "empty.png").touch()
        for empty in (b"", io.BytesIO(), tmp_path / "empty.png"):
            with pytest.raises(ValueError, match=r"which is empty. Fetch"):
                read_image(empty)
        for source in (io.StringIO("text"), None, 3, np.zeros((2, 2, 3), np.uint8)):
            with pytest.raises(TypeError, match=r"^read_image: source must be a path, bytes or a binary file"):
                read_image(source)
        with pytest.raises(ValueError, match=r"mode must be 'RGB', 'RGBA', 'L' or 'raw', got 'BGR'"):
            read_image(b"", mode="BGR")
        for bad in (0, -1, 1.5, True, None):
            with pytest.raises(ValueError, match=r"max_pixels must be a positive integer"):
                read_image(b"", max_pixels=bad)
        with pytest.raises(ValueError, match=r"a pixel image, got .* in EPS"):
            read_image(encode(noise(4, 4, 3), "EPS"))

    def test_import_adds_little(self):
        code = (
            "import sys, visionops; before = set(sys.modules); import visionops.io, visionops.plot;"
            "print(*{name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))"
        )
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        run = subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True)
        assert set(run.stdout.split()) <= {"PIL", "visionops", "numpy"}


class TestWriteImage:
    @pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".bmp", ".webp", ".PNG"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_round_trip(self, tmp_path, suffix, channels):
        array = smooth()[:, :, :channels]
        write_image(tmp_path / f"a{suffix}", array, quality=100)
        got = read_image(tmp_path / f"a{suffix}", mode="L" if channels == 1 else "RGB")
        if suffix == ".webp":
            assert np.abs(got.astype(int) - array).mean() < 3
        else:
            np.testing.assert_array_equal(got, array)
        assert names(tmp_path) == [f"a{suffix}"]

    @pytest.mark.parametrize("suffix", [".png", ".tif"])
    def test_alpha(self, tmp_path, suffix):
        write_image(tmp_path / f"a{suffix}", noise(5, 6, 4))
        np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}", mode="RGBA"), noise(5, 6, 4))

    def test_jpeg_quality(self, tmp_path):
        sizes, errors = [], []
        for quality in (30, 95):
            write_image(tmp_path / "a.jpg", smooth(), quality=quality)
            sizes.append((tmp_path / "a.jpg").stat().st_size)
            errors.append(np.abs(read_image(tmp_path / "a.jpg").astype(int) - smooth()).mean())
        assert sizes[0] < sizes[1] and errors[1] < 1.5 < errors[0]
        for quality, sampling in ((90, 0), (89, 2)):  # 4:4:4, 4:2:0
            write_image(tmp_path / "a.jpg", smooth(), quality=quality)
            with Image.open(tmp_path / "a.jpg") as image:
                assert JpegImagePlugin.get_sampling(image) == sampling

    def test_layouts(self, tmp_path):
        array = noise(5, 7, 3)
        chw = torch.from_numpy(array).permute(2, 0, 1)
        unit = array.astype(np.float64) / 255
        frozen = array.copy()
        frozen.setflags(write=False)
        strided = np.repeat(array, 2, 1)[:, ::2]
        images = [array, chw, unit, chw / 255, (chw / 255).double(), (chw / 255).requires_grad_(), frozen, strided]
        images += [np.asfortranarray(array), chw.contiguous()]
        for image in images:
            write_image(tmp_path / "a.png", image)
            np.testing.assert_array_equal(read_image(tmp_path / "a.png"), array)
        for image in (array[:, :, 0], array[:, :, :1], chw[0], chw[:1], chw[0] / 255):
            write_image(tmp_path / "a.png", image)
            np.testing.assert_array_equal(read_image(tmp_path / "a.png", mode="L"), array[:, :, :1])
        write_image(tmp_path / "a.png", np.full((1, 1, 3), 9, np.uint8))
        assert read_image(tmp_path / "a.png").tolist() == [[[9, 9, 9]]]

    def test_floats_round_and_saturate(self, tmp_path):
        values = np.array([[-1.0, -0.001, 0.0, 0.9 / 255, 1.4 / 255, 254.6 / 255, 1.0, 7.0]])
        for image in (values, values.astype(np.float16), torch.from_numpy(values)):
            write_image(tmp_path / "a.png", image)
            assert read_image(tmp_path / "a.png", mode="raw").tolist() == [[0, 0, 0, 1, 1, 255, 255, 255]]
        assert values[0, 0] == -1

    def test_a_failed_write_loses_nothing(self, tmp_path, monkeypatch):
        path = tmp_path / "a.png"
        write_image(path, noise(4, 4, 3))
        before = path.read_bytes()

        def full(self, target):
            raise OSError("No space left on device")

        with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
            patch.setattr(Path, "replace", full)
            write_image(path, noise(9, 9, 3))
        with pytest.raises(ValueError, match="finite"):
            write_image(path, np.full((2, 2), np.nan))
        assert path.read_bytes() == before and names(tmp_path) == ["a.png"]

    def test_links_and_permissions_are_kept(self, tmp_path):
        write_image(tmp_path / "new.png", noise(2, 2, 3))
        (tmp_path / "plain").touch()
        assert (tmp_path / "new.png").stat().st_mode == (tmp_path / "plain").stat().st_mode
        (tmp_path / "new.png").chmod(0o640)
        (tmp_path / "link.png").symlink_to("new.png")
        write_image(tmp_path / "link.png", noise(3, 3, 3))
        assert (tmp_path / "link.png").is_symlink() and (tmp_path / "new.png").stat().st_mode & 0o777 == 0o640
        assert read_image(tmp_path / "new.png").shape == (3, 3, 3)

    def test_mistakes(self, tmp_path):
        image = noise(4, 5, 3)
        with pytest.raises(
            FileNotFoundError, match=r"^write_image: path must be in a folder that exists, got .*Create"
        ):
            write_image(tmp_path / "none" / "a.png", image)
        for name in ("a.xyz", "a", "a.gif"):
            with pytest.raises(ValueError, match=r"^write_image: path must be a file name in \.bmp, .*\.webp, got"):
                write_image(tmp_path / name, image)
        for bad in (np.nan, np.inf, -np.inf):
            with pytest.raises(ValueError, match=r"^write_image: image must be finite, got 1 values"):
                write_image(tmp_path / "a.png", np.array([[0.5, bad]]))
        with pytest.raises(ValueError, match=r"of 1 or 3 channels for \.jpg, got .*alpha"):
            write_image(tmp_path / "a.jpg", noise(4, 5, 4))
        for shape, remedy in (((3, 4, 5), r"transpose\(1, 2, 0\)"), ((2, 4, 5, 3), "not a batch"), ((9, 5, 2), "Pick")):
            with pytest.raises(ValueError, match=rf"image must be \(H, W, C\) with 1, 3 or 4 channels.*{remedy}"):
                write_image(tmp_path / "a.png", noise(*shape))
        with pytest.raises(ValueError, match=r"image must be \(C, H, W\).*permute\(2, 0, 1\)"):
            write_image(tmp_path / "a.png", torch.zeros(9, 5, 3))
        with pytest.raises(ValueError, match=r"of at least one pixel, got ndarray of shape \(0, 5, 3\)"):
            write_image(tmp_path / "a.png", image[:0])
        for wrong in (image.astype(np.int64), image > 3, torch.zeros(3, 4, 5, dtype=torch.int32)):
            with pytest.raises(TypeError, match=r"uint8 in \[0, 255\] or float in \[0, 1\], got"):
                write_image(tmp_path / "a.png", wrong)
        with pytest.raises(TypeError, match=r"numpy array .* or a tensor .*, got list"):
            write_image(tmp_path / "a.png", [[1, 2]])
        for quality in (0, 101, 95.0, True):
            with pytest.raises(ValueError, match=r"quality must be an integer from 1 to 100"):
                write_image(tmp_path / "a.jpg", image, quality=quality)
        with pytest.raises(ValueError, match=r"one that WEBP can hold"):
            write_image(tmp_path / "a.webp", np.zeros((1, 20000, 3), np.uint8))
        assert names(tmp_path) == []
