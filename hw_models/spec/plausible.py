"""What one number of a chip can be at all: wide ranges that catch slips of unit and prefix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from hw_models import units

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.quantities import Sourced

OFF_CHIP: Final = {
    "dram": {"capacity": (1e6, 8e12), "bandwidth": (5e7, 1e13), "access_energy": (4e-12, 8e-10)},
    "flash": {"capacity": (1e4, 8e12), "bandwidth": (1e6, 2e10), "access_energy": (4e-12, 8e-9)},
    "host": {"capacity": (1e6, 8e13), "bandwidth": (1e6, 1e12), "access_energy": (4e-12, 8e-9)},
}
"""Byte, byte/s and J/byte: DRAM from one slow LPDDR channel to eight stacks of HBM, 0.5 to 100 pJ/bit."""

ON_CHIP: Final = {"capacity": (1.0, 5e10), "bandwidth": (1e7, 1e16), "access_energy": (1e-15, 8e-11)}
"""From the registers of one processing element to a wafer."""

LIKE: Final = {
    "read_bandwidth": "bandwidth",
    "write_bandwidth": "bandwidth",
    "read_energy": "access_energy",
    "write_energy": "access_energy",
}
"""Figures of one direction, which lie where those of both lie."""

RANGES: Final = {
    "peak": (1e6, 1e18),
    "vector_peak": (1e6, 1e17),
    "sparse_peak": (1e6, 1e18),
    "clock": (1e6, 1e10),
    "macs": (1.0, 1e8),
    "units": (1.0, 1e7),
    "energy_per_op": (1e-16, 1e-10),
    "issue": (1e-8, 1e-1),
    "bus_bits": (1.0, 32768.0),
    "rate": (1e7, 4e10),
    "cap": (1e-4, 5e3),
    "tdp": (1e-4, 3e4),
    "idle_power": (1e-7, 1e4),
    "process_nm": (1.0, 1000.0),
    "die_area": (1e-9, 0.1),
    "price": (0.005, 1e7),
    "dram_price": (0.005, 1e6),
    "package_price": (0.001, 1e6),
    "voltage": (0.2, 5.0),
    "leakage": (1e-12, 5e3),
    "instances": (1.0, 1e7),
    "burst": (1.0, 65536.0),
    "latency": (1e-10, 1e-3),
    "accumulator_bits": (4.0, 128.0),
    "factor": (1.0, 64.0),
}
"""SI, lowest and highest; wide enough for a microcontroller's NPU and for a wafer."""

PIN_RATES: Final = {
    "DDR3": (0.8e9, 2.133e9),
    "DDR4": (1.6e9, 3.2e9),
    "DDR5": (3.2e9, 8.8e9),
    "LPDDR2": (0.2e9, 1.066e9),
    "LPDDR3": (0.8e9, 2.133e9),
    "LPDDR4": (1.6e9, 4.267e9),
    "LPDDR4X": (1.6e9, 4.267e9),
    "LPDDR5": (3.2e9, 6.4e9),
    "LPDDR5X": (3.2e9, 10.667e9),
    "GDDR5": (3.0e9, 9.0e9),
    "GDDR5X": (8.0e9, 12.0e9),
    "GDDR6": (10.0e9, 20.0e9),
    "GDDR6X": (18.0e9, 24.0e9),
    "HBM2": (1.0e9, 2.4e9),
    "HBM2E": (2.4e9, 3.6e9),
    "HBM3": (4.8e9, 6.4e9),
    "HBM3E": (6.4e9, 9.8e9),
}
"""Transfers/s of one pin, lowest and highest speed grade.

Source: JEDEC JESD79-3/4/5 (DDR), 209-2/3/4/5 (LPDDR), 212, 232, 250 (GDDR), 235, 238 (HBM).
"""


def pin_rates(technology: str | None) -> tuple[float, float] | None:
    """Lowest and highest rate of one pin of a DRAM technology; None where it is not in the table."""
    return PIN_RATES.get((technology or "").upper())


def implausible(chip: Accelerator) -> Iterator[tuple[str, str]]:
    """Every number outside what a chip can have: its path, and what slip would explain it."""
    from hw_models.spec.show import numbers

    for path, number in numbers(chip):
        bounds = _bounds(chip, path)
        if bounds is None or not _outside(number, bounds):
            continue
        low, high = (units.show(b, number.unit) for b in bounds)
        yield path, f"{number} cannot be; expected {low} to {high}" + _slip(number, bounds)


def _bounds(chip: Accelerator, path: str) -> tuple[float, float] | None:
    steps = [LIKE.get(step, step) for step in path.split(".")]
    field = next((s for s in reversed(steps) if s in RANGES or s in ON_CHIP), None)
    if "memory" in steps[:-1] and field in ON_CHIP:
        owner = chip.memory if steps[0] == "memory" else chip.engine(steps[1]).memory
        kind = next(m.kind for m in owner if m.name == steps[-2])
        return OFF_CHIP.get(kind, ON_CHIP)[field]
    if field == "bandwidth":
        return OFF_CHIP[chip.dram.kind][field] if chip.dram else None
    return RANGES.get(field or "")


def _outside(number: Sourced, bounds: tuple[float, float]) -> bool:
    return number.range[0] < bounds[0] or number.range[1] > bounds[1]


def _slip(number: Sourced, bounds: tuple[float, float]) -> str:
    for factor, name in (
        (1e3, "a prefix of 1000"),
        (8.0, "bits for bytes"),
        (1e6, "a prefix of 1000, twice"),
    ):
        for fixed in (number.value / factor, number.value * factor):
            if number.value and bounds[0] <= fixed <= bounds[1]:
                return f"; {name}? then it would be {units.show(fixed, number.unit)}"
    return ""
