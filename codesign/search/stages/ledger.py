"""What was paid: every result of a stage as it came, so that a search that was killed pays nothing twice."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from codesign.quality.base import Rating
from hw_models.cost.base import Estimate
from search_spaces.candidate import Candidate

PAID: Final = "paid:"
"""Attributes of the Optuna study that hold one payment each: this and its number."""

Keep = Callable[[str, Mapping[str, Any]], None]
Work = tuple[str, str, str]
"""Stage, network and precision: what is rated once."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What a stage said of one network, and what was paid for it.

    Attributes:
        stage: its name.
        candidate: for which it was paid; another one with the same network pays nothing.
        network, precision: what was rated.
        rating: what came out; None: it failed.
        problem: why it failed.
        paid: full-training equivalents; 0 for a further precision of a network that was paid for.
    """

    stage: str
    candidate: Candidate
    network: Candidate
    precision: str
    rating: Rating | None
    problem: str
    paid: float

    @property
    def work(self) -> Work:
        """What was rated."""
        return self.stage, self.network.key, self.precision

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        rating = self.rating or Rating.unknown()
        return {
            "stage": self.stage,
            "candidate": dict(self.candidate),
            "network": dict(self.network),
            "precision": self.precision,
            "error": None if self.rating is None else _packed(rating.error),
            "notes": list(rating.notes),
            "further": {name: [*_packed(e), e.unit] for name, e in rating.further.items()},
            "problem": self.problem,
            "paid": self.paid,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Payment:
        """Read what `to_dict` wrote."""
        rating = None
        if data["error"] is not None:
            further = {name: _unpacked(packed) for name, packed in data["further"].items()}
            rating = Rating(_unpacked([*data["error"], "%"]), tuple(data["notes"]), further)
        return cls(
            data["stage"],
            Candidate(data["candidate"]),
            Candidate(data["network"]),
            data["precision"],
            rating,
            data["problem"],
            data["paid"],
        )


class Ledger:
    """The payments of a study in their order."""

    def __init__(self) -> None:
        self._payments: dict[Work, Payment] = {}
        self._trained: set[tuple[str, str]] = set()
        self._keep: Keep | None = None

    def open(self, stored: Mapping[str, Any], keep: Keep | None = None) -> None:
        """Take over what a storage holds, and write what follows with `keep`: (name, payment as JSON)."""
        self._payments, self._trained, self._keep = {}, set(), keep
        for name in sorted(n for n in stored if n.startswith(PAID)):
            self._take(Payment.from_dict(stored[name]))

    def find(self, stage: str, network: Candidate, precision: str) -> Payment | None:
        """What was paid for this before; None: nothing yet."""
        return self._payments.get((stage, network.key, precision))

    def trained(self, stage: str, network: Candidate) -> bool:
        """Whether the network was paid for at this stage, at whatever precision."""
        return (stage, network.key) in self._trained

    def add(self, payment: Payment) -> None:
        """Store a payment, then count it."""
        if self._keep is not None:
            self._keep(f"{PAID}{len(self._payments):08d}", payment.to_dict())
        self._take(payment)

    @property
    def payments(self) -> tuple[Payment, ...]:
        """All of them in their order."""
        return tuple(self._payments.values())

    @property
    def paid(self) -> float:
        """Full-training equivalents in all."""
        return math.fsum(p.paid for p in self._payments.values())

    def _take(self, payment: Payment) -> None:
        self._payments[payment.work] = payment
        self._trained.add((payment.stage, payment.network.key))


def _packed(e: Estimate) -> list[Any]:
    return [e.value, e.low, e.high, e.fidelity]


def _unpacked(packed: Sequence[Any]) -> Estimate:
    value, low, high, fidelity, unit = packed
    return Estimate(value, low, high, fidelity, unit)
