"""Invented chips for tests of joint spaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hw_models.spec.accelerator import Accelerator


def chip(name: str, peak: dict[str, float], *, bandwidth: float | None = 32e9) -> Accelerator:
    """A chip with these dense peaks in op/s; without a bandwidth it cannot be costed."""

    def sourced(value: float) -> dict[str, Any]:
        return {"value": value, "source": "inv"}

    dram: dict[str, Any] = {"name": "dram", "capacity": sourced(2**32), "technology": "LPDDR4"}
    if bandwidth is not None:
        dram["bandwidth"] = sourced(bandwidth)
    return Accelerator.model_validate(
        {
            "name": name,
            "sources": {"inv": "invented for the tests, no such chip"},
            "engines": [{"name": "npu", "peak": {p: sourced(v) for p, v in peak.items()}}],
            "memory": [dram],
        }
    )


@pytest.fixture
def make_chip() -> Callable[..., Accelerator]:
    return chip
