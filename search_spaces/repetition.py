"""Many equal blocks in a row, such as the layers of a transformer, from a workload that has a few of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.workload.graph import IntArray, Workload
    from search_spaces.graph_writer import Mark


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a written network, that copies of it may follow.

    Attributes:
        path: of its layers; the last name is its number.
        start, stop: how far the network was written before and after it.
        carried: the tensor that it reads of the block before, and the one that the next reads of it.
        strides: tensors written before it that are another one for each block, with how far the next lies.
    """

    path: str
    start: Mark
    stop: Mark
    carried: tuple[int, int]
    strides: Mapping[int, int] = field(default_factory=dict)


def repeated(workload: Workload, block: Block, times: int) -> Workload:
    """The workload with `times` copies of a block behind it; an output of the block is one of each copy."""
    if not times:
        return workload
    copies = _Copies(workload, block, times)
    tensors, ops = (block.start.tensors, block.stop.tensors), (block.start.ops, block.stop.ops)

    def tiled(column: NDArray[Any], rows: tuple[int, int]) -> NDArray[Any]:
        at, end = rows
        return np.concatenate([column[:end], *[column[at:end]] * times, column[end:]])

    in_ptr, in_tensor = copies.edges(workload.in_ptr, workload.in_tensor)
    out_ptr, out_tensor = copies.edges(workload.out_ptr, workload.out_tensor)
    at, end = workload.tensor_ptr[list(tensors)]
    sizes = tiled(np.diff(workload.tensor_ptr), tensors)
    parameters = block.stop.parameters - block.start.parameters
    return replace(
        workload,
        op_kind=tiled(workload.op_kind, ops),
        op_dims=tiled(workload.op_dims, ops),
        op_batch_dim=tiled(workload.op_batch_dim, ops),
        op_vector_cost=tiled(workload.op_vector_cost, ops),
        op_modelled=tiled(workload.op_modelled, ops),
        op_target=_tiled(workload.op_target, ops, times),
        op_module=copies.paths(workload.op_module),
        op_attrs=_tiled(workload.op_attrs, ops, times),
        in_ptr=in_ptr,
        in_tensor=in_tensor,
        out_ptr=out_ptr,
        out_tensor=out_tensor,
        tensor_ptr=np.concatenate([[0], np.cumsum(sizes)]),
        tensor_dims=tiled(workload.tensor_dims, (int(at), int(end))),
        tensor_precision=tiled(workload.tensor_precision, tensors),
        tensor_kind=tiled(workload.tensor_kind, tensors),
        tensor_batched=tiled(workload.tensor_batched, tensors),
        tensor_storage=copies.tensors(workload.tensor_storage, *tensors),
        outputs=copies.outputs(workload.outputs),
        meta={**workload.meta, "parameters": workload.params + times * parameters},
    )


def _tiled(column: tuple[Any, ...], rows: tuple[int, int], times: int) -> tuple[Any, ...]:
    at, end = rows
    return column[:end] + column[at:end] * times + column[end:]


class _Copies:
    """Which tensor each copy means where the block means another."""

    def __init__(self, workload: Workload, block: Block, times: int) -> None:
        self.block, self.times = block, times
        self.first, self.last = block.start.tensors, block.stop.tensors
        self.length = self.last - self.first
        self.step = np.zeros(workload.n_tensors, np.int64)
        self.step[self.first : self.last] = self.length
        for tensor, stride in block.strides.items():
            self.step[tensor] = stride

    def tensors(self, column: IntArray, at: int, end: int) -> IntArray:
        """A column of tensors, of which those from `at` to `end` are of the block."""
        read, made = self.block.carried
        own, turns = column[at:end], np.arange(1, self.times + 1)[:, None]
        meant = own + turns * self.step[own]
        meant = np.where(own == read, made + (turns - 1) * self.length, meant)
        return np.concatenate([column[:end], meant.ravel(), self.behind(column[end:])])

    def behind(self, column: IntArray) -> IntArray:
        """Tensors as they are meant behind the last copy."""
        _, made = self.block.carried
        moved = (column >= self.last) | (column == made)
        found: IntArray = column + moved * self.times * self.length
        return found

    def edges(self, ptr: IntArray, column: IntArray) -> tuple[IntArray, IntArray]:
        """CSR lists of tensors by operator."""
        at, end = self.block.start.ops, self.block.stop.ops
        counts = np.diff(ptr)
        counts = np.concatenate([counts[:end], *[counts[at:end]] * self.times, counts[end:]])
        return np.concatenate([[0], np.cumsum(counts)]), self.tensors(column, int(ptr[at]), int(ptr[end]))

    def paths(self, column: tuple[str, ...]) -> tuple[str, ...]:
        """Module paths, each copy under its own number."""
        at, end = self.block.start.ops, self.block.stop.ops
        stem, _, number = self.block.path.rpartition(".")
        rests = [p.removeprefix(self.block.path) for p in column[at:end]]
        made = [
            f"{stem}.{turn}{rest}" if rest else ""
            for turn in range(int(number) + 1, int(number) + 1 + self.times)
            for rest in rests
        ]
        return column[:end] + tuple(made) + column[end:]

    def outputs(self, given: tuple[int, ...]) -> tuple[int, ...]:
        """Tensors that the network returns."""
        own = [o for o in given if self.first <= o < self.last]
        more = [o + turn * self.length for turn in range(1, self.times + 1) for o in own]
        return (*(o + self.times * self.length if o >= self.last else o for o in given), *more)
