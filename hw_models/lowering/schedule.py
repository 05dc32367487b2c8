"""From the operators of a network to its schedule: views resolved, dead code gone, casts made explicit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from hw_models.cost.arrays import KernelClass
from hw_models.lowering.precision import CONTRACTIONS, FLOATS, TRANSCENDENTAL, WIDE_AFTER_CAST, WIDE_INSIDE
from hw_models.lowering.steps import Format, Read, Role, Schedule, Step
from hw_models.workload import counts
from hw_models.workload.op import OpKind, Precision, TensorKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.workload.graph import Workload

_RUN_AS: Final[dict[int, tuple[Role, KernelClass]]] = {
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
        copy_operands: operands whose strides no matrix product takes are copied.
        split_norm: norms are two nodes, the sums and the pointwise work that uses them.
    """

    mixed: bool
    cast_each_use: bool = False
    split_cat: bool = False
    free_cat: bool = False
    math_attention: bool = True
    pointwise_norm: bool = True
    split_norm: bool = False
    copy_operands: bool = True


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
        kinds = workload.tensor_kind.tolist()
        floats = Format.WIDE if expansion.mixed else Format.NARROW
        forms = [int(floats if p in FLOATS else Format.OWN + p) for p in Precision]
        self.s = Schedule(
            steps=[],
            elements=workload.tensor_elements.tolist(),
            batched=workload.tensor_batched.tolist(),
            form=[forms[p] for p in workload.tensor_precision.tolist()],
            stored=[k in (TensorKind.WEIGHT, TensorKind.CONSTANT) for k in kinds],
            depends=[k == TensorKind.INPUT for k in kinds],
            inputs=[t for t, k in enumerate(kinds) if k == TensorKind.INPUT],
        )

    def run(self) -> Schedule:
        """All steps, in execution order."""
        live = self._live()
        for o, alive in enumerate(live):
            if not alive:
                continue
            if (
                self.kind[o] == OpKind.VIEW
                and len(self.ins[o]) > 1
                and self.w.op_attrs[o].get("fn") == "join_writes"
            ):
                self._join_writes(o)
            elif self.kind[o] == OpKind.VIEW and self.ins[o]:
                source = self.base[self.ins[o][0]]
                for t in self.outs[o]:
                    self.base[t] = source
            elif self.x.free_cat and self.w.op_attrs[o].get("fn") == "cat":
                self._place_side_by_side(o)
            else:
                self._operator(o)
        self.s.dead_ops = len(live) - sum(live)
        self.s.outputs = list(dict.fromkeys(v for t in self.w.outputs for v, _ in self._values(t)))
        return self.s

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

    def _values(self, tensor: int) -> list[tuple[int, int]]:
        """(value, elements) behind a tensor: what owns its memory, or what lies there side by side."""
        base, elements = self.base[tensor], self.s.elements
        if base not in self.pieces:
            return [(base, min(elements[tensor], elements[base]))]
        share = min(elements[tensor] / max(elements[base], 1), 1.0)
        return [(v, round(n * share)) for v, n in self.pieces[base]]

    def _place_side_by_side(self, o: int) -> None:
        """A concatenation that its producers write in place."""
        self.pieces[self.outs[o][0]] = [piece for t in self.ins[o] for piece in self._values(t)]

    def _join_writes(self, o: int) -> None:
        """Memory of which parts were overwritten: the new parts, and what is left of the old one."""
        old, *written = self.ins[o]
        pieces = [piece for t in written for piece in self._values(t)]
        rest = max(self.s.elements[old] - sum(n for _, n in pieces), 0)
        share = rest / max(self.s.elements[old], 1)
        self.pieces[self.outs[o][0]] = pieces + [(v, round(n * share)) for v, n in self._values(old)]

    def _operator(self, o: int) -> None:
        """Add the step or steps of one operator."""
        s, kind, attrs = self.s, self.kind[o], self.w.op_attrs[o]
        fn = attrs.get("fn", "")
        wide = self._settle_formats(o, kind, fn)
        if any([s.depends[v] for t in self.ins[o] for v, _ in self._values(t)]):
            for t in self.outs[o]:
                s.depends[t] = True
        if kind == OpKind.ATTENTION and self.x.math_attention and attrs.get("rank", 0) > _PLAIN_RANK:
            self._math_attention(o)
            return
        reads, weights = self._operands(o, self.ins[o], kind in CONTRACTIONS, wide and fn in WIDE_AFTER_CAST)
        if kind in CONTRACTIONS:
            self._mark_weight(weights)
        if fn == "cat" and self.x.split_cat and len(reads) + len(weights) > _POINTWISE_CAT:
            for read in (*reads, *weights):
                self._move(o, read, self.outs[o][0], "cat")
        elif kind == OpKind.NORM and self.x.split_norm and fn != "batch_norm":
            self._two_pass_norm(o, fn, reads, weights, wide)
        else:
            self._add(self._step(o, kind, fn, reads, weights, wide))

    def _step(self, o: int, kind: int, fn: str, reads: list[Read], weights: list[Read], wide: bool) -> Step:
        """The one step of a plain operator."""
        s, outs, dims = self.s, self.outs[o], self.dims[o]
        role, cls = _RUN_AS[kind]
        batched = bool(outs) and s.batched[outs[0]]
        size, outer, foldable = self.iterations[o], 0, False
        if role is Role.REDUCTION:
            outer = dims[0] * 2 + batched
            if fn == "batch_norm" and self.w.op_attrs[o].get("statistics") != "input":
                foldable = True
                if self.x.pointwise_norm:
                    role, cls, outer = Role.POINTWISE, KernelClass.ELEMENTWISE, 0
        elif role is Role.WINDOW:
            size = s.elements[outs[0]] if outs else size
        elif kind == OpKind.CONV:
            cls = _convolution_class(dims)
        elif kind == OpKind.GEMM and (dims[0] > 1 or self.batch_dim[o] == 0):
            cls = KernelClass.BATCHED_GEMM
        if fn in _ALONE:
            role = Role.BARRIER
        if not self.modelled[o]:
            role, cls = Role.BARRIER, KernelClass.UNMODELLED
        writes = [(t, s.elements[t]) for t in outs]
        step = Step(o, kind, cls, role, size * 2 + batched, reads, weights, writes)
        step.outer, step.wide, step.vector, step.foldable = outer, wide, self.vector[o], foldable
        step.special = (
            fn in TRANSCENDENTAL or kind == OpKind.SOFTMAX or (kind == OpKind.NORM and not foldable)
        )
        step.inplace = "inplace" in self.w.op_attrs[o]
        step.reindexes = kind == OpKind.LAYOUT and fn != "cast"
        step.name = fn or self.w.op_target[o]
        return step

    def _two_pass_norm(self, o: int, fn: str, reads: list[Read], weights: list[Read], wide: bool) -> None:
        """A norm as the sums over each row and the pointwise work that uses them."""
        whole = self._step(o, OpKind.NORM, fn, reads, weights, wide)
        if whole.role != Role.REDUCTION:
            self._add(whole)
            return
        sums = self._new_value(
            whole.outer // 2, self.outs[o][0], Format.WIDE if self.x.mixed else Format.NARROW
        )
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
        s.form.append(int(form))
        s.stored.append(False)
        s.depends.append(s.depends[like])
        return len(s.elements) - 1

    def _settle_formats(self, o: int, kind: int, fn: str) -> bool:
        """Set the formats of an operator's outputs under mixed precision; whether it computes in FP32."""
        if not self.x.mixed:
            return False
        s = self.s
        if kind in CONTRACTIONS or fn == "prelu" or (kind == OpKind.NORM and fn != "batch_norm"):
            out = Format.NARROW
        elif kind == OpKind.SOFTMAX or fn in WIDE_AFTER_CAST or fn in WIDE_INSIDE:
            out = Format.WIDE
        elif fn == "batch_norm":
            out = Format(self._input_form(o, first_only=True))
        else:
            out = Format(self._input_form(o))
        for t in self.outs[o]:
            if s.form[t] == Format.WIDE:
                s.form[t] = out
        return out == Format.WIDE

    def _input_form(self, o: int, *, first_only: bool = False) -> int:
        """The widest float format among inputs that are not scalars; narrow where there is none."""
        s = self.s
        for t in self.ins[o][:1] if first_only else self.ins[o]:
            if s.elements[t] > 1 or first_only:
                for v, _ in self._values(t):
                    if s.form[v] == Format.WIDE:
                        return Format.WIDE
        return Format.NARROW

    def _operands(
        self, o: int, tensors: list[int], narrow: bool, cast_up: bool = False
    ) -> tuple[list[Read], list[Read]]:
        """Activations and stored tensors that are read, through the casts and copies that come before."""
        s, mixed, each_use = self.s, self.x.mixed, self.x.cast_each_use
        copied = self._copied(o)
        reads: list[Read] = []
        weights: list[Read] = []
        for t in tensors:
            for v, n in self._values(t):
                if s.stored[v]:
                    weights.append((v, t, n))
                    continue
                read = (v, t, n)
                if mixed and narrow and s.form[v] == Format.WIDE:
                    read = self._cast(o, read, Format.NARROW)
                elif each_use and cast_up and s.form[v] == Format.NARROW:
                    read = self._cast(o, read, Format.WIDE)
                if t in copied:
                    read = self._move(o, read, self._new_value(s.elements[t], v, s.form[read[0]]), "copy")
                reads.append(read)
        return reads, weights

    def _copied(self, o: int) -> set[int]:
        """Tensors whose strides no matrix product takes: they are copied before it."""
        positions = self.w.op_attrs[o].get("copied") if self.x.copy_operands else None
        return {self.ins[o][p] for p in positions} if positions else set()

    def _cast(self, o: int, read: Read, form: Format) -> Read:
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
        n = self.s.elements[target] if name != "cat" else read[2]
        size = n * 2 + self.s.batched[target]
        stored = self.s.stored[read[0]]
        step = Step(o, OpKind.LAYOUT, KernelClass.COPY, Role.POINTWISE, size, [read], [], [(target, n)])
        if stored:
            step.reads, step.weights = step.weights, step.reads
        step.name, step.reindexes, step.wide = name, name == "copy", name == "cast"
        self._add(step)
        return (target, read[1], n)

    def _mark_weight(self, weights: list[Read]) -> None:
        """The largest float parameter of a contraction is stored as weights are."""
        if weights:
            value, _, n = max(weights, key=lambda r: r[2])
            if n > 1 and self.s.form[value] < Format.OWN:
                self.s.form[value] = Format.WEIGHT

    def _math_attention(self, o: int) -> None:
        """Two matrix products with a softmax over the materialised matrix, which is kept in FP32.

        Source: PyTorch 2.5 and later, `_scaled_dot_product_attention_math` (half inputs accumulate and
            reduce in FP32).
        """
        batch, heads, lq, lk, d, dv = self.dims[o][:6]
        out, rows, n = self.outs[o][0], batch * heads, batch * heads * lq * lk
        wide = Format.WIDE if self.x.mixed else Format.NARROW
        scores, probabilities = (self._new_value(n, out, form) for form in (wide, Format.NARROW))
        batched = self.s.batched[out]
        (qk, stored_qk), (v, stored_v), (mask, stored_mask) = (
            self._operands(o, tensors, narrow=narrow)
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


def _convolution_class(dims: list[int]) -> KernelClass:
    """Which of the four convolutions it is to a machine."""
    _, groups, _, c, _, _, fy, fx = dims
    if groups > 1:
        return KernelClass.DEPTHWISE if c == 1 else KernelClass.GROUPED
    return KernelClass.POINTWISE if fy * fx == 1 else KernelClass.CONV
