"""The spine of a search, candidate -> evaluation: pure, so what else is asked for never matters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from codesign.quality.base import RANK_SCORE, Quality, Rating
from codesign.quality.published import published_or_none
from codesign.quality.training.errors import TooLargeError
from hw_models.cost.base import COST_UNITS, Estimate
from hw_models.errors import CodesignError, InputError, NotCostableError
from search_spaces.candidate import Candidate
from search_spaces.features import FEATURES, Featured, workload_features

if TYPE_CHECKING:
    from hw_models.cost.arrays import CostGrid, Feasibility
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.quantities import Sourced
    from hw_models.workload.graph import Workload
    from search_spaces.product import Product

FloatArray = NDArray[np.float64]
State = Literal["ok", "cannot_run", "unknown", "stopped", "failed"]

UNKNOWN: Final = {unit: Estimate.unknown(unit) for unit in (*COST_UNITS.values(), "%")}


@dataclass(frozen=True, slots=True)
class PointCost:
    """The cost of one point; `hw_models.cost.base.Cost` without what stands behind it."""

    latency: Estimate = UNKNOWN["s"]
    energy: Estimate = UNKNOWN["J"]
    power: Estimate = UNKNOWN["W"]
    peak_memory: Estimate = UNKNOWN["byte"]
    area: Estimate = UNKNOWN["m2"]
    price: Estimate = UNKNOWN["USD"]


NO_COST: Final = PointCost()


@dataclass(frozen=True, slots=True)
class Step:
    """One stage that a candidate went through.

    Attributes:
        stage: its name.
        error: what it said; unknown where it failed.
        paid: full-training equivalents; 0 where another candidate with the same network had paid.
    """

    stage: str
    error: Estimate
    paid: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All that is known about one candidate.

    Attributes:
        candidate: what was evaluated, in canonical form.
        network, chip, precision: names for tables.
        cost: latency, energy, power, peak memory, area, price in SI units, each with interval and fidelity.
        error: top-1 error in per cent.
        facts: counted or stated, not estimated: `params_m` (1e6), `macs_g` (1e9); where the chip states them
            `rated_power_w` and `idle_power_w`; further figures of the quality, with `_low` and `_high`.
        batch: images of one inference.
        rate_hz: images per second that the application asks for; None: as many as the chip can.
        bound: the resource that takes most of the latency.
        unmodelled_share: share of bytes in operators without a rule, 0..1.
        state: "ok"; "cannot_run" (precision, operator or memory); "unknown" (the chip lacks a figure);
            "stopped" (before the last stage: `error` is that of the stage it came to); "failed".
        problem: why it is not "ok".
        notes: what a reader must know before using the numbers.
        steps: the stages it went through; None where the study has none.
    """

    candidate: Candidate
    network: str = ""
    chip: str = ""
    precision: str = ""
    cost: PointCost = NO_COST
    error: Estimate = UNKNOWN["%"]
    facts: Mapping[str, float] = field(default_factory=dict)
    batch: int = 1
    rate_hz: float | None = None
    bound: str = ""
    unmodelled_share: float = 0.0
    state: State = "ok"
    problem: str = ""
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] | None = None

    @property
    def paid(self) -> float | None:
        """Full-training equivalents that were paid for it; None where the study counts none."""
        return None if self.steps is None else math.fsum(s.paid for s in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it; `from_dict` gives an equal evaluation back."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN}
        if self.steps is not None:
            plain["steps"] = [[s.stage, _packed(s.error), s.paid] for s in self.steps]
        return {
            **plain,
            "candidate": dict(self.candidate),
            "cost": {name: _packed(getattr(self.cost, name)) for name in COST_UNITS},
            "error": _packed(self.error),
            "facts": dict(self.facts),
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Evaluation:
        """Read what `to_dict` wrote."""
        return cls(
            **{name: data[name] for name in _PLAIN},
            candidate=Candidate(data["candidate"]),
            cost=PointCost(
                **{name: _unpacked(data["cost"][name], unit) for name, unit in COST_UNITS.items()}
            ),
            error=_unpacked(data["error"], "%"),
            facts=dict(data["facts"]),
            notes=tuple(data["notes"]),
            steps=_steps(data.get("steps")),
        )


_PLAIN: Final = (
    "network",
    "chip",
    "precision",
    "batch",
    "rate_hz",
    "bound",
    "unmodelled_share",
    "state",
    "problem",
)


class Evaluator(Protocol):
    """What a study asks: evaluations of many candidates at once, in their order."""

    def __call__(self, candidates: Sequence[Candidate]) -> Iterable[Evaluation]:
        """One evaluation for each candidate; what cannot be evaluated gives one with state "failed"."""
        ...


@dataclass
class CostEvaluator:
    """Cost model and quality of a joint space; a network is read once, however many chips it is tried on.

    Args:
        space: networks x chips x precision.
        quality: how good a network is; None: the accuracy published for it, where the space has one.
        rate_hz: images per second that the application asks for.
        batch: images of one inference.
        model, lowering: as `hw_models.cost.estimate.estimate` takes them.
    """

    space: Product
    quality: Quality | None = None
    rate_hz: float | None = None
    batch: int = 1
    model: str = "roofline"
    lowering: str | None = None
    _workloads: dict[Candidate, Workload] = field(default_factory=dict, repr=False)
    _features: dict[Candidate, FloatArray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.rate_hz is not None and not self.rate_hz > 0:
            msg = f"rate_hz={self.rate_hz!r} given, expected images per second above 0"
            raise InputError(msg)
        self.quality = self.quality or published_or_none(self.space.networks)

    def __call__(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """One evaluation for each candidate, in their order, each as soon as it is known."""
        return (self._evaluate(self.space.canonical(c), self.quality) for c in candidates)

    @property
    def paid(self) -> tuple[str, ...]:
        """Quantities that `free` leaves unknown."""
        return ("error_pct", "top1_pct", "worst_slice_error_pct", RANK_SCORE)

    def free(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """What is known of each candidate without training anything: the same evaluation without quality."""
        return (self._evaluate(self.space.canonical(c), None) for c in candidates)

    def sweep(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """The same of many canonical candidates in one go, without names, bound and notes.

        To the last bit the figures of `free`: what a point costs does not depend on the others.
        """
        columns: dict[Candidate, list[int]] = {}
        for i, candidate in enumerate(candidates):
            columns.setdefault(self.space.network(candidate), []).append(i)
        alike: dict[tuple[Candidate, ...], list[tuple[Candidate, list[int]]]] = {}
        for network, at in columns.items():
            on = tuple(self._hardware(candidates[i]) for i in at)
            alike.setdefault(on, []).append((network, at))
        found: dict[int, Evaluation] = {}
        for on, rows in alike.items():
            for (_, at), told in zip(rows, self._swept([n for n, _ in rows], on), strict=True):
                found |= {i: replace(e, candidate=candidates[i]) for i, e in zip(at, told, strict=True)}
        return (found[i] for i in range(len(candidates)))

    def features(self, candidates: Sequence[Candidate]) -> FloatArray:
        """(n, f) numbers of the graphs of networks, as `FEATURES`; none where the space counts its own.

        Of a network that cannot be read they are 0; it is never trained.
        """
        if isinstance(self.space.networks, Featured):
            return np.empty((len(candidates), 0))
        networks = [self.space.network(c) for c in candidates]
        for network in networks:
            if network not in self._features:
                workload = self._readable(network)
                self._features[network] = (
                    np.zeros(len(FEATURES)) if isinstance(workload, str) else workload_features(workload)
                )
        return np.array([self._features[n] for n in networks])

    def _swept(
        self, networks: Sequence[Candidate], hardware: Sequence[Candidate]
    ) -> Iterator[list[Evaluation]]:
        """Evaluations of each network on each hardware; a network that cannot be read is marked as failed."""
        from hw_models.cost.arrays import Feasibility
        from hw_models.cost.estimate import estimate_many

        chips = [self.space.chip(h) for h in hardware]
        workloads = [self._readable(n) for n in networks]
        grid = estimate_many(
            [w for w in workloads if not isinstance(w, str)],
            chips,
            precision=[self.space.precision(h) for h in hardware],
            batch=self.batch,
            model=self.model,
            lowering=self.lowering,
        )
        stated, row = [_stated_power(c) for c in chips], 0
        for network, workload in zip(networks, workloads, strict=True):
            if isinstance(workload, str):
                yield [Evaluation(network, state="failed", problem=workload) for _ in chips]
                continue
            counts, w = {"params_m": workload.params / 1e6, "macs_g": workload.macs / 1e9}, row
            yield [
                Evaluation(
                    network,
                    cost=_point_cost(_cell(grid, w, c), str(grid.power_source[w, c])),
                    facts={**counts, **stated[c]},
                    batch=self.batch,
                    rate_hz=self.rate_hz,
                    unmodelled_share=float(grid.unmodelled_bytes_share[w]),
                    state=_state(Feasibility(int(grid.feasibility[w, c]))),
                )
                for c in range(len(chips))
            ]
            row += 1

    def _hardware(self, candidate: Candidate) -> Candidate:
        """Chip and precision of a candidate."""
        return candidate.only((*self.space.chips.knobs, "precision"))

    def _readable(self, network: Candidate) -> Workload | str:
        """The network, or why it cannot be read."""
        try:
            return self._workload(network)
        except CodesignError as error:
            return str(error)

    def _evaluate(self, candidate: Candidate, quality: Quality | None) -> Evaluation:
        network = self.space.network(candidate)
        chip = self.space.chip(candidate)
        empty = Evaluation(
            candidate,
            network=self.space.networks.label(network),
            chip=chip.label,
            precision=self.space.precision(candidate),
            batch=self.batch,
            rate_hz=self.rate_hz,
        )
        try:
            return self._costed(empty, network, chip, quality)
        except NotCostableError as error:
            return replace(empty, state="unknown", problem=str(error))
        except TooLargeError as error:
            return replace(empty, state="cannot_run", problem=str(error))
        except CodesignError as error:
            return replace(empty, state="failed", problem=str(error))

    def _costed(
        self, empty: Evaluation, network: Candidate, chip: Accelerator, quality: Quality | None
    ) -> Evaluation:
        from hw_models.cost.estimate import estimate
        from hw_models.cost.frame import bound_of

        workload = self._workload(network)
        cost = estimate(
            workload,
            chip,
            precision=empty.precision,
            batch=self.batch,
            model=self.model,
            lowering=self.lowering,
        )
        rating = _rating(quality, network, empty.precision) if quality else Rating.unknown()
        state = _state(cost.feasibility)
        return replace(
            empty,
            cost=_point_cost(cost.quantities, cost.power_source),
            error=rating.error,
            facts={
                "params_m": workload.params / 1e6,
                "macs_g": workload.macs / 1e9,
                **_stated_power(chip),
                **rating.facts,
            },
            bound=bound_of(cost) if state == "ok" else "",
            unmodelled_share=workload.unmodelled_share()["bytes"],
            state=state,
            problem="" if state == "ok" else cost.reason,
            notes=(*rating.notes, *cost.warnings),
        )

    def _workload(self, network: Candidate) -> Workload:
        if network not in self._workloads:
            self._workloads[network] = self.space.networks.workload(network)
        return self._workloads[network]


def _rating(quality: Quality, network: Candidate, precision: str) -> Rating:
    """What a quality says.

    Raises:
        InputError: it raised something of its own, or gave something else; this network fails alone.
    """
    try:
        found: Any = quality.rate(network, precision)
    except CodesignError:
        raise
    except Exception as error:  # a quality may raise anything; the search goes on
        msg = f"the quality raised {type(error).__name__}: {error}"
        raise InputError(msg) from error
    if not isinstance(found, Rating):
        msg = f"the quality gave {found!r}, expected a Rating"
        raise InputError(msg)
    if found.error.value is not None and math.isinf(found.error.value):
        msg = f"the quality gave the error {found.error.value}, expected a finite number of per cent"
        raise InputError(msg)
    return found


def rated_power(chip: Accelerator) -> Sourced | None:
    """What the chip is held to [W]: the cap of its power mode, without one the TDP; None: both unknown."""
    cap = chip.power_mode.cap if chip.power_mode is not None else None
    return cap if cap is not None else chip.tdp


def _stated_power(chip: Accelerator) -> dict[str, float]:
    stated = {"rated_power_w": rated_power(chip), "idle_power_w": chip.idle_power}
    return {name: watts.value for name, watts in stated.items() if watts is not None}


def _state(code: Feasibility) -> State:
    from hw_models.cost.arrays import Feasibility

    if code == Feasibility.OK:
        return "ok"
    return "unknown" if code == Feasibility.UNKNOWN else "cannot_run"


def _cell(grid: CostGrid, network: int, chip: int) -> dict[str, Estimate]:
    return {
        name: Estimate.at(grid.quantities[name], network, chip, unit) for name, unit in COST_UNITS.items()
    }


def _point_cost(quantities: Mapping[str, Estimate], power_source: str) -> PointCost:
    """The estimates alone; a power that is the cap says so, and what cannot run has no time to tell."""
    estimates = {name: _finite(quantities[name]) for name in COST_UNITS}
    if power_source == "cap":
        estimates["power"] = replace(estimates["power"], fidelity="cap")
    return PointCost(**estimates)


def _finite(e: Estimate) -> Estimate:
    if e.value is None or not math.isfinite(e.value):
        return Estimate.unknown(e.unit)
    low, high = (None if x is None or not math.isfinite(x) else x for x in (e.low, e.high))
    return replace(e, low=low, high=high)


def _steps(packed: Sequence[Any] | None) -> tuple[Step, ...] | None:
    if packed is None:
        return None
    return tuple(Step(stage, _unpacked(error, "%"), paid) for stage, error, paid in packed)


def _packed(e: Estimate) -> list[Any]:
    return [e.value, e.low, e.high, e.fidelity]


def _unpacked(packed: Sequence[Any], unit: str) -> Estimate:
    value, low, high, fidelity = packed
    return Estimate(value, low, high, fidelity, unit)
