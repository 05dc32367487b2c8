"""Organisation "block": the output in blocks whose sums stay beside the MACs, weights come encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.chips import Chips
from hw_models.cost.roofline import Roofline
from hw_models.cost.tiled.block.cycles import chosen, counted
from hw_models.cost.tiled.block.layers import Layers
from hw_models.cost.tiled.block.machine import PARAMETERS, BlockMachine, outer_rate
from hw_models.cost.tiled.block.streams import stream_cycles
from hw_models.cost.tiled.block.traffic import moved, reuse_distance
from hw_models.cost.tiled.organisation import BESIDE, TiledTerms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.cost.tiled.block.cycles import Blocks, Cycles
    from hw_models.cost.tiled.block.traffic import Traffic
    from hw_models.cost.tiled.organisation import Parameter
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator

MAC, VECTOR, DRAM, SRAM, LOCAL, EXPOSED, ISSUE = (
    RESOURCES.index(r) for r in ("mac", "vector", "dram", "sram", "local", "exposed", "issue")
)
ACTIVATIONS: Final = [ACTIONS.index("dram_read"), ACTIONS.index("dram_write")]
"""What crosses to the external memory, weights included."""

ALL: Final = 0.999
"""Share of a result that crosses from which on it lies in the external memory; of what is kept only in part,
the compiler keeps all that it reads twice."""

LEFT: Final = 0.93
"""The same of what is read, block by block: where the network has touched twice the SRAM since
(`smooth_miss`), as between the ends of a long skip, no cascade of stripes bridges it."""

CHAIN: Final = 1.5
"""Bytes touched since a layer's inputs were written, over those inputs, up to which the layer before wrote
all of them."""

ORDERS: Final = ("depth first", "part kernel")


class Block:
    """Ethos-U and its like; the figures are public constants of a chip, none is fitted.

    Sources: ethos-u-vela 5.2.0 (Apache-2.0), see the modules beside this one.
    """

    kind: ClassVar[str] = "block"
    parameters: ClassVar[Mapping[str, Parameter]] = PARAMETERS

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        """Paths of the fields that this organisation needs and the chip's file leaves open."""
        engine, gaps = chip.main_engine, []
        if engine.clock is None:
            gaps.append(f"engines.{engine.name}.clock")
        given = engine.dataflow.parameters if engine.dataflow else {}
        unit = [name for name in ("unit_y", "unit_x", "unit_k") if name not in given]
        if unit:
            return (*gaps, *(f"engines.{engine.name}.dataflow.parameters.{name}" for name in unit))
        room = BlockMachine.of(chip).room
        if room[0] <= 0 and room[3] <= 0:
            gaps.append(f"engines.{engine.name}.dataflow.parameters.banks, or accumulators and inputs")
        shared = [(i, m) for i, m in enumerate(chip.memory) if not m.off_chip]
        if not shared:
            gaps.append("memory: one that is not off the chip")
        gaps += [f"memory.{i}.bandwidth" for i, m in shared[-1:] if m.bandwidth is None]
        return tuple(gaps)

    def terms(self, problems: Problems, chips: Sequence[Accelerator]) -> TiledTerms:
        """Seconds each resource needs alone and actions counted, each problem on each chip."""
        return self.terms_beside(problems, chips, np.zeros((len(problems), len(chips), len(BESIDE))))

    def terms_beside(
        self, problems: Problems, chips: Sequence[Accelerator], beside: FloatArray
    ) -> TiledTerms:
        """The same with (D, C, 4) bytes beside, see `hw_models.cost.tiled.organisation.WeighsBeside`."""
        shape = (len(problems), len(chips))
        seconds, actions = np.zeros((*shape, len(RESOURCES))), np.zeros((*shape, len(ACTIONS)))
        code = np.full(shape, Feasibility.OK, np.int8)
        demand, bound, mapping = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, None, object)
        layers = Layers.of(problems)
        for c, chip in enumerate(chips):
            machine = BlockMachine.of(chip)
            at = chosen(layers, machine)
            traffic = moved(layers, problems, at, machine)
            stays = _stays(layers, problems, beside[:, c], machine)
            least = _least_cycles(layers, problems, traffic, beside[:, c], machine)
            actions[:, c] = _actions(layers, problems, traffic, np.where(stays, -np.inf, beside[:, c]))
            cycles, outside = counted(layers, at, machine), actions[:, c][:, ACTIVATIONS]
            seconds[:, c] = _seconds(layers, problems, cycles, traffic, machine, outside, least)
            lost = ~at.found
            seconds[lost, c], actions[lost, c] = np.inf, np.nan
            code[lost, c] = Feasibility.CAPACITY
            demand[lost, c], bound[lost, c] = _least_bytes(layers, at)[lost], _room_bytes(machine)
            mapping[:, c] = _told(at)
        return TiledTerms(seconds, actions, code, demand, bound, np.full(shape, np.nan), mapping)

    def stream_terms(self, kernels: Kernels, chips: Sequence[Accelerator]) -> FloatArray:
        """(U, C, R) seconds of what is no contraction, see `hw_models.cost.tiled.organisation.RunsOthers`.

        Never less than at the stated peak: several functions behind one contraction may be counted as one
        look-up.
        """
        out = np.full((kernels.n_distinct, len(chips), len(RESOURCES)), np.nan)
        for c, chip in enumerate(chips):
            machine = BlockMachine.of(chip)
            out[:, c] = stream_cycles(kernels, machine) / machine.clock
        figures = Chips.of(chips)
        least = kernels.vector_ops[:, None] / figures.vector_peak.T[kernels.vector_math]
        out[..., VECTOR] = np.fmax(out[..., VECTOR], least)
        streams = kernels.macs == 0
        out[streams, :, DRAM] = _streamed(kernels, figures, chips)[streams]
        return out


def _streamed(kernels: Kernels, figures: Chips, chips: Sequence[Accelerator]) -> FloatArray:
    """(U, C) seconds of the external memory for kernels without MACs, bound by latency where all is read."""
    miss = Roofline().crossing(kernels.reuse_bytes, figures)
    read = kernels.weight_bytes[:, None] + kernels.read_bytes[:, None] * miss
    moved = (read + kernels.write_bytes[:, None] * miss) / figures.dram_bandwidth
    machines = [BlockMachine.of(chip) for chip in chips]
    rate = np.array([outer_rate(m, "input_flight") * m.clock for m in machines])
    slower: FloatArray = np.where(miss >= LEFT, np.fmax(moved, read / rate), moved)
    return slower


def _seconds(
    layers: Layers,
    problems: Problems,
    cycles: Cycles,
    traffic: Traffic,
    machine: BlockMachine,
    outside: FloatArray,
    least: FloatArray,
) -> FloatArray:
    """(D, R); what leads into and out of the blocks is exposed where nothing else takes as long.

    `outside` are the bytes (D, 2) read from and written to the external memory, weights included; `least`
    (D,) the cycles that no layer falls below by the law of the roofline.
    """
    out = np.zeros((len(problems), len(RESOURCES)))
    mac, total = np.maximum(cycles.mac, cycles.output), cycles.total
    if machine.value["product"] > 0:
        slow = problems.weight_is_activation
        product = machine.value["product"] * problems.macs / layers.times
        mac, total = np.where(slow, product, mac), np.where(slow, product, total)
    sram = traffic.inputs + traffic.outputs + traffic.weight_reads + traffic.weight_writes
    sram_cycles = sram / machine.sram.per_cycle
    outer = _outer_cycles(traffic, outside / layers.times[:, None], machine)
    slowest = np.fmax(np.fmax(mac, sram_cycles), np.fmax(outer, least))
    out[:, MAC], out[:, SRAM], out[:, DRAM] = mac, sram_cycles, outer
    out[:, EXPOSED] = np.maximum(total - slowest, 0.0)
    out[:, [VECTOR, LOCAL]] = np.nan
    result: FloatArray = out * layers.times[:, None] / machine.clock
    return result


def _least_cycles(
    layers: Layers, problems: Problems, traffic: Traffic, beside: FloatArray, machine: BlockMachine
) -> FloatArray:
    """(D,) of the memories, for each byte once: the provider lets no layer be faster than that."""
    outside = _actions(layers, problems, traffic, beside)[:, ACTIVATIONS].sum(axis=1)
    stored = traffic.weights + traffic.biases + traffic.stored_inputs + traffic.stored_outputs
    passing = stored * layers.times + beside[:, 2:].sum(axis=1)
    cycles = np.fmax(outside / machine.outer.per_cycle, passing / machine.sram.per_cycle)
    least: FloatArray = cycles / layers.times
    return least


def _stays(
    layers: Layers, problems: Problems, beside: FloatArray, machine: BlockMachine
) -> NDArray[np.bool_]:
    """(D, 4) activations that stay on the chip although they do not fit, in the order of `BESIDE`.

    Layers whose tensors do not fit run in stripes behind one another (`cascade_builder.py` of ethos-u-vela
    5.2.0), so that only what the network reads and returns crosses; not where a long skip ends.
    """
    stored = problems.input_elements * problems.input_bits / 8.0
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = reuse_distance(1.0 + beside[:, 0] / stored, machine.sram_bytes)
    read = (stored > machine.sram_bytes) & (distance <= CHAIN * stored)
    write = problems.output_elements * problems.output_bits / 8.0 > machine.sram_bytes
    read &= layers.shape[:, 5] >= machine.value["few"]
    no = np.zeros_like(read)
    return np.stack([read, write, no, no], axis=1)


def _outer_cycles(traffic: Traffic, outside: FloatArray, machine: BlockMachine) -> FloatArray:
    """(D,) of the external memory: its streams one by one, or side by side, each bound by latency."""
    read = np.maximum(outside[:, 0] - traffic.weights - traffic.records - traffic.biases, 0.0)
    fetched = np.where(read >= LEFT * traffic.stored_inputs, np.fmax(read, traffic.image), 0.0)
    stored = np.where(outside[:, 1] >= ALL * traffic.stored_outputs, outside[:, 1], 0.0)
    activations = fetched + stored
    streams = {
        "weight_flight": traffic.weights,
        "record_flight": traffic.records,
        "input_flight": activations,
    }
    cycles = np.array([count / outer_rate(machine, flight) for flight, count in streams.items()])
    together: FloatArray = cycles.max(axis=0) if machine.value["weight_flight"] > 0 else cycles.sum(axis=0)
    return together


def _weights(layers: Layers, traffic: Traffic) -> FloatArray:
    """(D,) bytes of weights and their scales that cross to the chip."""
    crossed: FloatArray = (traffic.weights + traffic.records) * layers.times
    return crossed


def _actions(layers: Layers, problems: Problems, traffic: Traffic, beside: FloatArray) -> FloatArray:
    """(D, A) as if every operand came from the external memory and went back there, and what is beside."""
    once = traffic.weights + traffic.stored_inputs
    counts = {
        "mac": problems.macs / layers.times,
        "dram_read": once + traffic.records,
        "dram_write": traffic.stored_outputs,
        "sram_read": traffic.inputs + traffic.weight_reads + traffic.stored_outputs,
        "sram_write": traffic.outputs + traffic.weight_writes + traffic.stored_inputs,
        "local_read": traffic.local_reads,
        "local_write": traffic.local_writes,
    }
    out = np.zeros((len(problems), len(ACTIONS)))
    for name, count in counts.items():
        out[:, ACTIONS.index(name)] = count * layers.times
    moves = [ACTIONS.index(name) for name in BESIDE]
    out[:, moves] = np.maximum(out[:, moves] + beside, 0.0)
    out[:, ACTIVATIONS[0]] = np.maximum(out[:, ACTIVATIONS[0]], _weights(layers, traffic))
    return out


def _least_bytes(layers: Layers, at: Blocks) -> FloatArray:
    """(D,) accumulators and input of the smallest block."""
    reach = layers.shape[:, 6:8].clip(max=8)
    inputs = 2.0 * (((at.unit[:, :2] - 1) * layers.shape[:, 8:10] + reach).prod(axis=1)) * 8
    outputs: FloatArray = inputs + 8.0 * at.unit.prod(axis=1)
    return outputs


def _room_bytes(machine: BlockMachine) -> float:
    shared = float(machine.room[2] * machine.room[3])
    return shared if machine.room[0] == 0 else float(machine.room[1] + 4 * machine.room[0])


def _told(at: Blocks) -> list[str]:
    return [
        f"block {y}x{x}x{k} (rows x columns x channels), {ORDERS[order]}, unit {uy}x{ux}x{uk}"
        for (y, x, k), order, (uy, ux, uk) in zip(
            at.block.tolist(), at.order.tolist(), at.unit.tolist(), strict=True
        )
    ]


__all__ = ["Block"]
