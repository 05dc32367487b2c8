"""`calibrate`: a chip and what was measured on it -> what that adds to the law of its class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.calibration.anchors import ENOUGH, Anchors
from hw_models.calibration.curve import learning_curve
from hw_models.calibration.data import read_records, usable
from hw_models.calibration.fit import fit
from hw_models.calibration.interval import covered
from hw_models.calibration.setting import Calibration, Setting, Way, figures_hash, fingerprint
from hw_models.calibration.standing import Asked, standing
from hw_models.cost.laws.catalogue import law
from hw_models.errors import InputError, NotCostableError, UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from hw_models.calibration.fit import Fitted
    from hw_models.calibration.points import Points
    from hw_models.cost.arrays import FloatArray
    from hw_models.measured.records import Records
    from hw_models.spec.accelerator import Accelerator
    from hw_models.validation.networks import Resolver
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

FEWEST: Final = 2
"""Networks of a setting without which nothing is fitted."""

REPEATED: Final = 1.645
"""Half-width of a 90 % interval of a normal variable in standard deviations."""


def calibrate(
    chip: Accelerator,
    records: Records | pd.DataFrame | str | Path,
    *,
    workloads: Mapping[str, Workload] | None = None,
    resolver: Resolver | None = None,
    device: str | None = None,
) -> Calibration:
    """Fit a chip's scalars, the residuals of its networks, and how sure both are, in every way of running.

    Args:
        chip: that was measured.
        records: measurements of whole networks on it; rows that cannot be used are counted by reason.
        workloads: networks by the name that the records give them.
        resolver: finds the other networks.
        device: name of the chip in the records; None: its own.

    Raises:
        InputError: no row can be used; the message names the first ones with their reasons.
        FileError: a file that holds no records.
        NotCostableError: the chip lacks a peak or a bandwidth.
    """
    if not chip.costable:
        raise NotCostableError(f"{chip.label} cannot be calibrated: {'; '.join(chip.why_not_costable())}")
    found = usable(chip, read_records(records), device, workloads or {}, resolver or _none)
    reasons = Counter(reason.split(": ", 1)[1] for reason in found.set_aside)
    settings = []
    for way, points in found.ways:
        if len(points) < FEWEST:
            reasons[f"fewer than {FEWEST} networks in one way of running ({way})"] += len(points)
            continue
        settings.append(setting_of(chip, way, points))
    if not settings:
        told = "; ".join(f"{reason}: {n}" for reason, n in reasons.most_common(3))
        raise InputError(f"{chip.label} cannot be calibrated: {told}; measure more networks in one way")
    return Calibration(
        chip=chip.label,
        kind=chip.main_engine.kind,
        figures=figures_hash(chip),
        records=found.hash,
        n_rows=found.n,
        n_set_aside=len(found.set_aside),
        set_aside=dict(sorted(reasons.items())),
        sources=found.sources,
        date=datetime.now(UTC).date().isoformat(),
        settings=tuple(settings),
    )


def setting_of(chip: Accelerator, way: Way, points: Points) -> Setting:
    """Fit one way of running."""
    anchors = _anchors(chip, way, len(points))
    fitted = fit(points, anchors)
    spread = points.spread[np.isfinite(points.spread)]
    batch = points.kernels.batch
    return Setting(
        way=way,
        law=fingerprint(law(points.kind, way.lowering, way.run_by)),
        scalars=fitted.scalars,
        residuals=fitted.residuals,
        parts=points.by_law.at(fitted.scalars).parts,
        names=points.names,
        families=points.families,
        width=fitted.width,
        floor=REPEATED * float(np.median(spread)) if len(spread) else 0.0,
        score=_score(points, fitted),
        curve=learning_curve(chip, points, anchors),
        batch=(int(batch.min()), int(batch.max())),
    )


def _anchors(chip: Accelerator, way: Way, n: int) -> Anchors:
    """Other calibrated chips of the class, where the chip itself has few networks."""
    if n >= ENOUGH:
        return Anchors(())
    asked = Asked(way.precision, way.lowering, way.run_by, way.layout or None, own=False)
    return standing(chip, asked).anchors


def _score(points: Points, fitted: Fitted) -> dict[str, float | int | None]:
    """Errors of latency of families left out: calibrated, and by the law alone."""
    inside, half = covered(fitted.out, fitted.sure, points.folds)
    return {
        "families": len(set(points.families)),
        **errors(fitted.out, points.seconds),
        "coverage_90": inside,
        "width_90": half,
        **{f"law_{k}": v for k, v in errors(fitted.law_out, points.seconds).items()},
        **{f"sibling_{k}": v for k, v in errors(fitted.near, points.seconds).items()},
    }


def errors(log_error: FloatArray, seconds: FloatArray) -> dict[str, float | None]:
    """Mean and median absolute error of latency and Kendall's tau from log of measured over predicted."""
    from hw_models.validation.metrics import kendall_tau

    share = np.abs(np.expm1(-log_error))
    tau = kendall_tau(seconds * np.exp(-log_error), seconds)
    return {"mape": float(share.mean()), "median_ape": float(np.median(share)), "kendall_tau": tau}


def _none(asked: NamedNetwork) -> Workload:
    raise UnknownNameError("network", asked.name, (), "give it as workloads={name: workload}")
