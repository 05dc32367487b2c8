"""Speed of the tiled cost core, measured in one run: `codesign bench`.

Networks are ResNet-50, MobileNetV3-L and ViT-S at int8, chips a family of systolic arrays with two on-chip
levels. A design is one network on one chip. The clock stands still while numba compiles; that is told apart.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.spec.accelerator import Accelerator

if TYPE_CHECKING:
    from hw_models.cost.tiled.problem import Problems
    from hw_models.workload.graph import Workload

NETWORKS: Final = ("resnet50", "mobilenetv3_large_100", "vit_small_patch16_224")
PROVEN: Final = 0.01
"""Loss that a cold design is proven not to exceed."""

ARRAYS: Final = (16, 32, 64, 128)
LOCAL_KIB: Final = (16, 32, 64, 128)
SRAM_KIB: Final = (256, 512, 1024, 2048, 4096, 8192)
KEYS: Final = (
    "layer_mappings_per_s",
    "covered_points_per_s",
    "designs_per_s_cold",
    "designs_per_s_warm",
    "gap_max",
    "trace_s_median",
    "ratio_to_zigzag",
    "n_cores",
)


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        reference: reference chips of a portfolio per array and memory size; seen: chips costed with proof;
            unseen: chips costed from the portfolio; alone: chips costed one by one with nothing known;
            mappings: evaluated one after the other; points: cells whose whole space is counted as covered.
    """

    reference: int = 2
    seen: int = 60
    unseen: int = 1000
    alone: int = 2
    mappings: int = 20_000_000


def family_member(array: int, local_kib: int, sram_kib: int, rates: Sequence[float]) -> Accelerator:
    """A weight-stationary array with a local buffer, SRAM and DRAM; `rates` in GB/s, outermost first."""
    made = {"source": "made"}

    def memory(name: str, kind: str, gbs: float, **more: Any) -> dict[str, Any]:
        ports = {f"{port}bandwidth": {"value": gbs * 1e9, **made} for port in more.pop("ports", ("",))}
        return {"name": name, "kind": kind, **ports, **more}

    dram, sram, local = rates
    inner = memory("buffer", "sram", local, ports=("read_", "write_"))
    outer = memory("sram", "sram", sram, ports=("read_", "write_"))
    for level, kib in ((inner, local_kib), (outer, sram_kib)):
        level |= {"capacity": {"value": kib * 1024.0, **made}, "double_buffered": True}
    engine = {
        "name": "npu",
        "kind": "npu",
        "clock": {"value": 1e9, **made},
        "peak": {"int8": {"value": 2e9 * array * array, **made}},
        "array": {"dims": [array, array], **made},
        "dataflow": {"kind": "weight_stationary", **made},
        "memory": [inner],
    }
    external = memory("dram", "dram", dram, burst={"value": 64.0, **made})
    return Accelerator.model_validate(
        {
            "name": f"array{array}",
            "device_class": "edge_npu",
            "sources": {"made": "drawn for the benchmark"},
            "engines": [engine],
            "memory": [outer, external],
        }
    )


def family(rng: np.random.Generator, sizes: Sequence[tuple[int, int, int]]) -> list[Accelerator]:
    """Chips of these array and memory sizes, at bandwidths drawn over a factor of eight."""
    chips = []
    for array, local, sram in sizes:
        rates = np.array([8.0, 2.0 * array, 8.0 * array]) * 2.0 ** rng.uniform(0.0, 3.0, 3)
        chips.append(family_member(array, local, sram, rates.tolist()))
    return chips


def measure(size: Size | None = None, *, against_zigzag: bool = False) -> dict[str, Any]:
    """All figures of `KEYS`, and what stands behind them under `detail`."""
    from hw_models.cost.tiled.nest.organisations import WeightStationary

    size = size or Size()
    detail: dict[str, Any] = {}
    networks, trace_s = _traced()
    problems, member = _contractions(networks)
    rng = np.random.default_rng(0)
    everything = list(product(ARRAYS, LOCAL_KIB, SRAM_KIB))
    detail["compile_s"] = _compile(WeightStationary())
    found: dict[str, Any] = dict.fromkeys(KEYS)
    found["trace_s_median"] = median(trace_s)
    found["n_cores"] = _cores()
    found["layer_mappings_per_s"] = _mappings_per_s(WeightStationary(), problems, size.mappings)
    drawn = [everything[i] for i in rng.integers(0, len(everything), size.seen)]
    detail |= _alone(problems, member, family(rng, drawn[: size.alone]), len(networks))
    detail |= _many(problems, family(rng, drawn), len(networks))
    found["covered_points_per_s"] = detail["covered_points_per_s"]
    found["designs_per_s_cold"] = detail["designs_per_s_cold_many"]
    found["gap_max"] = detail["gap_max"]
    detail |= _warm(problems, member, rng, everything, size)
    found["designs_per_s_warm"] = detail["designs_per_s_warm"]
    detail |= _known(detail.pop("priced"))
    if against_zigzag:
        detail["zigzag"], found["ratio_to_zigzag"] = _zigzag()
    return {**found, "detail": detail}


def _traced() -> tuple[list[Workload], list[float]]:
    """The networks, traced anew: building them in timm and reading them, without what is kept on disk."""
    from search_spaces.vision.timm_models import timm_workload

    networks, seconds = [], []
    for name in NETWORKS:
        start = time.perf_counter()
        networks.append(timm_workload(name, cache=False))
        seconds.append(time.perf_counter() - start)
    return networks, seconds


def _contractions(networks: Sequence[Workload]) -> tuple[Problems, Any]:
    """Distinct contractions of all networks, and (W, D) how often each network runs each."""
    from hw_models.cost.tiled.kernels import Contractions
    from hw_models.lowering import lower

    kernels = lower(networks, lowering="ideal", precision="int8")
    work = Contractions.of(kernels)
    runs = np.zeros((kernels.n_distinct, len(work.problems)))
    np.add.at(runs, (work.row, work.part), 1.0)
    return work.problems, kernels.counts @ runs


def _compile(nest: Any) -> float:
    """Seconds until everything that follows is compiled (or read from disk)."""
    from hw_models.cost.tiled.nest.portfolio import Portfolio
    from hw_models.cost.tiled.nest.solve import Effort, machines_of
    from hw_models.cost.tiled.problem import Problems

    start = time.perf_counter()
    tiny, chips = (
        Problems.of([[1, 1, 4, 4, 3, 3, 3, 3]]),
        family(np.random.default_rng(1), [(16, 16, 256)] * 2),
    )
    Portfolio.of(nest, tiny, chips, Effort()).solve(machines_of(nest, chips))
    _mappings_per_s(nest, tiny, 1000)
    return time.perf_counter() - start


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _mappings_per_s(nest: Any, problems: Problems, most: int) -> float:
    """Mappings counted and priced with energy, one by one with nothing skipped, on every core."""
    from hw_models.cost.tiled.nest.rows import sweep
    from hw_models.cost.tiled.nest.solve import Forests, machines_of
    from hw_models.cost.tiled.nest.tables import Figures
    from hw_models.cost.tiled.nest.trees import LEFT

    chip = machines_of(nest, [family_member(32, 1 << 20, 1 << 20, (32.0, 64.0, 256.0))])[0]
    row = int(np.argmax(problems.macs))
    planted = Forests().of(problems, row, chip.build, nest.layouts(chip.build))[0]
    boxes, roots = planted.local_first
    ends = [*roots[1:], len(boxes)]
    leaves = [r + np.nonzero(boxes[r:e, LEFT] < 0)[0] for r, e in zip(roots, ends, strict=True)]
    starts = np.cumsum([0, *(len(x) for x in leaves)])
    rate = chip.rate(8.0, 8.0)
    if rate is None:
        return float("nan")
    figures = Figures.of(chip, *rate)
    space = int(np.prod([len(x) for x in leaves], dtype=float))

    def run(part: int) -> int:
        sizes = planted.shape.sizes
        at = space // (_cores() + 1) * (part + 1)
        seen, _ = sweep(
            boxes, np.concatenate(leaves), starts, sizes, figures.chip, figures.ports, figures.place, at, most
        )
        return int(seen)

    start = time.perf_counter()
    with ThreadPoolExecutor(_cores()) as pool:
        total = sum(pool.map(run, range(_cores())))
    return total / (time.perf_counter() - start)


def _alone(problems: Problems, member: Any, chips: Sequence[Accelerator], n_networks: int) -> dict[str, Any]:
    """Designs per second where nothing is known: one chip after the other, every table built anew."""
    from hw_models.cost.tiled.nest.organisations import WeightStationary
    from hw_models.cost.tiled.nest.solve import Effort

    start = time.perf_counter()
    for chip in chips:
        for network in range(n_networks):
            rows = np.nonzero(member[network])[0]
            WeightStationary(Effort(slack=PROVEN)).terms(problems.take(rows), [chip])
    return {"designs_per_s_cold_alone": len(chips) * n_networks / (time.perf_counter() - start)}


def _many(problems: Problems, chips: Sequence[Accelerator], n_networks: int) -> dict[str, Any]:
    """The same for many chips in one call: tables of a shape serve all chips of one build."""
    from hw_models.cost.tiled.nest.organisations import WeightStationary
    from hw_models.cost.tiled.nest.solve import Effort, Forests, machines_of, solve

    nest, forests = WeightStationary(), Forests()
    start = time.perf_counter()
    machines = machines_of(nest, chips)
    solved = solve(problems, machines, nest.layouts, Effort(slack=PROVEN), forests)
    seconds = time.perf_counter() - start
    points = 0.0
    for machine in machines:
        for row in range(len(problems)):
            for planted in forests.of(problems, row, machine.build, nest.layouts(machine.build)):
                points += 9.0 * np.prod([len(rows) for rows in planted.chains], dtype=float)
    return {
        "designs_per_s_cold_many": len(chips) * n_networks / seconds,
        "covered_points_per_s": points / seconds,
        "boxes_per_cell": solved.boxes / solved.state.size,
        "gap_max": float(np.nanmax(solved.gap)),
        "cells": solved.state.size,
    }


def _warm(
    problems: Problems,
    member: Any,
    rng: np.random.Generator,
    everything: Sequence[tuple[int, int, int]],
    size: Size,
) -> dict[str, Any]:
    """Known shapes on chips not seen: a portfolio's rate, and its loss against the proven best on some."""
    from hw_models.cost.tiled.nest.organisations import WeightStationary
    from hw_models.cost.tiled.nest.portfolio import Portfolio
    from hw_models.cost.tiled.nest.solve import Effort, Forests, machines_of, solve

    nest = WeightStationary()
    start = time.perf_counter()
    reference = family(rng, [s for s in everything for _ in range(size.reference)])
    portfolio = Portfolio.of(nest, problems, reference, Effort(slack=PROVEN))
    learned = time.perf_counter() - start
    drawn = [everything[i] for i in rng.integers(0, len(everything), size.unseen)]
    machines = machines_of(nest, family(rng, drawn))
    portfolio.solve(machines[: len(everything)])
    start = time.perf_counter()
    quick = portfolio.solve(machines)
    seconds = time.perf_counter() - start
    checked = machines[: max(size.seen // 2, 1)]
    best = solve(problems, checked, nest.layouts, Effort(slack=0.001), Forests())
    ours, theirs = (member @ p[:, : len(checked), 0] for p in (quick.priced, best.priced))
    loss = (ours / theirs - 1.0).ravel()
    return {
        "designs_per_s_warm": size.unseen * len(member) / seconds,
        "portfolio_s": learned,
        "portfolio_chips": len(reference),
        "warm_loss_median": float(np.nanmedian(loss)),
        "warm_loss_p90": float(np.nanpercentile(loss, 90)),
        "warm_loss_max": float(np.nanmax(loss)),
        "warm_share_within_1_percent": float(np.mean(loss <= PROVEN)),
        "priced": quick.priced,
    }


def _known(priced: Any) -> dict[str, Any]:
    """Look-ups per second of pairs that are known: rows of the solved grid picked by pair."""
    rng = np.random.default_rng(2)
    cells = priced[..., 0]
    rows, columns = (rng.integers(0, n, 2_000_000) for n in cells.shape)
    start = time.perf_counter()
    total = float(np.nansum(cells[rows, columns]))
    seconds = time.perf_counter() - start
    return {"known_pairs_per_s": len(rows) / seconds, "known_pairs_checksum": total}


def _zigzag() -> tuple[Any, float | None]:
    """Ratio per search against ZigZag, or why it was not run."""
    from codesign import against_zigzag
    from hw_models.errors import MissingExtraError

    try:
        compared = against_zigzag.compare()
    except MissingExtraError as error:
        return {"skipped": str(error)}, None
    return compared.summary(), compared.ratio()
