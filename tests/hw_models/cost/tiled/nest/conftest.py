"""A chip whose every figure a test can set, in plain numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hw_models.spec.accelerator import Accelerator

S = {"source": "s"}


def _figure(value: float | None) -> dict[str, Any] | None:
    return None if value is None else {"value": value, **S}


def _memory(name: str, kind: str, **figures: Any) -> dict[str, Any]:
    plain = {k: figures.pop(k) for k in ("holds", "double_buffered") if k in figures}
    return {"name": name, "kind": kind, **{k: _figure(v) for k, v in figures.items()}, **plain}


def _chip(
    rows: int = 8,
    cols: int = 8,
    count: int = 1,
    kind: str = "weight_stationary",
    sram: dict[str, Any] | None = None,
    local: list[dict[str, Any]] | None = None,
    dram: dict[str, Any] | None = None,
    unroll: tuple[tuple[str, ...], ...] = (),
    **parameters: float,
) -> Accelerator:
    """1 GHz int8 array; 64 KiB SRAM at 64 GB/s, DRAM at 16 GB/s, no local memory unless given."""
    sram = {"capacity": 65536.0, "bandwidth": 64e9} | (sram or {})
    dram = {"bandwidth": 16e9} | (dram or {})
    dataflow = {
        "kind": kind,
        "unroll": unroll,
        "parameters": {k: _figure(v) for k, v in parameters.items()},
        **S,
    }
    engine = {
        "name": "npu",
        "kind": "npu",
        "clock": _figure(1e9),
        "peak": {"int8": _figure(2e9 * rows * cols * count)},
        "array": {"dims": [rows, cols], "count": count, **S},
        "dataflow": dataflow,
        "memory": [_memory(f"buffer{i}", "sram", **m) for i, m in enumerate(local or [])],
    }
    return Accelerator.model_validate(
        {
            "name": "toy",
            "title": "Toy",
            "vendor": "nobody",
            "device_class": "edge_npu",
            "sources": {"s": "invented for the tests"},
            "engines": [engine],
            "memory": [_memory("sram", "sram", **sram), _memory("dram", "dram", **dram)],
        }
    )


@pytest.fixture(scope="session")
def chip() -> Callable[..., Accelerator]:
    """Builder of the chip."""
    return _chip
