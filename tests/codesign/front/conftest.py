"""Points with known quantities for the tests of fronts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from codesign.evaluate import Evaluation, PointCost
from codesign.objectives import Demands
from codesign.search.trial import Trial
from hw_models.cost.base import Estimate
from search_spaces.candidate import Candidate

UNITS: Mapping[str, tuple[str, str, float]] = {
    "latency_ms": ("latency", "s", 1e-3),
    "energy_mj": ("energy", "J", 1e-3),
    "area_mm2": ("area", "m2", 1e-6),
}


def make_point(
    number: int,
    error: float | None,
    ms: float | None,
    *,
    demands: Demands,
    factor: float = 1.0,
    points: float = 0.0,
    network: str = "",
    chip: str = "c",
    family: bool = False,
    others: Mapping[str, float] | None = None,
    **more: Any,
) -> Trial:
    """A trial with this error [%], latency [ms] and other quantities.

    Args:
        number: of the trial.
        error: top-1 error; its interval is +- `points`.
        ms: latency; its interval, and that of the other costs, is from 1 / `factor` to `factor` times it.
        demands: it is judged by.
        factor, points: widths of the intervals.
        network, chip: names; `family`: the chip is built from knobs.
        others: "energy_mj" or "area_mm2" -> value.
        **more: further fields of the evaluation.
    """
    network = network or f"net{number}"
    err = Estimate.unknown("%")
    if error is not None:
        err = Estimate(error, error - points, error + points, "published", "%")
    costs = {}
    for name, value in {"latency_ms": ms, **(others or {})}.items():
        quantity, unit, scale = UNITS[name]
        v = None if value is None else value * scale
        costs[quantity] = (
            Estimate.unknown(unit) if v is None else Estimate(v, v / factor, v * factor, "roofline", unit)
        )
    knobs = {"arch": network, **({"rows": chip} if family else {"chip": chip})}
    e = Evaluation(
        Candidate(knobs),
        network=network,
        chip=chip,
        precision="fp16",
        cost=PointCost(**costs),
        error=err,
        **more,
    )
    return Trial(number, e, demands.judge(e))


@pytest.fixture(scope="session")
def demands() -> Demands:
    return Demands.of(["error_pct", "latency_ms"], {"latency_ms": "<= 50"})


@pytest.fixture(scope="session")
def point(demands: Demands) -> Callable[..., Trial]:
    def made(number: int, error: float | None, ms: float | None, **more: Any) -> Trial:
        return make_point(number, error, ms, **{"demands": demands, **more})

    return made
