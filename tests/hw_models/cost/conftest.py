"""Kernels and chips made by hand, small enough to check on paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from hw_models.cost.arrays import KernelClass, Kernels
from hw_models.spec.accelerator import Accelerator
from hw_models.workload.graph import Workload, WorkloadBuilder
from hw_models.workload.op import OpKind, Precision, TensorKind

KIND = {
    KernelClass.CONV: OpKind.CONV,
    KernelClass.DEPTHWISE: OpKind.CONV,
    KernelClass.GEMM: OpKind.GEMM,
    KernelClass.SOFTMAX: OpKind.SOFTMAX,
    KernelClass.ELEMENTWISE: OpKind.ELEMENTWISE,
}

Row = dict[str, Any]


def _kernels(
    rows: Sequence[Row],
    networks: Sequence[Sequence[int]] | None = None,
    *,
    lowering: str = "compiled",
    precision: str = "int8",
) -> Kernels:
    networks = [range(len(rows))] if networks is None else networks
    index = np.array([i for network in networks for i in network], np.int64)
    k, w = len(index), len(networks)

    def column(name: str, default: float = 0.0, dtype: Any = np.float64) -> Any:
        return np.array([row.get(name, default) for row in rows], dtype)

    math = Precision[precision.upper()]
    kind = [KIND.get(row["cls"], OpKind.ELEMENTWISE) for row in rows]
    return Kernels(
        cls=np.array([row["cls"] for row in rows], np.int8),
        dims=np.ones((len(rows), 8), np.int64),
        geometry=np.tile(np.array([1, 1, 1, 1, 0, 0, 0, 0, 0], np.int64), (len(rows), 1)),
        kind=np.array(kind, np.int8),
        math=column("math", math, np.int8),
        vector_math=column("vector_math", math, np.int8),
        macs=column("macs"),
        vector_ops=column("vector_ops"),
        weight_bytes=column("weight_bytes"),
        read_bytes=column("read_bytes"),
        write_bytes=column("write_bytes"),
        reuse_bytes=column("reuse_bytes", np.nan),
        out_elements=column("write_bytes"),
        network_ptr=np.concatenate([[0], np.cumsum([len(n) for n in networks])]).astype(np.int64),
        index=index,
        op_ptr=np.arange(k + 1, dtype=np.int64),
        op_index=np.zeros(k, np.int64),
        labels=tuple(f"kernel {i}" for i in range(k)),
        network=tuple(f"net{i}" for i in range(w)),
        batch=np.ones(w, np.int64),
        peak_activation_bytes=np.full(w, 1e6),
        weights_bytes=np.full(w, 2e6),
        lowering=(lowering,) * w,
        precision=(precision,) * w,
    )


def _toy(**changes: Any) -> Accelerator:
    """4 Top/s int8, 2 Top/s fp16, 128 Gop/s vector, 32 GB/s LPDDR4, 2 MiB SRAM, 16 nm."""
    s = {"source": "s"}
    engine = {
        "name": "npu",
        "kind": changes.pop("kind", "npu"),
        "peak": {"int8": {"value": 4e12, **s}, "fp16": {"value": 2e12, **s}},
        "vector_peak": {"int8": {"value": 128e9, **s}, "fp32": {"value": 128e9, **s}},
        **changes.pop("engine", {}),
    }
    dram = {"name": "dram", "kind": "dram", "technology": "LPDDR4", "capacity": {"value": 4 * 2**30, **s}}
    dram |= {"bandwidth": {"value": 32e9, **s}} | changes.pop("dram", {})
    sram = {"name": "sram", "kind": "sram", "capacity": {"value": 2 * 2**20, **s}} | changes.pop("sram", {})
    return Accelerator.model_validate(
        {
            "name": "toy",
            "title": "Toy",
            "vendor": "nobody",
            "device_class": "edge_npu",
            "sources": {"s": "invented for the tests"},
            "engines": [engine],
            "memory": [sram, dram],
            "process_nm": {"value": 16, **s},
            "tdp": {"value": 10.0, **s},
            **changes,
        }
    )


@pytest.fixture(scope="session")
def kernels() -> Callable[..., Kernels]:
    """Builder of `Kernels` from rows; `networks` lists the rows that each network runs."""
    return _kernels


@pytest.fixture(scope="session")
def toy() -> Callable[..., Accelerator]:
    """Builder of the toy chip."""
    return _toy


def _conv_net(name: str = "conv_net") -> Workload:
    """3x3 convolution of 16 channels on 32x32 pixels, ReLU, 1x1 convolution to 32, mean, linear to 10."""
    b = WorkloadBuilder(name)
    fp32, act, weight = Precision.FP32, TensorKind.ACTIVATION, TensorKind.WEIGHT
    x = b.tensor((1, 16, 32, 32), fp32, TensorKind.INPUT, batched=True)
    w1 = b.tensor((16, 16, 3, 3), fp32, weight, batched=False)
    w2 = b.tensor((32, 16, 1, 1), fp32, weight, batched=False)
    w3 = b.tensor((10, 32), fp32, weight, batched=False)
    y1, y2 = (b.tensor((1, 16, 32, 32), fp32, act, batched=True) for _ in range(2))
    y3 = b.tensor((1, 32, 32, 32), fp32, act, batched=True)
    y4, y5 = (b.tensor((1, n), fp32, act, batched=True) for n in (32, 10))
    conv = {"weights": 1, "stride": [1, 1]}
    b.op(
        OpKind.CONV,
        (1, 1, 16, 16, 32, 32, 3, 3),
        (x, w1),
        (y1,),
        target="aten.convolution",
        batch_dim=0,
        attrs=conv,
    )
    b.op(
        OpKind.ELEMENTWISE,
        (16 * 32 * 32,),
        (y1,),
        (y2,),
        target="aten.relu",
        batch_dim=0,
        vector_cost=1.0,
        attrs={"fn": "relu"},
    )
    b.op(
        OpKind.CONV,
        (1, 1, 32, 16, 32, 32, 1, 1),
        (y2, w2),
        (y3,),
        target="aten.convolution",
        batch_dim=0,
        attrs=conv,
    )
    b.op(
        OpKind.REDUCE,
        (32, 1024),
        (y3,),
        (y4,),
        target="aten.mean",
        batch_dim=0,
        vector_cost=1.0,
        attrs={"fn": "mean"},
    )
    b.op(OpKind.GEMM, (1, 1, 10, 32), (y4, w3), (y5,), target="aten.mm", batch_dim=1, attrs={"weights": 1})
    return b.finish((y5,))


@pytest.fixture(scope="session")
def conv_net() -> Workload:
    """A network small enough to count on paper."""
    return _conv_net()
