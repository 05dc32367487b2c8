"""One network lowered once: kernels, and the traffic edges between them and the values they touch.

Which kernels there are depends on neither the batch nor the storage formats, so the graph work is done
once per network and choice of lowering; every batch and precision after that is arithmetic on these arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hw_models.cost.arrays import KernelClass
from hw_models.cost.memory import Lifetimes
from hw_models.lowering.geometry import geometry
from hw_models.lowering.precision import own_math, sparse_code
from hw_models.lowering.steps import Role
from hw_models.workload import counts
from hw_models.workload.op import N_DIMS, OpKind, TensorKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hw_models.lowering.fusion import Groups
    from hw_models.lowering.inlining import Node, Part
    from hw_models.lowering.steps import Schedule, Step
    from hw_models.workload.graph import Workload

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_EXTERN: Final = int(Role.EXTERN)
_RANK: Final[dict[int, int]] = {
    KernelClass.NORM: 6,
    KernelClass.SOFTMAX: 6,
    KernelClass.REDUCE: 5,
    KernelClass.POOL: 4,
    KernelClass.GATHER: 3,
    KernelClass.ELEMENTWISE: 2,
    KernelClass.COPY: 1,
}
"""Which step gives a fused group its class and dimensions; contractions and everything that runs alone
come before.
"""


@dataclass(frozen=True, slots=True)
class Edges:
    """Traffic between kernels and values, one entry per pair, at the batch the network was read with."""

    kernel: IntArray
    value: IntArray
    elements: FloatArray


@dataclass(frozen=True, slots=True)
class MemoryRules:
    """What kernels may do with memory and weights.

    Attributes:
        fold_norms: a batch norm behind a contraction in the same kernel is folded into its weights.
        reuse_memory: an elementwise kernel may write over an input that dies with it; else only where its
            author wrote it so.
    """

    fold_norms: bool
    reuse_memory: bool


@dataclass(frozen=True, eq=False, slots=True)
class LoweredNetwork:
    """One network under one choice of lowering; K kernels in execution order, V values.

    Attributes:
        name, batch: of the workload that was lowered.
        cls, kind, dims: (K,), (K,), (K, 8) of each kernel's main step.
        geometry: (K, 9) strides, dilations, input size, padding of convolutions.
        batch_dim: (K,) position of the loop dimension that grows with the batch, -1: none.
        layout: (K,) see `Kernels.layout`.
        own_math: (K,) `Precision` of a scheme that the main operator has for itself, -1: the network's.
        sparse: (K,) its weights' pattern N:M as 256 N + M, 0: dense.
        macs: (K,) at `batch`; vector_fixed, vector_batched: (K,) vector operations, constant and in
            proportion to the batch.
        wide, special: (K,) some step computes in FP32 under mixed precision; is a norm, softmax or
            transcendental function.
        reads, weights, writes: traffic edges.
        touched: for each entry of `reads`, the kernel that last wrote or read that value before; -1: comes
            from outside.
        batched, form: (V,) grows with the batch; `Format` code.
        weight_values: values that are weights of the network.
        lifetimes: of the activations.
        inputs, outputs: values that come from outside, that must be there in the end.
        in_place: (I, 2) pairs (input, output) of which the output may overwrite the input, should that die in
            the kernel that writes the output.
        op_ptr, op_index: CSR lists of operators per kernel.
        labels: (K,) short names.
        dead_ops: operators left out because nobody uses what they compute.
    """

    name: str
    batch: int
    cls: NDArray[np.int8]
    kind: NDArray[np.int8]
    dims: IntArray
    geometry: IntArray
    batch_dim: IntArray
    layout: NDArray[np.int8]
    own_math: IntArray
    sparse: IntArray
    macs: FloatArray
    vector_fixed: FloatArray
    vector_batched: FloatArray
    wide: BoolArray
    special: BoolArray
    reads: Edges
    weights: Edges
    writes: Edges
    touched: IntArray
    batched: BoolArray
    form: NDArray[np.int8]
    elements: FloatArray
    weight_values: IntArray
    lifetimes: Lifetimes
    inputs: IntArray
    outputs: IntArray
    in_place: IntArray
    op_ptr: IntArray
    op_index: IntArray
    labels: tuple[str, ...]
    dead_ops: int

    @property
    def moved_elements(self) -> float:
        """Elements that all kernels read and write, weights included."""
        return float(sum(e.elements.sum() for e in (self.reads, self.weights, self.writes)))


def lowered_network(
    workload: Workload, schedule: Schedule, nodes: list[Node], groups: Groups, rules: MemoryRules
) -> LoweredNetwork:
    """Account for what every kernel does and moves.

    Args:
        workload: the network.
        schedule: its steps.
        nodes: the steps that have memory of their own.
        groups: the nodes of each kernel, in execution order.
        rules: what the kernels may do with memory and weights.
    """
    return _Accounts(workload, schedule, nodes, groups, rules).finish()


class _Accounts:
    """Fills the columns of a `LoweredNetwork` kernel by kernel."""

    def __init__(
        self, workload: Workload, schedule: Schedule, nodes: list[Node], groups: Groups, rules: MemoryRules
    ) -> None:
        self.w, self.s, self.rules = workload, schedule, rules
        self.parts = [_parts(nodes, group) for group in groups]
        self.produced = [{v for p in parts for v, _ in schedule.steps[p.step].writes} for parts in self.parts]
        self.outside = bytearray(len(schedule.elements))
        self.reads: list[tuple[int, int, int]] = []
        self.weights: list[tuple[int, int, int]] = []
        self.writes: list[tuple[int, int, int]] = []
        self.touched: list[int] = []
        self.last_touch: dict[int, int] = {}
        self.born: dict[int, int] = dict.fromkeys(schedule.inputs, 0)
        self.in_place: list[tuple[int, int]] = []

    def finish(self) -> LoweredNetwork:
        """All columns."""
        for v in self.s.outputs:
            self.outside[v] = 1
        group_reads = [self._reads_of(k) for k in range(len(self.parts))]
        main, work, wide, special = [], [], [], []
        for k, parts in enumerate(self.parts):
            steps = [self.s.steps[p.step] for p in parts]
            shares = [0.0 if self._is_folded(k, s) else p.share for p, s in zip(parts, steps, strict=True)]
            self._traffic(k, steps, shares, group_reads[k])
            main.append(steps[0] if len(steps) == 1 else max(steps, key=_importance))
            vector, is_wide, is_special = [0.0, 0.0], False, False
            for step, share in zip(steps, shares, strict=True):
                vector[step.size & 1] += step.vector * share
                is_wide |= step.wide
                is_special |= step.special
            work.append(vector)
            wide.append(is_wide)
            special.append(is_special)
        return self._assemble(main, np.array(work).reshape(-1, 2), wide, special)

    def _reads_of(self, k: int) -> dict[int, int]:
        """Elements of every value that kernel `k` reads from memory; such values must be there."""
        s, produced, elements = self.s, self.produced[k], self.s.elements
        reads: dict[int, int] = {}
        slices: set[tuple[int, int]] = set()
        for i, share, through in self.parts[k]:
            for v, view, n in s.steps[i].reads:
                if v in produced:
                    continue
                self.outside[v] = 1
                whole = elements[v]
                if n >= whole and share >= 1.0:
                    reads[v] = whole
                elif (v, through if through >= 0 else view) not in slices:
                    slices.add((v, through if through >= 0 else view))
                    reads[v] = min(whole, reads.get(v, 0) + round(n * share))
        return reads

    def _traffic(self, k: int, steps: list[Step], shares: list[float], reads: dict[int, int]) -> None:
        """Edges of one kernel: outer inputs once, outputs that somebody else uses."""
        last = self.last_touch
        for v, n in reads.items():
            self.reads.append((k, v, n))
            self.touched.append(last.get(v, -1))
            last[v] = k
        weights: dict[int, int] = {}
        for step, share in zip(steps, shares, strict=True):
            if share:
                for v, _, n in step.weights:
                    if n > weights.get(v, 0):
                        weights[v] = n
            for v, n in step.writes:
                if self.outside[v]:
                    self.writes.append((k, v, n))
                    last[v] = k
                    self.born.setdefault(v, k)
                    self._note_in_place(steps, v, reads)
        self.weights.extend([(k, v, n) for v, n in weights.items()])

    def _is_folded(self, k: int, step: Step) -> bool:
        """Whether a batch norm disappears into the weights of the contraction it follows."""
        if not (step.foldable and self.rules.fold_norms and step.reads):
            return False
        value = step.reads[0][0]
        if value not in self.produced[k] or self.outside[value]:
            return False
        kinds = [self.s.steps[i].kind for i in self.s.writers[value]]
        return kinds[0] in (OpKind.CONV, OpKind.GEMM)

    def _note_in_place(self, steps: Sequence[Step], out: int, reads: dict[int, int]) -> None:
        """Inputs whose memory an output may take, should they die in this kernel."""
        if len(steps) == 1 and not _is_elementwise(steps[0]):
            return
        elements, batched, form, kept = self.s.elements, self.s.batched, self.s.form, self.s.outputs
        for v in reads:
            same = elements[v] == elements[out] and batched[v] == batched[out] and form[v] == form[out]
            if same and v not in kept and all(self._reads_in_step(m, v) for m in steps):
                self.in_place.append((v, out))

    def _reads_in_step(self, step: Step, value: int) -> bool:
        """Whether a step reads each element of a value only where it writes that element."""
        if all(v != value for v, _, _ in step.reads):
            return True
        allowed = self.rules.reuse_memory or step.inplace
        return allowed and _is_elementwise(step) and step.size == self.s.key(value)

    def _assemble(
        self, main: list[Step], vector: FloatArray, wide: list[bool], special: list[bool]
    ) -> LoweredNetwork:
        w, s = self.w, self.s
        rows = [m.op for m in main]
        dims, batch_dim = w.op_dims[rows].reshape(-1, N_DIMS), w.op_batch_dim[rows].astype(np.int64)
        for k, m in enumerate(main):
            if m.dims is not None:
                dims[k], batch_dim[k] = m.dims, 0
        kind = np.array([m.kind for m in main], np.int8)
        ops = [list(dict.fromkeys([s.steps[p.step].op for p in parts])) for parts in self.parts]
        return LoweredNetwork(
            name=w.name,
            batch=w.batch,
            cls=np.array([m.cls for m in main], np.int8),
            kind=kind,
            dims=dims,
            geometry=geometry(w, rows, [m.dims is None and m.kind == OpKind.CONV for m in main]),
            batch_dim=batch_dim,
            layout=np.array([m.layout for m in main], np.int8),
            own_math=np.array([own_math(w.op_attrs[r]) for r in rows], np.int64),
            sparse=np.array([sparse_code(w.op_attrs[r]) for r in rows], np.int64),
            macs=(counts.macs(kind, dims) * w.op_modelled[rows]).astype(np.float64),
            vector_fixed=vector[:, 0],
            vector_batched=vector[:, 1],
            wide=np.array(wide, np.bool_),
            special=np.array(special, np.bool_),
            reads=_edges(self.reads),
            weights=_edges(self.weights),
            writes=_edges(self.writes),
            touched=np.array(self.touched, np.int64),
            batched=np.array(s.batched, np.bool_),
            form=np.array(s.form, np.int8),
            elements=np.array(s.elements, np.float64),
            weight_values=self._weight_values(),
            lifetimes=self._lifetimes(),
            inputs=np.array(s.inputs, np.int64),
            outputs=np.array(s.outputs, np.int64),
            in_place=np.array(self.in_place, np.int64).reshape(-1, 2),
            op_ptr=np.cumsum([0, *map(len, ops)]),
            op_index=np.array([o for group in ops for o in group], np.int64),
            labels=tuple(map(self._label, main, self.parts)),
            dead_ops=s.dead_ops,
        )

    def _weight_values(self) -> IntArray:
        """Distinct weights that some kernel reads."""
        weights = set(np.flatnonzero(self.w.tensor_kind == TensorKind.WEIGHT).tolist())
        own = self.w.tensor_storage
        return np.array(sorted({int(own[v]) for _, v, _ in self.weights if v in weights}), np.int64)

    def _lifetimes(self) -> Lifetimes:
        """Of every activation that exists in memory, inputs and outputs of the network included."""
        last_use = {v: self.last_touch.get(v, 0) for v in self.born}
        last_use |= {v: len(self.parts) - 1 for v in self.s.outputs if v in self.born}
        values = sorted(self.born)
        return Lifetimes.of(
            values, [self.born[v] for v in values], [last_use[v] for v in values], self.in_place
        )

    def _label(self, main: Step, parts: list[Part]) -> str:
        """Module path of the main step and the functions that run in the kernel, in order."""
        names = dict.fromkeys(self.s.steps[p.step].name for p in parts)
        module = self.w.op_module[main.op]
        return f"{module} {'+'.join(names)}" if module else "+".join(names)


def _parts(nodes: list[Node], group: list[int]) -> list[Part]:
    """Everything that runs in a kernel, once each, in order."""
    if len(group) == 1:
        return nodes[group[0]].parts
    return sorted({part for i in group for part in nodes[i].parts})


def _is_elementwise(step: Step) -> bool:
    """Whether it computes each element from those at the same place."""
    return step.kind == OpKind.ELEMENTWISE or step.foldable


def _importance(step: Step) -> tuple[int, int]:
    """Contractions first, then by class, then by iterations."""
    return (9 if step.role == _EXTERN else _RANK.get(step.cls, 8), step.size)


def _edges(rows: list[tuple[int, int, int]]) -> Edges:
    table: NDArray[Any] = np.array(rows, np.int64).reshape(-1, 3)
    return Edges(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].astype(np.float64))
