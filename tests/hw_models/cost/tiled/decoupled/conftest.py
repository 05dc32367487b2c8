"""Gemmini as it ships, layers, and chips of other sizes."""

from __future__ import annotations

from typing import Any

import pytest

from hw_models.cost.tiled.decoupled.layer_cycles import Layer, Machine
from hw_models.cost.tiled.decoupled.machine import DecoupledMachine
from hw_models.spec.accelerator import Accelerator
from hw_models.spec.load import load_chip


@pytest.fixture(scope="session")
def gemmini() -> Accelerator:
    return load_chip("gemmini_16x16")


@pytest.fixture(scope="session")
def machine(gemmini) -> DecoupledMachine:
    return DecoupledMachine.of(gemmini)


@pytest.fixture
def paper() -> Machine:
    """Round figures: 4 x 4, two cycles a request, 4-byte bus, 16-byte lines, nothing slow beside misses."""
    return Machine(4, 4, 2, 4, 16, 1e9, 512, 3.0, 2.0, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture(scope="session")
def layer():
    """A layer by columns, rows, filters, channels, taps, stride; int8."""

    def build(p: int, q: int, k: int, c: int, taps: int = 1, stride: int = 1) -> Layer:
        return Layer(p, q, k, c, taps, taps, stride, stride, 1, 1, 1, 1, 1)

    return build


@pytest.fixture(scope="session")
def chip(gemmini):
    """Gemmini with other figures: side, scratchpad and accumulator in KiB, DRAM in byte/s, parameters."""

    def build(
        side: int = 16,
        scratchpad: float = 256,
        accumulator: float = 64,
        cache: float = 512,
        dram: float = 16e9,
        **parameters: float,
    ) -> Accelerator:
        data: dict[str, Any] = gemmini.model_dump()
        engine = data["engines"][0]
        engine["array"]["dims"] = (side, side)
        engine["macs"]["int8"]["value"] = side * side
        engine["peak"]["int8"]["value"] = 2e9 * side * side
        engine["memory"][1]["capacity"]["value"] = scratchpad * 1024
        engine["memory"][0]["capacity"]["value"] = accumulator * 1024
        data["memory"][0]["capacity"]["value"] = cache * 1024
        data["memory"][1]["bandwidth"] = {"value": dram, "source": "assumed"}
        for name, value in parameters.items():
            engine["dataflow"]["parameters"][name] = {"value": value, "source": "assumed"}
        return Accelerator.model_validate(data)

    return build
