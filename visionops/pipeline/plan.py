"""The planner: a chain of steps becomes a few passes over the pixels. It knows kinds, not operators.

Steps are never reordered. Neighbouring geometric steps become one warp, neighbouring colour steps one sweep, which
rides on the warp before it. A `Local` step, a `Mix` and a `Barrier` end a pass. So does a geometric step with a
border other than fill (a reflection of a reflection is not one), unless it comes first in its pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .steps import Barrier, Color, Deform, Geometric, Group, Local, Mix, Step


@dataclass(frozen=True)
class Node:
    """A step in the order of the chain, groups included, with the group it stands in."""

    step: Step
    parent: int | None
    place: int


@dataclass(frozen=True)
class Pass:
    """What one run over the pixels does: geometric steps, then colours; or one neighbourhood or batch step.

    All numbers are positions among the nodes.
    """

    geometric: tuple[int, ...] = ()
    color: tuple[int, ...] = ()
    local: int | None = None
    mix: int | None = None


@dataclass(frozen=True)
class Stretch:
    """Passes that labels follow in one motion, their geometric nodes, and the node of the batch step after them."""

    passes: tuple[Pass, ...]
    moves: tuple[int, ...]
    mix: int | None


@dataclass(frozen=True)
class Plan:
    """The passes of a chain, and the stretches between batch steps that labels follow in one motion each.

    Attributes:
        stretches: the passes between batch steps, each with the batch step that follows, if any.
        moves: the nodes of all geometric steps.
        gated: for each node whether a draw decides if it runs.
        to_float: whether integers leave as floats.
    """

    nodes: tuple[Node, ...]
    passes: tuple[Pass, ...]
    stretches: tuple[Stretch, ...]
    moves: tuple[int, ...]
    gated: tuple[bool, ...]
    to_float: bool


def number(steps: Sequence[Step], parent: int | None = None, start: int = 0) -> list[Node]:
    """Returns the steps and groups in the order in which they draw, parents before their children."""
    nodes: list[Node] = []
    for place, step in enumerate(steps):
        at = start + len(nodes)
        nodes.append(Node(step, parent, place))
        if isinstance(step, Group):
            nodes += number(list(step.steps), at, at + 1)  # type: ignore[arg-type]
    return nodes


def make_plan(steps: Sequence[Step], *, fuse: bool) -> Plan:
    """Returns the passes of a chain, as few as its meaning allows, or one for each step if not `fuse`."""
    nodes = number(steps)
    passes: list[Pass] = []
    is_open = False
    for i, node in enumerate(nodes):
        step = node.step
        last = passes[-1] if passes and is_open and fuse else None
        is_open = True
        if isinstance(step, Geometric | Deform):
            if last is not None and last.geometric and not last.color and _may_follow(nodes, last.geometric, step):
                passes[-1] = Pass(geometric=(*last.geometric, i))
            else:
                passes.append(Pass(geometric=(i,)))
        elif isinstance(step, Color):
            if last is not None and last.local is None and last.mix is None:
                passes[-1] = Pass(last.geometric, (*last.color, i))
            else:
                passes.append(Pass(color=(i,)))
        elif isinstance(step, Local):
            passes.append(Pass(local=i))
        elif isinstance(step, Mix):
            passes.append(Pass(mix=i))
        elif isinstance(step, Barrier):
            is_open = False
    gated: list[bool] = []
    for node in nodes:
        above = node.parent is not None and (gated[node.parent] or nodes[node.parent].step.draws > 0)
        gated.append(above or node.step.p != 1)
    to_float = any(isinstance(n.step, Color) and n.step.to_float for n in nodes)
    return Plan(tuple(nodes), tuple(passes), _stretches(passes), _moves(passes), tuple(gated), to_float)


def _stretches(passes: Sequence[Pass]) -> tuple[Stretch, ...]:
    found, current = [], []
    for one in passes:
        if one.mix is None:
            current.append(one)
        else:
            found.append(Stretch(tuple(current), _moves(current), one.mix))
            current = []
    return (*found, Stretch(tuple(current), _moves(current), None))


def _moves(passes: Sequence[Pass]) -> tuple[int, ...]:
    return tuple(i for one in passes for i in one.geometric)


def _may_follow(nodes: Sequence[Node], before: Sequence[int], step: Geometric | Deform) -> bool:
    """Returns whether a step merges into a warp: it fills its outside, and a dense map knows one fill only."""
    if step.border != "constant":
        return False
    chain = [nodes[i].step for i in before] + [step]
    dense = any(isinstance(s, Deform) for s in chain)
    return not dense or len({s.fill for s in chain}) == 1  # type: ignore[union-attr]


def explain(plan: Plan) -> str:
    """Returns the passes as text: one line for all of them, then one for each."""
    if not plan.passes:
        return "nothing to do"
    titles = [_title(plan, one) for one in plan.passes]
    lines = [" | ".join(titles)]
    for i, (one, title) in enumerate(zip(plan.passes, titles, strict=True)):
        lines.append(f"  {i + 1}. {title}: {' > '.join(_gated(plan, n) for n in _members(one))}")
    moves = plan.moves
    if moves:
        motions = sum(bool(stretch.moves) for stretch in plan.stretches)
        lines.append(
            f"  labels follow {'one motion' if motions == 1 else f'{motions} motions'}"
            f" composed of {len(moves)} step{'s' * (len(moves) > 1)}"
        )
    return "\n".join(lines)


def _members(one: Pass) -> tuple[int, ...]:
    single = one.local if one.local is not None else one.mix
    return (*one.geometric, *one.color) if single is None else (single,)


def _title(plan: Plan, one: Pass) -> str:
    steps = [plan.nodes[n].step for n in _members(one)]
    if not one.geometric:
        return steps[0].describe() if len(steps) == 1 else "colour sweep"
    moves = [plan.nodes[n].step for n in one.geometric]
    sizes = [size for move in moves if (size := getattr(move, "fixed_size", None)) is not None]
    count = f"{len(moves)} step{'s' * (len(moves) > 1)}"
    size = f", {sizes[-1][0]}x{sizes[-1][1]}" if sizes else ""
    return f"warp ({count}{size})" + (" + colour sweep" if one.color else "")


def _gated(plan: Plan, n: int) -> str:
    """Returns a step's name with what decides whether it runs."""
    node = plan.nodes[n]
    text = type(node.step).__name__ + (f" (p={node.step.p:g})" if node.step.p < 1 else "")
    if node.parent is not None:
        text += f" in {_gated(plan, node.parent)}"
    return text
