"""Which tensor of the graph each Python tensor stands for, through views and in-place writes.

The graph is functional: what an in-place operator leaves behind is a new tensor, and the next reader of
another view of that memory passes through a VIEW row that joins the old contents with what was written. An
in-place operator that overwrites a whole memory makes a tensor that owns its memory; one that overwrites a
part makes a view of the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch

from hw_models.workload.from_torch.values import Values
from hw_models.workload.op import OpKind, Precision, TensorKind

if TYPE_CHECKING:
    from torch import Tensor

    from hw_models.workload.from_torch.rules import Row
    from hw_models.workload.graph import WorkloadBuilder

_PRECISION: Final = {
    torch.float64: Precision.FP64,
    torch.float32: Precision.FP32,
    torch.bfloat16: Precision.BF16,
    torch.float16: Precision.FP16,
    torch.float8_e4m3fn: Precision.FP8,
    torch.float8_e5m2: Precision.FP8,
    torch.int64: Precision.INT64,
    torch.int32: Precision.INT32,
    torch.int16: Precision.INT16,
    torch.int8: Precision.INT8,
    torch.uint8: Precision.UINT8,
    torch.bool: Precision.BOOL,
    torch.complex64: Precision.COMPLEX64,
    torch.complex128: Precision.COMPLEX128,
}
_STATIC: Final = frozenset({TensorKind.WEIGHT, TensorKind.CONSTANT})


class Stored(NamedTuple):
    """A tensor that came with the module: its kind, and its data where there are any."""

    kind: TensorKind
    data: Tensor | None


class _Write(NamedTuple):
    """One in-place write into a memory: the tensor it made, and whether it covers the memory."""

    tensor: int
    whole: bool


class Ledger:
    """Tensors and rows of the graph that is being recorded.

    Attributes:
        builder: what has been recorded.
        path: module path of the operator that runs now.
        target: the operator that runs now.
        values: values of constants.
    """

    def __init__(self, builder: WorkloadBuilder) -> None:
        self.builder = builder
        self.path = ""
        self.target = ""
        self.values = Values()
        self.batched: list[bool] = []
        self._kind: list[TensorKind] = []
        self._index: dict[int, int] = {}
        self._alive: list[Tensor] = []
        self._stored: dict[int, Stored] = {}
        self._owner: dict[int, int] = {}
        self._writes: dict[int, list[_Write]] = {}
        self._seen: dict[int, int] = {}

    # -- what exists before the forward pass -----------------------------------------------------------

    def store(self, tensor: Tensor, kind: TensorKind, data: Tensor | None = None) -> None:
        """Tell of a parameter or buffer, or of its value; it joins the graph when it is first read."""
        told = self._stored.get(id(tensor))
        self._stored[id(tensor)] = Stored(kind, told.data if told is not None and data is None else data)
        self._alive.append(tensor)

    def add_input(self, tensor: Tensor) -> int:
        """Register an input of the network."""
        return self.bind(tensor, self._new(tensor.shape, tensor.dtype, TensorKind.INPUT, batched=True))

    # -- tensors ---------------------------------------------------------------------------------------

    def _new(
        self,
        shape: Sequence[int],
        dtype: torch.dtype,
        kind: TensorKind,
        *,
        batched: bool,
        view_of: int | None = None,
    ) -> int:
        index = self.builder.tensor(
            shape, _PRECISION.get(dtype, Precision.FP32), kind, batched=batched, view_of=view_of
        )
        self.batched.append(batched)
        self._kind.append(kind)
        return index

    def bind(self, tensor: Tensor, index: int) -> int:
        """Let a Python tensor stand for a tensor of the graph from now on."""
        self._index[id(tensor)] = index
        self._alive.append(tensor)
        self._owner.setdefault(tensor.untyped_storage()._cdata, index)
        return index

    def constant(self, tensor: Tensor) -> int:
        """A result that depends on no tensor."""
        return self.bind(tensor, self._new(tensor.shape, tensor.dtype, TensorKind.CONSTANT, batched=False))

    def result(self, tensor: Tensor, *, batched: bool) -> int:
        """A new result in memory of its own."""
        return self.bind(
            tensor, self._new(tensor.shape, tensor.dtype, TensorKind.ACTIVATION, batched=batched)
        )

    def hidden_result(self, shape: Sequence[int], dtype: torch.dtype) -> int:
        """A result that depends on the input and that no Python tensor stands for."""
        return self._new(shape, dtype, TensorKind.ACTIVATION, batched=True)

    def read(self, tensor: Tensor) -> int:
        """Index of what a tensor holds now."""
        index = self._index.get(id(tensor))
        if index is None:
            index = self._first_read(tensor)
        if self._writes:
            writes = self._writes.get(tensor.untyped_storage()._cdata)
            if writes is not None and len(writes) > self._seen.get(id(tensor), 0):
                return self._joined(tensor, index, writes)
        return index

    def _first_read(self, tensor: Tensor) -> int:
        stored = self._stored.get(id(tensor))
        if stored is None:
            owner = self._owner.get(tensor.untyped_storage()._cdata)
            if owner is not None:  # an alias made without a dispatch, such as `x.data`
                return self.bind(tensor, self._view(tensor, [owner], "alias", "aten.alias"))
            return self.constant(tensor)
        index = self._new(tensor.shape, tensor.dtype, stored.kind, batched=False)
        if stored.data is not None:
            self.values.give(index, stored.data)
        return self.bind(tensor, index)

    # -- views and writes ------------------------------------------------------------------------------

    def _view(self, tensor: Tensor, sources: Sequence[int], fn: str, target: str) -> int:
        """A VIEW row of one result, in the memory of the first source."""
        new = self._alias(tensor, sources[0], batched=any(self.batched[s] for s in sources))
        self._view_row([tensor], sources, [new], fn, target)
        return new

    def _alias(self, tensor: Tensor, source: int, *, batched: bool) -> int:
        kind = self._kind[source] if self._kind[source] in _STATIC and not batched else TensorKind.ACTIVATION
        return self._new(tensor.shape, tensor.dtype, kind, batched=batched, view_of=source)

    def _view_row(
        self, views: Sequence[Tensor], sources: Sequence[int], made: Sequence[int], fn: str, target: str
    ) -> None:
        attrs = {"fn": fn, "rank": views[0].dim()}
        self.emit(
            (OpKind.VIEW, (sum(v.numel() for v in views),), 0, 0.0, attrs), sources, made, target=target
        )

    def views(self, source: int, tensors: Sequence[Tensor], fn: str) -> list[int]:
        """A VIEW row whose results share the memory of `source`."""
        made = [self._alias(t, source, batched=self.batched[source]) for t in tensors]
        self._view_row(tensors, [source], made, fn, self.target)
        for tensor, index in zip(tensors, made, strict=True):
            self.bind(tensor, index)
            self._seen[id(tensor)] = len(self._writes.get(tensor.untyped_storage()._cdata, ()))
        return made

    def same(self, source: int, tensor: Tensor) -> None:
        """Let another Python tensor of the same shape and memory stand for `source` too."""
        self.bind(tensor, source)
        self._seen[id(tensor)] = len(self._writes.get(tensor.untyped_storage()._cdata, ()))

    def _joined(self, tensor: Tensor, index: int, writes: list[_Write]) -> int:
        """Join what a tensor held with what was since written into its memory through other views."""
        sources = [index]
        for write in writes[self._seen.get(id(tensor), 0) :]:
            sources = [write.tensor] if write.whole else [*sources, write.tensor]
        new = self._view(tensor, sources, "join_writes", "aten.alias")
        self._seen[id(tensor)] = len(writes)
        return self.bind(tensor, new)

    def written(self, tensor: Tensor, *, batched: bool, constant: bool) -> int:
        """What an in-place operator leaves in a tensor's memory; earlier views see it when they are read."""
        storage = tensor.untyped_storage()
        whole = tensor.numel() * tensor.element_size() == storage.nbytes()
        old = None if whole else self.read(tensor)
        kind = TensorKind.CONSTANT if constant else TensorKind.ACTIVATION
        new = self._new(tensor.shape, tensor.dtype, kind, batched=batched, view_of=old)
        if whole:
            self._owner[storage._cdata] = new
        self.bind(tensor, new)
        writes = self._writes.setdefault(storage._cdata, [])
        writes.append(_Write(new, whole))
        self._seen[id(tensor)] = len(writes)
        return new

    # -- rows ------------------------------------------------------------------------------------------

    def emit(
        self,
        row: Row | tuple[OpKind, Sequence[int], int, float, Mapping[str, Any]],
        inputs: Sequence[int],
        outputs: Iterable[int],
        *,
        target: str = "",
        modelled: bool = True,
    ) -> None:
        """Add a row at the current module path; `batch_dim` is kept where a result depends on the input."""
        kind, dims, batch_dim, cost, attrs = row
        outputs = tuple(outputs)
        self.builder.op(
            kind,
            dims,
            inputs,
            outputs,
            target=target or self.target,
            module=self.path,
            batch_dim=batch_dim if any(self.batched[o] for o in outputs) else -1,
            vector_cost=cost,
            modelled=modelled,
            attrs=attrs,
        )
