"""Bytes that a contraction in blocks moves through the shared SRAM, the external memory and its own buffers.

Source: `npu_performance.py` of ethos-u-vela 5.2.0 (`measure_element_access`, `estimate_full_op_performance`)
and the per-layer reports of its C++ compiler.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.roofline import CACHE_SHARE, CACHE_SPAN
from hw_models.cost.tiled.block.cycles import input_block
from hw_models.cost.tiled.block.search import DEPTHWISE, DOT, SUB_KERNEL

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.tiled.block.cycles import Blocks
    from hw_models.cost.tiled.block.layers import Layers
    from hw_models.cost.tiled.block.machine import BlockMachine
    from hw_models.cost.tiled.problem import Problems

BRICK: Final = 16
"""Channels of an activation that lie together in memory."""

ACCUMULATOR_BYTES: Final = 4.0

BIAS_BYTES: Final = 4.0
"""Of one channel in the network itself. Source: TFLite 8-bit quantisation specification, int32."""


@dataclass(frozen=True, eq=False)
class Traffic:
    """Bytes of D layers, one image and group each (D,).

    Attributes:
        weights: as encoded.
        records: scales and biases, once for every block of the image; biases: as a network stores them,
            which the records take the place of.
        image: bytes that inputs take in bursts of the external memory where they are read there, as those of
            a network are.
        inputs, outputs: through the SRAM; weight_reads, weight_writes: the same, weights that are copied
            there, which pays where they are read more than once.
        stored_inputs, stored_outputs: each element once.
        local_reads, local_writes: of the buffers of the array.
    """

    weights: FloatArray
    records: FloatArray
    biases: FloatArray
    image: FloatArray
    inputs: FloatArray
    outputs: FloatArray
    weight_reads: FloatArray
    weight_writes: FloatArray
    stored_inputs: FloatArray
    stored_outputs: FloatArray
    local_reads: FloatArray
    local_writes: FloatArray


def moved(layers: Layers, problems: Problems, at: Blocks, machine: BlockMachine) -> Traffic:
    """Bytes by memory."""
    out, depth, bits = layers.shape[:, :3], layers.shape[:, 5].astype(np.float64), 1.0 / 8.0
    block = np.maximum(np.minimum(at.block, out), 1)
    grid = -(-out // block)
    across, deep = grid[:, :2].prod(axis=1).astype(np.float64), grid[:, 2]
    depthwise = layers.how == DEPTHWISE
    held = np.minimum(input_block(layers, at, machine)[:, :2], np.maximum(layers.shape[:, 3:5], 1))
    passes = (-(-layers.taps // SUB_KERNEL)).prod(axis=1)
    bricks = np.where(depth < BRICK, depth, -(-depth // BRICK) * BRICK)
    fetched = held.prod(axis=1) * bricks * passes * across * np.where(depthwise, 1, deep)
    fetched *= problems.input_bits * bits
    apart = depth < machine.value["few"]
    outside = apart & machine.io_outside
    run = np.where(apart, machine.value["run"], machine.value["deep_run"])
    image = fetched * np.maximum(machine.outer.burst / run, 1.0)
    spread = np.where(apart, max(machine.sram.burst / machine.value["run"], 1.0), 1.0)
    outputs = out.prod(axis=1).astype(np.float64) * problems.output_bits * bits
    per_channel = layers.taps.prod(axis=1) * np.where(depthwise, 1.0, depth)
    weights = per_channel * out[:, 2] * problems.weight_bits * bits * machine.value["weight_ratio"]
    records = machine.value["record"] * out[:, 2] * across
    buffered = across > 1.0
    reads = np.where(buffered, weights * across, 0.0)
    writes = np.where(buffered, weights + machine.value["record"] * out[:, 2], 0.0)
    macs = per_channel * outputs / (problems.output_bits * bits)
    sums = ACCUMULATOR_BYTES * macs / DOT
    return Traffic(
        weights=weights,
        records=records,
        biases=BIAS_BYTES * out[:, 2].astype(np.float64),
        image=image,
        inputs=np.where(outside, 0.0, fetched * spread),
        outputs=outputs,
        weight_reads=reads,
        weight_writes=writes,
        stored_inputs=layers.shape[:, 3:6].astype(np.float64).prod(axis=1) * problems.input_bits * bits,
        stored_outputs=outputs,
        local_reads=macs * problems.input_bits * bits / at.unit[:, 2] + sums,
        local_writes=fetched + sums,
    )


def reuse_distance(miss: FloatArray, capacity: float) -> FloatArray:
    """(D,) bytes that the network touched since a layer's inputs were written, from the share that crosses.

    The law `smooth_miss` turned round; inf where all of it crosses.
    """
    hit = np.clip(1.0 - miss, 0.0, CACHE_SHARE)
    with np.errstate(divide="ignore"):
        distance: FloatArray = CACHE_SPAN * capacity * np.sqrt((CACHE_SHARE - hit) / hit)
    return distance
