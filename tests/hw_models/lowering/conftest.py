"""Small networks written by hand, and the table of what they are lowered to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import pytest

from hw_models.cost.arrays import KernelClass, Kernels
from hw_models.lowering import lower
from hw_models.workload import OpKind, Precision, TensorKind, Workload, WorkloadBuilder


class Net:
    """Builds a workload operator by operator; images are (1, C, H, W), sequences (1, L, C)."""

    def __init__(self, name: str = "net") -> None:
        self.b = WorkloadBuilder(name)
        self.shape: dict[int, tuple[int, ...]] = {}

    def tensor(self, shape: Sequence[int], kind: TensorKind, view_of: int | None = None) -> int:
        batched = kind in (TensorKind.INPUT, TensorKind.ACTIVATION)
        index = self.b.tensor(shape, Precision.FP32, kind, batched=batched, view_of=view_of)
        self.shape[index] = tuple(shape)
        return index

    def input(self, *shape: int) -> int:
        return self.tensor(shape, TensorKind.INPUT)

    def weight(self, *shape: int) -> int:
        return self.tensor(shape, TensorKind.WEIGHT)

    def op(
        self, kind: OpKind, dims: Sequence[int], ins: Sequence[int], out: Sequence[int], **more: Any
    ) -> int:
        made = self.tensor(out, TensorKind.ACTIVATION)
        attrs = more.pop("attrs", {})
        more.setdefault("batch_dim", 0)
        self.b.op(kind, dims, ins, [made], target=str(attrs.get("fn")), attrs=attrs, **more)
        return made

    def conv(self, x: int, k: int, taps: int = 1, stride: int = 1, groups: int = 1) -> int:
        _, c, h, w = self.shape[x]
        oh, ow = -(-h // stride), -(-w // stride)
        weight = self.weight(k, c // groups, taps, taps)
        dims = (1, groups, k // groups, c // groups, oh, ow, taps, taps)
        return self.op(
            OpKind.CONV, dims, [x, weight], (1, k, oh, ow), attrs={"fn": "conv"}, module=f"conv{weight}"
        )

    def linear(self, x: int, k: int) -> int:
        *rows, c = self.shape[x]
        dims = (1, prod(rows), k, c)
        weight = self.weight(k, c)
        return self.op(OpKind.GEMM, dims, [x, weight], (*rows, k), batch_dim=1, attrs={"fn": "linear"})

    def bn(self, x: int) -> int:
        _, c, h, w = self.shape[x]
        ins = [x, *(self.weight(c) for _ in range(4))]
        attrs = {"fn": "batch_norm", "statistics": "running"}
        return self.op(OpKind.NORM, (c, h * w), ins, self.shape[x], vector_cost=2.0, attrs=attrs)

    def layer_norm(self, x: int) -> int:
        c = self.shape[x][-1]
        ins = [x, self.weight(c), self.weight(c)]
        dims = (prod(self.shape[x]) // c, c)
        return self.op(OpKind.NORM, dims, ins, self.shape[x], vector_cost=8.0, attrs={"fn": "layer_norm"})

    def softmax(self, x: int) -> int:
        width = self.shape[x][-1]
        dims = (prod(self.shape[x]) // width, width)
        return self.op(OpKind.SOFTMAX, dims, [x], self.shape[x], vector_cost=13.0, attrs={"fn": "softmax"})

    def pointwise(self, fn: str, *ins: int, **attrs: Any) -> int:
        shape = max((self.shape[i] for i in ins), key=prod)
        return self.op(
            OpKind.ELEMENTWISE, (prod(shape),), ins, shape, vector_cost=1.0, attrs={"fn": fn, **attrs}
        )

    def op_scale(self, x: int, scale: int) -> int:
        return self.pointwise("mul", x, scale)

    def gather(self, out: Sequence[int], *ins: int) -> int:
        return self.op(OpKind.GATHER, (prod(out),), ins, out, attrs={"fn": "index"})

    def mean(self, x: int) -> int:
        _, c, h, w = self.shape[x]
        attrs = {"fn": "mean", "spatial_mean": True}
        return self.op(OpKind.REDUCE, (c, h * w), [x], (1, c, 1, 1), vector_cost=1.0, attrs=attrs)

    def row_sum(self, x: int) -> int:
        *rows, width = self.shape[x]
        dims, out = (prod(rows), width), (*rows, 1)
        return self.op(OpKind.REDUCE, dims, [x], out, vector_cost=1.0, attrs={"fn": "sum"})

    def pool(self, x: int, taps: int = 3, stride: int = 1) -> int:
        _, c, h, w = self.shape[x]
        out = (1, c, h // stride, w // stride)
        dims = (1, c, *out[2:], taps, taps)
        return self.op(OpKind.POOL, dims, [x], out, vector_cost=1.0, attrs={"fn": "max_pool"})

    def layout(self, fn: str, out: Sequence[int], *ins: int) -> int:
        return self.op(OpKind.LAYOUT, (prod(out),), ins, out, attrs={"fn": fn})

    def cat(self, *ins: int, axis: int = 1) -> int:
        shape = list(self.shape[ins[0]])
        shape[axis] = sum(self.shape[i][axis] for i in ins)
        return self.layout("cat", shape, *ins)

    def view(self, x: int, *shape: int) -> int:
        made = self.tensor(shape, TensorKind.ACTIVATION, view_of=x)
        self.b.op(OpKind.VIEW, (prod(shape),), [x], [made], target="view", batch_dim=0, attrs={"fn": "view"})
        return made

    def attention(self, q: int, k: int, v: int, *mask: int) -> int:
        *lead, lq, d = self.shape[q]
        lk, dv = self.shape[v][-2:]
        dims = (prod(lead[:-1]), lead[-1], lq, lk, d, dv)
        attrs = {"fn": "attention", "rank": len(self.shape[q]), "mask": bool(mask)}
        cost = 13.0 / (d * dv)
        out = (*lead, lq, dv)
        return self.op(OpKind.ATTENTION, dims, [q, k, v, *mask], out, vector_cost=cost, attrs=attrs)

    def unknown(self, x: int) -> int:
        size = (prod(self.shape[x]),)
        return self.op(OpKind.UNKNOWN, size, [x], self.shape[x], modelled=False, attrs={"fn": "mystery"})

    def done(self, *outputs: int) -> Workload:
        return self.b.finish(outputs)


Table = Callable[..., list[tuple[str, str, float, float]]]


@pytest.fixture
def net() -> Net:
    """An empty network."""
    return Net()


@pytest.fixture(scope="session")
def new_net() -> type[Net]:
    """The class, for tests that need several networks."""
    return Net


def rows_of(kernels: Kernels) -> list[tuple[str, str, float, float]]:
    """(class, functions, bytes read, bytes written) of every kernel, in order."""
    names = [label.split(" ")[-1] for label in kernels.labels]
    classes = [KernelClass(int(c)).label for c in kernels.cls[kernels.index]]
    reads, writes = kernels.read_bytes[kernels.index], kernels.write_bytes[kernels.index]
    return list(zip(classes, names, reads.tolist(), writes.tolist(), strict=True))


@pytest.fixture
def table() -> Table:
    """Kernels of one network as rows (class, functions, bytes read, bytes written)."""

    def of(workload: Workload, lowering: str, precision: str = "fp32") -> list[tuple[str, str, float, float]]:
        return rows_of(lower([workload], lowering=lowering, precision=precision))

    return of


@pytest.fixture(scope="session")
def totals() -> Callable[[Kernels], dict[str, float]]:
    """Sums over all kernel instances."""

    def of(kernels: Kernels) -> dict[str, float]:
        fields = ("macs", "vector_ops", "weight_bytes", "read_bytes", "write_bytes", "out_elements")
        return {f: float(np.sum(getattr(kernels, f)[kernels.index])) for f in fields}

    return of
