"""The public figures of a machine that works in output blocks, from `dataflow.parameters` of its engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.tiled.organisation import Parameter

if TYPE_CHECKING:
    from hw_models.cost.arrays import IntArray
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.parts import Memory

FEATURES: Final = "architecture_features.py of ethos-u-vela 5.2.0"
REPORT: Final = "per-layer debug tables of ethos-u-vela 5.2.0 over swept layers"
UNSTATED: Final = 0.0

PARAMETERS: Final = {
    "unit_y": Parameter("1", "rows of the unit of output that the MACs work on at once"),
    "unit_x": Parameter("1", "columns of that unit"),
    "unit_k": Parameter("1", "channels of that unit"),
    "unit2_y": Parameter("1", "rows of a second shape of the unit; 0: there is none", UNSTATED, FEATURES),
    "unit2_x": Parameter("1", "columns of it", UNSTATED, FEATURES),
    "unit2_k": Parameter("1", "channels of it", UNSTATED, FEATURES),
    "unit3_y": Parameter("1", "rows of a third shape of the unit; 0: there is none", UNSTATED, FEATURES),
    "unit3_x": Parameter("1", "columns of it", UNSTATED, FEATURES),
    "unit3_k": Parameter("1", "channels of it", UNSTATED, FEATURES),
    "depthwise_y": Parameter(
        "1", "rows of the unit for depthwise layers; 0: as `unit_y`", UNSTATED, FEATURES
    ),
    "depthwise_x": Parameter("1", "columns of it", UNSTATED, FEATURES),
    "depthwise_k": Parameter("1", "channels of it", UNSTATED, FEATURES),
    "block_y": Parameter("1", "rows of the largest block of output", 32, FEATURES),
    "block_x": Parameter("1", "columns of it", 64, FEATURES),
    "block_k": Parameter("1", "channels of it", 128, FEATURES),
    "split_k": Parameter("1", "channels by which a block grows while it does not hold all", 16, FEATURES),
    "depth": Parameter("1", "input channels that a depth-first block holds", 32, FEATURES),
    "depth_step": Parameter(
        "1", "input channels in whose multiples a depth-first block is worked on", 32, REPORT
    ),
    "shallow": Parameter("1", "input channels up to which taps go together", 8, FEATURES),
    "depth_taps": Parameter(
        "1", "most taps that run depth first; 0: whichever wastes less", UNSTATED, REPORT
    ),
    "least_k": Parameter("1", "fewest channels of a block", UNSTATED, REPORT),
    "depthwise_room": Parameter(
        "1",
        "times the room of a block that a depthwise layer has, where inputs and "
        "accumulators have memories of their own",
        1,
        REPORT,
    ),
    "bank": Parameter("byte", "size of a bank of the memory for inputs and accumulators", 1024, FEATURES),
    "banks": Parameter(
        "1", "how many of them; the compiler's choice of blocks is made for this number", UNSTATED, FEATURES
    ),
    "reserved_banks": Parameter("1", "banks of it kept for outputs and tables", 4, FEATURES),
    "input_banks": Parameter("1", "banks in whose multiples inputs are held", 8, FEATURES),
    "accumulator_banks": Parameter("1", "banks in whose multiples accumulators are held", 16, FEATURES),
    "accumulators": Parameter(
        "1",
        "32-bit accumulators of one block, where they have a memory of their own; 0: they share the banks",
        UNSTATED,
        REPORT,
    ),
    "inputs": Parameter(
        "byte", "inputs of one block where they have a memory of their own", UNSTATED, REPORT
    ),
    "decode": Parameter(
        "cycle", "least time of a step per channel of the unit: what decoding its weights takes", 4, FEATURES
    ),
    "delay": Parameter("cycle", "wait of a step where a block is a single unit", 2, FEATURES),
    "output": Parameter("cycle", "of the output unit for an element of a convolution"),
    "add": Parameter("cycle", "for an element of an addition with scaling"),
    "multiply": Parameter("cycle", "for an element of a product"),
    "wide": Parameter("cycle", "for a 32-bit element of an element-wise operation"),
    "look_up": Parameter(
        "cycle",
        "for an element of an activation that is looked up; 0: none beyond the output's",
        UNSTATED,
        FEATURES,
    ),
    "tap": Parameter("cycle", "for a tap of an element of a pooling, of which at least four count"),
    "product": Parameter(
        "cycle", "for a MAC of a product of two activations; 0: runs as any convolution", UNSTATED, REPORT
    ),
    "run": Parameter("byte", "that an image of few channels fills of a burst", 8, REPORT),
    "deep_run": Parameter("byte", "that other inputs of a network fill of a burst", 64, REPORT),
    "few": Parameter(
        "1", "input channels below which pixels lie apart in memory, as an image does", 8, REPORT
    ),
    "weight_flight": Parameter(
        "byte",
        "of weights that are asked for at once, so that latency bounds their rate; "
        "0: it does not, and all that crosses the port adds up",
        UNSTATED,
        REPORT,
    ),
    "record_flight": Parameter("byte", "the same of scale records", UNSTATED, REPORT),
    "input_flight": Parameter("byte", "the same of inputs", UNSTATED, REPORT),
    "constants": Parameter(
        "byte", "that a softmax reads from the external memory for each element", UNSTATED, REPORT
    ),
    "turned": Parameter(
        "byte",
        "that goes through the SRAM for each element that a softmax or the products of an attention need "
        "laid out anew; 0: nothing that counts",
        UNSTATED,
        REPORT,
    ),
    "record": Parameter(
        "byte", "scale and bias of one channel", 10, "weight_compressor.py of ethos-u-vela 5.2.0"
    ),
    "weight_ratio": Parameter(
        "1",
        "encoded over plain bytes of weights",
        1.0,
        "random int8 weights encode to 0.93 to 1.1; trained ones to less",
    ),
}
"""Figures of the organisation; those without a default must stand in the chip's file."""


@dataclass(frozen=True)
class Port:
    """A memory as the machine sees it: bytes per cycle, cycles to the first byte, bytes of a burst."""

    per_cycle: float
    latency: float
    burst: float

    @classmethod
    def of(cls, memory: Memory | None, clock: float) -> Port:
        """From a memory of the chip's file; what it leaves open is free."""
        if memory is None or memory.bandwidth is None:
            return cls(np.nan, 0.0, 1.0)
        latency = memory.latency.value * clock if memory.latency else 0.0
        return cls(memory.bandwidth.value / clock, latency, memory.burst.value if memory.burst else 1.0)


@dataclass(frozen=True, eq=False)
class BlockMachine:
    """One chip.

    Attributes:
        clock: Hz; cores: that share each block.
        units: (n, 3) shapes of the unit of output, in order of preference; depthwise: (3,) of such layers.
        limits: (10,) largest block y, x, k; channels it grows by; granule of depth utilisation; input
            channels held part-kernel and depth-first; input channels up to which all run part-kernel; taps
            depth-first (0: as utilisation says); fewest channels.
        room: (7,) accumulators and inputs of a block, 0 where both share banks: then bytes and number of the
            banks, and in whose multiples inputs and accumulators are held; times all of it for depthwise.
        value: parameter -> figure.
        sram, outer: ports; io_outside: whether the network's inputs and outputs lie in
            the external memory; sram_bytes: size of the shared SRAM.
    """

    clock: float
    cores: float
    units: IntArray
    depthwise: IntArray
    limits: IntArray
    room: IntArray
    value: dict[str, float]
    sram: Port
    outer: Port
    io_outside: bool
    sram_bytes: float

    @classmethod
    def of(cls, chip: Accelerator) -> BlockMachine:
        """From a chip whose file states all that `missing` asks for."""
        engine = chip.main_engine
        given = {k: v.value for k, v in engine.dataflow.parameters.items()} if engine.dataflow else {}
        value = {name: given.get(name, p.default or 0.0) for name, p in PARAMETERS.items()}
        clock = engine.clock.value if engine.clock else np.nan
        shapes = [[value[f"{unit}_{axis}"] for axis in "yxk"] for unit in ("unit", "unit2", "unit3")]
        units = np.array([s for s in shapes if s[0] > 0], np.int64)
        own = np.array([value[f"depthwise_{axis}"] for axis in "yxk"], np.int64)
        names = ("block_y", "block_x", "block_k", "split_k", "depth")
        return cls(
            clock=clock,
            cores=engine.units.value if engine.units else 1.0,
            units=units,
            depthwise=own if own[0] > 0 else units[0],
            limits=np.array(
                [
                    *(value[n] for n in names),
                    16,
                    value["depth"],
                    *(value[n] for n in ("shallow", "depth_taps", "least_k")),
                ],
                np.int64,
            ),
            room=np.array(
                [
                    value["accumulators"],
                    value["inputs"],
                    value["bank"],
                    value["banks"] - value["reserved_banks"],
                    value["input_banks"],
                    value["accumulator_banks"],
                    value["depthwise_room"],
                ],
                np.int64,
            ),
            value=value,
            sram=Port.of(shared_sram(chip), clock),
            outer=Port.of(chip.dram, clock),
            io_outside=chip.dram is not None and chip.dram.kind == "dram",
            sram_bytes=_capacity(shared_sram(chip)),
        )


def _capacity(memory: Memory | None) -> float:
    return memory.capacity.value if memory is not None and memory.capacity is not None else np.inf


def outer_rate(machine: BlockMachine, flight: str) -> float:
    """Bytes per cycle of a stream from the external memory: the port's, or bytes in flight over latency."""
    held = machine.value[flight]
    if held <= 0 or machine.outer.latency <= 0:
        return machine.outer.per_cycle
    return min(machine.outer.per_cycle, held / machine.outer.latency)


def shared_sram(chip: Accelerator) -> Memory | None:
    """The on-chip memory that activations live in."""
    return next((m for m in reversed(chip.memory) if not m.off_chip), None)
