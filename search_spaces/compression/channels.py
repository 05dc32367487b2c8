"""Which channels of a network belong together: found once on its workload, for shapes and modules alike.

Every convolution and linear layer makes new channels; whatever follows passes them on, adds some to others
(a residual connection: both sides must then lose the same ones) or puts some beside others (a concatenation).
Channels that reach something that needs all of them - an output of the network, an operator that is not
known here - stay whole.

Source: Fang et al., DepGraph: Towards Any Structural Pruning, CVPR 2023 (groups of coupled parameters).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.workload.graph import Op, Workload

RESHAPES: Final = frozenset(
    ["flatten", "view", "reshape", "squeeze", "unsqueeze", "copy", "contiguous", "_unsafe_view", "unflatten"]
)
"""Functions that keep the order of the elements."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Channels of one group as they lie on an axis: each of `n` `repeat` times, side by side."""

    group: int
    n: int
    repeat: int = 1


@dataclass(frozen=True, slots=True)
class Lane:
    """The axis of a tensor on which channels lie, and whose they are."""

    axis: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A module whose parameters follow channels; None: on that side they stay as they are.

    Attributes:
        path: of the module.
        role: "dense" (a convolution or a linear layer), "depthwise" or "norm".
        before, after: channels that it reads and writes; of a norm and a depthwise layer only the latter.
    """

    path: str
    role: str
    before: tuple[Segment, ...] | None
    after: tuple[Segment, ...] | None


@dataclass(slots=True)
class Group:
    """Channels that are kept or removed together.

    Attributes:
        n: how many.
        makers: paths of the dense layers that make them.
        whole: why they all must stay; "": they need not.
        unknown: whether that is for an operator that is not known here.
    """

    n: int
    makers: list[str] = field(default_factory=list)
    whole: str = ""
    unknown: bool = False


@dataclass(frozen=True)
class Channels:
    """Channels of a network.

    Attributes:
        groups: by their number.
        lanes: of each tensor that has channels of a group.
        parts: modules with parameters that follow them, in the order in which they first run.
    """

    groups: dict[int, Group]
    lanes: dict[int, Lane]
    parts: tuple[Part, ...]


_known: WeakKeyDictionary[Workload, Channels] = WeakKeyDictionary()


def channels_of(workload: Workload) -> Channels:
    """Groups of channels of a network; kept as long as the workload lives."""
    if workload not in _known:
        _known[workload] = _Walk(workload).run()
    return _known[workload]


class _Walk:
    """Follows channels through a network, operator by operator."""

    def __init__(self, workload: Workload) -> None:
        self.w = workload
        self.parent: list[int] = []
        self.group: list[Group] = []
        self.lanes: dict[int, Lane] = {}
        self.parts: dict[str, Part] = {}
        self.rules: dict[int, Callable[[Op, list[int]], None]] = {
            OpKind.CONV: self._conv,
            OpKind.GEMM: self._linear,
            OpKind.NORM: self._norm,
            OpKind.ELEMENTWISE: self._elementwise,
            OpKind.REDUCE: self._reduce,
            OpKind.POOL: self._pass,
            OpKind.RESIZE: self._resize,
            OpKind.LAYOUT: self._layout,
            OpKind.VIEW: self._view,
        }

    def run(self) -> Channels:
        for op in self.w.ops:
            weights = set(op.attrs.get("weights", ()))
            acts = [t for i, t in enumerate(op.inputs) if i not in weights]
            if not any(self.w.tensor_batched[t] for t in acts):
                continue  # of constants alone
            rule = self.rules.get(op.kind)
            if rule is None or not op.modelled:
                self._give_up(op)
            else:
                rule(op, acts)
        for t in self.w.outputs:
            self._whole(t, "the network returns them")
        root = self._root
        segments = {t: Lane(lane.axis, self._rooted(lane.segments)) for t, lane in self.lanes.items()}
        parts = [
            Part(p.path, p.role, p.before and self._rooted(p.before), p.after and self._rooted(p.after))
            for p in self.parts.values()
        ]
        return Channels({i: g for i, g in enumerate(self.group) if root(i) == i}, segments, tuple(parts))

    # -- groups ----------------------------------------------------------------------------------------

    def _new(self, n: int, maker: str = "") -> Segment:
        self.parent.append(len(self.parent))
        self.group.append(Group(n, [maker] if maker else []))
        return Segment(len(self.parent) - 1, n)

    def _root(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def _rooted(self, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        return tuple(Segment(self._root(s.group), s.n, s.repeat) for s in segments)

    def _join(self, one: Sequence[Segment], other: Sequence[Segment], why: str) -> None:
        """Both lose the same channels; where they are cut otherwise, none at all."""
        if [(s.n, s.repeat) for s in one] != [(s.n, s.repeat) for s in other]:
            self._keep([*one, *other], why, unknown=True)
            return
        for a, b in zip(one, other, strict=True):
            i, j = sorted((self._root(a.group), self._root(b.group)))
            if i != j:
                self.parent[j] = i
                first, second = self.group[i], self.group[j]
                first.makers += [m for m in second.makers if m not in first.makers]
                first.whole, first.unknown = first.whole or second.whole, first.unknown or second.unknown

    def _keep(self, segments: Sequence[Segment], why: str, *, unknown: bool) -> None:
        for s in segments:
            found = self.group[self._root(s.group)]
            if not found.whole or (unknown and not found.unknown):
                found.whole, found.unknown = why, unknown

    def _whole(self, tensor: int, why: str, *, unknown: bool = False) -> None:
        lane = self.lanes.get(tensor)
        if lane is not None:
            self._keep(lane.segments, why, unknown=unknown)

    def _give_up(self, op: Op) -> None:
        for t in op.inputs:
            self._whole(t, f"{op.target} at '{op.module or 'the top'}'", unknown=True)

    # -- operators -------------------------------------------------------------------------------------

    def _dense(self, op: Op, source: int, axis: int, n: int) -> None:
        """New channels on an axis of the output; a layer that runs again makes the same ones."""
        lane = self.lanes.get(source)
        before = None if lane is None else lane.segments
        out = op.outputs[0]
        known = self.parts.get(op.module)
        after: tuple[Segment, ...]
        if known is None:
            after = (self._new(n, op.module),)
            self.parts[op.module] = Part(op.module, "dense", before, after)
        else:
            after = known.after or ()
            self._again(op, known, before)
        self.lanes[out] = Lane(axis, after)

    def _again(self, op: Op, known: Part, before: tuple[Segment, ...] | None) -> None:
        why = f"'{op.module}' runs on several inputs"
        if before is not None and known.before is not None:
            self._join(known.before, before, why)
        elif before is not None or known.before is not None:
            self._keep(before or known.before or (), why, unknown=True)

    def _conv(self, op: Op, acts: list[int]) -> None:
        _, g, k, c = op.dims[:4]
        named = op.module and op.attrs.get("weights", [0])[0] == 1 and len(acts) == 1
        if not named or (g > 1 and (c, k) != (1, 1)):
            self._give_up(op)
        elif g == 1:
            self._dense(op, acts[0], 1, k)
        else:
            self._follow(op, acts[0], "depthwise", 1)

    def _linear(self, op: Op, acts: list[int]) -> None:
        lane, last = self.lanes.get(acts[0]), len(self.w.shape(acts[0])) - 1
        named = op.module and op.attrs.get("fn") == "linear" and op.attrs.get("weights", [0])[0] == 1
        if not named or (lane is not None and lane.axis != last):
            self._give_up(op)
        else:
            self._dense(op, acts[0], len(self.w.shape(op.outputs[0])) - 1, op.dims[2])

    def _follow(self, op: Op, source: int, role: str, axis: int) -> None:
        """A module with parameters for each channel, which passes them on."""
        lane = self.lanes.get(source)
        if lane is None:
            return
        if lane.axis != axis or any(s.repeat > 1 for s in lane.segments) or not op.module:
            self._give_up(op)
            return
        known = self.parts.get(op.module)
        if known is None:
            self.parts[op.module] = Part(op.module, role, None, lane.segments)
        elif known.after is not None:
            self._join(known.after, lane.segments, f"'{op.module}' runs on several inputs")
        self.lanes[op.outputs[0]] = lane

    def _norm(self, op: Op, acts: list[int]) -> None:
        fn, rank = op.attrs.get("fn"), len(self.w.shape(acts[0]))
        if fn == "batch_norm":
            self._follow(op, acts[0], "norm", 1)
        elif fn == "layer_norm":
            self._follow(op, acts[0], "norm", rank - 1)
        else:
            self._give_up(op)

    def _pass(self, op: Op, acts: list[int]) -> None:
        lane = self.lanes.get(acts[0])
        out = op.outputs[0]
        if lane is None:
            return
        before, after = self.w.shape(acts[0]), self.w.shape(out)
        if len(before) != len(after) or before[lane.axis] != after[lane.axis]:
            self._give_up(op)
        else:
            self.lanes[out] = lane

    def _resize(self, op: Op, acts: list[int]) -> None:
        if op.attrs.get("fn") == "resize":
            self._pass(op, acts)
        else:
            self._give_up(op)

    def _elementwise(self, op: Op, acts: list[int]) -> None:
        out = op.outputs[0]
        rank = len(self.w.shape(out))
        large = [t for t in op.inputs if t not in acts and self.w.tensor_elements[t] > 1]
        lanes = []
        for t in acts:
            lane, shift = self.lanes.get(t), rank - len(self.w.shape(t))
            if lane is not None:
                lanes.append(Lane(lane.axis + shift, lane.segments))
            elif self.w.tensor_elements[t] > 1:
                large.append(t)
        if not lanes:
            return
        axis = lanes[0].axis
        if any(lane.axis != axis for lane in lanes) or any(self._wide_on(t, axis, rank) for t in large):
            self._give_up(op)
            return
        for lane in lanes[1:]:
            self._join(lanes[0].segments, lane.segments, f"{op.target} at '{op.module}' of other channels")
        self.lanes[out] = lanes[0]

    def _wide_on(self, tensor: int, axis: int, rank: int) -> bool:
        """Whether a tensor that follows no channels has a value for each on that axis of the output."""
        shape = self.w.shape(tensor)
        at = axis - (rank - len(shape))
        return at >= 0 and shape[at] > 1

    def _reduce(self, op: Op, acts: list[int]) -> None:
        lane, axes = self.lanes.get(acts[0]), op.attrs.get("axes", [])
        if lane is None:
            return
        if lane.axis in axes or len(op.outputs) != 1:
            self._give_up(op)
            return
        gone = len(self.w.shape(acts[0])) != len(self.w.shape(op.outputs[0]))
        axis = lane.axis - (sum(a < lane.axis for a in axes) if gone else 0)
        self.lanes[op.outputs[0]] = Lane(axis, lane.segments)

    def _layout(self, op: Op, acts: list[int]) -> None:
        fn = op.attrs.get("fn")
        if fn == "cat":
            self._concatenation(op)
        elif fn in {"copy", "cast"}:
            self._view(op, acts)
        elif fn == "pad":
            self._pass(op, acts)
        else:
            self._give_up(op)

    def _concatenation(self, op: Op) -> None:
        lanes = [self.lanes.get(t) for t in op.inputs]
        known = [lane for lane in lanes if lane is not None]
        if not known:
            return
        axis, out = known[0].axis, self.w.shape(op.outputs[0])
        shapes = [self.w.shape(t) for t in op.inputs]
        if any(lane.axis != axis for lane in known) or any(len(s) != len(out) for s in shapes):
            self._give_up(op)
            return
        if sum(s[axis] for s in shapes) != out[axis]:  # along another axis
            if len(known) < len(lanes):
                self._give_up(op)
                return
            for lane in known[1:]:
                self._join(known[0].segments, lane.segments, f"{op.target} at '{op.module}'")
            self.lanes[op.outputs[0]] = known[0]
            return
        segments: list[Segment] = []
        for one, shape in zip(lanes, shapes, strict=True):
            if one is None:
                fixed = self._new(shape[axis])
                self._keep([fixed], "they come from outside", unknown=False)
                segments.append(fixed)
            else:
                segments += one.segments
        self.lanes[op.outputs[0]] = Lane(axis, tuple(segments))

    def _view(self, op: Op, acts: list[int]) -> None:
        lane = self.lanes.get(acts[0])
        if lane is None:
            return
        before, after = self.w.shape(acts[0]), self.w.shape(op.outputs[0])
        fn, axis = op.attrs.get("fn"), lane.axis
        if before == after and fn not in {"transpose", "permute", "t", "mT", "flip", "roll"}:
            self.lanes[op.outputs[0]] = lane
        elif fn not in RESHAPES or before[:axis] != after[:axis] or len(after) <= axis:
            self._give_up(op)
        elif before[axis] == after[axis]:
            self.lanes[op.outputs[0]] = lane
        elif len(after) == axis + 1 and after[axis] == prod(before[axis:]):
            times = prod(before[axis + 1 :])
            merged = tuple(Segment(s.group, s.n, s.repeat * times) for s in lane.segments)
            self.lanes[op.outputs[0]] = Lane(axis, merged)
        else:
            self._give_up(op)
