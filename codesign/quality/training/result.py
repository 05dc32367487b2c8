"""What a training tells: errors with intervals, on all images and on each slice, and how it went."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from hw_models.cost.base import Estimate

Fidelity = Literal["short training", "full training"]

Z_90: Final = 1.6448536269514722
"""Of the standard normal distribution 90 % lies between minus and plus this."""
FEWEST_IN_SLICE: Final = 30
"""Images below which a slice is too few to be called the worst."""


def wilson(wrong: int, n: int) -> tuple[float, float]:
    """The 90 % interval, in per cent, of an error of which `wrong` of `n` images were seen.

    Source: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
    """
    if n < 1:
        return 0.0, 100.0
    p, zz = wrong / n, Z_90**2 / n
    middle, half = p + zz / 2, Z_90 * math.sqrt(p * (1 - p) / n + zz / (4 * n))
    low, high = (middle - half) / (1 + zz), (middle + half) / (1 + zz)
    return 100.0 * (low if wrong else 0.0), 100.0 * (high if wrong < n else 1.0)


@dataclass(frozen=True, slots=True)
class Count:
    """Images, and how many of them were called wrong."""

    n: int
    wrong: int

    def error(self, fidelity: str) -> Estimate:
        """Error in per cent with its Wilson interval; unknown where there is no image."""
        if not self.n:
            return Estimate.unknown("%")
        low, high = wilson(self.wrong, self.n)
        return Estimate(100.0 * self.wrong / self.n, low, high, fidelity, "%")


@dataclass(frozen=True, slots=True)
class Score:
    """How a network did on a split.

    Attributes:
        split: "val" or "test".
        total: over all images.
        slices: over those of each slice; an image may be in several.
    """

    split: str
    total: Count
    slices: Mapping[str, Count] = field(default_factory=dict)

    @property
    def worst_slice(self) -> str | None:
        """The slice with the largest error among those of at least 30 images; None: there is none.

        The largest of several errors, so on the high side where slices are small.
        """
        told = {name: c.wrong / c.n for name, c in self.slices.items() if c.n >= FEWEST_IN_SLICE}
        return max(told, key=lambda name: told[name]) if told else None

    def worst_error(self, fidelity: str) -> Estimate:
        """Error of the worst slice in per cent; its interval is that slice's own."""
        worst = self.worst_slice
        return Estimate.unknown("%") if worst is None else self.slices[worst].error(fidelity)

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Score:
        """Read what `to_dict` wrote."""
        slices = {name: Count(**count) for name, count in data["slices"].items()}
        return cls(data["split"], Count(**data["total"]), slices)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch.

    Attributes:
        epoch: its number, the first is 1.
        loss: mean over its steps.
        val: how the network did on the validation images after it.
        learning_rate: of its last step.
        steps: of the optimiser.
        seconds: validation included.
        images: seen.
        resolution: pixels of their side.
    """

    epoch: int
    loss: float
    val: Score
    learning_rate: float
    steps: int
    seconds: float
    images: int
    resolution: int

    @property
    def error_pct(self) -> float:
        """Validation error in per cent."""
        return 100.0 * self.val.total.wrong / max(1, self.val.total.n)

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Epoch:
        """Read what `to_dict` wrote."""
        return cls(**{**data, "val": Score.from_dict(data["val"])})


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What came out of a training as far as it was asked for.

    Attributes:
        epochs: done so far; epochs_asked: of the full training.
        epochs_paid: those of this call.
        history: every epoch from the first.
        val: on the validation images, for decisions.
        test: on the test images, looked at once, after the last epoch; None: it is not done.
        mean, std: (C,) what is subtracted from an image of 0 to 1 and what it is divided by then.
        stopped: why it ended before it was asked to; "": it did not.
        notes: what a reader must know.
    """

    epochs: int
    epochs_asked: int
    epochs_paid: int
    history: tuple[Epoch, ...]
    val: Score
    test: Score | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    stopped: str = ""
    notes: tuple[str, ...] = ()

    @property
    def fidelity(self) -> Fidelity:
        """Whether the plan was carried out to its end."""
        return "full training" if self.epochs == self.epochs_asked else "short training"

    @property
    def seconds(self) -> float:
        """Of all epochs."""
        return sum(e.seconds for e in self.history)

    @property
    def score(self) -> Score:
        """On the test images where they were looked at, else on those for decisions."""
        return self.test or self.val

    @property
    def error(self) -> Estimate:
        """Top-1 error in per cent of `score`, with the 90 % interval of so many images."""
        return self.score.total.error(self.fidelity)

    @property
    def worst_slice_error(self) -> Estimate:
        """Error in per cent on the worst slice of `score`; unknown where no slice is known."""
        return self.score.worst_error(self.fidelity)

    @property
    def slice_errors(self) -> dict[str, Estimate]:
        """Error in per cent on each slice of `score`."""
        return {name: count.error(self.fidelity) for name, count in self.score.slices.items()}

    def at(self, epochs: int) -> TrainingResult:
        """What was known after so many epochs; itself where it is no further."""
        if epochs >= self.epochs:
            return self
        history = self.history[:epochs]
        asked = self.epochs_asked
        return TrainingResult(
            epochs, asked, 0, history, history[-1].val, None, self.mean, self.std, "", self.notes
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it; `from_dict` gives an equal result back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainingResult:
        """Read what `to_dict` wrote."""
        return cls(
            **{
                **data,
                "history": tuple(Epoch.from_dict(e) for e in data["history"]),
                "val": Score.from_dict(data["val"]),
                "test": None if data["test"] is None else Score.from_dict(data["test"]),
                "mean": tuple(data["mean"]),
                "std": tuple(data["std"]),
                "notes": tuple(data["notes"]),
            }
        )
