"""What may go in and in which form it comes out; and that whatever may not says so in one clear error."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import visionops as vo
import visionops.augment as va

H, W = 12, 17
FLIP = va.HorizontalFlip()


def photo(h=H, w=W, c=3, dtype=np.uint8):
    values = np.random.default_rng(0).random((h, w, c) if c else (h, w))
    return (values * 255).astype(dtype) if np.dtype(dtype).kind in "ui" else values.astype(dtype)


def flip(array):
    return array[:, ::-1]


class TestForms:
    """The result is a CHW tensor, whatever came in, or what came in with output="same"."""

    @pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
    @pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
    def test_numpy(self, dtype, channels):
        image = photo(c=channels, dtype=dtype)
        out = vo.Pipeline(FLIP)(image)
        assert out.shape == (channels or 1, H, W) and out.numpy().dtype == dtype
        np.testing.assert_array_equal(out.numpy(), flip(image.reshape(H, W, -1)).transpose(2, 0, 1))
        same = vo.Pipeline(FLIP, output="same")(image)
        assert type(same) is np.ndarray and same.dtype == dtype
        np.testing.assert_array_equal(same, flip(image))

    def test_numpy_batch(self):
        images = np.stack([photo(), photo()[::-1]])
        np.testing.assert_array_equal(vo.Pipeline(FLIP)(images), images[:, :, ::-1].transpose(0, 3, 1, 2))
        np.testing.assert_array_equal(vo.Pipeline(FLIP, output="same")(images), images[:, :, ::-1])

    @pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK", "LA", "YCbCr", "HSV"])
    def test_pil(self, mode):
        image = Image.fromarray(photo()).convert(mode)
        kept = image if mode in ("RGB", "L", "RGBA") else image.convert("L" if mode == "1" else "RGB")
        expected = flip(np.asarray(kept))
        out = vo.Pipeline(FLIP)(image)
        np.testing.assert_array_equal(out.permute(1, 2, 0).numpy(), expected.reshape(H, W, -1))
        same = vo.Pipeline(FLIP, output="same")(image)
        assert isinstance(same, Image.Image) and same.size == (W, H)
        np.testing.assert_array_equal(np.asarray(same), expected)

    def test_pil_of_another_name_is_read_as_image_is(self):
        palette = Image.fromarray(photo()).quantize(16)
        out = vo.Pipeline(FLIP, targets={"right": "image"})(image=palette, right=palette)
        assert torch.equal(out["image"], out["right"]) and out["right"].shape == (3, H, W)

    @pytest.mark.parametrize("mode", ["L", "P", "1", "I", "I;16", "F", "RGB"])
    def test_pil_masks_keep_their_values(self, mode):
        values = {
            "I;16": photo(c=0).astype(np.uint16) * 257,
            "I": photo(c=0).astype(np.int32) * 70000,
            "F": photo(c=0, dtype=np.float32),
        }
        mask = Image.fromarray(values[mode]) if mode in values else Image.fromarray(photo()).convert(mode)
        assert mask.mode == mode
        out = vo.Pipeline(FLIP)(image=photo(), mask=mask)["mask"].numpy()
        expected = flip(np.asarray(mask))
        np.testing.assert_array_equal(out, expected.transpose(2, 0, 1) if expected.ndim == 3 else expected)
        assert out.dtype == expected.dtype
        same = vo.Pipeline(FLIP, output="same")(image=photo(), mask=mask)["mask"]
        assert isinstance(same, Image.Image)
        np.testing.assert_array_equal(np.asarray(same), expected)

    @pytest.mark.parametrize("mode", ["I", "I;16"])
    def test_pil_of_16_bits_is_refused_not_clipped(self, mode):
        deep = Image.fromarray(np.full((H, W), 40000, np.uint16 if mode == "I;16" else np.int32))
        with pytest.raises(ValueError, match=f"Pipeline: image must be uint8 or floating, got {mode}"):
            vo.Pipeline(FLIP)(deep)

    def test_floats_do_not_fit_into_pil(self):
        with pytest.raises(ValueError, match="output='same' cannot put floats into a PIL image"):
            vo.Pipeline(va.ToFloat(), output="same")(Image.fromarray(photo()))

    @pytest.mark.parametrize(
        "dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str
    )
    def test_tensors(self, dtype):
        image = torch.rand(3, H, W).mul(255).to(dtype)
        for options in ({}, {"output": "same"}):
            out = vo.Pipeline(FLIP, **options)(image)
            assert type(out) is torch.Tensor and torch.equal(out, image.flip(-1))
            out = vo.Pipeline(FLIP, **options)(torch.stack([image] * 4))
            assert torch.equal(out, torch.stack([image.flip(-1)] * 4))

    def test_positional_image_mapping_tuple_and_keywords(self):
        image, expected = photo(), flip(photo()).transpose(2, 0, 1)
        pipe = vo.Pipeline(FLIP, passthrough=["id"])
        np.testing.assert_array_equal(pipe(image), expected)
        out = pipe({"image": image, "id": 3})
        assert list(out) == ["image", "id"] and out["id"] == 3
        np.testing.assert_array_equal(out["image"], expected)
        result, label = pipe((image, 7))
        assert label == 7
        np.testing.assert_array_equal(result, expected)
        np.testing.assert_array_equal(pipe(image=image)["image"], expected)

    def test_an_index_in_a_mapping_keys_the_draw_as_in_collate(self):
        pipe = vo.Pipeline(va.Rotate())
        sample = {"image": photo(), "index": 5}
        out = pipe(sample)
        assert list(out) == ["image"] and torch.equal(out["image"], pipe(photo(), index=5))
        assert torch.equal(pipe.collate([sample])["image"][0], out["image"])
        declared = vo.Pipeline(va.Rotate(), passthrough=["index"])
        assert declared(sample)["index"] == 5 and declared.collate([sample])["index"] == [5]
        assert torch.equal(declared(sample)["image"], out["image"])

    def test_same_for_every_target(self):
        boxes, points = np.array([[1.0, 2, 3, 4]]), np.array([[5, 6]])
        out = vo.Pipeline(FLIP, output="same")(
            image=photo(), mask=Image.fromarray(photo(c=0)), boxes=boxes, keypoints=points
        )
        assert (
            type(out["boxes"]) is np.ndarray
            and type(out["keypoints"]) is np.ndarray
            and isinstance(out["mask"], Image.Image)
        )
        tensors = vo.Pipeline(FLIP)(image=photo(), boxes=boxes, keypoints=points)
        assert all(type(v) is torch.Tensor for v in tensors.values())

    def test_collate_of_bare_images_tuples_and_dicts(self):
        image, expected = photo(), torch.from_numpy(flip(photo()).copy()).permute(2, 0, 1)
        pipe = vo.Pipeline(FLIP)
        assert torch.equal(
            pipe.collate([image, Image.fromarray(image), torch.from_numpy(image).permute(2, 0, 1)])["image"],
            torch.stack([expected] * 3),
        )
        out = pipe.collate([(image, 3), (image, 4)])
        assert torch.equal(out["label"], torch.tensor([3, 4])) and out["image"].shape == (2, 3, H, W)
        out = pipe.collate([{"image": image, "label": "a"}, {"image": image, "label": "b"}])
        assert out["label"] == ["a", "b"]


class TestMemory:
    """Arrays of every layout give what a plain copy gives, and stay as they are."""

    LAYOUTS = {
        "read-only": lambda a: _read_only(a.copy()),
        "Fortran order": np.asfortranarray,
        "negative strides": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
        "every second": lambda a: np.repeat(np.repeat(a, 2, 0), 2, 1)[::2, ::2],
        "a part": lambda a: np.pad(a, ((3, 4), (5, 6), (0, 0)))[3:-4, 5:-6],
        "channels reversed": lambda a: a[..., ::-1].copy()[..., ::-1],
        "from bytes": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
        "broadcast": lambda a: np.broadcast_to(a[:1, :1], a.shape),
        "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
        "a transposed tensor": lambda a: torch.from_numpy(a.copy()).permute(2, 0, 1),
        "subclass": lambda a: a.view(_Subclass),
        "memory map": lambda a: _memory_map(a),
    }
    STEPS = (
        lambda: (FLIP,),
        lambda: (va.Rotate(20), va.ColorJitter(0.4, 0.4, 0.4, 0.1)),
        lambda: (va.Brightness(0.5),),
        lambda: (va.GaussianBlur(1.0),),
        lambda: (),
    )

    @pytest.mark.parametrize("steps", STEPS, ids=["flip", "warp", "colour", "blur", "nothing"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_layout_does_not_matter(self, layout, dtype, steps):
        given = self.LAYOUTS[layout](photo(dtype=dtype))
        plain = np.ascontiguousarray(given if isinstance(given, np.ndarray) else given.permute(1, 2, 0).numpy()).astype(
            dtype
        )
        before = plain.copy()
        pipe = vo.Pipeline(*steps())
        out = pipe(given, index=0)
        assert torch.equal(out, pipe(plain, index=0))
        after = given if isinstance(given, np.ndarray) else given.permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(after, before)

    @pytest.mark.parametrize("steps", STEPS, ids=["flip", "warp", "colour", "blur", "nothing"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_the_result_owns_its_memory(self, steps, dtype):
        image = photo(dtype=dtype)
        out = vo.Pipeline(*steps())(image, index=0)
        before = out.clone()
        image[:] = 0
        assert torch.equal(out, before)
        out.fill_(1)
        assert (image == 0).all()

    @pytest.mark.parametrize("steps", STEPS, ids=["flip", "warp", "colour", "blur", "nothing"])
    @pytest.mark.parametrize("size", [8, 350])
    def test_a_result_is_not_overwritten_by_the_next(self, steps, size):
        """Large batches have memory of another kind than small ones; neither is used again while a result lives."""
        pipe = vo.Pipeline(*steps(), va.ToFloat())
        batches = torch.rand(4, 6, 3, size, size, generator=torch.Generator().manual_seed(0))
        results = [pipe(batch, index=range(6)) for batch in batches]
        kept = [result.clone() for result in results]
        pipe.collate(list(batches[0]))
        views = results[0][:2], results[1].numpy()
        del results[3]
        pipe(batches[3], index=range(6))
        assert all(torch.equal(a, b) for a, b in zip(results, kept[:3], strict=True))
        assert torch.equal(views[0], kept[0][:2]) and (views[1] == kept[1].numpy()).all()

    @pytest.mark.parametrize("steps", STEPS, ids=["flip", "warp", "colour", "blur", "nothing"])
    def test_the_result_of_labels_owns_its_memory(self, steps):
        mask, boxes, points, k = photo(c=0), np.array([[1.0, 2, 3, 4]]), np.array([[5.0, 6]]), torch.eye(3)
        out = vo.Pipeline(*steps())(image=photo(), mask=mask, boxes=boxes, keypoints=points, intrinsics=k, index=0)
        kept = {name: out[name].clone() for name in ("mask", "boxes", "keypoints", "intrinsics")}
        for array in (mask, boxes, points, k):
            array[:] = 0
        assert all(torch.equal(out[name], kept[name]) for name in kept)


def _read_only(array):
    array.flags.writeable = False
    return array


def _memory_map(array, folder=None):
    import tempfile
    from pathlib import Path

    path = Path(tempfile.mkdtemp()) / "a.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


class _Subclass(np.ndarray):
    pass


class TestSizes:
    EVERYTHING = (
        va.RandomResizedCrop((5, 6)),
        va.Rotate(),
        va.Elastic(1.0, 3.0),
        va.ColorJitter(0.4, 0.4, 0.4, 0.1),
        va.GaussianBlur(),
        va.Erase(),
        va.Normalize(0.5, 0.5),
    )

    def test_one_pixel(self):
        out = vo.Pipeline(*self.EVERYTHING)(
            image=np.full((1, 1, 3), 128, np.uint8),
            mask=np.ones((1, 1), int),
            boxes=[[0, 0, 1, 1]],
            keypoints=[[0, 0]],
            index=0,
        )
        assert out["image"].shape == (3, 5, 6) and out["image"].isfinite().all() and out["mask"].shape == (5, 6)

    @pytest.mark.parametrize("size", [(1, 40), (40, 1), (2, 2), (1, 2)])
    def test_thin(self, size):
        assert vo.Pipeline(*self.EVERYTHING)(np.zeros((*size, 3), np.uint8), index=0).shape == (3, 5, 6)

    def test_empty_batch_with_every_label(self):
        pipe = vo.Pipeline(*self.EVERYTHING)
        out = pipe(
            image=torch.zeros(0, 3, 9, 9),
            mask=torch.zeros(0, 9, 9, dtype=torch.int64),
            boxes=torch.zeros(0, 4, 4),
            box_labels=torch.zeros(0, 4),
            keypoints=torch.zeros(0, 2, 2),
            label=torch.zeros(0),
        )
        assert out["image"].shape == (0, 3, 5, 6) and out["mask"].shape == (0, 5, 6) and out["label"].shape == (0,)
        assert (
            out["boxes"].ndim == out["keypoints"].ndim == 3
            and out["boxes_valid"].ndim == out["keypoints_valid"].ndim == 2
        )
        assert len(out["boxes"]) == len(out["boxes_valid"]) == len(out["box_labels"]) == len(out["keypoints"]) == 0
        out = pipe(image=torch.zeros(0, 3, 9, 9), boxes=[], keypoints=[], index=[])
        assert out["boxes"] == [] and out["keypoints"] == []
        rigid = vo.Pipeline(va.Rotate(), va.MixUp(num_classes=3), va.CutMix(num_classes=3))
        out = rigid(image=torch.zeros(0, 3, 9, 9), label=torch.zeros(0, dtype=torch.int64))
        assert out["label"].shape == (0, 3)

    def test_a_batch_of_no_boxes(self):
        out = vo.Pipeline(FLIP)(
            image=torch.zeros(2, 3, 9, 9), boxes=torch.zeros(2, 0, 4), keypoints=torch.zeros(2, 0, 3)
        )
        assert (
            out["boxes"].shape == (2, 0, 4)
            and out["boxes_valid"].shape == (2, 0)
            and out["keypoints"].shape == (2, 0, 3)
        )

    def test_a_large_image_is_exact_far_out(self):
        """Positions beyond what float32 resolves to a part of a pixel."""
        image = (np.arange(40000) % 251).astype(np.uint8)[None, :, None].repeat(2, 0)
        out = vo.Pipeline(va.HorizontalFlip(), va.Crop((1, 0, 39999, 2)), va.HorizontalFlip())(image)
        np.testing.assert_array_equal(out[0], image[:, 1:-1, 0])


class TestRefusals:
    @pytest.mark.parametrize(
        ("given", "match"),
        [
            (np.zeros(9, np.uint8), r"image must be an array \(h, w\), \(h, w, c\) or \(b, h, w, c\), got \(9,\)"),
            (np.zeros((1, 1, 2, 3, 4), np.uint8), r"image must be an array .* got \(1, 1, 2, 3, 4\)"),
            (torch.zeros(9, 9), r"image must be a tensor \(c, h, w\) or \(b, c, h, w\), got \(9, 9\). Add the channel"),
            (torch.zeros(1, 1, 1, 9, 9), "image must be a tensor"),
            (
                np.zeros((3, 20, 30), np.uint8),
                r"image must be an array with channels last, got \(3, 20, 30\). Use transpose",
            ),
            (torch.zeros(20, 30, 3), r"image must be a tensor with channels first, got \(20, 30, 3\). Use permute"),
            (np.zeros((5, 5, 3), np.int16), r"image must be uint8 or floating, got int16. Convert"),
            (np.zeros((5, 5, 3), np.uint16), "image must be uint8 or floating, got uint16"),
            (np.zeros((5, 5, 3), bool), "image must be uint8 or floating, got bool"),
            (torch.zeros(3, 5, 5, dtype=torch.int64), "image must be uint8 or floating, got torch.int64"),
            (np.zeros((5, 5, 3), np.complex64), "image must be uint8 or floating, got complex64"),
            (np.zeros((5, 5, 3), np.longdouble), "image must be of a dtype that torch has"),
            (np.zeros((5, 5, 3), object), "image must be of a dtype that torch has"),
            (np.zeros((0, 5, 3), np.uint8), r"image must be at least one pixel large, got \(0, 5, 3\)"),
            (np.zeros((5, 0, 3), np.uint8), "image must be at least one pixel large"),
            (torch.zeros(0, 5, 5), "image must be at least one pixel large"),
            (torch.zeros(2, 3, 0, 5), "image must be at least one pixel large"),
            ("photo.jpg", r"image must be a numpy array \(h, w, c\), a PIL image or a tensor \(c, h, w\), got str"),
            (b"123", "image must be a numpy array"),
            (3, "image must be a numpy array"),
        ],
        ids=lambda v: "" if isinstance(v, str) and " " in v else repr(v)[:25],
    )
    def test_images(self, given, match):
        with pytest.raises(ValueError, match=f"Pipeline: {match}"):
            vo.Pipeline(FLIP)(given)

    @pytest.mark.parametrize(
        ("mask", "match"),
        [
            (np.zeros((5, 5), np.uint8), rf"mask must be of the image's size \({H}, {W}\), got \(5, 5\). Resize it"),
            (np.zeros((W, H), np.uint8), "mask must be of the image's size"),
            (np.zeros((2, H, W), np.uint8), "mask must be of the image's size"),
            (np.zeros(5, np.uint8), "mask must be an array"),
            (torch.zeros(5), "mask must be a tensor"),
            (torch.zeros(1, H, W), "mask must be like the first image, single"),
            (np.zeros((H, W), object), "mask must be of a dtype that torch has"),
            ([[0, 1]], "mask must be a numpy array"),
            (None, "mask must be a numpy array"),
        ],
        ids=range(9),
    )
    def test_masks(self, mask, match):
        with pytest.raises(ValueError, match=f"Pipeline: {match}"):
            vo.Pipeline(FLIP)(image=photo(), mask=mask)

    @pytest.mark.parametrize(
        ("targets", "match"),
        [
            ({"right": np.zeros((5, 5, 3), np.uint8)}, "right must be like the first image"),
            ({"right": torch.zeros(2, 3, H, W)}, "right must be like the first image"),
            ({"boxes": torch.zeros(2, 1, 4)}, r"boxes must be of shape \(n, 4\)"),
            ({"intrinsics": torch.zeros(2, 3, 3)}, r"intrinsics must be of shape \(3, 3\)"),
        ],
    )
    def test_targets_that_do_not_go_together(self, targets, match):
        with pytest.raises(ValueError, match=f"Pipeline: {match}"):
            vo.Pipeline(FLIP, targets={"right": "image"})(image=photo(), **targets)

    @pytest.mark.parametrize(
        ("targets", "match"),
        [
            ({"boxes": torch.zeros(2, 1, 4)}, r"boxes must be for 3 samples, got \(2, 1, 4\)"),
            ({"boxes": [[[1, 2, 3, 4]]] * 2}, "boxes must be a list of 3, got 2"),
            ({"boxes": torch.zeros(1, 4)}, r"boxes must be of shape \(b, n, 4\)"),
            ({"keypoints": [[[1, 2]], [[1, 2, 3]], []]}, "keypoints must be of one width in all samples"),
            ({"label": [1, 2]}, "label must be one for each of 3 samples, got 2"),
            ({"label": torch.zeros(4)}, "label must be one for each of 3 samples, got 4"),
            ({"intrinsics": torch.zeros(2, 3, 3)}, r"intrinsics must be of shape \(3, 3, 3\)"),
            ({"box_labels": [[1], [2]], "boxes": [[[1, 2, 3, 4]]] * 3}, "box_labels must be"),
            ({"boxes": 5}, "boxes must be"),
            ({"label": torch.tensor(3)}, "label must be one for each of 3 samples"),
        ],
        ids=range(10),
    )
    def test_of_a_batch(self, targets, match):
        with pytest.raises(ValueError, match=f"Pipeline: {match}"):
            vo.Pipeline(FLIP)(image=torch.zeros(3, 3, 9, 9), **targets)

    def test_nothing_and_too_much(self):
        pipe = vo.Pipeline(FLIP)
        with pytest.raises(ValueError, match="Pipeline: targets must be with an image or a mask"):
            pipe()
        with pytest.raises(ValueError, match="Pipeline: targets must be with an image or a mask"):
            pipe(label=3)
        with pytest.raises(ValueError, match="Pipeline: sample must be given alone or by keywords"):
            pipe(photo(), mask=photo(c=0))
        with pytest.raises(ValueError, match="Pipeline: sample must be an .image, label. tuple, got 3 items"):
            pipe((photo(), 3, 4))
        with pytest.raises(ValueError, match="collate: samples must be at least one sample"):
            pipe.collate([])

    def test_two_images_are_no_image_and_label(self):
        """A list of images is a batch to its user; taking the second for a label would lose it silently."""
        with pytest.raises(ValueError, match=r"collate|label"):
            vo.Pipeline(FLIP)([photo(), photo()])

    def test_an_error_names_the_sample(self):
        with pytest.raises(ValueError, match="sample index 12: Pipeline: image must be uint8"):
            vo.Pipeline(FLIP)(photo(dtype=np.int32), index=12)
        with pytest.raises(ValueError, match="sample index 12: "):
            vo.Pipeline(FLIP)({"image": photo(dtype=np.int32), "index": np.int64(12)})
        with pytest.raises(ValueError, match=r"sample 1 \(index 9\): Pipeline: image must be uint8"):
            vo.Pipeline(FLIP).collate([{"image": photo(), "index": 8}, {"image": photo(dtype=np.int32), "index": 9}])
        with pytest.raises(ValueError, match="sample 1: Pipeline: image must be uint8"):
            vo.Pipeline(FLIP).collate([photo(), photo(dtype=np.int32)])

    @pytest.mark.parametrize(
        ("samples", "match"),
        [
            (
                [{"image": photo()}, {"image": photo(), "label": 1}],
                r"sample 1: collate: samples must be of the same targets",
            ),
            ([{"image": photo(), "index": 1}, {"image": photo()}], "collate: index must be in every sample or in none"),
            ([{"image": photo()}, {"image": photo(c=1)}], "collate: image must be of one dtype and channel count"),
            ([{"image": photo()}, {"image": photo(dtype=np.float32)}], "collate: image must be of one dtype"),
            ([{"image": torch.zeros(2, 3, 4, 4)}], "collate: samples must be single samples, got a batch"),
            ([{"image": photo(), "maks": 1}], "collate: argument 'maks' is unknown"),
            ([{"image": photo(), "boxes": [[3, 3, 1, 1]], "index": 4}], "boxes must be ordered"),
            ([{"image": photo(), "index": "a"}], "index must be"),
        ],
        ids=range(8),
    )
    def test_collate(self, samples, match):
        with pytest.raises(ValueError, match=match):
            vo.Pipeline(FLIP).collate(samples)

    def test_a_batch_of_different_sizes_at_the_end(self):
        out = vo.Pipeline(va.HorizontalFlip()).collate([photo(), photo(5, 6)])["image"]
        assert [tuple(t.shape) for t in out] == [(3, H, W), (3, 5, 6)]
        with pytest.raises(ValueError, match="MixUp: image must be of one size in a batch.*RandomResizedCrop"):
            vo.Pipeline(va.MixUp()).collate([photo(), photo(5, 6)])

    def test_truncated_file(self):
        stream = io.BytesIO()
        Image.fromarray(photo(64, 64)).save(stream, "PNG")
        broken = Image.open(io.BytesIO(stream.getvalue()[:200]))
        with pytest.raises(ValueError, match="Pipeline: image must be"):
            vo.Pipeline(FLIP)(broken)


def test_params_that_lack_a_value_are_named():
    pipe = vo.Pipeline(va.Rotate((-5, 5)))
    params = pipe.sample((6, 6), index=0)
    del params["steps"][0]["degrees"]
    with pytest.raises(ValueError, match="apply: params must be with a value 'degrees'"):
        pipe.apply(params, np.zeros((6, 6, 3), np.uint8))


def test_the_boxes_of_an_empty_batch_keep_their_number():
    out = vo.Pipeline(va.Rotate((-5, 5)))(
        image=torch.zeros(0, 3, 6, 6), boxes=torch.zeros(0, 5, 4), keypoints=torch.zeros(0, 7, 3)
    )
    assert out["boxes"].shape == (0, 5, 4) and out["boxes_valid"].shape == (0, 5)
    assert out["keypoints"].shape == (0, 7, 3) and out["keypoints_valid"].shape == (0, 7)
