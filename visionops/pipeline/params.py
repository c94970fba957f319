"""Parameters of a run: drawn once, applied, inverted and replayed. In public they are plain data that survive JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from visionops.errors import mistake

from .motion import Bound, size_after
from .numbers import Size
from .plan import Plan
from .random import uniforms
from .steps import Deform, Geometric, Group, gate


@dataclass(frozen=True)
class Drawn:
    """The values of every node of a plan. One sample has floats, a batch arrays (b,); tensors where a bound is learned.

    Attributes:
        size: of the source images.
        values: of each node; empty for groups.
        active: for each node whether it runs, a bool or a bool array (b,).
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


def counts(plan: Plan) -> np.ndarray:
    """Returns how many uniforms each node takes: one for its gate, where it has one, then its values'."""
    return np.array([(0 if n.step.p in (0, 1) else 1) + n.step.draws for n in plan.nodes], np.int32)


def draw(
    plan: Plan, need: np.ndarray, size: Size, *, seed: int, epoch: int, index: np.ndarray, view: int, single: bool
) -> Drawn:
    """Returns the values of `index` (b,), a pure function of (seed, epoch, index, view)."""
    table = uniforms(seed, epoch, index, view, need)
    # One sample: plain floats, whose arithmetic costs a tenth of an array's.
    stream: Any = table[:, 0].tolist() if single else table
    values: list[dict[str, Any]] = []
    active: list[Any] = []
    children: dict[int, list[Any]] = {}
    origin = {"seed": seed, "epoch": epoch, "index": int(index[0]) if single else index.tolist(), "view": view}
    used = 0
    now = size
    for i, (node, n) in enumerate(zip(plan.nodes, need.tolist(), strict=True)):
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
            children[i] = [_settle(runs & g) for g in inside]
            values.append({})
            continue
        drawn = step.sample(mine, now)
        values.append(drawn)
        if isinstance(step, Geometric | Deform):
            now = size_after(Bound(step, drawn, runs), now)
    return Drawn(size, tuple(values), tuple(active), None if single else len(index), origin)


def _settle(runs: Any) -> Any:
    """Returns a gate as a plain bool where all samples agree."""
    if isinstance(runs, np.ndarray):
        if runs.all():
            return True
        return runs if runs.any() else False
    return bool(runs)


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


def from_plain(plan: Plan, params: Mapping[str, Any]) -> Drawn:
    """Returns plain data as drawn values, checked against the plan."""
    for key in ("shapes", "steps", "index"):
        if key not in params:
            raise mistake("apply", "params", f"what pipe.sample returned, with {key!r}", sorted(params))
    single = not isinstance(params["index"], Sequence)
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
    batch = None if single else len(params["index"])
    values: list[dict[str, Any]] = [{} for _ in plan.nodes]
    active: list[Any] = [True for _ in plan.nodes]
    for i, entry in zip(leaves, params["steps"], strict=True):
        values[i] = _together({k: _number(v, batch, k) for k, v in entry.items() if k not in ("step", "active")})
        active[i] = _settle(np.asarray(entry["active"]) if isinstance(entry["active"], Sequence) else entry["active"])
    shapes = params["shapes"]
    if single:
        size: Size = (int(shapes[0]), int(shapes[1]))
    else:
        table = np.array(shapes, np.int64).reshape(-1, 2)
        same = len(table) and (table == table[0]).all()
        size = (int(table[0, 0]), int(table[0, 1])) if same else (table[:, 0], table[:, 1])
    origin = {k: params[k] for k in ("seed", "epoch", "index", "view") if k in params}
    return Drawn(size, tuple(values), tuple(active), batch, origin)


def _together(values: dict[str, Any]) -> dict[str, Any]:
    """Returns values as tensors if any of them is one, in double precision on the host."""
    like = next((v for v in values.values() if isinstance(v, Tensor)), None)
    if like is None:
        return values
    kind = torch.float64 if like.device.type == "cpu" else like.dtype
    return {k: torch.atleast_1d(torch.as_tensor(v, dtype=kind, device=like.device)) for k, v in values.items()}


def _number(value: Any, batch: int | None, key: str) -> Any:
    if isinstance(value, Tensor):
        return value
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        array = np.array(None)
    fits = array.dtype.kind in "fiub" and array.shape in ((), (1 if batch is None else batch,))
    if not fits or not np.isfinite(array).all():
        rule = f"a finite number{'' if batch is None else f' or {batch} of them'}"
        raise mistake("apply", f"params[{key!r}]", rule, repr(value))
    return float(array.item()) if batch is None or array.ndim == 0 else array.astype(np.float64)
