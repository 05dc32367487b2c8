"""What a cost is: `Estimate`, a number with interval and fidelity; `Cost`; the seam of a cost model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

import numpy as np
from typing_extensions import override

from hw_models.cost.arrays import UNKNOWN_FIDELITY, Feasibility, Fidelity, GridQuantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from hw_models.cost.adjust import ClassConstants
    from hw_models.cost.arrays import FloatArray, Kernels, Terms
    from hw_models.cost.calibrated import Lawful
    from hw_models.cost.chips import Chips
    from hw_models.cost.energy import Counts, Energies
    from hw_models.cost.explain import Explanation
    from hw_models.cost.models import CostModel
    from hw_models.cost.shortfall import Shortfall
    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload

COST_UNITS: Final[Mapping[str, str]] = {
    "latency": "s",
    "energy": "J",
    "power": "W",
    "peak_memory": "byte",
    "area": "m2",
    "price": "USD",
}
"""Quantities of a cost and their SI units (price: US dollar)."""

SHOWN_UNITS: Final[Mapping[str, tuple[tuple[float, str], ...]]] = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")),
    "J": ((1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ")),
    "W": ((1.0, "W"), (1e-3, "mW"), (1e-6, "uW")),
    "byte": ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "byte")),
    "m2": ((1e-6, "mm2"),),
    "USD": ((1.0, "USD"),),
    "op": ((1e12, "Top"), (1e9, "Gop"), (1e6, "Mop"), (1e3, "kop"), (1.0, "op")),
    "op/s": ((1e12, "Top/s"), (1e9, "Gop/s"), (1e6, "Mop/s")),
    "byte/s": ((1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s")),
}


def show(value: float | None, unit: str) -> str:
    """A number of an SI unit as a person reads it: "3.42 ms"; "unknown" for None and NaN."""
    if value is None or np.isnan(value):
        return "unknown"
    scales = SHOWN_UNITS.get(unit, ((1.0, unit),))
    scale, name = next((s for s in scales if abs(value) >= s[0]), scales[-1])
    return f"{value / scale:.4g} {name}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """One quantity of a cost, in SI units.

    Attributes:
        value: best figure; None: unknown, which is neither zero nor good.
        low, high: 90 % interval; None where there is none to tell.
        fidelity: label of how it came about ("prior", "roofline", ...); "" where unknown.
        unit: "s", "J", "W", "byte", "m2" or "USD".
    """

    value: float | None
    low: float | None
    high: float | None
    fidelity: str
    unit: str

    @classmethod
    def unknown(cls, unit: str) -> Estimate:
        """A quantity that is not known."""
        return cls(None, None, None, "", unit)

    @classmethod
    def at(cls, quantity: GridQuantity, network: int, chip: int, unit: str) -> Estimate:
        """One cell of a grid."""
        value, low, high = (float(a[network, chip]) for a in (quantity.value, quantity.low, quantity.high))
        code = int(quantity.fidelity[network, chip])
        if np.isnan(value) or code == UNKNOWN_FIDELITY:
            return cls.unknown(unit)
        return cls(
            value,
            None if np.isnan(low) else low,
            None if np.isnan(high) else high,
            Fidelity(code).label,
            unit,
        )

    @property
    def is_known(self) -> bool:
        """Whether there is a number at all."""
        return self.value is not None

    @override
    def __str__(self) -> str:
        if self.value is None:
            return "unknown"
        ends = (
            ""
            if self.low is None or self.high is None
            else f" [{show(self.low, self.unit)} .. {show(self.high, self.unit)}]"
        )
        return f"{show(self.value, self.unit)}{ends} ({self.fidelity})"


class TermsProvider(Protocol):
    """A way to the terms of kernels on chips: the plug-in seam of a cost model. Pure: no I/O, no globals."""

    contract: ClassVar[int]

    @property
    def name(self) -> str:
        """Name as it stands in results."""
        ...

    def supports(self, chip: Accelerator) -> bool:
        """Whether the chip's description has what this provider needs."""
        ...

    def terms(self, kernels: Kernels, chips: Chips) -> Terms:
        """Seconds each resource needs alone and actions counted, for all kernels on all chips at once."""
        ...


@dataclass(frozen=True, eq=False)
class Cost:
    """What one network costs on one chip.

    Attributes:
        network, chip: names; the chip's carries its power mode.
        precision, lowering, batch, model: what it was costed with, defaults included.
        latency: s of one inference of the batch; energy: J of the same; power: W without a pause between
            inferences.
        peak_memory: byte of weights and live activations at their peak; area: m2; price: USD.
        feasibility, reason: whether it can run there, and in words why not.
        power_source: "modelled", "cap" or "".
        warnings: what a reader must know before using the numbers; not_modelled: what no number here
            includes.
        detail: the kernels, terms and figures behind it.
    """

    network: str
    chip: str
    precision: str
    lowering: str
    batch: int
    model: str
    latency: Estimate
    energy: Estimate
    power: Estimate
    peak_memory: Estimate
    area: Estimate
    price: Estimate
    feasibility: Feasibility
    reason: str
    power_source: str
    warnings: tuple[str, ...]
    not_modelled: tuple[str, ...]
    detail: Detail

    @property
    def quantities(self) -> dict[str, Estimate]:
        """The six estimates by name."""
        return {name: getattr(self, name) for name in COST_UNITS}

    @property
    def shortfalls(self) -> tuple[Shortfall, ...]:
        """What keeps it from running: demand, bound, gap, unit and levers of each reason; () where it can."""
        from hw_models.cost.shortfall import shortfalls

        d = self.detail
        return shortfalls(d.kernels, d.terms, d.accelerator, d.chips)

    def to_frame(self) -> pd.DataFrame:
        """One row per kernel in execution order, with its operators; units in the column names."""
        from hw_models.cost.frame import kernel_frame

        return kernel_frame(self)

    def explain(self, what: str = "latency") -> Explanation:
        """Why a quantity is what it is: bound, counts, formula, sources, sensitivities, omissions.

        Raises:
            UnknownNameError: `what` is not one of the quantities.
        """
        from hw_models.cost.explain import explain

        return explain(self, what)

    @override
    def __repr__(self) -> str:
        setting = f"{self.precision}, batch {self.batch}, {self.lowering}, {self.model}"
        head = f"Cost({self.network} on {self.chip}, {setting}"
        power = f"{show(self.power.value, 'W')} {self.power_source}".rstrip()
        told = f"latency {self.latency}, energy {show(self.energy.value, 'J')}, power {power}"
        return f"{head}: {told}{'' if self.feasibility == Feasibility.OK else '; ' + self.reason})"

    def _repr_html_(self) -> str:
        from hw_models.cost.frame import cost_html

        return cost_html(self)


@dataclass(frozen=True, eq=False)
class Detail:
    """What stands behind a `Cost`; U distinct kernels on one chip.

    Attributes:
        workload, accelerator, kernels: what was costed.
        chips: the chip as arrays, unknown vector rate filled by its class.
        model: how the cost was put together.
        terms: of the kernels on the chip, its first column; class constants applied.
        shares: (U, R) of the kernel's time.
        constants: class constants in force; None for a bound.
        counts, energies: of the whole network.
        start_s: s that an inference takes beside its kernels: once, and to hand data between engines.
        lawful: the chip with the law of its class and what was measured on it; None: the model has neither.
    """

    workload: Workload
    accelerator: Accelerator
    kernels: Kernels
    chips: Chips
    model: CostModel
    terms: Terms
    shares: FloatArray
    constants: ClassConstants | None
    counts: Counts
    energies: Energies
    start_s: float = 0.0
    lawful: Lawful | None = None

    @property
    def seconds(self) -> FloatArray:
        """(U, R) time each resource needs alone."""
        seconds: FloatArray = self.terms.seconds[:, 0]
        return seconds

    @property
    def actions(self) -> FloatArray:
        """(U, A) as counted."""
        actions: FloatArray = self.terms.actions[:, 0]
        return actions
