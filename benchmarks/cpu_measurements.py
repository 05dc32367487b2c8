"""Measured networks on CPUs with their kernels: what the law of CPUs is fitted on (`fit_law_cpu.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.chips import Chips
from hw_models.cost.laws.catalogue import family_fold
from hw_models.cost.laws.cpu import Shape, term_seconds
from hw_models.cost.roofline import Roofline
from hw_models.errors import CodesignError
from hw_models.lowering import lower
from hw_models.measured.devices import shipped_devices
from hw_models.measured.loaders import load
from hw_models.measured.published.base import family_of
from hw_models.measured.records import Records
from hw_models.measured.stand_ins import running
from hw_models.measured.threads import on_threads
from hw_models.workload.named import NamedNetwork
from search_spaces.published.catalogue import published_network
from search_spaces.vision.timm_models import timm_workload

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.spec.accelerator import Accelerator

HERE: Final = Path(__file__).resolve().parent
MEASURED_HERE: Final = HERE / "results" / "epyc_2core_onnxruntime.csv.gz"
OF_GRID: Final = {"armnn": ("armnn", "neon"), "xnnpack": ("xnnpack",), "ruy": ("ruy",)}
"""Runtimes of the grid by what tells them; the first that fits."""
DISTURBED: Final = 1.5
"""Repeats that differ by this factor: the fastest counts, as other work only adds; else the median."""


@dataclass(frozen=True, eq=False)
class Group:
    """Measured networks of one device under one runtime and precision.

    Attributes:
        rows: network, family, seconds and, where it was measured, watts; N rows.
    """

    runtime: str
    chip: Accelerator
    narrow: bool
    kernels: Kernels
    rows: pd.DataFrame

    @property
    def device(self) -> str:
        """Name of the chip."""
        return self.chip.name

    @property
    def seconds(self) -> FloatArray:
        """(N,) measured time of an inference."""
        measured: FloatArray = self.rows["seconds"].to_numpy(np.float64)
        return measured

    @property
    def fold(self) -> np.ndarray:
        """(N,) fold of each family."""
        return np.array([family_fold(f) for f in self.rows["family"]])

    def terms(self, shape: Shape) -> FloatArray:
        """(N, F) seconds of each term at factor 1."""
        chips = Chips.of([self.chip])
        found = term_seconds(Roofline().terms(self.kernels, chips).seconds, self.kernels, chips, shape)
        return np.array([(self.kernels.counts @ amount)[:, 0] for _, _, amount in found]).T


def groups() -> Iterator[Group]:
    """All groups of all runtimes."""
    yield from of_timm()
    yield of_this_machine()
    yield from of_grid()


def of_timm() -> Iterator[Group]:
    """CPUs of timm's throughput table, compiled, a group a torch release."""
    frame = load(datasets=["timm_throughput"]).records["timm_throughput"].frame
    of_cpu = {d: _chip("timm_throughput", d).main_engine.kind == "cpu" for d in set(frame["device"])}
    frame = frame[frame["device"].map(of_cpu) & (frame["phase"] == "infer") & frame["compiled"].eq(1)]
    for (device, _), rows in frame.groupby(["device", "runtime_version"]):
        kept, workloads = [], []
        for row in rows.itertuples():
            try:
                workloads.append(timm_workload(row.network, int(row.img_size)))
                kept.append(row.Index)
            except CodesignError as error:
                print(f"left out: {row.network}@{row.img_size:.0f}: {error}")
        found = rows.loc[kept].assign(seconds=lambda r: r["batch"] / r["throughput_per_s"])
        batch = found["batch"].astype(int).tolist()
        kernels = lower(workloads, lowering="compiled", precision="fp32", batch=batch)
        yield Group("torch", _chip("timm_throughput", device), False, kernels, found)


def of_this_machine() -> Group:
    """The networks of `measure_networks.py`, the median of a network measured several times."""
    frame = Records.read(MEASURED_HERE).frame
    whole = frame[frame["operator"].isna()]
    noisy = whole["mode"].str.contains("noisy") & ~whole["mode"].str.contains("undisturbed")
    by_network = whole[~noisy].groupby("network", as_index=False)
    rows = by_network.agg(seconds=("p50_s", "median"), side=("img_size", "first"))
    rows["family"] = [family_of(n) for n in rows["network"]]
    workloads = [timm_workload(n, int(s)) for n, s in zip(rows["network"], rows["side"], strict=True)]
    kernels = lower(workloads, lowering="folded", precision="fp32")
    chip = on_threads(shipped_devices().accelerator("epyc_2core"), whole["threads"].iloc[0])
    return Group("onnxruntime", chip, False, kernels, rows)


def of_grid() -> Iterator[Group]:
    """CPUs of the MLPerf grid, a network once."""
    frame = load(datasets=["mlperf_edge_grid"]).records["mlperf_edge_grid"].frame
    usable = (frame["engine"] == "cpu") & frame["mean_s"].notna() & frame["precision"].notna()
    frame = frame[usable].assign(of=frame["runtime"].map(_of_grid))
    for (name, device, precision), rows in frame.groupby(["of", "device", "precision"]):
        try:
            chip = _chip("mlperf_edge_grid", device)
        except CodesignError as error:
            print(f"left out: {error}")
            continue
        once = rows.groupby("network", as_index=False).agg(
            seconds=("mean_s", _typical), family=("family", "first"), watts=("power_w", "median")
        )
        kernels = _lowered(tuple(once["network"]), str(precision))
        yield Group(str(name), running(chip, str(precision)), precision == "int8", kernels, once)


def _typical(repeats: pd.Series) -> float:
    fastest = float(repeats.min())
    return fastest if repeats.max() > DISTURBED * fastest else float(repeats.median())


def _chip(dataset: str, device: str) -> Accelerator:
    table = shipped_devices()
    return table.accelerator(table.key(dataset, "board", device))


def _of_grid(runtime: str) -> str | None:
    low = str(runtime).lower()
    return next((key for key, words in OF_GRID.items() if any(w in low for w in words)), None)


@cache
def _lowered(networks: tuple[str, ...], precision: str) -> Kernels:
    workloads = [published_network(NamedNetwork("mlperf_edge_grid", n)) for n in networks]
    return lower(workloads, lowering="folded", precision=precision)
