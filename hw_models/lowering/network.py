"""One network lowered once: kernels, and the traffic edges between them and the values they touch.

Which kernels there are depends on neither the batch nor the storage formats, so the graph work is done once per network
and choice of lowering; every batch and precision after that is arithmetic on these arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hw_models.cost.arrays import KernelClass
from hw_models.cost.memory import Lifetimes
from hw_models.lowering.steps import Role
from hw_models.workload.op import N_DIMS, OpKind, TensorKind

if TYPE_CHECKING:
    from hw_models.lowering.fusion import Groups
    from hw_models.lowering.steps import Schedule, Step
    from hw_models.workload.graph import Workload

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_RANK: Final = {
    KernelClass.NORM: 6,
    KernelClass.SOFTMAX: 6,
    KernelClass.REDUCE: 5,
    KernelClass.POOL: 4,
    KernelClass.GATHER: 3,
    KernelClass.ELEMENTWISE: 2,
    KernelClass.COPY: 1,
}
"""Which step gives a fused group its class and dimensions; contractions and everything that runs alone come before."""


@dataclass(frozen=True, slots=True)
class Edges:
    """Traffic between kernels and values: one entry per (kernel, value), at the batch the network was read with."""

    kernel: IntArray
    value: IntArray
    elements: FloatArray


@dataclass(frozen=True, eq=False, slots=True)
class LoweredNetwork:
    """One network under one choice of lowering; K kernels in execution order, V values.

    Attributes:
        name, batch: of the workload that was lowered.
        cls, kind, dims: (K,), (K,), (K, 8) of each kernel's main step.
        batch_dim: (K,) position of the loop dimension that grows with the batch, -1: none.
        macs: (K,) at `batch`; vector_fixed, vector_batched: (K,) vector operations, constant and in proportion to the batch.
        wide, special: (K,) some step computes in FP32 under mixed precision; is a norm, softmax or transcendental function.
        reads, weights, writes: traffic edges.
        touched: for each entry of `reads`, the kernel that last wrote or read that value before; -1: comes from outside.
        batched, form: (V,) grows with the batch; `Format` code.
        weight_values: values that are weights of the network.
        lifetimes: of the activations.
        op_ptr, op_index: CSR lists of operators per kernel.
        labels: (K,) short names.
        dead_ops: operators left out because nobody uses what they compute.
    """

    name: str
    batch: int
    cls: NDArray[np.int8]
    kind: NDArray[np.int8]
    dims: IntArray
    batch_dim: IntArray
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
    op_ptr: IntArray
    op_index: IntArray
    labels: tuple[str, ...]
    dead_ops: int


def lowered_network(
    workload: Workload, schedule: Schedule, groups: Groups, *, fold_norms: bool, reuse_memory: bool
) -> LoweredNetwork:
    """Account for what every kernel does and moves.

    Args:
        workload: the network.
        schedule: its steps.
        groups: the steps of each kernel, in execution order.
        fold_norms: a batch norm behind a contraction in the same kernel is folded into its weights.
        reuse_memory: an elementwise kernel may write over an input that dies with it.
    """
    return _Accounts(workload, schedule, groups, fold_norms, reuse_memory).finish()


class _Accounts:
    """Fills the columns of a `LoweredNetwork` kernel by kernel."""

    def __init__(
        self, workload: Workload, schedule: Schedule, groups: Groups, fold_norms: bool, reuse_memory: bool
    ) -> None:
        self.w, self.s, self.groups = workload, schedule, groups
        self.fold_norms, self.reuse_memory = fold_norms, reuse_memory
        self.home = [0] * len(schedule.steps)
        for k, group in enumerate(groups):
            for i in group:
                self.home[i] = k
        self.outside = self._used_outside()
        self.reads: list[tuple[int, int, int]] = []
        self.weights: list[tuple[int, int, int]] = []
        self.writes: list[tuple[int, int, int]] = []
        self.touched: list[int] = []
        self.last_touch: dict[int, int] = {}
        self.born: dict[int, int] = dict.fromkeys(schedule.inputs, 0)
        self.in_place: list[tuple[int, int]] = []

    def _used_outside(self) -> bytearray:
        """Values that must exist in memory: read by another kernel than writes them, or returned."""
        s, home = self.s, self.home
        outside = bytearray(len(s.elements))
        for v in s.outputs:
            outside[v] = 1
        writers = s.writers
        for i, step in enumerate(s.steps):
            k = home[i]
            for v, _, _ in step.reads:
                if not outside[v]:
                    for p in writers.get(v, ()):
                        if home[p] != k:
                            outside[v] = 1
        return outside

    def finish(self) -> LoweredNetwork:
        """All columns."""
        steps = self.s.steps
        main: list[Step] = []
        fixed, batched = [], []
        wide, special = [], []
        for k, group in enumerate(self.groups):
            members = [steps[i] for i in group]
            self._traffic(k, members)
            main.append(members[0] if len(members) == 1 else max(members, key=_importance))
            work = [0.0, 0.0]
            for step in members:
                if step.vector and not (step.foldable and self._is_folded(k, step)):
                    work[step.size & 1] += step.vector
            fixed.append(work[0])
            batched.append(work[1])
            wide.append(any(m.wide for m in members))
            special.append(any(m.special for m in members))
        return self._assemble(main, np.array([fixed, batched]), wide, special)

    def _traffic(self, k: int, members: Sequence[Step]) -> None:
        """Edges of one kernel: outer inputs once, outputs that somebody else uses."""
        s, home, writers, elements = self.s, self.home, self.s.writers, self.s.elements
        reads: dict[int, int] = {}
        weights: dict[int, int] = {}
        slices: set[int] = set()
        for step in members:
            for v, view, n in step.reads:
                source = writers.get(v)
                if source is not None and home[source[0]] == k:
                    continue
                whole = elements[v]
                if n >= whole:
                    reads[v] = whole
                elif view not in slices:
                    slices.add(view)
                    reads[v] = min(whole, reads.get(v, 0) + n)
            if not (step.foldable and self._is_folded(k, step)):
                for v, _, n in step.weights:
                    weights[v] = max(weights.get(v, 0), n)
        last = self.last_touch
        for v, n in reads.items():
            self.reads.append((k, v, n))
            self.touched.append(last.get(v, -1))
            last[v] = k
        self.weights.extend([(k, v, n) for v, n in weights.items()])
        for step in members:
            for v, n in step.writes:
                if self.outside[v]:
                    self.writes.append((k, v, n))
                    last[v] = k
                    self.born.setdefault(v, k)
        self._note_in_place(k, members, reads)

    def _is_folded(self, k: int, step: Step) -> bool:
        """Whether a batch norm disappears into the weights of the contraction it follows."""
        if not self.fold_norms or not step.reads:
            return False
        value = step.reads[0][0]
        source = self.s.writers.get(value)
        if source is None or self.home[source[0]] != k or self.outside[value]:
            return False
        return self.s.steps[source[0]].kind in (OpKind.CONV, OpKind.GEMM)

    def _note_in_place(self, k: int, members: Sequence[Step], reads: dict[int, int]) -> None:
        """Pairs (input, output) of which the output may take the input's memory, should the input die here."""
        s = self.s
        outputs = [v for step in members for v, _ in step.writes if self.outside[v]]
        for out in outputs:
            for v in reads:
                same = (
                    s.elements[v] == s.elements[out]
                    and s.batched[v] == s.batched[out]
                    and s.form[v] == s.form[out]
                )
                if same and all(self._reads_in_step(m, v) for m in members):
                    self.in_place.append((v, out))

    def _reads_in_step(self, step: Step, value: int) -> bool:
        """Whether a step reads each element of a value only where it writes that element."""
        if all(v != value for v, _, _ in step.reads):
            return True
        elementwise = step.kind == OpKind.ELEMENTWISE or step.foldable
        whole = step.size == self.s.elements[value] * 2 + self.s.batched[value]
        return elementwise and whole and (self.reuse_memory or step.inplace)

    def _assemble(
        self, main: list[Step], vector: FloatArray, wide: list[bool], special: list[bool]
    ) -> LoweredNetwork:
        w, s = self.w, self.s
        ops = [sorted({s.steps[i].op for i in group}) for group in self.groups]
        dims = w.op_dims[[m.op for m in main]] if main else np.zeros((0, N_DIMS), np.int64)
        batch_dim = w.op_batch_dim[[m.op for m in main]].astype(np.int64) if main else np.zeros(0, np.int64)
        for k, m in enumerate(main):
            if m.dims is not None:
                dims[k], batch_dim[k] = m.dims, 0
        kind = np.array([m.kind for m in main], np.int8)
        return LoweredNetwork(
            name=w.name,
            batch=w.batch,
            cls=np.array([m.cls for m in main], np.int8),
            kind=kind,
            dims=dims,
            batch_dim=batch_dim,
            macs=_macs(w, main, kind, dims),
            vector_fixed=vector[0],
            vector_batched=vector[1],
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
            op_ptr=np.cumsum([0, *(len(o) for o in ops)]),
            op_index=np.array([o for group in ops for o in group], np.int64),
            labels=tuple(self._label(m, group) for m, group in zip(main, self.groups, strict=True)),
            dead_ops=s.dead_ops,
        )

    def _weight_values(self) -> IntArray:
        """Distinct weights that some kernel reads."""
        kinds = self.w.tensor_kind
        own = self.w.tensor_storage
        used = {int(own[v]) for _, v, _ in self.weights if v < len(kinds) and kinds[v] == TensorKind.WEIGHT}
        return np.array(sorted(used), np.int64)

    def _lifetimes(self) -> Lifetimes:
        """Of every activation that exists in memory, inputs and outputs of the network included."""
        last = len(self.groups) - 1
        dies = {v: max(k, 0) for v, k in self.last_touch.items() if v in self.born}
        for v in self.s.outputs:
            if v in self.born:
                dies[v] = last
        values = sorted(self.born)
        return Lifetimes.of(
            values, [self.born[v] for v in values], [dies.get(v, self.born[v]) for v in values], self.in_place
        )

    def _label(self, main: Step, group: Sequence[int]) -> str:
        """Module path of the main step and the functions that run in the kernel, in order."""
        attrs = self.w.op_attrs
        names = [attrs[self.s.steps[i].op].get("fn") or self.w.op_target[self.s.steps[i].op] for i in group]
        work = "+".join(dict.fromkeys(names))
        module = self.w.op_module[main.op]
        return f"{module} {work}" if module else work


def _importance(step: Step) -> tuple[int, int]:
    """Contractions first, then by class, then by iterations."""
    return (9 if step.role == Role.EXTERN else _RANK.get(KernelClass(step.cls), 8), step.size)


def _macs(w: Workload, main: list[Step], kind: NDArray[np.int8], dims: IntArray) -> FloatArray:
    """Multiply-accumulates of each kernel at the batch of the workload."""
    from hw_models.workload import counts

    modelled = w.op_modelled[[m.op for m in main]] if main else np.zeros(0, np.bool_)
    macs: FloatArray = (counts.macs(kind, dims) * modelled).astype(np.float64)
    return macs


def _edges(rows: list[tuple[int, int, int]]) -> Edges:
    table: NDArray[Any] = np.array(rows, np.int64).reshape(-1, 3)
    return Edges(table[:, 0].copy(), table[:, 1].copy(), table[:, 2].astype(np.float64))
