"""From the operators of a network to its schedule: views resolved, dead code gone, casts made explicit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from hw_models.cost.arrays import KernelClass
from hw_models.lowering.precision import CONTRACTIONS, FLOATS, TRANSCENDENTAL, WIDE_AFTER_CAST, WIDE_INSIDE
from hw_models.lowering.steps import Format, Read, Role, Schedule, Step
from hw_models.workload import counts
from hw_models.workload.op import OpKind, Precision, TensorKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hw_models.workload.graph import Workload

_RUN_AS: Final[dict[int, tuple[int, int]]] = {
    OpKind.CONV: (Role.EXTERN, KernelClass.CONV),
    OpKind.GEMM: (Role.EXTERN, KernelClass.GEMM),
    OpKind.ATTENTION: (Role.EXTERN, KernelClass.ATTENTION),
    OpKind.NORM: (Role.REDUCTION, KernelClass.NORM),
    OpKind.SOFTMAX: (Role.REDUCTION, KernelClass.SOFTMAX),
    OpKind.ELEMENTWISE: (Role.POINTWISE, KernelClass.ELEMENTWISE),
    OpKind.REDUCE: (Role.REDUCTION, KernelClass.REDUCE),
    OpKind.POOL: (Role.WINDOW, KernelClass.POOL),
    OpKind.RESIZE: (Role.WINDOW, KernelClass.GATHER),
    OpKind.GATHER: (Role.WINDOW, KernelClass.GATHER),
    OpKind.LAYOUT: (Role.POINTWISE, KernelClass.COPY),
    OpKind.SCAN: (Role.BARRIER, KernelClass.SCAN),
    OpKind.UNKNOWN: (Role.BARRIER, KernelClass.UNMODELLED),
    # a view that nothing could be resolved to (it has no input): memory that is filled
    OpKind.VIEW: (Role.POINTWISE, KernelClass.COPY),
}

_EXTERN, _POINTWISE, _REDUCTION, _WINDOW, _BARRIER = (int(r) for r in Role)
_NARROW, _WIDE, _WEIGHT, _OWN = (int(f) for f in Format)
_CONV, _ATTENTION, _NORM, _SOFTMAX, _LAYOUT, _VIEW = (
    int(k) for k in (OpKind.CONV, OpKind.ATTENTION, OpKind.NORM, OpKind.SOFTMAX, OpKind.LAYOUT, OpKind.VIEW)
)
_ELEMENTWISE, _UNMODELLED = int(KernelClass.ELEMENTWISE), int(KernelClass.UNMODELLED)
_ELEMENTS = itemgetter(2)
"""Elements of a read."""

_ALONE: Final = frozenset(
    [
        "sort",
        "argsort",
        "topk",
        "median",
        "kthvalue",
        "mode",
        "msort",
        "index_put",
        "scatter_add",
        "searchsorted",
    ]
)
"""Functions of fusible kinds that frameworks hand to a library."""

_POINTWISE_CAT: Final = 8
"""Concatenations of at most so many tensors are one pointwise node, of more are a copy per tensor.

Source: PyTorch 2.9, torch/_inductor/lowering.py, `cat`, MAX_COMPLEX_POINTWISE_CAT.
"""

_MOVED: Final = frozenset(
    ["permute", "transpose", "movedim", "split", "split_with_sizes", "chunk", "unbind", "slice"]
)
"""Views that a runtime without strides makes by copying."""

_PLAIN_RANK: Final = 4
"""Attention of tensors of more dimensions falls to the math path of torch, which materialises its matrix."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a lowering makes of single operators, before any fusion.

    Attributes:
        mixed: casts of automatic mixed precision are steps.
        cast_each_use: a cast is repeated for every operator that wants it, not shared.
        split_cat: long concatenations are a copy per tensor.
        free_cat: a concatenation is placement in memory and costs nothing.
        math_attention: attention of more than four dimensions materialises its matrix.
        pointwise_norm: batch norm with running statistics is pointwise, else a kernel of its own class.
        split_norm: norms are two nodes, the sums and the pointwise work that uses them.
        dense: every tensor lies dense in its own order: permuted and cut views are copied, copies are not.
    """

    mixed: bool
    cast_each_use: bool = False
    split_cat: bool = False
    free_cat: bool = False
    math_attention: bool = True
    pointwise_norm: bool = True
    split_norm: bool = False
    dense: bool = False


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
        sources = self._sources(self.ins[o])
        depends = s.depends
        for v, _, _ in sources:
            if depends[v]:
                for t in outs:
                    depends[t] = True
                break
        wide = self.x.mixed and self._settle_formats(o, kind, fn, sources)
        contraction = kind in CONTRACTIONS
        if kind == _ATTENTION and self.x.math_attention and attrs.get("rank", 0) > _PLAIN_RANK:
            self._math_attention(o)
            return
        reads, weights = self._operands(o, sources, contraction, wide and fn in WIDE_AFTER_CAST)
        if contraction and weights:
            self._mark_weight(weights)
        if fn == "cat" and self.x.split_cat and len(sources) > _POINTWISE_CAT:
            for read in sources:
                self._move(o, read, outs[0], "cat")
        elif kind == _NORM and self.x.split_norm and fn != "batch_norm":
            self._two_pass_norm(o, fn, reads, weights, wide)
        else:
            self._add(self._step(o, kind, fn, reads, weights, wide))

    def _step(self, o: int, kind: int, fn: str, reads: list[Read], weights: list[Read], wide: bool) -> Step:
        """The one step of a plain operator."""
        s, outs, dims, attrs = self.s, self.outs[o], self.dims[o], self.w.op_attrs[o]
        role, cls = _RUN_AS[kind]
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
            cls = _class_of_contraction(kind, dims, self.batch_dim[o])
        if fn in _ALONE:
            role = _BARRIER
        if not self.modelled[o]:
            role, cls = _BARRIER, _UNMODELLED
        writes = [(t, s.elements[t]) for t in outs]
        step = Step(o, kind, cls, role, size * 2 + batched, reads, weights, writes, outer, wide)
        step.vector, step.foldable, step.name = self.vector[o], foldable, fn or self.w.op_target[o]
        step.special = kind == _SOFTMAX or (kind == _NORM and not foldable) or fn in TRANSCENDENTAL
        step.inplace = "inplace" in attrs
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
        """Two matrix products with a softmax over the materialised matrix, which is kept in FP32.

        Source: PyTorch 2.5 and later, `_scaled_dot_product_attention_math` (half inputs accumulate and
            reduce in FP32).
        """
        batch, heads, lq, lk, d, dv = self.dims[o][:6]
        out, rows, n = self.outs[o][0], batch * heads, batch * heads * lq * lk
        scores = self._new_value(n, out, _WIDE if self.x.mixed else _NARROW)
        probabilities = self._new_value(n, out, _NARROW)
        batched = self.s.batched[out]
        (qk, stored_qk), (v, stored_v), (mask, stored_mask) = (
            self._operands(o, self._sources(tensors), narrow=narrow)
            for tensors, narrow in (
                (self.ins[o][:2], True),
                (self.ins[o][2:3], True),
                (self.ins[o][3:], False),
            )
        )
        mask.append((scores, scores, n))
        v.append((probabilities, probabilities, n))
        bmm = (OpKind.GEMM, KernelClass.BATCHED_GEMM, Role.EXTERN)
        softmax = (OpKind.SOFTMAX, KernelClass.SOFTMAX, Role.REDUCTION)
        writes = ((scores, n), (probabilities, n), (out, self.s.elements[out]))
        sizes = [size * 2 + batched for size in (n * d, n, n * dv)]
        steps = (
            Step(o, *bmm, sizes[0], qk, stored_qk, [writes[0]], dims=(rows, lq, lk, d, 1, 1, 1, 1)),
            Step(
                o, *softmax, sizes[1], mask, stored_mask, [writes[1]], dims=(rows * lq, lk, 1, 1, 1, 1, 1, 1)
            ),
            Step(o, *bmm, sizes[2], v, stored_v, [writes[2]], dims=(rows, lq, dv, lk, 1, 1, 1, 1)),
        )
        steps[1].outer, steps[1].vector = rows * lq * 2 + batched, self.vector[o]
        steps[1].wide, steps[1].special = self.x.mixed, True
        for step in steps:
            step.name = "attention"
            self._add(step)


def _rows(ptr: NDArray[Any], values: NDArray[Any]) -> list[list[int]]:
    """A CSR list as a list of lists."""
    bounds, flat = ptr.tolist(), values.tolist()
    return [flat[a:b] for a, b in pairwise(bounds)]


def _class_of_contraction(kind: int, dims: list[int], batch_dim: int) -> int:
    """What a contraction is to a machine."""
    if kind == _CONV:
        _, groups, _, c, _, _, fy, fx = dims
        if groups > 1:
            return KernelClass.DEPTHWISE if c == 1 else KernelClass.GROUPED
        return KernelClass.POINTWISE if fy * fx == 1 else KernelClass.CONV
    if kind == _ATTENTION:
        return KernelClass.ATTENTION
    return KernelClass.BATCHED_GEMM if dims[0] > 1 or batch_dim == 0 else KernelClass.GEMM
