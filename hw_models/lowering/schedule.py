"""From the operators of a network to its schedule: views resolved, dead code gone, casts made explicit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import prod
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from hw_models.cost.arrays import KernelClass
from hw_models.lowering.attention import PLAIN_RANK, MathAttention
from hw_models.lowering.precision import CONTRACTIONS, FLOATS, TRANSCENDENTAL, WIDE_AFTER_CAST, WIDE_INSIDE
from hw_models.lowering.roles import ALONE, RUN_AS, class_of_contraction
from hw_models.lowering.steps import Format, Read, Role, Schedule, Step
from hw_models.lowering.strides import Orders
from hw_models.workload import counts
from hw_models.workload.op import OpKind, Precision, TensorKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hw_models.lowering.strides import Order
    from hw_models.workload.graph import Workload

_EXTERN, _POINTWISE, _REDUCTION, _WINDOW, _BARRIER = (int(r) for r in Role)
_NARROW, _WIDE, _WEIGHT, _OWN = (int(f) for f in Format)
_CONV, _ATTENTION, _NORM, _SOFTMAX, _LAYOUT, _VIEW = (
    int(k) for k in (OpKind.CONV, OpKind.ATTENTION, OpKind.NORM, OpKind.SOFTMAX, OpKind.LAYOUT, OpKind.VIEW)
)
_ELEMENTWISE, _UNMODELLED = int(KernelClass.ELEMENTWISE), int(KernelClass.UNMODELLED)
_ELEMENTS = itemgetter(2)
"""Elements of a read."""

_POINTWISE_CAT: Final = 8
"""Concatenations of at most so many tensors are one pointwise node, of more are a copy per tensor.

Source: PyTorch 2.9, torch/_inductor/lowering.py, `cat`, MAX_COMPLEX_POINTWISE_CAT.
"""

_MOVED: Final = frozenset(["permute", "transpose", "movedim", "split", "split_with_sizes", "chunk", "slice"])
"""Views that a runtime without strides makes by copying."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a lowering makes of single operators, before any fusion.

    Attributes:
        mixed: casts of automatic mixed precision are steps.
        cast_each_use: a cast is repeated for every operator that wants it, not shared.
        split_cat: long concatenations are a copy per tensor.
        free_cat: a concatenation is placement in memory and costs nothing.
        math_attention: attention of other than four dimensions materialises its matrix.
        pointwise_norm: batch norm with running statistics is pointwise, else a kernel of its own class.
        split_norm: norms are two nodes, the sums and the pointwise work that uses them.
        dense: every tensor lies dense in its own order: permuted and cut views are copied, copies are not.
        order: how the framework lays out tensors, and what it copies for it; None: not said, nothing.
    """

    mixed: bool
    cast_each_use: bool = False
    split_cat: bool = False
    free_cat: bool = False
    math_attention: bool = True
    pointwise_norm: bool = True
    split_norm: bool = False
    dense: bool = False
    order: Order | None = None


def schedule(workload: Workload, expansion: Expansion) -> Schedule:
    """The steps of one network, at the batch it was read with."""
    return _Reader(workload, expansion).run()


class _Reader:
    """Walks the live operators once; plain lists, because whole zoos pass here."""

    def __init__(self, workload: Workload, expansion: Expansion) -> None:
        self.w, self.x = workload, expansion
        self.kind: list[int] = workload.op_kind.tolist()
        self.dims: list[list[int]] = workload.op_dims.tolist()
        self.batch_dim: list[int] = workload.op_batch_dim.tolist()
        self.iterations: list[int] = counts.iterations(workload.op_dims).astype("int64").tolist()
        self.vector: list[float] = workload.op_vector_ops.tolist()
        self.modelled: list[bool] = workload.op_modelled.tolist()
        self.ins = _rows(workload.in_ptr, workload.in_tensor)
        self.outs = _rows(workload.out_ptr, workload.out_tensor)
        self.base = list(range(workload.n_tensors))
        self.pieces: dict[int, list[tuple[int, int]]] = {}
        self.cast: dict[int, int] = {}
        self.orders = expansion.order(workload) if expansion.order else Orders()
        kinds = workload.tensor_kind
        given = kinds == TensorKind.INPUT
        floats = Format.WIDE if expansion.mixed else Format.NARROW
        forms = [int(floats if p in FLOATS else Format.OWN + p) for p in Precision]
        self.s = Schedule(
            steps=[],
            elements=workload.tensor_elements.tolist(),
            batched=workload.tensor_batched.tolist(),
            form=[forms[p] for p in workload.tensor_precision.tolist()],
            stored=((kinds == TensorKind.WEIGHT) | (kinds == TensorKind.CONSTANT)).tolist(),
            depends=given.tolist(),
            inputs=given.nonzero()[0].tolist(),
        )
        for t in workload.meta.get("formats", ()):  # stands whatever the precision of the network
            self.s.form[t] = int(Format.OWN + workload.tensor_precision[t])

    def run(self) -> Schedule:
        """All steps, in execution order."""
        attrs, base = self.w.op_attrs, self.base
        live = self._live()
        for o, alive in enumerate(live):
            if not alive:
                continue
            if self._is_free(o):
                if len(self.ins[o]) > 1 and attrs[o].get("fn") == "join_writes":
                    self._join_writes(o)
                    continue
                source = base[self.ins[o][0]]
                for t in self.outs[o]:
                    base[t] = source
            elif self.x.free_cat and attrs[o].get("fn") == "cat":
                self._place_side_by_side(o)
            else:
                self._operator(o)
        self.s.dead_ops = len(live) - sum(live)
        self.s.outputs = list(dict.fromkeys(v for t in self.w.outputs for v, _, _ in self._sources([t])))
        return self.s

    def _is_free(self, o: int) -> bool:
        """Whether the outputs of an operator lie where its first input does."""
        kind, fn = self.kind[o], self.w.op_attrs[o].get("fn", "")
        if not self.ins[o]:
            return False
        if not self.x.dense or kind != _VIEW:
            is_copy = self.x.dense and kind == _LAYOUT and fn == "copy"
            return kind == _VIEW or (is_copy and not set(self.outs[o]) & set(self.w.outputs))
        shape = self.w.shape(self.ins[o][0])
        return fn not in _MOVED or sum(n > 1 for n in shape) < 2 or self._is_operand(o)

    def _is_operand(self, o: int) -> bool:
        """Whether only matrix products read it, which take either order of their operands."""
        outs = set(self.outs[o])
        read_by = self._readers_of_views
        return self.w.op_attrs[o].get("fn") == "transpose" and all(
            kinds and kinds <= {OpKind.GEMM} for kinds in (read_by.get(t, set()) for t in outs)
        )

    @cached_property
    def _readers_of_views(self) -> dict[int, set[int]]:
        """Kinds of the operators that read each tensor."""
        readers: dict[int, set[int]] = {}
        for kind, ins in zip(self.kind, self.ins, strict=True):
            for t in ins:
                readers.setdefault(t, set()).add(kind)
        return readers

    def _live(self) -> list[bool]:
        """Which operators contribute to an output."""
        needed = bytearray(self.w.n_tensors)
        for t in self.w.outputs:
            needed[t] = 1
        live = [False] * len(self.kind)
        for o in range(len(live) - 1, -1, -1):
            for t in self.outs[o]:
                if needed[t]:
                    live[o] = True
                    for i in self.ins[o]:
                        needed[i] = 1
                    break
        return live

    def _sources(self, tensors: Sequence[int]) -> list[Read]:
        """The memory behind tensors: the value that owns it, or the values that lie there side by side."""
        base, elements, pieces = self.base, self.s.elements, self.pieces
        found: list[Read] = []
        for t in tensors:
            v, n = base[t], elements[t]
            if v in pieces:
                share = min(n / max(elements[v], 1), 1.0)
                found.extend([(u, t, round(m * share)) for u, m in pieces[v]])
            else:
                found.append((v, t, n if n < elements[v] else elements[v]))
        return found

    def _place_side_by_side(self, o: int) -> None:
        """A concatenation that its producers write in place."""
        self.pieces[self.outs[o][0]] = [(v, n) for v, _, n in self._sources(self.ins[o])]

    def _join_writes(self, o: int) -> None:
        """Memory of which parts were overwritten: the new parts, and what is left of the old one."""
        old, *written = self.ins[o]
        pieces = [(v, n) for v, _, n in self._sources(written)]
        rest = max(self.s.elements[old] - sum(n for _, n in pieces), 0)
        share = rest / max(self.s.elements[old], 1)
        pieces += [(v, round(n * share)) for v, _, n in self._sources([old])]
        self.pieces[self.outs[o][0]] = pieces

    def _operator(self, o: int) -> None:
        """Add the step or steps of one operator."""
        s, kind, attrs, outs = self.s, self.kind[o], self.w.op_attrs[o], self.outs[o]
        fn = attrs.get("fn", "")
        sources = self._gathered(o)
        depends = s.depends
        for v, _, _ in sources:
            if depends[v]:
                for t in outs:
                    depends[t] = True
                break
        wide = self.x.mixed and self._settle_formats(o, kind, fn, sources)
        contraction = kind in CONTRACTIONS
        if kind == _ATTENTION and self.x.math_attention and attrs.get("rank", PLAIN_RANK) != PLAIN_RANK:
            self._math_attention(o)
            return
        narrow = contraction or (self.x.cast_each_use and kind == _NORM and fn != "batch_norm")
        reads, weights = self._operands(o, sources, narrow, wide and fn in WIDE_AFTER_CAST)
        if contraction and weights:
            self._mark_weight(weights)
        if fn == "cat" and self.x.split_cat and len(sources) > _POINTWISE_CAT:
            for read in sources:
                self._move(o, read, outs[0], "cat")
        elif kind == _NORM and self.x.split_norm and fn != "batch_norm":
            self._two_pass_norm(o, fn, reads, weights, wide)
        elif o in self.orders.apart and len(weights) > 1:
            self._bias_apart(self._step(o, kind, fn, reads, weights, wide))
        else:
            self._add(self._step(o, kind, fn, reads, weights, wide))

    def _gathered(self, o: int) -> list[Read]:
        """What an operator reads, copied first where it cannot be read as it lies."""
        copied = self.orders.copied.get(o)
        if not copied:
            return self._sources(self.ins[o])
        found: list[Read] = []
        for k, t in enumerate(self.ins[o]):
            sources = self._sources([t])
            if k in copied and not self.s.stored[sources[0][0]]:
                sources = [
                    self._move(o, r, self._new_value(r[2], r[0], self.s.form[r[0]]), "contiguous")
                    for r in sources
                ]
                self.s.steps[-1].layout = copied[k]
            found += sources
        return found

    def _bias_apart(self, step: Step) -> None:
        """A linear layer whose bias is added by a kernel of its own, in place."""
        out, n = step.writes[0]
        product = self._new_value(n, out, self.s.form[out])
        bias = step.weights.pop()
        self._add(replace(step, writes=[(product, n)]))
        size = n * 2 + self.s.batched[out]
        add = Step(
            step.op,
            OpKind.ELEMENTWISE,
            _ELEMENTWISE,
            Role.POINTWISE,
            size,
            [(product, product, n)],
            [bias],
            [(out, n)],
        )
        add.dims, add.vector, add.inplace, add.name = (n, 1, 1, 1, 1, 1, 1, 1), float(n), True, "add"
        self._add(add)

    def _step(self, o: int, kind: int, fn: str, reads: list[Read], weights: list[Read], wide: bool) -> Step:
        """The one step of a plain operator."""
        s, outs, dims, attrs = self.s, self.outs[o], self.dims[o], self.w.op_attrs[o]
        role, cls = RUN_AS[kind]
        batched = bool(outs) and s.batched[outs[0]]
        size, outer, foldable = self.iterations[o], 0, False
        if role == _REDUCTION:
            outer = dims[0] * 2 + batched
            if fn == "batch_norm" and attrs.get("statistics") != "input":
                foldable = True
                if self.x.pointwise_norm:
                    role, cls, outer = _POINTWISE, _ELEMENTWISE, 0
        elif role == _WINDOW:
            size = s.elements[outs[0]] if outs else size
        elif role == _EXTERN:
            cls = class_of_contraction(kind, dims, self.batch_dim[o])
        if fn in ALONE:
            role = _BARRIER
        if not self.modelled[o]:
            role, cls = _BARRIER, _UNMODELLED
        writes = [(t, s.elements[t]) for t in outs]
        step = Step(o, kind, cls, role, size * 2 + batched, reads, weights, writes, outer, wide)
        step.vector, step.foldable, step.name = self.vector[o], foldable, fn or self.w.op_target[o]
        step.special = kind == _SOFTMAX or (kind == _NORM and not foldable) or fn in TRANSCENDENTAL
        step.inplace = "inplace" in attrs
        step.layout = o in self.orders.channels_last or o in self.orders.reordered
        if o in self.orders.batched:
            lead = prod(self.w.shape(self.ins[o][0])[:-2])
            step.cls, step.dims = KernelClass.BATCHED_GEMM, (lead, dims[1] // lead, *dims[2:4], 1, 1, 1, 1)
        # images lie with their channels innermost (inductor's layout_optimization), so a mean over positions
        # visits them in another order than the pointwise work before it
        step.reindexes = (kind == _LAYOUT and fn != "cast") or bool(attrs.get("spatial_mean"))
        return step

    def _two_pass_norm(self, o: int, fn: str, reads: list[Read], weights: list[Read], wide: bool) -> None:
        """A norm as the sums over each row and the pointwise work that uses them."""
        whole = self._step(o, OpKind.NORM, fn, reads, weights, wide)
        if whole.role != Role.REDUCTION:
            self._add(whole)
            return
        sums = self._new_value(whole.outer // 2, self.outs[o][0], _WIDE if self.x.mixed else _NARROW)
        half = whole.vector / 2
        self._add(replace(whole, weights=[], writes=[(sums, whole.outer // 2)], vector=half))
        inputs = [*reads, (sums, sums, whole.outer // 2)]
        self._add(
            replace(
                whole, cls=KernelClass.ELEMENTWISE, role=Role.POINTWISE, reads=inputs, outer=0, vector=half
            )
        )

    def _add(self, step: Step) -> None:
        """Append a step and note what it writes."""
        index = len(self.s.steps)
        self.s.steps.append(step)
        for v, _ in step.writes:
            self.s.writers.setdefault(v, []).append(index)

    def _new_value(self, elements: int, like: int, form: int) -> int:
        """A value that no tensor of the workload stands for."""
        s = self.s
        s.elements.append(elements)
        s.batched.append(s.batched[like])
        s.form.append(form)
        s.stored.append(False)
        s.depends.append(s.depends[like])
        return len(s.elements) - 1

    def _settle_formats(self, o: int, kind: int, fn: str, sources: list[Read]) -> bool:
        """Set the formats of an operator's outputs under mixed precision; whether it computes in FP32."""
        form, elements = self.s.form, self.s.elements
        if kind in CONTRACTIONS or fn == "prelu" or (kind == _NORM and fn != "batch_norm"):
            wide = False
        elif kind == _SOFTMAX or fn in WIDE_AFTER_CAST or fn in WIDE_INSIDE:
            wide = True
        elif fn == "batch_norm":
            wide = form[sources[0][0]] == _WIDE
        else:
            # a number promotes nothing
            wide = any([form[v] == _WIDE and elements[t] > 1 for v, t, _ in sources])
        if not wide:
            for t in self.outs[o]:
                if form[t] == _WIDE:
                    form[t] = _NARROW
        return wide

    def _operands(
        self, o: int, sources: list[Read], narrow: bool, cast_up: bool = False
    ) -> tuple[list[Read], list[Read]]:
        """Activations and stored tensors that are read, through the casts of mixed precision."""
        stored, form, mixed, each_use = self.s.stored, self.s.form, self.x.mixed, self.x.cast_each_use
        reads: list[Read] = []
        weights: list[Read] = []
        for read in sources:
            v = read[0]
            if stored[v]:
                weights.append(read)
            elif mixed and narrow and form[v] == _WIDE:
                reads.append(self._cast(o, read, _NARROW))
            elif cast_up and each_use and form[v] == _NARROW:
                reads.append(self._cast(o, read, _WIDE))
            else:
                reads.append(read)
        return reads, weights

    def _cast(self, o: int, read: Read, form: int) -> Read:
        """Read a value in another format: cast what is read, or the whole value once for all who want it."""
        value, view, n = read
        if self.x.cast_each_use:
            return self._move(o, read, self._new_value(n, value, form), "cast")
        if value not in self.cast:
            n = self.s.elements[value]
            self.cast[value] = self._new_value(n, value, form)
            self._move(o, (value, value, n), self.cast[value], "cast")
        return (self.cast[value], view, read[2])

    def _move(self, o: int, read: Read, target: int, name: str) -> Read:
        """A step that puts what is read into another value (or a piece of it); how to read it from there."""
        value, view, n = read
        size = n * 2 + self.s.batched[target]
        step = Step(o, OpKind.LAYOUT, KernelClass.COPY, Role.POINTWISE, size, [read], [], [(target, n)])
        if self.s.stored[value]:
            step.reads, step.weights = [], [read]
        step.name, step.wide = name, name == "cast"
        self._add(step)
        return (target, view, n)

    def _mark_weight(self, weights: list[Read]) -> None:
        """The largest float parameter of a contraction is stored as weights are."""
        value, _, n = max(weights, key=_ELEMENTS)
        if n > 1 and self.s.form[value] < _OWN:
            self.s.form[value] = _WEIGHT

    def _math_attention(self, o: int) -> None:
        """Matrix products around a softmax over the materialised matrix."""
        out = self.outs[o][0]
        found = MathAttention(
            op=o,
            dims=tuple(self.dims[o][:6]),
            out=out,
            out_elements=self.s.elements[out],
            batched=self.s.batched[out],
            mixed=self.x.mixed,
            first_value=len(self.s.elements),
            vector=self.vector[o],
        )
        sides = [self.ins[o][k : k + 1] for k in range(3)] + [self.ins[o][3:]]
        both = [self._operands(o, self._sources(side), narrow=k < 3) for k, side in enumerate(sides)]
        found.first_value = len(self.s.elements)
        found.expand([reads for reads, _ in both], [stored for _, stored in both])
        for n, form in found.new:
            self._new_value(n, out, form)
        for step in found.steps:
            self._add(step)


def _rows(ptr: NDArray[Any], values: NDArray[Any]) -> list[list[int]]:
    """A CSR list as a list of lists."""
    bounds, flat = ptr.tolist(), values.tolist()
    return [flat[a:b] for a, b in pairwise(bounds)]
