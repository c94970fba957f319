"""Parameters of a run: drawn once, applied, inverted and replayed. In public they are plain data that survive JSON,
or, for a compiled `apply`, the same data with a tensor wherever a draw can differ from the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.errors import mistake, refuse
from visionops.kernels.functions import is_transformed

from .motion import Bound, size_after
from .numbers import Size, logical_and
from .plan import Plan
from .steps import Deform, Geometric, Group, gate


@dataclass(frozen=True)
class Drawn:
    """The values of every node of a plan. One sample has floats, a batch arrays (b,); tensors where a bound is learned,
    and under compile.

    Attributes:
        size: of the source images.
        values: of each node; empty for groups.
        active: for each node whether it runs, a bool, or a bool array or tensor (b,).
        batch: the number of samples, or None for one sample.
    """

    size: Size
    values: tuple[dict[str, Any], ...]
    active: tuple[Any, ...]
    batch: int | None
    origin: dict[str, Any]

    @property
    def count(self) -> int:
        return 1 if self.batch is None else self.batch

    def one(self, i: int) -> Drawn:
        """Returns sample i alone, with floats."""
        values = tuple({k: _item(v, i, self.count) for k, v in node.items()} for node in self.values)
        active = tuple(_item(a, i, self.count) for a in self.active)
        size = (_item(self.size[0], i, self.count), _item(self.size[1], i, self.count))
        return Drawn(size, values, active, None, self.origin)


def _item(value: Any, i: int, batch: int) -> Any:
    if isinstance(value, np.ndarray):
        return value[i].item()
    if isinstance(value, Tensor) and value.ndim and value.shape[0] == batch > 1:
        return value[i : i + 1]
    return value


def counts(plan: Plan) -> tuple[int, ...]:
    """Returns how many uniforms each node takes: one for its gate, where it has one, then its values'."""
    return tuple((0 if n.step.p in (0, 1) else 1) + n.step.draws for n in plan.nodes)


def draw(
    plan: Plan, need: Sequence[int], stream: Sequence[Any], size: Size, batch: int | None, origin: dict[str, Any]
) -> Drawn:
    """Returns the values of every node.

    Args:
        need: what `counts` returned.
        stream: as many uniforms: floats for one sample, whose arithmetic costs a tenth of an array's, or arrays or
            tensors (b,).
        batch: the number of samples, None for one sample.
        origin: what was drawn, and which draw of it.
    """
    values: list[dict[str, Any]] = []
    active: list[Any] = []
    children: dict[int, list[Any]] = {}
    used = 0
    now = size
    for i, (node, n) in enumerate(zip(plan.nodes, need, strict=True)):
        step = node.step
        runs: Any = True if node.parent is None else children[node.parent][node.place]
        mine = stream[used : used + n]
        used += n
        if step.p != 1:
            gated = step.p != 0
            runs = _settle(gate(step, mine[0] if gated else None, runs))
            mine = mine[1:] if gated else mine
        active.append(runs)
        if isinstance(step, Group):
            inside = step.gates(mine)
            children[i] = [_settle(logical_and(runs, g)) for g in inside]
            values.append({})
            continue
        drawn = step.sample(mine, now)
        values.append(drawn)
        if isinstance(step, Geometric | Deform):
            now = size_after(Bound(step, drawn, runs), now)
    return Drawn(size, tuple(values), tuple(active), batch, origin)


def _settle(runs: Any) -> Any:
    """Returns a gate as a plain bool where all samples agree; a tensor is not looked into."""
    if isinstance(runs, np.ndarray):
        if runs.all():
            return True
        return runs if runs.any() else False
    return runs if isinstance(runs, Tensor) else bool(runs)


def to_plain(plan: Plan, drawn: Drawn) -> dict[str, Any]:
    """Returns drawn values as plain data; only learned ones stay tensors, with their graph."""
    h, w = drawn.size
    if drawn.batch is None:
        shapes: list[Any] = [int(h), int(w)]
    else:
        shapes = [[int(a), int(b)] for a, b in zip(*(np.broadcast_to(n, drawn.batch) for n in (h, w)), strict=True)]
    steps = [
        {"step": type(node.step).__name__, "active": _plain(active), **{k: _plain(v) for k, v in values.items()}}
        for node, active, values in zip(plan.nodes, drawn.active, drawn.values, strict=True)
        if not isinstance(node.step, Group)
    ]
    return {**drawn.origin, "shapes": shapes, "steps": steps}


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor) and not value.requires_grad and value.device.type == "cpu":
        value = value.numpy()
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def to_tensors(plan: Plan, drawn: Drawn, device: torch.device) -> dict[str, Any]:
    """Returns drawn values as tensors (b,) in double precision; a gate is one wherever it is drawn."""
    size, batch = drawn.size, drawn.batch
    if isinstance(size[0], np.ndarray) or isinstance(size[1], np.ndarray):
        raise mistake("sample", "shapes", "of one size where tensors are wanted", "several")

    def tensor(value: Any, dtype: torch.dtype) -> Tensor:
        made = value if isinstance(value, Tensor) else torch.as_tensor(value, dtype=dtype)
        return made.to(device, dtype).expand(drawn.count).contiguous()  # one layout, whatever was drawn

    steps = []
    for i, node in enumerate(plan.nodes):
        if not isinstance(node.step, Group):
            gate = tensor(drawn.active[i], torch.bool) if plan.gated[i] else True
            values = {k: tensor(v, torch.float64) for k, v in drawn.values[i].items()}
            steps.append({"step": type(node.step).__name__, "active": gate, **values})
    index = torch.tensor(drawn.origin["index"], dtype=torch.int64, device=device)
    shapes: list[Any] = [int(size[0]), int(size[1])]
    return {**drawn.origin, "index": index, "shapes": shapes if batch is None else [shapes] * batch, "steps": steps}


def from_plain(plan: Plan, params: Mapping[str, Any]) -> Drawn:
    """Returns plain data, or its form of tensors, as drawn values, checked against the plan."""
    for key in ("shapes", "steps", "index"):
        if key not in params:
            raise mistake("apply", "params", f"what pipe.sample returned, with {key!r}", sorted(params))
    index = params["index"]
    single = index.ndim == 0 if isinstance(index, Tensor) else not isinstance(index, Sequence)
    leaves = [i for i, node in enumerate(plan.nodes) if not isinstance(node.step, Group)]
    names = [type(plan.nodes[i].step).__name__ for i in leaves]
    given = [entry.get("step") for entry in params["steps"]]
    if given != names:
        raise mistake(
            "apply",
            "params",
            f"drawn by this pipeline ({', '.join(names)})",
            ", ".join(map(str, given)),
            "Replay them on the pipeline that drew them.",
        )
    batch = None if single else len(index)
    values: list[dict[str, Any]] = [{} for _ in plan.nodes]
    active: list[Any] = [True for _ in plan.nodes]
    for i, entry in zip(leaves, params["steps"], strict=True):
        values[i] = _together({k: _number(v, batch, k) for k, v in entry.items() if k not in ("step", "active")})
        gate = _host(entry["active"])
        active[i] = _settle(np.asarray(gate) if isinstance(gate, Sequence) else gate)
    shapes = params["shapes"]
    if single or (isinstance(index, Tensor) and len(shapes) > 0):  # tensors are drawn for one size
        h, w = shapes if single else shapes[0]
        size: Size = (int(h), int(w))
    else:
        table = np.array(shapes, np.int64).reshape(-1, 2)
        same = len(table) and (table == table[0]).all()
        size = (int(table[0, 0]), int(table[0, 1])) if same else (table[:, 0], table[:, 1])
    return Drawn(size, tuple(values), tuple(active), batch, {})


def _host(value: Any) -> Any:
    """Returns a tensor that nothing differentiates, traces or keeps elsewhere as an array; all else as it is."""
    if (
        not isinstance(value, Tensor)
        or torch.compiler.is_compiling()
        or value.requires_grad
        or value.device.type != "cpu"
        or is_transformed()
    ):
        return value
    return value.numpy()


def _together(values: dict[str, Any]) -> dict[str, Any]:
    """Returns values as tensors if any of them is one, in double precision on the host."""
    like = next((v for v in values.values() if isinstance(v, Tensor)), None)
    if like is None:
        return values
    kind = torch.float64 if like.device.type == "cpu" else like.dtype
    return {k: torch.atleast_1d(torch.as_tensor(v, dtype=kind, device=like.device)) for k, v in values.items()}


def _number(value: Any, batch: int | None, key: str) -> Any:
    value = _host(value)
    if isinstance(value, Tensor):
        return value
    if torch.compiler.is_compiling():
        raise refuse("apply", f"params[{key!r}]", "a tensor under torch.compile", "a number", "Give sample a device.")
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    fits = array.dtype.kind in "fiub" and array.shape in ((), (1 if batch is None else batch,))
    if not fits or not np.isfinite(array).all():
        rule = f"a finite number{'' if batch is None else f' or {batch} of them'}"
        raise mistake("apply", f"params[{key!r}]", rule, repr(value))
    return float(array.item()) if batch is None or array.ndim == 0 else array.astype(np.float64)
