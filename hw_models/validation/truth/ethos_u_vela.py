"""What Arm's Vela estimates for int8 networks on Ethos-U: cycles and arena. Another model, not silicon.

A file has a row per network and configuration; the networks are lines of text beside it
(`ethos_u_networks.txt`, see `int8_networks`). A configuration is an accelerator, a system and a memory mode
of `vela.ini`; those that no chip file states are put together from an engine of one and memories of another.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.errors import FileError
from hw_models.validation.truth.base import Points, TruthSet, point_frame
from hw_models.validation.truth.int8_networks import workload_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import Kernels
    from hw_models.cost.tiled.block.machine import BlockMachine
    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload

DATA: Final = Path(__file__).parent / "data"
NETWORKS: Final = "ethos_u_networks.txt"
COLUMNS: Final = ("network", "accelerator", "system_config", "memory_mode", "total_cycles", "sram_bytes")
UNLIMITED: Final = 4.0 * 2**30
"""Bytes of SRAM where a memory mode does not limit it: what 32 address bits reach."""

MODES: Final = {
    "Shared_Sram": ("flash", UNLIMITED),
    "Sram_Only": ("flash", UNLIMITED),
    "Dedicated_Sram": ("dram", UNLIMITED),
    "Dedicated_Sram_256KB": ("dram", 256.0 * 1024),
    "Dedicated_Sram_384KB": ("dram", 384.0 * 1024),
    "Dedicated_Sram_512KB": ("dram", 512.0 * 1024),
}
"""Memory mode -> what the outer memory is to the network (flash: it cannot be written), bytes of SRAM.
Source: config_files/Arm/vela.ini of ethos-u-vela 5.2.0."""


def predict(path: Path) -> Points:
    """Cycles and arena of every row of a file.

    Raises:
        FileError: a file without the columns it needs, or without its networks beside it.
    """
    import pandas as pd

    frame = pd.read_csv(path, comment="#")
    lacking = [c for c in COLUMNS if c not in frame]
    if lacking:
        raise FileError.at(path, f"lacks {', '.join(lacking)}; expected columns {', '.join(COLUMNS)}")
    networks = read_networks(path.with_name(NETWORKS))
    rows, skipped = [], Counter[str]()
    for (accelerator, system, mode), part in frame.groupby(["accelerator", "system_config", "memory_mode"]):
        chip = configured(str(accelerator), str(system), str(mode))
        for row in part.itertuples():
            if chip is None:
                skipped[f"no chip file has the engine of {accelerator} or the memories of {system}"] += 1
            elif row.network not in networks:
                skipped[f"{NETWORKS} does not have the network"] += 1
            else:
                rows += _compared(row, networks[str(row.network)], chip)
    columns: dict[str, Any] = {name: [r[name] for r in rows] for name in rows[0]} if rows else {}
    points = point_frame(**columns) if rows else pd.DataFrame()
    return Points(points, fidelity="tiled", split="held_out", skipped=skipped)


def _compared(row: Any, workload: Workload, chip: Accelerator) -> list[dict[str, Any]]:
    where = {
        "device": row.accelerator,
        "mode": f"{row.system_config}|{row.memory_mode}",
        "network": row.network,
    }
    where["split"] = getattr(row, "split", "held_out")
    cycles, arena = estimated(workload, chip)
    return [
        {**where, "quantity": "latency_cycles", "measured": float(row.total_cycles), "predicted": cycles},
        {**where, "quantity": "arena_bytes", "measured": float(row.sram_bytes), "predicted": arena},
    ]


def estimated(workload: Workload, chip: Accelerator) -> tuple[float, float]:
    """Cycles of a network at the engine's clock, and bytes of SRAM that it needs."""
    from hw_models.cost.chips import Chips
    from hw_models.cost.combine import kernel_seconds
    from hw_models.cost.models import cost_model
    from hw_models.cost.tiled.block.arena import arena_bytes, bricks
    from hw_models.cost.tiled.block.machine import BlockMachine
    from hw_models.cost.tiled.block.streams import added_elements, softmax_bytes
    from hw_models.lowering import lower, lowered

    model, machine = cost_model("tiled"), BlockMachine.of(chip)
    kernels = lower([workload], lowering="ideal", precision="int8")
    terms = model.provider.terms(kernels, Chips.of([chip]))
    each = (kernel_seconds(terms.seconds, model.overlap)[:, 0] * machine.clock)[kernels.index]
    net = lowered(workload, lowering="ideal", precision="int8")
    size = bricks(net)
    if machine.io_outside:
        size[net.inputs] = size[net.outputs] = 0.0
    beside = softmax_bytes(kernels, machine) + added_elements(kernels)
    live = net.lifetimes.live_bytes(size, len(net.cls)) + beside[kernels.index]
    rate = np.nan if _inside(chip) else machine.outer.per_cycle
    if np.isnan(rate):  # the weights lie there as well
        return float(each.sum()), float(live.max(initial=0.0) + kernels.weights_bytes[0])
    weights, twice = kernels.weight_bytes[kernels.index], _read_twice(kernels, machine)[kernels.index]
    arena = arena_bytes(live, weights, each, twice, rate)
    return float(each.sum()), min(arena, machine.sram_bytes)


def _read_twice(kernels: Kernels, machine: BlockMachine) -> NDArray[np.bool_]:
    """(U,) convolutions whose weights are read once a block, and copied to the SRAM for that."""
    from hw_models.cost.tiled.block.cycles import chosen
    from hw_models.cost.tiled.block.layers import Layers
    from hw_models.cost.tiled.block.traffic import moved
    from hw_models.cost.tiled.kernels import Contractions
    from hw_models.workload.op import OpKind

    work = Contractions.of(kernels)
    layers = Layers.of(work.problems)
    traffic = moved(layers, work.problems, chosen(layers, machine), machine)
    twice: NDArray[np.bool_] = (work.sum(traffic.weight_reads) > 0) & (kernels.kind == OpKind.CONV)
    return twice


def _inside(chip: Accelerator) -> bool:
    """Whether weights lie in the SRAM: then the outer memory stands for a part of it."""
    shared = chip.memory[0].bandwidth
    return bool(chip.dram and chip.dram.bandwidth and shared and chip.dram.bandwidth.value == shared.value)


@cache
def configured(accelerator: str, system: str, mode: str) -> Accelerator | None:
    """The chip of a configuration; None where no file has its engine or its memories.

    Args:
        accelerator: as Vela names it, "ethos-u55-256".
        system: for example "Ethos_U55_High_End_Embedded".
        mode: a memory mode.
    """
    from hw_models.spec.load import list_chips, load_chip

    family, short = accelerator.replace("-", "_"), short_system(system)
    known = list_chips(f"{family.rsplit('_', 1)[0]}_*")
    engines = [c for c in known if c.startswith(f"{family}_")]
    memories = [c for c in known if c.endswith(f"_{short}")]
    if not engines or not memories or mode not in MODES:
        return None
    exact = f"{family}_{short}"
    chip = load_chip(exact if exact in engines else engines[0])
    return _in_mode(_at_system(chip, load_chip(memories[0])), mode)


def short_system(system: str) -> str:
    """How chip files name a system: "Ethos_U85_SYS_DRAM_Mid" is "dram_mid"."""
    words = [w for w in system.lower().split("_")[2:] if w not in ("sys",)]
    return "_".join(words) if words == ["deep", "embedded"] or len(words) == 1 else "_".join(words[:2])


def _at_system(chip: Accelerator, other: Accelerator) -> Accelerator:
    """The engine of one chip with the clock and memories of another."""
    engine, theirs = chip.main_engine, other.main_engine
    if engine.clock is None or theirs.clock is None:
        return chip
    ratio = theirs.clock.value / engine.clock.value
    peak = {p: s.times(ratio) for p, s in engine.peak.items()}
    vector = {p: s.times(ratio) for p, s in engine.vector_peak.items()}
    mine = engine.model_copy(update={"clock": theirs.clock, "peak": peak, "vector_peak": vector})
    return chip.model_copy(update={"engines": (mine, *chip.engines[1:]), "memory": other.memory})


def _in_mode(chip: Accelerator, mode: str) -> Accelerator:
    """The chip with its memories used as a mode says."""
    kind, size = MODES[mode]
    shared, outer = chip.memory[0], chip.memory[-1]
    capacity = (
        shared.capacity.model_copy(update={"value": size, "low": None, "high": None})
        if shared.capacity
        else None
    )
    moved: dict[str, Any] = {"kind": kind}
    if mode == "Sram_Only":
        moved |= {"bandwidth": shared.bandwidth, "latency": shared.latency, "burst": shared.burst}
    return chip.model_copy(
        update={"memory": (shared.model_copy(update={"capacity": capacity}), outer.model_copy(update=moved))}
    )


def read_networks(path: Path) -> dict[str, Workload]:
    """Networks by name.

    Raises:
        FileError: where the file is missing or a line is no operator.
    """
    if not path.is_file():
        raise FileError.at(path, "missing; it holds the networks of the rows, see int8_networks")
    return _networks(path.read_text("utf-8"))


@cache
def _networks(text: str) -> dict[str, Workload]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("network "):
            found[line.split()[1]] = current = []
        elif line.strip():
            current.append(line)
    return {name: workload_of(name, lines) for name, lines in found.items()}


SETS: Final = (TruthSet("ethos_u_vela", "model", predict, shipped=DATA / "ethos_u_vela.csv"),)
