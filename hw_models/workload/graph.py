"""A network as operators, tensors and the edges between them: struct of arrays inside, table outside.

Whoever reads networks builds a `Workload` through `WorkloadBuilder`; nobody else makes one. The numbers hold
for the batch at which the network was read (`Workload.batch`); `at_batch` gives the network at another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hw_models.errors import InputError
from hw_models.workload import counts
from hw_models.workload.op import BITS, LOOP_DIMS, N_DIMS, OpKind, Precision, TensorKind

if TYPE_CHECKING:
    import pandas as pd

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

WORKLOAD_FORMAT = 1
"""Version of the fields below; a cached trace of another version is traced anew, never misread."""

_BITS = np.array([BITS[precision] for precision in Precision], np.float64)
"""Bits of one element by precision code."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Row view of one tensor of a workload."""

    index: int
    shape: tuple[int, ...]
    precision: Precision
    kind: TensorKind
    batched: bool
    storage: int

    @property
    def elements(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def bytes(self) -> float:
        """Bytes at the tensor's own precision."""
        return self.elements * BITS[self.precision] / 8


@dataclass(frozen=True, slots=True)
class Op:
    """Row view of one operator of a workload."""

    index: int
    kind: OpKind
    target: str
    module: str
    dims: tuple[int, ...]
    attrs: Mapping[str, Any]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    macs: int
    vector_ops: float
    modelled: bool

    @property
    def loop(self) -> dict[str, int]:
        """Loop dimensions by name."""
        return dict(zip(LOOP_DIMS[self.kind], self.dims, strict=False))


@dataclass(frozen=True, eq=False)
class Workload:
    """What a network computes and moves; O operators in execution order, T tensors.

    Attributes:
        name: what the user called the network.
        batch: images (or sequences) of one inference for which the numbers hold.
        op_kind: (O,) `OpKind` codes.
        op_dims: (O, 8) loop dimensions, named by `LOOP_DIMS[kind]`, unused ones 1.
        op_batch_dim: (O,) position of the loop dimension that grows with the batch; -1: none does.
        op_vector_cost: (O,) vector operations per iteration of the loop nest (0 for contractions and views).
        op_modelled: (O,) False where the reader had no rule; such rows count no MACs and no vector
            operations.
        op_target: operator as the source names it ("aten.convolution", "Conv").
        op_module: module path ("stages.0.blocks.1.conv1"), "" at the top.
        op_attrs: what lowering must know beyond dims, JSON-able. Every row has `fn`, the function ("conv",
            "linear", "matmul", "attention", "batch_norm", "softmax", "relu", "add", "mean", "cat", "copy",
            "cast", ...). Where it applies: `rank` of the main operand; `weights`, the positions of inputs
            that do not depend on the network's input; `inplace`, the position of the input that was
            overwritten; `stride`, `dilation` [y, x], `transposed`, `bias`; `mask`, `causal`, `kv_heads`;
            `axes`, `spatial_mean`; `statistics` of a norm ("running", "input"); `sequential` (a recurrence).
            Compression adds `precision`, the scheme of a contraction whatever the network's, and `sparsity`,
            the pattern N:M of its weights.
        in_ptr, in_tensor: CSR lists of input tensors, in the operator's own order; out_ptr, out_tensor: of
            outputs.
        tensor_ptr, tensor_dims: CSR lists of tensor shapes.
        tensor_precision, tensor_kind: (T,) codes.
        tensor_batched: (T,) True where it depends on the network's input; one of its dimensions, the first or
            a merged one, then grows with the batch.
        tensor_storage: (T,) the tensor whose memory this one is a view of (itself where it owns its memory).
            The graph is functional: what an in-place operator leaves is a tensor of its own, except where it
            overwrites a part of a memory.
        outputs: tensors the network returns.
        meta: facts about the reading (source, versions, hash); JSON-able. `formats` lists tensors that are
            stored as `tensor_precision` says whatever the network's precision.
    """

    name: str
    batch: int
    op_kind: NDArray[np.int8]
    op_dims: IntArray
    op_batch_dim: NDArray[np.int8]
    op_vector_cost: FloatArray
    op_modelled: BoolArray
    op_target: tuple[str, ...]
    op_module: tuple[str, ...]
    op_attrs: tuple[Mapping[str, Any], ...]
    in_ptr: IntArray
    in_tensor: IntArray
    out_ptr: IntArray
    out_tensor: IntArray
    tensor_ptr: IntArray
    tensor_dims: IntArray
    tensor_precision: NDArray[np.int8]
    tensor_kind: NDArray[np.int8]
    tensor_batched: BoolArray
    tensor_storage: IntArray
    outputs: tuple[int, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.op_kind)

    @override
    def __repr__(self) -> str:
        return (
            f"Workload({self.name!r}, batch={self.batch}, {len(self)} ops, {self.macs / 1e9:.3f} GMAC "
            f"({2 * self.macs / 1e9:.3f} GOP), {self.params / 1e6:.2f} M parameters)"
        )

    @cached_property
    def op_macs(self) -> IntArray:
        """(O,) multiply-accumulates; one MAC is two ops."""
        return counts.macs(self.op_kind, self.op_dims) * self.op_modelled

    @cached_property
    def op_vector_ops(self) -> FloatArray:
        """(O,) operations of the vector unit."""
        return counts.iterations(self.op_dims) * self.op_vector_cost * self.op_modelled

    @cached_property
    def tensor_elements(self) -> IntArray:
        """(T,) elements; 1 for a tensor without dimensions."""
        elements = np.ones(self.n_tensors, np.int64)
        has_rank = self.tensor_ptr[1:] > self.tensor_ptr[:-1]
        if has_rank.any():
            elements[has_rank] = np.multiply.reduceat(self.tensor_dims, self.tensor_ptr[:-1][has_rank])
        return elements

    @cached_property
    def tensor_bytes(self) -> FloatArray:
        """(T,) bytes at the precision the network was read in."""
        return self.tensor_elements * _BITS[self.tensor_precision] / 8

    @property
    def n_tensors(self) -> int:
        """Number of tensors."""
        return len(self.tensor_kind)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference at `batch`."""
        return int(self.op_macs.sum())

    @property
    def params(self) -> int:
        """Parameters as the network's author counts them where the reader knows, else elements of weights."""
        if "parameters" in self.meta:
            return int(self.meta["parameters"])
        own = self.tensor_storage == np.arange(self.n_tensors)
        return int(self.tensor_elements[(self.tensor_kind == TensorKind.WEIGHT) & own].sum())

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Shape of one tensor."""
        return tuple(self.tensor_dims[self.tensor_ptr[tensor] : self.tensor_ptr[tensor + 1]].tolist())

    def op_inputs(self, op: int) -> tuple[int, ...]:
        """Tensors that one operator reads."""
        return tuple(self.in_tensor[self.in_ptr[op] : self.in_ptr[op + 1]].tolist())

    def op_outputs(self, op: int) -> tuple[int, ...]:
        """Tensors that one operator writes."""
        return tuple(self.out_tensor[self.out_ptr[op] : self.out_ptr[op + 1]].tolist())

    def tensor(self, index: int) -> Tensor:
        """Row view of one tensor."""
        return Tensor(
            index,
            self.shape(index),
            Precision(int(self.tensor_precision[index])),
            TensorKind(int(self.tensor_kind[index])),
            bool(self.tensor_batched[index]),
            int(self.tensor_storage[index]),
        )

    def op(self, index: int) -> Op:
        """Row view of one operator."""
        kind = OpKind(int(self.op_kind[index]))
        return Op(
            index,
            kind,
            self.op_target[index],
            self.op_module[index],
            tuple(self.op_dims[index].tolist()),
            self.op_attrs[index],
            self.op_inputs(index),
            self.op_outputs(index),
            int(self.op_macs[index]),
            float(self.op_vector_ops[index]),
            bool(self.op_modelled[index]),
        )

    @property
    def ops(self) -> Iterator[Op]:
        """Row views of all operators, in execution order."""
        return (self.op(i) for i in range(len(self)))

    def at_batch(self, batch: int) -> Workload:
        """The same network at another batch; what depends on the input grows in proportion.

        Raises:
            InputError: where `batch` is not a positive integer.
        """
        if batch < 1 or int(batch) != batch:
            msg = f"batch {batch!r} given, expected a positive integer"
            raise InputError(msg)
        if batch == self.batch:
            return self
        return counts.rescale(self, batch)

    def unmodelled_share(self) -> dict[str, float]:
        """Share of what no rule covers: `output_elements` and `bytes` (inputs plus outputs), each in 0..1."""
        return counts.unmodelled_share(self)

    def to_frame(self) -> pd.DataFrame:
        """One row per operator, units in the column names."""
        return counts.to_frame(self)


@dataclass
class WorkloadBuilder:
    """Collects tensors and operators while a network is read, then makes the `Workload`."""

    name: str
    batch: int = 1
    _tensors: list[tuple[tuple[int, ...], Precision, TensorKind, bool, int]] = field(default_factory=list)
    _ops: list[tuple[OpKind, tuple[int, ...], int, float, bool, str, str, Mapping[str, Any]]] = field(
        default_factory=list
    )
    _ins: list[tuple[int, ...]] = field(default_factory=list)
    _outs: list[tuple[int, ...]] = field(default_factory=list)

    def __len__(self) -> int:
        """Operators so far."""
        return len(self._ops)

    def tensor(
        self,
        shape: Sequence[int],
        precision: Precision,
        kind: TensorKind,
        *,
        batched: bool,
        view_of: int | None = None,
    ) -> int:
        """Add a tensor; its index. `view_of`: the tensor whose memory it shares."""
        index = len(self._tensors)
        storage = index if view_of is None else self._tensors[view_of][4]
        whole = shape if type(shape) is tuple else tuple(map(int, shape))
        self._tensors.append((whole, precision, kind, batched, storage))
        return index

    def op(  # noqa: PLR0913  (a row has that many fields)
        self,
        kind: OpKind,
        dims: Sequence[int],
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        target: str,
        module: str = "",
        batch_dim: int = -1,
        vector_cost: float = 0.0,
        modelled: bool = True,
        attrs: Mapping[str, Any] | None = None,
    ) -> int:
        """Add an operator; its index. `dims` in the order of `LOOP_DIMS[kind]`."""
        padded = (*map(int, dims), *(1,) * (N_DIMS - len(dims)))
        self._ops.append((kind, padded, batch_dim, vector_cost, modelled, target, module, dict(attrs or {})))
        self._ins.append(tuple(inputs))
        self._outs.append(tuple(outputs))
        return len(self._ops) - 1

    def finish(self, outputs: Sequence[int], meta: Mapping[str, Any] | None = None) -> Workload:
        """The workload of all that was added."""
        columns = list(zip(*self._ops, strict=True)) or [()] * 8
        t_columns = list(zip(*self._tensors, strict=True)) or [()] * 5
        in_ptr, in_tensor = _csr(self._ins)
        out_ptr, out_tensor = _csr(self._outs)
        tensor_ptr, tensor_dims = _csr(t_columns[0])
        return Workload(
            name=self.name,
            batch=self.batch,
            op_kind=np.array(columns[0], np.int8),
            op_dims=np.array(columns[1], np.int64).reshape(-1, N_DIMS),
            op_batch_dim=np.array(columns[2], np.int8),
            op_vector_cost=np.array(columns[3], np.float64),
            op_modelled=np.array(columns[4], np.bool_),
            op_target=tuple(columns[5]),
            op_module=tuple(columns[6]),
            op_attrs=tuple(columns[7]),
            in_ptr=in_ptr,
            in_tensor=in_tensor,
            out_ptr=out_ptr,
            out_tensor=out_tensor,
            tensor_ptr=tensor_ptr,
            tensor_dims=tensor_dims,
            tensor_precision=np.array(t_columns[1], np.int8),
            tensor_kind=np.array(t_columns[2], np.int8),
            tensor_batched=np.array(t_columns[3], np.bool_),
            tensor_storage=np.array(t_columns[4], np.int64),
            outputs=tuple(outputs),
            meta=dict(meta or {}),
        )


def _csr(rows: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray]:
    """Pointer and value arrays of a ragged list."""
    ptr = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(list(map(len, rows)), out=ptr[1:])
    flat = np.array(list(chain.from_iterable(rows)), np.int64)
    return ptr, flat


def renamed(workload: Workload, name: str) -> Workload:
    """The same workload under another name."""
    return replace(workload, name=name)
