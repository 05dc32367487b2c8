"""The kernels of a cost as rows: what every figure and table of one network on one chip is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from hw_models.cost.energy import Counts, counted, energy, formats_of
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.base import Cost


@dataclass(frozen=True, slots=True)
class KernelRow:
    """One kernel of one network on one chip, in SI units.

    Attributes:
        label: its name; ops: the operators of the network that it runs; kind: its class ("pointwise").
        macs, vector_ops: counts; operations are 2 x macs + vector_ops.
        dram_bytes: traffic to the outer memory.
        time_s, share: its time and its part of the latency, 0..1.
        energy_j: None where a figure is unknown.
        bound: the resource that takes most of its time.
        utilisation: share of the MAC peak while it runs, 0..1.
        modelled: False where there was no rule for an operator.
    """

    label: str
    ops: str
    kind: str
    precision: str
    macs: float
    vector_ops: float
    dram_bytes: float
    time_s: float
    share: float
    energy_j: float | None
    bound: str
    utilisation: float
    modelled: bool

    @property
    def operations(self) -> float:
        """Operations of the MAC units and the vector unit together; one MAC is two."""
        return 2.0 * self.macs + self.vector_ops


def kernel_rows(cost: Cost) -> list[KernelRow]:
    """Kernels in execution order; the times sum to the latency, the energies to the energy."""
    frame = cost.to_frame()
    joules = kernel_energy(cost)
    return [
        KernelRow(
            label=str(row["name"]),
            ops=str(row["ops"]),
            kind=str(row["class"]),
            precision=str(row["precision"]),
            macs=float(row["macs"]),
            vector_ops=float(row["vector_ops"]),
            dram_bytes=float(row["dram_bytes"]),
            time_s=float(row["time_us"]) * 1e-6,
            share=float(row["time_share"]),
            energy_j=None if np.isnan(energy) else float(energy),
            bound=str(row["bound"]),
            utilisation=float(row["utilisation"]),
            modelled=bool(row["modelled"]),
        )
        for row, energy in zip(frame.to_dict("records"), joules, strict=True)
    ]


def kernel_energy(cost: Cost) -> NDArray[np.float64]:
    """(K,) J of each kernel: actions times the chip's energies, idle power over its time; NaN: unknown."""
    detail, kernels = cost.detail, cost.detail.kernels
    alone = sparse.eye_array(kernels.n_distinct, format="csr")
    formats = formats_of(kernels)
    counts = Counts.summed(alone, counted(kernels, detail.actions[:, None], formats), formats)
    joules = energy(counts, detail.energies, detail.shares.sum(axis=1)[:, None]).value[:, 0]
    out: NDArray[np.float64] = np.where(np.isfinite(joules), joules, np.nan)[kernels.index]
    return out


def vector_peak(cost: Cost) -> tuple[float, bool] | None:
    """op/s of the vector unit at the format of most of its work, and whether it is a prior; None: unknown."""
    kernels, chips = cost.detail.kernels, cost.detail.chips
    work = np.bincount(kernels.vector_math, kernels.vector_ops, len(Precision))
    rate = float(chips.vector_peak[0, int(work.argmax())])
    return None if np.isnan(rate) else (rate, bool(chips.vector_is_prior[0]))
