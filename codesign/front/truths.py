"""What the quantities of points may truly be, given their intervals and what their errors have in common.

Two estimates on one chip are wrong together: where the law of the chip's class runs it too fast, it runs all
networks too fast. So intervals that overlap need not mean that an order is open. The logarithm of an error is
a sum of a part that belongs to the chip, one that belongs to the network, and one of the pair alone:

- *Costs* (latency, energy, peak memory, power): shares of the variance from measured devices that the laws
  had not seen (`SHARES`). Chips that are built from the knobs of one family count as one chip, power modes
  of a chip too: the same class figures stand behind them. That is an assumption; nobody built the family.
- *Facts of a chip* (area, price, rated power): one error for a chip, and for all chips of a family.
- *Quality*: one error for a network at a precision, whatever it runs on; none in common between networks.
- Latency and energy of a point err together (`ENERGY_WITH_LATENCY`); throughput is latency, top-1 accuracy
  is error, power at a rate is energy. Other quantities err by themselves.

Source: `benchmarks/error_shares.py`, `benchmarks/results/error_shares.json`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.front.dominance import FloatArray
    from codesign.objectives import Objective
    from codesign.search.trial import Trial

Z_90: Final = 1.6448536269514722
"""Standard deviations from the middle of a normal distribution to either end of its 90 % interval."""

PER_CENT: Final = 100.0


@dataclass(frozen=True, slots=True)
class Shares:
    """Parts of the variance of a log error that points have in common; the rest is the pair's own.

    Attributes:
        chip: common to points of one chip; network: to points of one network.
    """

    chip: float
    network: float

    def __post_init__(self) -> None:
        if min(self.chip, self.network) < 0 or self.chip + self.network > 1:
            msg = (
                f"shares chip={self.chip!r} and network={self.network!r} given, expected parts of a whole: "
                "at least 0, together at most 1"
            )
            raise InputError(msg)

    @property
    def own(self) -> float:
        """What a network on a chip does not share."""
        return 1.0 - self.chip - self.network


SHARES: Final = Shares(chip=0.41, network=0.16)
"""Of costs: medians over five sets of measured latencies, devices left out."""

ENERGY_SHARES: Final = Shares(chip=0.89, network=0.04)
"""Of energy and power: one set of measured energies, devices left out."""

ENERGY_WITH_LATENCY: Final = 0.78
"""Correlation of the errors of latency and energy of one point, within chips."""

_ROOTS: Final[Mapping[str, tuple[str, float]]] = {
    "throughput_ips": ("latency_ms", -1.0),
    "top1_pct": ("error_pct", -1.0),
}
"""Quantity -> the one whose error it has, and whether it moves with it or against it."""

_OF_CHIPS: Final = ("area_mm2", "price_usd", "rated_power_w")

Kind = Literal["quality", "chip", "energy", "cost"]
_KINDS: Final[Mapping[str, Kind]] = {
    "error_pct": "quality",
    "energy_mj": "energy",
    "power_w": "energy",
    **dict.fromkeys(_OF_CHIPS, "chip"),
}


@dataclass(frozen=True, slots=True)
class Errors:
    """How errors hang together.

    Attributes:
        cost: of latency, peak memory and whatever else is no energy, quality or fact of a chip.
        energy: of energy and power.
        energy_with_latency: correlation of the two in one point.
    """

    cost: Shares = SHARES
    energy: Shares = ENERGY_SHARES
    energy_with_latency: float = ENERGY_WITH_LATENCY

    def __post_init__(self) -> None:
        if not -1 <= self.energy_with_latency <= 1:
            msg = f"energy_with_latency={self.energy_with_latency!r} given, expected a correlation, -1 to 1"
            raise InputError(msg)


INDEPENDENT: Final = Errors(Shares(0.0, 0.0), Shares(0.0, 0.0), 0.0)
"""Every network on every chip errs by itself."""


def draws(
    trials: Sequence[Trial], quantities: Sequence[Objective], n: int, seed: int, errors: Errors
) -> FloatArray:
    """(n, N, Q) what the quantities may truly be, in their units; NaN where unknown.

    Below and above the best figure each side is the half of a log-normal distribution whose 5 % and 95 %
    points are the ends of the interval; a normal one, cut off at 0 and 100, of a quantity in per cent, and
    one where an end is not above 0. A quantity without an interval is taken as exact; of one with an open end
    that side is as wide as the other. The same trials get the same draws whatever is drawn beside them.

    Args:
        trials: N points.
        quantities: Q of them.
        n: draws.
        seed: of the draws.
        errors: how errors hang together.
    """
    normal = _Normals(trials, errors, n, seed)
    found = np.empty((n, len(trials), len(quantities)))
    for k, q in enumerate(quantities):
        found[:, :, k] = spread_of(trials, q).at(normal.of(q.name))
    return found


@dataclass(frozen=True, slots=True)
class Spread:
    """(N,) value, low and high of one quantity, and whether it is in per cent."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    per_cent: bool

    def at(self, z: FloatArray) -> FloatArray:
        """(D, N) values at so many standard deviations."""
        reach = np.where(z > 0, self.high - self.value, self.value - self.low)
        added: FloatArray = self.value + z * reach / Z_90
        if self.per_cent:
            return np.clip(added, 0.0, PER_CENT)
        with np.errstate(divide="ignore", invalid="ignore"):
            up, down = np.log(self.high / self.value), np.log(self.value / self.low)
            by_factor = self.value * np.exp(z * np.where(z > 0, up, down) / Z_90)
        return np.where(self.low > 0, by_factor, added)


def spread_of(trials: Sequence[Trial], of: Objective) -> Spread:
    """Values and intervals of one quantity of some trials."""
    found = [t.quantity(of) for t in trials]
    value = np.array([math.nan if q.value is None else q.value for q in found])
    low, high = np.array([q.ends for q in found]).reshape(len(found), 2).T
    positive = value > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        up, down = high / value, value / low
        low = np.where(np.isneginf(low), np.where(positive, value / up, 2 * value - high), low)
        high = np.where(np.isposinf(high), np.where(positive, value * down, 2 * value - low), high)
    return Spread(value, low, high, of.unit == "%")


def _chip(trial: Trial) -> Hashable:
    """What a chip's errors belong to: its family where knobs built it, else the chip at any power mode."""
    label = trial.evaluation.chip
    if not label:
        return trial.candidate.digest
    return label.partition("@")[0] if "chip" in trial.candidate else ("family", label.partition("_")[0])


def _network(trial: Trial) -> Hashable:
    return trial.evaluation.network or trial.candidate.digest


_GROUPS: Final[Mapping[str, Callable[[Trial], Hashable]]] = {
    "chip": _chip,
    "network": _network,
    "quality": lambda t: (_network(t), t.evaluation.precision),
    "pair": lambda t: t.candidate.digest,
}
"""What errors may belong to -> which one a point is of."""


class _Normals:
    """Standard normal errors of each quantity; every chip, network and pair has a stream of its own."""

    def __init__(self, trials: Sequence[Trial], errors: Errors, n: int, seed: int) -> None:
        self._trials, self._errors, self._n, self._seed = trials, errors, n, seed
        self._at_a_rate = all(t.evaluation.rate_hz is not None for t in trials)

    def of(self, name: str) -> FloatArray:
        """(n, N) errors of a quantity."""
        root, sign = _ROOTS.get(name, (name, 1.0))
        if root == "power_w" and self._at_a_rate:
            root = "energy_mj"
        kind = _KINDS.get(root, "cost")
        if kind in ("quality", "chip"):
            return sign * self._stream(root, kind)
        shares = self._errors.energy if kind == "energy" else self._errors.cost
        parts = {"chip": shares.chip, "network": shares.network, "pair": shares.own}
        along = self._errors.energy_with_latency if kind == "energy" else 0.0
        total = np.zeros((self._n, len(self._trials)))
        for group, share in parts.items():
            if share > 0:
                own = math.sqrt(1.0 - along**2) * self._stream(root, group)
                own += along * self._stream("latency_ms", group) if along else 0.0
                total += math.sqrt(share) * own
        return sign * total

    def _stream(self, root: str, group: str) -> FloatArray:
        keys = [_GROUPS[group](t) for t in self._trials]
        column = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        drawn = np.empty((self._n, len(column)))
        for key, i in column.items():
            stream = zlib.crc32(f"{root}|{group}|{key}".encode())
            drawn[:, i] = np.random.default_rng([self._seed, stream]).standard_normal(self._n)
        return drawn[:, [column[key] for key in keys]]
