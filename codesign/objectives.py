"""What is wanted, as data: objectives, constraints with a bound, and the verdict on one evaluation.

Unknown is never good: a constraint on an unknown quantity is not met, and a point that lacks an objective is
on no front.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from typing_extensions import override

from codesign.quality.base import RANK_SCORE, RANK_UNIT
from hw_models.cost.base import Estimate
from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from codesign.evaluate import Evaluation

Goal = Literal["min", "max"]
Status = Literal["feasible", "unknown", "infeasible", "stopped", "failed"]

UNMODELLED_LIMIT: Final = 0.20
"""Share of bytes without a rule above which a point is refused unless `allow_unmodelled` is set."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity of one point in the unit of its objective.

    Attributes:
        value: best figure; None: unknown.
        low, high: 90 % interval; both None: there is none; one None: that end is open.
        fidelity: how the number came about ("roofline", "published", "cap", ...).
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    fidelity: str = ""

    @property
    def known(self) -> bool:
        """Whether there is a number at all."""
        return self.value is not None

    @property
    def ends(self) -> tuple[float, float]:
        """The interval as numbers: an open end is infinite, no interval the value, NaN where unknown."""
        if self.low is None and self.high is None:
            value = math.nan if self.value is None else self.value
            return value, value
        return -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high


@dataclass(frozen=True, slots=True)
class Objective:
    """A quantity that a study cares about; its name ends in its unit and flows unchanged to axes and columns.

    Attributes:
        name: "latency_ms".
        goal: whether less or more is better.
        of: reads it from an evaluation: a number in the objective's own unit, an `Estimate` in SI units, or
            None if unknown.
        unit: as axes show it.
        scale: what an `Estimate` in SI units is multiplied by to give `unit`.
        title: in words.
        lever: what brings it within a bound that nothing meets.
    """

    name: str
    goal: Goal
    of: Callable[[Evaluation], Estimate | float | None]
    unit: str = ""
    scale: float = 1.0
    title: str = ""
    lever: str = ""

    def __post_init__(self) -> None:
        if self.goal not in ("min", "max"):
            msg = f"goal {self.goal!r} of the objective '{self.name}' given, expected 'min' or 'max'"
            raise InputError(msg)

    @property
    def sign(self) -> float:
        """Factor that makes less always better."""
        return 1.0 if self.goal == "min" else -1.0

    def read(self, evaluation: Evaluation) -> Quantity:
        """The quantity in `unit`; NaN counts as unknown.

        Raises:
            InputError: where `of` raises or returns no number; the message says what happened.
        """
        try:
            raw = self.of(evaluation)
        except (
            Exception
        ) as error:  # a user's own function may raise anything; the trial fails, the search goes on
            msg = f"objective '{self.name}' raised {type(error).__name__}: {error}"
            raise InputError(msg) from error
        if raw is None:
            return Quantity(None)
        if isinstance(raw, Estimate):
            return self._scaled(raw)
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            msg = f"objective '{self.name}' returned {raw!r}, expected a number, an Estimate or None"
            raise InputError(msg)
        if not math.isfinite(raw):
            msg = (
                f"objective '{self.name}' returned {raw}, expected a finite number, or None where it is "
                "unknown"
            )
            raise InputError(msg)
        return Quantity(float(raw), float(raw), float(raw), "given")

    def _scaled(self, raw: Estimate) -> Quantity:
        def ours(x: float | None) -> float | None:
            return None if x is None or math.isnan(x) else x * self.scale

        if ours(raw.value) is None:
            return Quantity(None)
        return Quantity(ours(raw.value), ours(raw.low), ours(raw.high), raw.fidelity)


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on one quantity: what must hold, not what is wished.

    Attributes:
        of: the quantity, read as an objective is.
        op: "<=" or ">=".
        bound: in the unit of `of`.
        implied_by: what made the constraint where the user did not state it.
    """

    of: Objective
    op: Literal["<=", ">="]
    bound: float
    implied_by: str = ""

    @property
    def name(self) -> str:
        """Name of the quantity."""
        return self.of.name

    @override
    def __str__(self) -> str:
        return f"{self.name} {self.op} {self.bound:g}"

    @classmethod
    def parse(cls, of: Objective, text: str, implied_by: str = "") -> Constraint:
        """A constraint from text like "<= 10"; the unit is that of the quantity's name.

        Raises:
            InputError: where the text is no bound.
        """
        match = re.fullmatch(r"\s*(<=|>=|<|>)\s*([-+0-9.eE]+)\s*(\S*)\s*", str(text))
        bound = _number(match[2]) if match else None
        if match is None or bound is None:
            msg = (
                f"constraint on '{of.name}': {text!r} given, expected '<= 10' or '>= 10' with a number in "
                f"{of.unit or 'its unit'}"
            )
            raise InputError(msg)
        if match[3] and match[3] != of.unit:
            msg = (
                f"constraint on '{of.name}': unit '{match[3]}' given, expected {of.unit or 'no unit'} as "
                "the name says"
            )
            raise InputError(msg)
        return cls(of, "<=" if "<" in match[1] else ">=", bound, implied_by)

    def excess(self, value: float) -> float:
        """How far a value is beyond the bound, as a share of the bound; at most 0 where the bound is met."""
        beyond = value - self.bound if self.op == "<=" else self.bound - value
        return beyond / (abs(self.bound) or 1.0)

    def straddles(self, quantity: Quantity) -> bool:
        """Whether the interval reaches across the bound, so that the verdict is not certain."""
        low, high = quantity.ends
        return (self.excess(low) > 0) is not (self.excess(high) > 0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one evaluation stands to the objectives and constraints of a study.

    Attributes:
        status: "feasible", "unknown" (a constraint or objective that nothing is known about), "infeasible",
            "stopped" (before the last stage; its quality is no rival of those that came to it) or "failed".
        quantities: everything that objectives and constraints read, objectives first.
        excess: constraint -> share by which it is exceeded (<= 0: met; None: unknown).
        assumed: constraints let through although nothing is known about them (`allow_unknown`).
        uncertain: constraints whose bound lies inside the interval.
        reasons: why it is not feasible, in words.
    """

    status: Status
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    excess: Mapping[str, float | None] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Demands:
    """Objectives, constraints and what is let through: all that turns an evaluation into a verdict.

    Attributes:
        objectives: at least one.
        constraints: bounds that must hold.
        allow_unknown: let points in whose constraints cannot be told, marked.
        allow_unmodelled: let points in of which more than 20 % of the bytes are in operators without a rule,
            marked.
    """

    objectives: tuple[Objective, ...]
    constraints: tuple[Constraint, ...] = ()
    allow_unknown: bool = False
    allow_unmodelled: bool = False

    def __post_init__(self) -> None:
        if not self.objectives:
            msg = f"no objective given, expected at least one of {', '.join(CATALOGUE)}"
            raise InputError(msg)
        names = [o.name for o in self.objectives]
        twice = [n for n in names if names.count(n) > 1]
        if twice:
            msg = f"objective '{twice[0]}' given twice, expected every objective once"
            raise InputError(msg)

    @classmethod
    def of(
        cls,
        objectives: Sequence[str | Objective],
        constraints: Mapping[str, str] | Sequence[Constraint] = (),
        *,
        rate_hz: float | None = None,
        allow_unknown: bool = False,
        allow_unmodelled: bool = False,
    ) -> Demands:
        """Demands from names and texts; a required rate becomes the constraint that the chip keeps up."""
        wanted = tuple(objective(o) for o in objectives)
        own = {o.name: o for o in wanted}
        if isinstance(constraints, Mapping):
            bounds = [Constraint.parse(own.get(n) or objective(n), text) for n, text in constraints.items()]
        else:
            bounds = list(constraints)
        if rate_hz is not None and not any(c.name == "throughput_ips" for c in bounds):
            bounds.append(Constraint(CATALOGUE["throughput_ips"], ">=", rate_hz, f"rate_hz = {rate_hz:g}"))
        return cls(wanted, tuple(bounds), allow_unknown, allow_unmodelled)

    def names(self) -> tuple[str, ...]:
        """Names of the objectives."""
        return tuple(o.name for o in self.objectives)

    def judge(self, evaluation: Evaluation) -> Verdict:
        """The verdict on one evaluation; the same evaluation always gets the same one."""
        if evaluation.state == "failed":
            return Verdict("failed", reasons=(evaluation.problem,))
        try:
            quantities = {o.name: o.read(evaluation) for o in self.objectives}
            quantities |= {
                c.name: c.of.read(evaluation) for c in self.constraints if c.name not in quantities
            }
        except InputError as error:
            return Verdict("failed", reasons=(str(error),))
        excess: dict[str, float | None] = {}
        assumed: list[str] = []
        uncertain: list[str] = []
        broken: list[str] = []
        open_: list[str] = []
        for c in self.constraints:
            q = quantities[c.name]
            beyond = excess[c.name] = None if q.value is None else c.excess(q.value)
            if beyond is None:
                (assumed if self.allow_unknown else open_).append(c.name)
            elif beyond > 0:
                broken.append(f"{c.name} is {q.value:.4g}, bound {c.op} {c.bound:g}")
            if c.straddles(q):
                uncertain.append(c.name)
        if evaluation.state == "cannot_run":
            broken.insert(0, evaluation.problem)
        share = evaluation.unmodelled_share
        if share > UNMODELLED_LIMIT and not self.allow_unmodelled:
            broken.append(
                f"{share:.0%} of the bytes are not modelled, more than {UNMODELLED_LIMIT:.0%}; "
                "allow_unmodelled lets it in"
            )
        blind = [n for n in self.names() if not quantities[n].known]
        unknown = [f"{n} is unknown" for n in dict.fromkeys([*open_, *blind])]
        if evaluation.state == "unknown":
            unknown.insert(0, evaluation.problem)
        status: Status = "infeasible" if broken else "unknown" if unknown else "feasible"
        reasons = tuple(broken or unknown)
        if evaluation.state == "stopped":
            status, reasons = "stopped", (evaluation.problem,)
        return Verdict(
            status, MappingProxyType(quantities), excess, tuple(assumed), tuple(uncertain), reasons
        )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _energy_power(e: Evaluation) -> Estimate:
    """Energy per inference times the required rate; without a rate or an energy, as the cost model has it.

    The energy has the idle power, where the chip states one, for as long as an inference takes; what is drawn
    between two inferences comes on top. Source: docs/architecture.md, "Unknown"; the second part is ours.
    """
    energy, rate = e.cost.energy, e.rate_hz
    if energy.value is None or rate is None:
        return e.cost.power
    inferences, busy = rate / e.batch, (e.cost.latency.value or 0.0) * rate / e.batch
    waiting = e.facts.get("idle_power_w", 0.0) * max(0.0, 1.0 - busy)
    ends = [None if x is None else x * inferences + waiting for x in (energy.low, energy.high)]
    return Estimate(energy.value * inferences + waiting, ends[0], ends[1], energy.fidelity, "W")


def _rated_power(e: Evaluation) -> Estimate:
    """What the chip is held to, idle and static power included, which few chips state by themselves."""
    watts = e.facts.get("rated_power_w")
    return Estimate.unknown("W") if watts is None else Estimate(watts, watts, watts, "stated", "W")


def _throughput(e: Evaluation) -> Estimate:
    t = e.cost.latency
    if not t.value:
        return Estimate.unknown("1/s")
    low, high = (None if not x else e.batch / x for x in (t.high, t.low))
    return Estimate(e.batch / t.value, low, high, t.fidelity, "1/s")


def _top1(e: Evaluation) -> Estimate:
    err = e.error
    if err.value is None:
        return Estimate.unknown("%")
    low, high = (None if x is None else 100.0 - x for x in (err.high, err.low))
    return Estimate(100.0 - err.value, low, high, err.fidelity, "%")


def _fact(name: str) -> Callable[[Evaluation], Estimate]:
    def read(e: Evaluation) -> Estimate:
        value = e.facts.get(name)
        return Estimate.unknown("") if value is None else Estimate(value, value, value, "counted", "")

    return read


def _worst_slice(e: Evaluation) -> Estimate:
    name = "worst_slice_error_pct"
    value, low, high = (e.facts.get(f"{name}{end}") for end in ("", "_low", "_high"))
    return Estimate.unknown("%") if value is None else Estimate(value, low, high, e.error.fidelity, "%")


def _rank_score(e: Evaluation) -> Estimate:
    value = e.facts.get(RANK_SCORE)
    return Estimate.unknown(RANK_UNIT) if value is None else Estimate(value, None, None, "proxy", RANK_UNIT)


def _catalogue() -> dict[str, Objective]:
    smaller = "a smaller network or input"
    faster = f"{smaller}, a narrower precision, or a chip with more bandwidth and compute"
    entries = [
        Objective(
            "error_pct", "min", lambda e: e.error, "%", 1.0, "Top-1 error", "a larger network or input"
        ),
        Objective("top1_pct", "max", _top1, "%", 1.0, "Top-1 accuracy", "a larger network or input"),
        Objective(
            "worst_slice_error_pct",
            "min",
            _worst_slice,
            "%",
            1.0,
            "Top-1 error on the worst slice",
            "a larger network or input, or more images of that slice",
        ),
        Objective(
            RANK_SCORE,
            "max",
            _rank_score,
            RANK_UNIT,
            1.0,
            "Rank score of a proxy, no accuracy",
            "another network",
        ),
        Objective("latency_ms", "min", lambda e: e.cost.latency, "ms", 1e3, "Latency", faster),
        Objective(
            "throughput_ips",
            "max",
            _throughput,
            "1/s",
            1.0,
            "Inferences per second",
            f"{faster}, or a lower rate_hz",
        ),
        Objective(
            "energy_mj",
            "min",
            lambda e: e.cost.energy,
            "mJ",
            1e3,
            "Energy per inference",
            f"{smaller}, or a chip of a newer node",
        ),
        Objective(
            "power_w",
            "min",
            _energy_power,
            "W",
            1.0,
            "Power",
            f"a lower rate_hz, a lower power mode, or {smaller}",
        ),
        Objective(
            "rated_power_w",
            "min",
            _rated_power,
            "W",
            1.0,
            "Rated power",
            "a lower power mode or a smaller chip",
        ),
        Objective("peak_memory_mb", "min", lambda e: e.cost.peak_memory, "MB", 1e-6, "Peak memory", smaller),
        Objective("params_m", "min", _fact("params_m"), "1e6", 1.0, "Parameters", smaller),
        Objective("macs_g", "min", _fact("macs_g"), "1e9", 1.0, "Multiply-accumulates", smaller),
        Objective("area_mm2", "min", lambda e: e.cost.area, "mm2", 1e6, "Die area", "a smaller chip"),
        Objective("price_usd", "min", lambda e: e.cost.price, "USD", 1.0, "Price", "a cheaper chip"),
    ]
    return {o.name: o for o in entries}


CATALOGUE: Final[Mapping[str, Objective]] = MappingProxyType(_catalogue())
"""Objectives that a study can name, by name."""


def objective(wanted: str | Objective) -> Objective:
    """An objective of the catalogue by name, or the one given.

    Raises:
        UnknownNameError: a name that the catalogue does not have; the message has the nearest.
    """
    if isinstance(wanted, Objective):
        return wanted
    if wanted not in CATALOGUE:
        raise UnknownNameError(
            "objective", str(wanted), CATALOGUE, f"known: {', '.join(CATALOGUE)}; or pass an Objective(...)"
        )
    return CATALOGUE[wanted]
