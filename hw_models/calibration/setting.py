"""A calibration: what was fitted on one chip, a setting for each way in which networks were run on it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from typing_extensions import override

from hw_models.calibration.process import Kernel, Residuals
from hw_models.calibration.scalars import Scalars, fit_scalars
from hw_models.cost.chips import ENGINE_KINDS, Chips
from hw_models.cost.laws.catalogue import family_fold
from hw_models.spec.quantities import CLASS_FIGURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.calibration.interval import Width
    from hw_models.cost.arrays import FloatArray
    from hw_models.cost.laws.base import Law
    from hw_models.spec.accelerator import Accelerator

FORMAT: Final = 1
"""Version of calibration files; one of another version is refused."""

FIGURES: Final = (
    "mac_peak",
    "vector_peak",
    "dram_bandwidth",
    "sram_capacity",
    "sram_bandwidth",
    "units",
    "clock",
    "tdp",
    "issue",
)
"""Figures of a chip that a latency goes by; a calibration holds while they stand."""

DIGITS: Final = 3
"""Digits of a figure that count: tables round."""


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """How networks were run.

    Attributes:
        runtime: what executed, first word; version: of it. "": not stated.
        precision, lowering, layout: likewise.
    """

    runtime: str
    version: str
    precision: str
    lowering: str
    layout: str

    @override
    def __str__(self) -> str:
        runtime = " ".join(x for x in (self.runtime, self.version) if x) or "a runtime that is not named"
        return f"{runtime}, {self.precision}, {self.lowering}" + (f", {self.layout}" if self.layout else "")

    @property
    def run_by(self) -> str | None:
        """Runtime and version as `hw_models.cost.laws.catalogue.law` takes them; None: not stated."""
        return " ".join(x for x in (self.runtime, self.version) if x) or None


@dataclass(frozen=True, eq=False)
class Setting:
    """What was fitted on one chip in one way of running.

    Attributes:
        law: `fingerprint` of the class law that it stands on.
        scalars: factors of time of the chip.
        residuals: log of measured over predicted of every network, with its features.
        parts: (N, 3) share of each network's time that each scalar moves.
        names, families: (N,) of the networks.
        width: half-width of the interval; None: the law's interval for a chip it never saw.
        floor: least half-width, from how far repeats of one network scatter.
        score: errors of families left out, see `docs/calibration.md`; curve: error by number of networks.
        batch: (2,) smallest and largest number of inputs of a step.
    """

    way: Way
    law: str
    scalars: Scalars
    residuals: Residuals
    parts: FloatArray
    names: tuple[str, ...]
    families: tuple[str, ...]
    width: Width | None
    floor: float
    score: Mapping[str, float | int | None]
    curve: tuple[Mapping[str, float | int], ...]
    batch: tuple[int, int]
    _kept: dict[str, tuple[Scalars, Residuals]] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def without(self, crossfit: str | None) -> tuple[Scalars, Residuals]:
        """Scalars and residuals from the networks of all folds but one ("family:3"); None: from all."""
        if crossfit is None or not crossfit.startswith("family:"):
            return self.scalars, self.residuals
        if crossfit not in self._kept:
            self._kept[crossfit] = self._refitted(self._folds == int(crossfit.partition(":")[2]))
        return self._kept[crossfit]

    def _refitted(self, out: NDArray[np.bool_]) -> tuple[Scalars, Residuals]:
        """From the networks that are not marked; the law is linear enough in logarithms for this step."""
        found, kernel = self.residuals.features[~out], self.residuals.kernel
        theta = np.log([self.scalars.compute, self.scalars.bandwidth, self.scalars.fixed])
        raw = (self.residuals.values + self.parts @ theta)[~out]
        own = solve(self.parts[~out], raw, found) if len(raw) else np.zeros(3)
        scalars = Scalars(*(float(x) for x in np.exp(own)))
        return scalars, Residuals(kernel, found, raw - self.parts[~out] @ own)

    @cached_property
    def _folds(self) -> NDArray[np.intp]:
        return np.array([family_fold(f) for f in self.families], np.intp)


@dataclass(frozen=True, eq=False)
class Calibration:
    """What measurements of one chip add to the law of its class, a setting for each way of running.

    Attributes:
        chip: label of the chip, its power mode included; kind: of its main engine; figures: `figures_hash`.
        records: SHA-256 of the rows behind it; n_rows, n_set_aside: how many were used, and refused.
        set_aside: reasons of the refused, with their number.
        sources: where the rows were published or taken.
        date: day on which it was made, ISO 8601.
    """

    chip: str
    kind: str
    figures: str
    records: str
    n_rows: int
    n_set_aside: int
    set_aside: Mapping[str, int]
    sources: tuple[str, ...]
    date: str
    settings: tuple[Setting, ...]

    @override
    def __repr__(self) -> str:
        told = "; ".join(f"{s.way}: {len(s)} networks" for s in self.settings)
        return f"Calibration({self.chip}, {self.n_rows} rows, {told})"

    def _repr_html_(self) -> str:
        return f"<p>Calibration of {self.chip}</p>{self.to_frame().to_html(index=False)}"

    def to_frame(self) -> Any:
        """One row per setting: how it was run, scalars, score of families left out."""
        import pandas as pd

        rows = [
            {
                **{f: getattr(s.way, f) for f in Way.__dataclass_fields__},
                "networks": len(s),
                "compute_efficiency": 1.0 / s.scalars.compute,
                "bandwidth_efficiency": 1.0 / s.scalars.bandwidth,
                "fixed_cost": s.scalars.fixed,
                **s.score,
            }
            for s in self.settings
        ]
        return pd.DataFrame(rows)


def solve(parts: FloatArray, residual: FloatArray, found: FloatArray) -> FloatArray:
    """(3,) logarithms of the scalars from networks with features (N, F) and log residuals (N,) to the law."""
    return fit_scalars(parts, residual, SIBLINGS.between(found, found))


USUAL: Final = Kernel(structure=0.0, sibling=0.005, level=0.0, alone=0.002)
"""Variances where too few networks were measured to choose them: of those that were tried the ones with which
five networks do least harm where the law is right. Source: timm, RTX 3090 and i9-10940X, 25 draws."""


SIBLINGS: Final = Kernel(structure=0.0, sibling=0.01, level=0.0, alone=0.0)
"""What near-twins share when scalars are fitted: they count as one."""


SETS: Final = re.compile(r"frozenset\(\{([^{}]*)\}\)")
"""Sets in a law's representation: their order changes from one process to the next."""


def fingerprint(law: Law) -> str:
    """Short hash of a law's constants: a calibration holds on the law that it was fitted on."""
    text = SETS.sub(lambda found: f"frozenset({{{', '.join(sorted(found[1].split(', ')))}}})", repr(law))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def figures_hash(chip: Accelerator) -> str:
    """Short hash of the figures of a chip that a latency goes by, to `DIGITS` digits.

    A peak that stands in for one that nobody tells is no figure of the chip.
    """
    main = chip.main_engine
    told_peaks = {p: figure for p, figure in main.peak.items() if figure.source != CLASS_FIGURE}
    stated = main.model_copy(update={"peak": told_peaks})
    arrays = Chips.of([chip.model_copy(update={"engines": (stated, *chip.engines[1:])})])
    told = [ENGINE_KINDS[int(arrays.kind[0])]]
    told += [f"{x:.{DIGITS}g}" for f in FIGURES for x in np.ravel(getattr(arrays, f))]
    return hashlib.sha256(" ".join(told).encode()).hexdigest()[:16]
