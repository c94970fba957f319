"""`va.read`: image files decoded by the pipeline, beside the same files decoded whole first."""

import io
import json
import pickle

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

import visionops as vo
import visionops.augment as va
from visionops.io import read_image
from visionops.kernels import jpeg, native

# Positions in a part of an image are rounded otherwise than in the whole: some 1e-7 pixels, times a slope of 255.
SAME = 1e-4  # grey levels
# A dense map is float32: 1e-4 pixels at 1000.
SAME_DENSE = 2e-2
SAMPLINGS = {411: 0x411111, 420: 0x221111, 422: 0x211111, 440: 0x121111, 444: 0x111111}


def photo(size):
    """A real photo, brought to (height, width): detail of three pixels and more, as a camera's."""
    image = Image.open(skimage_file("chelsea.png")).convert("RGB")
    return np.asarray(image.resize(size[::-1], Image.BICUBIC))


def skimage_file(name):
    import skimage.data

    return f"{skimage.data.__path__[0]}/{name}"


def encode(array, kind="JPEG", **options):
    file = io.BytesIO()
    if kind == "JPEG":
        options.setdefault("quality", 92)
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def levels(a, b):
    """The largest and the mean difference, in grey levels of 255."""
    difference = (a.double() - b.double()).abs() * 255
    return float(difference.max()), float(difference.mean())


@pytest.fixture
def decodes(monkeypatch):
    """The (reduction, box) of every call of the decoder."""
    calls, decode = [], jpeg.decode

    def spy(data, reduction, box):
        calls.append((reduction, box))
        return decode(data, reduction, box)

    monkeypatch.setattr("visionops.pipeline.opened.jpeg.decode", spy)
    return calls


@pytest.fixture(scope="module")
def large():
    return encode(photo((512, 768)))


class TestDecoder:
    @pytest.mark.parametrize("size", [(1, 1), (5, 7), (33, 17), (203, 301)])
    @pytest.mark.parametrize("sampling", [*SAMPLINGS, "grey"])
    @pytest.mark.parametrize("progressive", [False, True])
    def test_every_rectangle_is_that_of_pillows_whole(self, size, sampling, progressive):
        array = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        options = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
        if sampling != "grey":
            options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLINGS[sampling]]
        data = cv2.imencode(".jpg", array[..., 0].copy() if sampling == "grey" else array, options)[1].tobytes()
        rng = np.random.default_rng(1)
        for reduction in (1, 2, 4, 8):
            if min(size) < reduction:
                continue
            whole = Image.open(io.BytesIO(data))
            whole.draft(None, (size[1] // reduction, size[0] // reduction))
            whole = np.asarray(whole.convert("RGB"))
            h, w = whole.shape[:2]
            assert (h, w) == tuple(-(-n // reduction) for n in size)
            for k in range(12):
                left, right = sorted(rng.integers(0, w + 1, 2).tolist()) if k else (0, w)
                top, bottom = sorted(rng.integers(0, h + 1, 2).tolist()) if k else (0, h)
                if (right - left < 3 and k) or top == bottom or not jpeg.op.active():
                    continue
                pixels, begin = jpeg.decode(data, reduction, (left, top, right, bottom))
                exact = slice(int(begin > 0), pixels.shape[1] - int(right < w))
                np.testing.assert_array_equal(pixels[:, exact], whole[top:bottom, begin:right][:, exact])

    def test_agrees_with_opencv_at_every_scale(self):
        data = encode(photo((203, 301)))
        flags = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4,
                 8: cv2.IMREAD_REDUCED_COLOR_8}  # fmt: skip
        for reduction, flag in flags.items():
            expected = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), flag), cv2.COLOR_BGR2RGB)
            h, w = expected.shape[:2]
            found = jpeg.decode(data, reduction, (0, 0, w, h))
            if found is not None:
                np.testing.assert_array_equal(found[0], expected)

    def test_is_compiled_wherever_the_kernels_are(self):
        if native.active() and jpeg.op.module is not None:
            assert jpeg.op.active()
        with native.definitions_only():
            assert not jpeg.op.active() and jpeg.header(encode(photo((8, 8)))) is None


PIPELINES = {
    "crop": (va.RandomResizedCrop((48, 64)), va.HorizontalFlip(p=0.5)),
    "moves": (va.RandomResizedCrop((48, 64)), va.Affine(rotate=(-30, 30)), va.Perspective(0.3)),
    "rotate": (va.Rotate((-40, 40)), va.Rotate90(), va.Resize((40, 56))),
    "gated": (va.CenterCrop((450, 500), p=0.5), va.RandomCrop((150, 100)), va.VerticalFlip(p=0.5)),
    "bordered": (va.Rotate((-40, 40), border="reflect", p=0.5), va.Resize((40, 56))),
    "padded": (va.Pad(100, border="replicate"), va.Resize((40, 56))),
    "deform": (va.Resize((128, 192)), va.Elastic(3.0, 8.0)),
    "blur first": (va.GaussianBlur(1.0), va.Resize((40, 56))),
    "colour first": (va.Contrast((0.5, 0.6)), va.Resize((40, 56))),
    "statistic": (va.Resize((40, 56)), va.Contrast((0.5, 0.6)), va.GaussianBlur(1.0)),
    "colours only": (va.Brightness((0.5, 0.9)),),
    "nothing": (),
}


class TestPixels:
    @pytest.mark.parametrize("name", PIPELINES)
    @pytest.mark.parametrize("options", [{"antialias": False}, {"interpolation": "nearest"}], ids=["plain", "nearest"])
    def test_without_a_prefilter_they_are_those_of_the_whole_image(self, large, decodes, name, options):
        pipe = vo.Pipeline(*PIPELINES[name], va.ToFloat(), **options)
        for i in range(3):
            most, _ = levels(pipe(image=va.read(large), index=i)["image"], pipe(image=read_image(large), index=i)["image"])
            assert most <= (SAME_DENSE if name == "deform" else SAME)
        assert {reduction for reduction, _ in decodes} == {1}

    @pytest.mark.parametrize("name", PIPELINES)
    def test_with_a_prefilter_they_are_near_those_of_the_whole_image(self, large, name):
        pipe = vo.Pipeline(*PIPELINES[name], va.ToFloat())
        for i in range(4):
            # Frequencies left out ring at edges, where areas blur: the mean says whether pixels are in their places.
            most, mean = levels(pipe(image=va.read(large), index=i)["image"], pipe(image=read_image(large), index=i)["image"])
            assert most <= 16 and mean <= 0.5

    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    def test_a_crop_reads_exactly_what_the_whole_image_holds(self, large, decodes, interpolation):
        pipe = vo.Pipeline(va.Crop((333, 201, 433, 341)), va.Rotate(20), interpolation=interpolation)
        torch.testing.assert_close(pipe(va.read(large)), pipe(read_image(large)), rtol=0, atol=0)
        ((reduction, (left, top, right, bottom)),) = decodes
        assert reduction == 1
        assert 325 <= left <= 333 and 195 <= top <= 201 and 433 <= right <= 439 and 341 <= bottom <= 347

    @pytest.mark.parametrize("factor", [2, 4, 8])
    def test_a_resize_by_a_power_of_two_is_what_pillow_decodes(self, factor, decodes):
        data = encode(photo((256, 384)))
        reduced = Image.open(io.BytesIO(data))
        reduced.draft("RGB", (384 // factor, 256 // factor))
        out = vo.Pipeline(va.Resize((256 // factor, 384 // factor)))(va.read(data))
        np.testing.assert_array_equal(out.permute(1, 2, 0).numpy(), np.asarray(reduced))
        assert decodes[0][0] == factor

    def test_further_levels_stay_with_the_prefilter(self, decodes):
        data = encode(photo((512, 768)))
        out = vo.Pipeline(va.Resize((16, 192)), va.ToFloat())(va.read(data))
        reduced = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_4), cv2.COLOR_BGR2RGB)
        areas = cv2.resize(reduced.astype(np.float32) / 255, (192, 16), interpolation=cv2.INTER_AREA)
        assert decodes[0][0] == 4  # 32 along y, 4 along x
        assert levels(out, torch.from_numpy(areas).permute(2, 0, 1))[0] < 1e-3

    @pytest.mark.parametrize("size", [(509, 763), (511, 765), (512, 768)])
    def test_pixels_lie_where_they_lie_in_the_whole_image(self, size):
        """A ramp along x and y tells a shift: half a pixel of 1/2, 1/4 and 1/8 would be 0.17, 0.5 and 1.2 grey levels."""
        y, x = np.indices(size)
        ramp = np.rint(np.stack([x / 3, y / 2, (x + y) / 6], -1)).astype(np.uint8)
        data = encode(ramp, quality=100, subsampling=0)
        for scale, bias in ((0.45, 0.1), (0.21, 0.15), (0.1, 0.3)):  # the decoder's own, by rounding the colours' means
            pipe = vo.Pipeline(va.Affine(scale=scale, rotate=12), va.CenterCrop((40, 60)), va.ToFloat())
            seen = pipe(va.read(data)) * 255
            v, u = np.indices((40, 60))
            inverse = np.linalg.inv(pipe.matrix(pipe.sample(size)).numpy())
            sx, sy, _ = np.einsum("ij,jhw->ihw", inverse, np.stack([u, v, np.ones_like(u)]))
            inside = (sx > 12) & (sx < size[1] - 12) & (sy > 12) & (sy < size[0] - 12)
            expected = np.stack([sx / 3, sy / 2, (sx + sy) / 6])
            assert np.abs((seen.numpy() - expected)[:, inside].mean(1)).max() < bias

    def test_sides_shorter_than_the_reduction(self):
        for size in [(1, 1), (1, 40), (3, 5), (7, 9)]:
            data = encode(photo(size))
            pipe = vo.Pipeline(va.Affine(scale=0.1), va.ToFloat())
            assert pipe(va.read(data)).shape == (3, *size)
            whole = vo.Pipeline(va.Resize(size), va.ToFloat(), antialias=False)
            assert torch.equal(whole(va.read(data)), whole(read_image(data)))

    def test_what_lies_outside_is_fill(self, large):
        pipe = vo.Pipeline(va.Affine(translate=((5000, 5000), (0, 0))), fill=1.0)
        assert (pipe(va.read(large)) == 255).all()

    def test_the_definitions_give_the_same(self, large):
        pipe = vo.Pipeline(va.RandomResizedCrop((48, 64)), va.Rotate((-20, 20)), va.ToFloat())
        compiled = pipe(image=va.read(large), index=5)["image"]
        with native.definitions_only():
            defined = pipe(image=va.read(large), index=5)["image"]
        assert levels(compiled, defined)[0] < 5e-3  # a warp's two twins, in float32

    def test_a_gradient_reaches_a_learned_bound(self, large):
        angle = nn.Parameter(torch.tensor(10.0))
        pipe = vo.Pipeline(va.Affine(rotate=va.Symmetric(angle)), va.Resize((32, 48)), va.ToFloat(), antialias=True)
        grads = []
        for image in (va.read(large), read_image(large)):
            pipe(image=image, index=3)["image"].square().mean().backward()
            grads.append(float(angle.grad))
            angle.grad = None
        assert grads[0] != 0 and grads[0] == pytest.approx(grads[1], rel=0.05)  # other averages, the same motion


class TestFiles:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("antialias", [False, True])
    def test_exif_orientation(self, orientation, antialias):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = encode(photo((512, 768)), exif=exif)
        upright = read_image(data)
        source = va.read(data)
        assert source.size == upright.shape[:2]
        for steps in ((va.RandomResizedCrop((30, 40)), va.Rotate((-30, 30))), (va.Elastic(3.0), va.Resize((40, 60))), ()):
            pipe = vo.Pipeline(*steps, va.ToFloat(), antialias=antialias)
            for i in range(2):
                most, mean = levels(pipe(image=source, index=i)["image"], pipe(image=upright, index=i)["image"])
                assert (most <= 16 and mean <= 0.5) if antialias and steps else most <= SAME_DENSE

    def test_grey_is_three_equal_channels(self, large):
        data = encode(read_image(large, mode="L")[..., 0])
        out = vo.Pipeline(va.Resize((64, 96)))(va.read(data))
        assert out.shape == (3, 64, 96) and torch.equal(out[0], out[1]) and torch.equal(out[0], out[2])

    def test_cmyk_is_decoded_as_read_image_does(self, decodes):
        file = io.BytesIO()
        noise = np.random.default_rng(0).bytes(96 * 64 * 4)
        Image.frombytes("CMYK", (96, 64), noise).save(file, "JPEG")
        pipe = vo.Pipeline(va.Resize((8, 12)))
        assert torch.equal(pipe(va.read(file.getvalue())), pipe(read_image(file.getvalue())))
        assert not decodes

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
    def test_other_formats_are_decoded_whole(self, kind, decodes):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encode(photo((64, 96)), kind, **options)
        pipe = vo.Pipeline(va.RandomResizedCrop((8, 12)))
        out = pipe(image=va.read(data), index=1)["image"]
        assert torch.equal(out, pipe(image=read_image(data), index=1)["image"])
        assert va.read(data).size == (64, 96) and not decodes

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_size_of_a_turned_file(self, kind):
        exif = Image.Exif()
        exif[0x0112] = 6
        data = encode(photo((20, 30)), kind, exif=exif)
        assert va.read(data).size == read_image(data).shape[:2] == (30, 20)

    def test_sixteen_bits_and_alpha(self):
        deep = encode(np.full((4, 5), 257 * 7, np.uint16), "PNG")
        clear = encode(np.full((4, 5, 4), 9, np.uint8), "PNG")
        assert (vo.Pipeline()(va.read(deep)) == 7).all() and vo.Pipeline()(va.read(clear)).shape == (3, 4, 5)

    def test_a_mask_file_gives_its_stored_numbers(self, tmp_path, large):
        numbers = np.random.default_rng(0).integers(0, 256, (512, 768), dtype=np.uint8)
        path = tmp_path / "mask.png"
        path.write_bytes(encode(numbers, "PNG"))
        pipe = vo.Pipeline(va.RandomResizedCrop((40, 60)))
        out = pipe(image=va.read(large), mask=va.read(path), index=2)
        assert torch.equal(out["mask"], pipe(image=read_image(large), mask=numbers, index=2)["mask"])


class TestErrors:
    pipe = vo.Pipeline(va.Resize((8, 8)))

    def test_nothing_is_opened_before_it_is_needed(self, tmp_path):
        source = va.read(tmp_path / "missing.jpg")
        assert "missing.jpg" in repr(source) and "missing.jpg" in repr(pickle.loads(pickle.dumps(source)))
        assert len(pickle.dumps(source)) < 400

    @pytest.mark.parametrize("bad", [None, 3, np.zeros((4, 4, 3), np.uint8), io.BytesIO(b"")])
    def test_no_path_and_no_bytes(self, bad):
        with pytest.raises(TypeError, match="read: source must be a path or bytes, got"):
            va.read(bad)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"a file that exists, got '.*missing.jpg'"):
            self.pipe(va.read(tmp_path / "missing.jpg"))
        with pytest.raises(FileNotFoundError, match=r"missing.jpg"):
            _ = va.read(str(tmp_path / "missing.jpg")).size

    def test_a_folder(self, tmp_path):
        with pytest.raises(IsADirectoryError, match="must be a file, got the folder"):
            self.pipe(va.read(tmp_path))

    @pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"no image at all", b"\xff\xd8\xff\xe0 nonsense"])
    def test_no_image(self, tmp_path, content):
        path = tmp_path / "odd.jpg"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"source must be .*, got '.*odd.jpg'"):
            self.pipe(va.read(path))
        with pytest.raises(ValueError, match=r"source must be .*, got \d+ bytes"):
            _ = va.read(content).size

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
    def test_a_truncated_jpeg_is_an_error_wherever_the_draw_looks(self, tmp_path, large, share):
        path = tmp_path / "cut.jpg"
        path.write_bytes(large[: int(len(large) * share)])
        for pipe in (self.pipe, vo.Pipeline(va.Crop((0, 0, 16, 16))), vo.Pipeline()):
            with pytest.raises(ValueError, match=r"a whole image, got '.*cut.jpg', truncated or damaged"):
                pipe(va.read(path))

    def test_what_stands_behind_the_end_does_no_harm(self, large):
        pipe = vo.Pipeline(va.Crop((0, 0, 16, 16)))
        assert torch.equal(pipe(va.read(large + b"trailer")), pipe(va.read(large)))

    def test_a_batch_names_the_sample_and_the_file(self, tmp_path, large):
        for name, content in (("good.jpg", large), ("cut.jpg", large[:5000])):
            (tmp_path / name).write_bytes(content)
        files = [{"image": va.read(tmp_path / name), "index": i} for i, name in enumerate(("good.jpg", "cut.jpg"))]
        with pytest.raises(ValueError, match=r"sample 1 \(index 1\): .*cut.jpg"):
            self.pipe.collate(files)
        with pytest.raises(ValueError, match=r"sample 0 \(index 0\): .*none.jpg"):
            self.pipe.collate([{"image": va.read(tmp_path / "none.jpg"), "index": 0}])

    def test_images_of_one_call_share_their_size(self, large):
        pipe = vo.Pipeline(va.Resize((8, 8)), targets={"right": "image"})
        with pytest.raises(ValueError, match="like the first image"):
            pipe(image=va.read(large), right=va.read(encode(photo((8, 8)))))


class TestUse:
    def test_labels_are_those_of_the_whole_image(self, large):
        pipe = vo.Pipeline(*PIPELINES["moves"], passthrough=["path"])
        labels = {
            "mask": np.random.default_rng(0).integers(0, 9, (512, 768)),
            "boxes": [[100.0, 200, 700, 500]], "box_labels": ["cat"],
            "keypoints": [[700.0, 500], [3, 4]],
            "intrinsics": np.diag([900.0, 900, 1]), "path": "x",
        }  # fmt: skip
        for i in range(4):
            out, expected = (pipe(image=image, **labels, index=i) for image in (va.read(large), read_image(large)))
            assert out.keys() == expected.keys()
            for name in expected.keys() - {"image"}:
                same = torch.equal(out[name], expected[name]) if torch.is_tensor(out[name]) else out[name] == expected[name]
                assert same, name

    def test_draw_apply_replay_and_invert(self, large):
        pipe = vo.Pipeline(va.Rotate((-30, 30)), va.CenterCrop((400, 450)), va.ToFloat())
        source = va.read(large)
        params = pipe.sample(source.size, index=7)
        seen = pipe.apply(params, image=source)["image"]
        assert torch.equal(seen, pipe(image=source, index=7)["image"])
        assert torch.equal(seen, pipe.apply(json.loads(json.dumps(params)), image=source)["image"])
        other = encode(photo((400, 450)))
        back, expected = (pipe.inverse(params, image=image) for image in (va.read(other), read_image(other)))
        assert torch.equal(back["image"], expected["image"])

    def test_forms_of_a_sample(self, large):
        pipe = vo.Pipeline(va.Resize((32, 48)))
        expected = pipe(image=va.read(large))["image"]
        assert torch.equal(pipe(va.read(large)), expected)
        image, label = pipe((va.read(large), 3))
        assert torch.equal(image, expected) and label == 3
        assert torch.equal(pipe({"image": va.read(large)})["image"], expected)
        batch = pipe.collate([(va.read(large), 1), (va.read(large), 2)])
        assert torch.equal(batch["image"], torch.stack([expected, expected])) and batch["label"].tolist() == [1, 2]
        same = vo.Pipeline(va.Resize((32, 48)), output="same")(va.read(large))
        np.testing.assert_array_equal(same, expected.permute(1, 2, 0).numpy())
        for kind in (bytearray, memoryview):
            assert torch.equal(pipe(va.read(kind(large))), expected)

    def test_a_batch_is_its_samples(self, large):
        """More than the executor takes at once, of different sizes and kinds, some of them arrays."""
        files = [encode(photo((300 + 7 * i, 500 - 9 * i))) for i in range(6)]
        files += [encode(photo((64, 96)), "PNG"), large]
        images = [*map(va.read, files), read_image(files[0])]
        for steps in (PIPELINES["moves"], (*PIPELINES["crop"], va.GaussianBlur(1.0)), (va.Resize((9, 9)), va.MixUp())):
            pipe = vo.Pipeline(*steps, va.ToFloat())
            if isinstance(steps[-1], va.MixUp):
                samples = [{"image": image, "index": i} for i, image in enumerate(images)]
                assert pipe.collate(samples)["image"].shape == (9, 3, 9, 9)
                continue
            batch = pipe.collate([{"image": image, "index": i} for i, image in enumerate(images)])["image"]
            for i, image in enumerate(images):
                assert levels(batch[i], pipe(image=image, index=i)["image"])[0] <= SAME

    def test_sizes_that_differ_at_the_end(self, large):
        pipe = vo.Pipeline(va.HorizontalFlip(p=0.5))
        out = pipe.collate([va.read(large), va.read(encode(photo((20, 30))))])["image"]
        assert [tuple(image.shape) for image in out] == [(3, 512, 768), (3, 20, 30)]

    def test_only_what_is_seen_is_decoded(self, decodes, large):
        pipe = vo.Pipeline(va.Crop((256, 128, 512, 384)), va.Resize((32, 32)))
        pipe(va.read(large))
        ((reduction, (left, top, right, bottom)),) = decodes
        assert reduction == 8 and 28 <= left <= 32 and 12 <= top <= 16 and 64 <= right <= 68 and 48 <= bottom <= 52


class Files(Dataset):
    def __init__(self, folder):
        self.paths = sorted(folder.glob("*.jpg"))

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return {"image": va.read(self.paths[i]), "label": i, "index": i}


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_give_what_the_process_itself_gives(tmp_path, start):
    for i in range(6):
        (tmp_path / f"{i}.jpg").write_bytes(encode(photo((200 + i, 300 - i))))
    data = Files(tmp_path)
    pipe = vo.Pipeline(va.RandomResizedCrop((16, 24)), va.Normalize(0.5, 0.25))
    expected = pipe.collate([data[i] for i in range(6)])["image"]
    loader = DataLoader(data, 3, num_workers=2, collate_fn=pipe.collate, multiprocessing_context=start)
    assert torch.equal(torch.cat([batch["image"] for batch in loader]), expected)
