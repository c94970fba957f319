"""`Pipeline`: a chain of steps, planned once, run on one sample, a batch, or a list of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from visionops.errors import ArgumentError, closest, mistake, refuse

from . import matrix as mat
from . import serialize
from .execute import bind
from .invert import invert
from .motion import compose, uniform_size
from .numbers import Size
from .params import Drawn, counts, draw, from_plain, to_plain, to_tensors
from .plan import explain, make_plan
from .random import drawn_inside, fresh_index, uniforms
from .run import run
from .state import State, read_list, read_one, write
from .steps import Step, check_fill
from .targets import BOX_FORMATS, KINDS, kinds_of


class Pipeline(nn.Module):
    """A chain of steps that is planned before it runs: neighbouring moves become one resampling, neighbouring
    colour steps one sweep, and labels follow the one composed motion.

    Called on one sample (numpy HWC, PIL, or a CHW tensor), on a batch of tensors, or through `collate` on a list of
    samples. A positional image returns an image, a mapping or an (image, label) tuple returns its like, keywords
    return a dict. Gradients reach images, points, intrinsics, and every bound given as an `nn.Parameter`.

    Args:
        steps: see `visionops.augment`.
        seed: the draws of a sample are a pure function of (seed, epoch, index, view). Without an index one is drawn
            from torch's generator.
        fuse: False runs one step at a time, with the same meaning.
        output: "tensor" returns CHW tensors; "same" what came in.
        antialias: whether a warp that minifies filters first.
        interpolation: "bilinear", "bicubic" or "nearest", of images. Masks are always nearest.
        fill: what a warp shows from outside the source: a number, one for each channel, or a dict by target.
            Colours in [0, 1], masks in their own values.
        targets: kinds of further targets, {"right_image": "image"}.
        passthrough: names carried along untouched.
        box_format: "xyxy", "xywh", "cxcywh" in pixels, or "yolo": cxcywh as fractions of the image.
        box_hull: what bounds a rotated box, its "corners" or the "ellipse" in it.
        box_min_area: drop boxes of which less is left, square pixels.
        box_min_visibility: drop boxes of which a smaller share is left.
        keypoint_swap: pairs of keypoints that change places when the image is mirrored, as left and right eye.

    Boxes are clipped and filtered once, at the end. One sample loses dropped boxes with their `box_labels`; in a
    batch tensor they stay, and `boxes_valid` says which are left. Keypoints never drop: `keypoints_valid` says
    which are seen. `intrinsics` become ``M K``. uint8 stays uint8 unless a step normalises.

    Raises:
        ValueError: for anything a caller can mend; the message says how.

    >>> import numpy as np, visionops.augment as va
    >>> pipe = Pipeline(va.Resize((4, 4)), va.HorizontalFlip())
    >>> pipe(np.zeros((8, 6, 3), np.uint8)).shape
    torch.Size([3, 4, 4])
    >>> print(pipe.explain())
    warp (2 steps, 4x4)
      1. warp (2 steps, 4x4): Resize > HorizontalFlip
      labels follow one motion composed of 2 steps
    """

    def __init__(
        self,
        *steps: Step,
        seed: int = 0,
        fuse: bool = True,
        output: str = "tensor",
        antialias: bool = True,
        interpolation: str = "bilinear",
        fill: float | Sequence[float] | Mapping[str, Any] = 0.0,
        targets: Mapping[str, str] | None = None,
        passthrough: Sequence[str] = (),
        box_format: str = "xyxy",
        box_hull: str = "corners",
        box_min_area: float = 0.0,
        box_min_visibility: float = 0.0,
        keypoint_swap: Sequence[tuple[int, int]] = (),
        **unknown: Any,
    ) -> None:
        super().__init__()
        if unknown:
            known = [*serialize.OPTIONS, "steps"]
            raise ArgumentError(
                f"Pipeline: argument {next(iter(unknown))!r} is unknown. {closest(next(iter(unknown)), known)}"
            )
        for step in steps:
            if not isinstance(step, Step):
                raise mistake(
                    "Pipeline",
                    "steps",
                    "steps of visionops.augment",
                    repr(step),
                    "Give them one by one, Pipeline(*steps).",
                )
        _one_of("output", output, ("tensor", "same"))
        _one_of("interpolation", interpolation, ("nearest", "bilinear", "bicubic"))
        _one_of("box_format", box_format, BOX_FORMATS)
        _one_of("box_hull", box_hull, ("corners", "ellipse"))
        if not isinstance(targets or {}, Mapping):
            raise mistake("Pipeline", "targets", "a mapping {name: kind}", repr(targets))
        pairs = keypoint_swap if isinstance(keypoint_swap, list | tuple) else [keypoint_swap]
        if not all(
            isinstance(p, list | tuple) and len(p) == 2 and all(isinstance(k, int) and k >= 0 for k in p) for p in pairs
        ):
            raise mistake("Pipeline", "keypoint_swap", "pairs of keypoint numbers, [(1, 2)]", repr(keypoint_swap))
        for name, flag in (("fuse", fuse), ("antialias", antialias)):
            if not isinstance(flag, bool | np.bool_):
                raise mistake("Pipeline", name, "True or False", repr(flag))
        if isinstance(passthrough, str):
            raise mistake("Pipeline", "passthrough", "a list of names", repr(passthrough), f"Write [{passthrough!r}].")
        for name in (*passthrough, *(targets or {})):
            if name in KINDS:
                raise mistake("Pipeline", "passthrough and targets", "names of your own", repr(name), "It has a kind.")
        if not isinstance(seed, int | np.integer):
            raise mistake("Pipeline", "seed", "an int", repr(seed))
        for name, kind in (targets or {}).items():
            _one_of(f"targets[{name!r}]", kind, KINDS)
        self.steps = nn.ModuleList(steps)
        self.seed, self.fuse, self.output = int(seed), bool(fuse), output
        self.antialias, self.interpolation = bool(antialias), interpolation
        self.fill = {
            k: check_fill("Pipeline", v) for k, v in (fill if isinstance(fill, Mapping) else {"image": fill}).items()
        }
        self.targets, self.passthrough = dict(targets or {}), tuple(passthrough)
        self.box_format, self.box_hull = box_format, box_hull
        for name, least in (("box_min_area", box_min_area), ("box_min_visibility", box_min_visibility)):
            if not isinstance(least, int | float) or not least >= 0:
                raise mistake("Pipeline", name, "a number of at least 0", repr(least))
        self.box_min_area, self.box_min_visibility = float(box_min_area), float(box_min_visibility)
        self.keypoint_swap: tuple[tuple[int, int], ...] = tuple((a, b) for a, b in pairs)  # type: ignore[misc]
        for name in self.fill:
            if name not in (*KINDS[:2], *self.targets):
                raise mistake("Pipeline", "fill", "for a target that has pixels", repr(name), closest(name, KINDS[:2]))
        self.plan = make_plan(steps, fuse=fuse)
        self._need = counts(self.plan)
        self._table = np.array(self._need, np.int32)  # the same, as the generator wants it
        self._kinds: dict[tuple[str, ...], dict[str, str]] = {}  # of the names it was called with
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    # How a pipeline is used.

    def forward(
        self, sample: Any = None, /, *, index: Any = None, epoch: int | None = None, view: int = 0, **targets: Any
    ) -> Any:
        """Returns the targets after one fresh draw.

        Args:
            sample: an image, a mapping of targets, or an (image, label) tuple, instead of keywords.
            index: of the sample in its data set (of each, in a batch); the draw depends on it and on nothing else
                but the seed, epoch and view.
            epoch: None takes what `set_epoch` set.
            view: tells two draws of one sample apart.
            targets: image, mask, boxes, box_labels, keypoints, intrinsics, label, and those declared.
        """
        form, given = _open(sample, targets)
        if index is None and form == "mapping":
            index, given = self._take_index(given)
        if torch.compiler.is_compiling():
            state = self._read(given)
            return _close(form, sample, write(run(self, state, self._draw(state, index, epoch, view)), self.output))
        try:
            state = self._read(given)
            drawn = self._draw(state, index, epoch, view)
            result = write(run(self, state, drawn), self.output)
        except (ValueError, TypeError) as error:
            if isinstance(index, int | np.integer):
                raise ValueError(f"sample index {index}: {error}") from error
            raise
        return _close(form, sample, result)

    def collate(self, samples: Sequence[Any]) -> dict[str, Any]:
        """Returns a list of samples as one batch, augmented: the `collate_fn` of a DataLoader.

        Args:
            samples: mappings of targets (an "index" among them keys the draw), bare images, or (image, label)
                tuples; images may differ in size.

        Images, masks, intrinsics and numeric labels are batch tensors (lists where sizes differ at the end);
        boxes, box_labels, keypoints and keypoints_valid are lists. In a worker the batch is in shared memory.
        """
        if torch.compiler.is_compiling():
            raise refuse("collate", "samples", "joined outside torch.compile", "a list", "Compile pipe(image=batch).")
        if len(samples) == 0:
            raise mistake("collate", "samples", "at least one sample", "none")
        index, opened = zip(*(self._take_index(_open(sample, {})[1]) for sample in samples), strict=True)
        kinds = kinds_of("collate", list(opened[0]), self.targets, self.passthrough)
        state = read_list(opened, kinds, index)
        if any(i is None for i in index) and any(i is not None for i in index):
            raise mistake("collate", "index", "in every sample or in none", index)
        if not all(i is None or np.asarray(i).dtype.kind in "iu" for i in index):
            raise mistake("collate", "index", "an int in every sample", index)
        keyed = None if index[0] is None else [int(i) for i in index]
        worker = torch.utils.data.get_worker_info() is not None
        drawn = self._draw(state, keyed, None, 0)
        try:
            return write(run(self, state, drawn, _shared if worker else None), self.output)
        except ValueError as error:
            raise self._blame(state, drawn, index, error) from error

    def sample(
        self,
        shapes: Sequence[Any],
        *,
        index: Any = None,
        epoch: int | None = None,
        view: int = 0,
        device: torch.device | str | None = None,
    ) -> dict[str, Any]:
        """Returns a draw as plain data, to apply, invert or keep as JSON.

        Args:
            shapes: (height, width) of one image, or a list of them for a batch.
            index: an int, or one for each image of a batch.
            device: where every value and gate is wanted as a tensor (b,): what an `apply` in `torch.compile` takes,
                which would compile plain numbers in. Values are float64. None returns plain data.

        A value that depends on an `nn.Parameter` stays a tensor, with its graph.
        """
        single = len(shapes) == 2 and all(isinstance(n, int | np.integer) for n in shapes)
        table = np.array([shapes] if single else shapes, np.int64).reshape(-1, 2)
        if (table <= 0).any():
            raise mistake("sample", "shapes", "(height, width) of at least one pixel", shapes)
        same = len(table) > 0 and (table == table[0]).all()
        size: Size = (int(table[0, 0]), int(table[0, 1])) if same else (table[:, 0], table[:, 1])
        drawn = self._draw_for(size, len(table), single, index, epoch, view)
        return to_plain(self.plan, drawn) if device is None else to_tensors(self.plan, drawn, torch.device(device))

    def apply(self, params: Any, sample: Any = None, /, **targets: Any) -> Any:  # type: ignore[override]
        """Returns the targets under a given draw, as from `sample` or its JSON.

        A function instead of params is applied to the submodules, as in any `nn.Module`.
        """
        if not isinstance(params, Mapping) and callable(params):
            return super().apply(params)
        form, given = _open(sample, targets)
        _, given = self._take_index(given)
        state = self._read(given)
        drawn = from_plain(self.plan, params)
        self._check_fit(state, drawn)
        try:
            result = write(run(self, state, drawn), self.output)
        except KeyError as error:
            raise mistake("apply", "params", f"with a value {error}", "a step without it") from error
        return _close(form, sample, result)

    def inverse(self, params: Mapping[str, Any], sample: Any = None, /, **targets: Any) -> Any:
        """Returns predictions made on augmented images as they lie on the source images.

        Geometry only: colours, blurs and mixes stay. What the augmented image does not show is fill in images and
        masks; boxes are clipped to the source, and keypoints outside it are not valid. Where a draw deforms, images
        come back through its inverse by fixed point.
        """
        form, given = _open(sample, targets)
        _, given = self._take_index(given)
        # What a pipeline returned can be given back whole: its verdicts are made anew.
        given = {name: v for name, v in given.items() if not (name.endswith("_valid") and name[:-6] in given)}
        kinds = kinds_of("inverse", list(given), self.targets, self.passthrough)
        return _close(form, sample, invert(self, from_plain(self.plan, params), given, kinds))

    def matrix(self, params: Mapping[str, Any]) -> Tensor:
        """Returns the composed matrix of a draw, source to output pixels, (3, 3) or (b, 3, 3).

        Raises:
            ValueError: if a step deforms; that has no matrix.
        """
        drawn = from_plain(self.plan, params)
        motion = compose(bind(self.plan, drawn, self.plan.moves), drawn.size, torch.empty(0))
        if motion.deforms:
            raise mistake("matrix", "pipeline", "without a deformation", "one", "A dense map has no matrix.")
        stacked = mat.stack(mat.inverse(motion.matrix))
        m = stacked if isinstance(stacked, Tensor) else torch.from_numpy(stacked)
        return m[0] if drawn.batch is None else m.expand(drawn.count, 3, 3)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch that draws depend on, in this process and in every worker that shares the pipeline."""
        self._epoch.fill_(int(epoch))

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def explain(self) -> str:
        """Returns the passes as text: on the first line all of them, then each with its steps."""
        return explain(self.plan)

    def to_dict(self) -> dict[str, Any]:
        """Returns the pipeline as plain data, from which `from_dict` builds it again."""
        return serialize.to_dict(self)

    def to_json(self) -> str:
        return serialize.to_json(self)

    def to_yaml(self) -> str:
        return serialize.to_yaml(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Pipeline:
        """Returns the pipeline that plain data describes. Only steps of visionops are built, nothing is executed."""
        return serialize.from_dict(data)

    @staticmethod
    def from_json(text: str) -> Pipeline:
        return serialize.from_json(text)

    @staticmethod
    def from_yaml(text: str) -> Pipeline:
        return serialize.from_yaml(text)

    def extra_repr(self) -> str:
        return ", ".join(f"{k}={v!r}" for k, v in serialize.options_of(self).items())

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if not self._epoch.is_shared():
            self._epoch = self._epoch.share_memory_()

    # How it runs.

    def _blame(self, state: State, drawn: Drawn, index: Sequence[Any], error: Exception) -> Exception:
        """Returns the error of a batch as that of the first sample that fails alone too, named."""
        if any(stretch.mix is not None for stretch in self.plan.stretches):
            return error  # its samples do not run alone
        for i, key in enumerate(index):
            try:
                write(run(self, state.one(i), drawn.one(i)), self.output)
            except (ValueError, TypeError) as mine:
                return ValueError(f"sample {i}{'' if key is None else f' (index {key})'}: {mine}")
        return error

    def _take_index(self, targets: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
        """Returns the index that a sample carries, and its targets: without it, unless "index" is declared."""
        if "index" not in targets or "index" in (*self.passthrough, *self.targets):
            return targets.get("index"), targets
        return targets["index"], {name: value for name, value in targets.items() if name != "index"}

    def _read(self, targets: Mapping[str, Any]) -> State:
        names = tuple(targets)
        if torch.compiler.is_compiling():  # a dict that grows is compiled anew
            return read_one(targets, kinds_of("Pipeline", names, self.targets, self.passthrough))
        if names not in self._kinds:
            self._kinds[names] = kinds_of("Pipeline", names, self.targets, self.passthrough)
        return read_one(targets, self._kinds[names])

    def _draw(self, state: State, index: Any, epoch: int | None, view: int) -> Drawn:
        if state.size is None:
            raise mistake(
                "Pipeline",
                "targets",
                "with an image or a mask",
                sorted(state.kinds),
                "Points alone need a draw: pipe.apply(pipe.sample(shape), keypoints=...).",
            )
        single = state.form == "single"
        if torch.compiler.is_compiling():
            return self._draw_inside(state.size, state.count, single, index, epoch, view, state.like.device)
        return self._draw_for(state.size, state.count, single, index, epoch, view)

    def _draw_for(self, size: Size, batch: int, single: bool, index: Any, epoch: int | None, view: int) -> Drawn:
        if index is None:
            keys = fresh_index(batch)
        else:
            keys = np.atleast_1d(np.asarray(index.cpu() if isinstance(index, Tensor) else index))
            if (keys.dtype.kind not in "iu" and keys.size) or keys.shape != (batch,):
                rule = "an int" if single else f"one int for each of {batch} samples"
                raise mistake("Pipeline", "index", rule, index)
            keys = keys.astype(np.int64)
        epoch = self.epoch if epoch is None else int(epoch)
        table = uniforms(self.seed, epoch, keys, int(view), self._table)
        stream: Any = table[:, 0].tolist() if single else table
        which: Any = int(keys[0]) if single else keys.tolist()
        origin = {"seed": self.seed, "epoch": epoch, "index": which, "view": int(view)}
        return draw(self.plan, self._need, stream, size, None if single else batch, origin)

    def _draw_inside(
        self, size: Size, batch: int, single: bool, index: Any, epoch: Any, view: int, device: torch.device
    ) -> Drawn:
        """Returns the same draw under `torch.compile`, as tensors on a device."""
        if index is None:
            index = torch.randint(2**62, (batch,))
        elif not isinstance(index, Tensor):
            rule, got = "a tensor under torch.compile", type(index).__name__
            raise refuse("Pipeline", "index", rule, got, "A number would be compiled in.")
        elif index.is_floating_point() or tuple(torch.atleast_1d(index).shape) != (batch,):
            raise refuse("Pipeline", "index", f"one int for each of {batch} samples", tuple(index.shape))
        now = self._epoch if epoch is None else epoch
        table = drawn_inside(index.reshape(batch).long(), now, self.seed, view, self._need)
        return draw(self.plan, self._need, table.to(device).unbind(0), size, None if single else batch, {})

    def _check_fit(self, state: State, drawn: Drawn) -> None:
        single = drawn.batch is None
        if state.size is None:  # labels alone: the draw knows the size
            form = "single" if single else "batch"
            state.size, state.form, state.count = drawn.size, form, drawn.count
            return
        if single != (state.form == "single") or state.count != drawn.count:
            raise mistake("apply", "params", f"drawn for {state.form} {state.count}", f"{drawn.count} samples")
        if uniform_size(state.size) != uniform_size(drawn.size):
            raise mistake(
                "apply", "params", f"drawn for images of {state.size}", drawn.size, "Draw with sample(image shapes)."
            )


def _open(sample: Any, targets: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Returns the form of a positional sample, and its targets by name."""
    if sample is None:
        return "keywords", targets
    if targets:
        raise mistake("Pipeline", "sample", "given alone or by keywords", f"both, with {sorted(targets)}")
    if isinstance(sample, Mapping):
        return "mapping", sample
    if isinstance(sample, tuple | list):
        if len(sample) != 2:
            raise mistake("Pipeline", "sample", "an (image, label) tuple", f"{len(sample)} items", "Use a dict.")
        shape = tuple(getattr(sample[1], "shape", ()))
        two_images = len(shape) > 1 and shape[:2] == tuple(getattr(sample[0], "shape", ()))[:2]
        if isinstance(sample[1], Mapping) or hasattr(sample[1], "convert") or len(shape) > 2 or two_images:
            raise mistake("Pipeline", "sample", "an (image, label) tuple", "a mask, an image or a mapping as its label",
                          "Name them, as in {'image': a, 'mask': b}; give a list of images to collate.")  # fmt: skip
        return "tuple", {"image": sample[0], "label": sample[1]}
    return "image", {"image": sample}


def _close(form: str, sample: Any, result: dict[str, Any]) -> Any:
    if form == "image":
        return result["image"]
    return (result["image"], result["label"]) if form == "tuple" else result


def _one_of(name: str, value: Any, known: Sequence[str]) -> None:
    if value not in known:
        raise mistake("Pipeline", name, f"one of {', '.join(known)}", repr(value), closest(str(value), known))


def _shared(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Returns an empty tensor in shared memory, so that a worker hands over its batch without a copy."""
    count = int(np.prod(shape))
    storage = torch.UntypedStorage._new_shared(count * dtype.itemsize)
    return torch.empty(0, dtype=dtype).set_(storage, 0, shape)  # type: ignore[call-overload]
