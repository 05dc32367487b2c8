"""NVDLA's seven sizes: frames a second of int8 ResNet-50 without on-chip SRAM, area in 28 and 16 nm, power.

A row says MACs, convolution buffer and DRAM bandwidth at 1 GHz; everything else follows. Inputs and weights
have half of the buffer each, nothing stays on the chip between layers, and only nv_large has Winograd.

The areas are of synthesised RTL; power and frames a second are the vendor's estimates for it.

Source: NVDLA primer (nvdla/doc `doc/primer.rst` @31f5740); ResNet-50 as He et al., CVPR 2016, stride in the
first convolution of a block; `nvdla_layers` for what a layer keeps in the DRAM.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw_models.cost.tiled.dot_product import Machine, Stored, layer_counts, port_cycles
from hw_models.cost.tiled.problem import Problems
from hw_models.spec.accelerator import Accelerator
from hw_models.spec.area import implied_area
from hw_models.spec.core_power import average_power, peak_power
from hw_models.validation.truth.base import Points, TruthSet, point_frame
from hw_models.validation.truth.figures import read_figures

if TYPE_CHECKING:
    from hw_models.spec.silicon import Implied

SIZE: Final = ("macs", "conv_buffer_kb", "dram_gb_s")
"""Columns that say what the machine is."""

FITTED: Final = ((2048, 512), (1024, 256), (512, 256), (256, 256), (128, 256), (64, 128), (32, 128))
"""MACs and KiB of the sizes on which the priors of area and power were fitted."""

NV_LARGE: Final = 2048
"""MACs from which a size has Winograd. Source: nvdla/doc `scalability.rst`: nv_large has it, nv_small not."""

STAGES: Final = ((3, 64, 256, 56), (4, 128, 512, 28), (6, 256, 1024, 14), (3, 512, 2048, 7))
"""Of ResNet-50: blocks, inner and outer channels, rows of the output."""


class Layer(NamedTuple):
    """One layer: channels, rows in, filters, taps along each, stride, rows out; and in memory its output.

    `written` counts elements, those that are read to be added to it included.
    """

    channels: int
    rows: int
    filters: int
    taps: int
    stride: int
    out: int
    written: int


def resnet50() -> Iterator[Layer]:
    """The convolutions in order, pooling fused into the layer before it, then the classifier."""
    yield Layer(3, 224, 64, 7, 2, 112, 64 * 56 * 56)
    channels = 64
    for stage, (blocks, inner, outer, out) in enumerate(STAGES):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            rows, last = out * stride, stage == 3 and block == blocks - 1
            if block == 0:
                yield Layer(channels, rows, outer, 1, stride, out, outer * out * out)
            yield Layer(channels, rows, inner, 1, stride, out, inner * out * out)
            yield Layer(inner, out, inner, 3, 1, out, inner * out * out)
            yield Layer(inner, out, outer, 1, 1, out, 2 * (outer if last else outer * out * out))
            channels = outer
    yield Layer(channels, 1, 1000, 1, 1, 1, 1000)


def chip(macs: float, buffer_kib: float, dram_gb_s: float, process_nm: float) -> Accelerator:
    """One size as a chip, at 1 GHz."""

    def figure(value: float) -> dict[str, object]:
        return {"value": value, "source": "row"}

    parameters = {"stride_folded": 1.0, "operand_share": 0.5}
    if macs >= NV_LARGE:
        parameters["winograd"] = 1.0
    flow = {"kind": "dot_product", "parameters": {k: figure(v) for k, v in parameters.items()}}
    buffer = {"name": "cbuf", "kind": "sram", "capacity": figure(buffer_kib * 1024)}
    return Accelerator.model_validate(
        {
            "name": f"nvdla_{macs:g}".replace(".", "_"),
            "device_class": "npu_ip",
            "sources": {"row": "the row of the table"},
            "engines": [
                {
                    "name": "npu",
                    "clock": figure(1e9),
                    "macs": {"int8": figure(macs)},
                    "peak": {"int8": figure(2e9 * macs)},
                    "memory": [buffer],
                    "dataflow": {**flow, "source": "row"},
                }
            ],
            "memory": [{"name": "dram", "bandwidth": figure(dram_gb_s * 1e9)}],
            "process_nm": figure(process_nm),
        }
    )


def frames_per_second(accelerator: Accelerator) -> float:
    """Of int8 ResNet-50, layer after layer, each as long as its slower side."""
    layers = np.array([*resnet50()], np.int64).T
    channels, rows, filters, taps, stride, out, written = layers
    one = np.ones_like(channels)
    dims = np.stack([one, one, filters, channels, out, out, taps, taps], axis=1)
    size, steps = np.stack([rows, rows], axis=1), np.stack([stride, stride], axis=1)
    problems, machine = Problems.of(dims, stride=steps, in_size=size), Machine.of(accelerator)
    usual = layer_counts(problems, machine).stored
    # an image has four channels in memory
    inputs = np.where(channels == 3, 4, channels) * rows**2.0
    counts = layer_counts(problems, machine, Stored(inputs, usual.weights, written.astype(np.float64)))
    traffic = port_cycles(counts.outer_bytes, machine.bandwidth, machine.clock)
    return float(machine.clock / np.maximum(counts.mac_cycles, traffic).sum())


def predict(path: Path) -> Points:
    """Every figure of every size beside ours.

    Raises:
        FileError: the file is not what its name says.
    """
    columns = ("resnet50_fps", "area_mm2_28nm", "area_mm2_16nm", "peak_mw_16nm", "avg_mw_16nm")
    every = read_figures(path, texts=(), numbers=SIZE, may_hold=columns, above_zero=SIZE)
    frame = every.dropna(subset=[*SIZE])
    rows: list[tuple[str, str, str, float, float, float, float]] = []
    for row in frame.to_dict("records"):
        macs, buffer, bandwidth = (float(row[name]) for name in SIZE)
        coarse, fine = (chip(macs, buffer, bandwidth, node) for node in (28.0, 16.0))
        ours = {
            "resnet50_fps": (frames_per_second(fine), np.nan, np.nan),
            "area_mm2_28nm": _ends(implied_area(coarse), 1e6),
            "area_mm2_16nm": _ends(implied_area(fine), 1e6),
            "peak_mw_16nm": _ends(peak_power(fine), 1e3),
            "avg_mw_16nm": _ends(average_power(fine), 1e3),
        }
        split = "fitted" if (macs, buffer) in FITTED else "held_out"
        label = f"NVDLA {macs:g} MAC, {buffer:g} KiB, {bandwidth:g} GB/s"
        rows += [(label, split, q, row[q], *ours[q]) for q in columns if not np.isnan(row[q])]
    points = point_frame(
        device="NVDLA",
        mode="sizes",
        size=[r[0] for r in rows],
        split=[r[1] for r in rows],
        quantity=[r[2] for r in rows],
        measured=[r[3] for r in rows],
        predicted=[r[4] for r in rows],
        low=[r[5] for r in rows],
        high=[r[6] for r in rows],
    )
    return Points(
        points,
        fidelity="tiled",
        fitted_on="seven sizes of the NVDLA primer",
        split="mixed",
        skipped={f"no {', '.join(SIZE)}": len(every) - len(frame)},
    )


def _ends(figure: Implied | None, scale: float) -> tuple[float, float, float]:
    if figure is None:
        return (np.nan, np.nan, np.nan)
    return (figure.value * scale, figure.low * scale, figure.high * scale)


SETS: Final = (
    TruthSet(
        name="nvdla_resnet50_configs",
        truth="closed_form",
        predict=predict,
        why_not_shipped="figures of NVIDIA's primer; codesign validate --data DIR reads them",
    ),
)
