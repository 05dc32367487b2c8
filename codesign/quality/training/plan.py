"""How a network is trained: everything that decides the outcome, as data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any, Final, Literal

from hw_models.errors import InputError, UnknownNameError

Optimiser = Literal["sgd", "adamw"]
Schedule = Literal["cosine", "linear", "constant"]
Precision = Literal["fp32", "bf16", "fp16"]

OPTIMISERS: Final = ("sgd", "adamw")
SCHEDULES: Final = ("cosine", "linear", "constant")
PRECISIONS: Final = ("fp32", "bf16", "fp16")
AUGMENTATIONS: Final = ("shift", "flip", "light", "erase")
LOCAL: Final = ("device", "time_box_s")
"""Fields that say where and how long, not what: a training may go on with others."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a training.

    Attributes:
        epochs: at which it ends, counted from the start of the training.
        data_fraction: share of the training images that an epoch sees; a larger one has those of a smaller.
        resolution: pixels of a side; None: as the images are.
    """

    epochs: int
    data_fraction: float = 1.0
    resolution: int | None = None

    def __post_init__(self) -> None:
        _need(_whole(self.epochs, 1), "epochs", self.epochs, "a positive integer")
        _need(0 < self.data_fraction <= 1, "data_fraction", self.data_fraction, "above 0 and at most 1")
        side = self.resolution
        _need(side is None or _whole(side, 1), "resolution", side, "pixels, or None")


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How a network is trained; with the same plan, data and first weights come the same last weights.

    The learning rate follows `schedule` over all `epochs`, so a training that stops early and goes on later
    is the same as one that did not stop.

    Attributes:
        epochs: of the full training.
        batch: images of one step.
        learning_rate: the largest one, reached after the first `warmup` of all steps.
        schedule: how it falls from there: "cosine" and "linear" to zero, "constant" not at all.
        warmup: share of the steps over which it rises.
        optimiser: "sgd" (Nesterov, momentum 0.9) or "adamw".
        weight_decay: of all weights but biases and normalisation.
        augmentation: any of "shift" (by up to an eighth), "flip" (left for right: not where that changes the
            class), "light" (brightness and contrast), "erase" (a patch of noise).
        label_smoothing: share of the target that goes to all classes alike.
        data_fraction: share of the training images, the same of every class.
        resolution: pixels of a side; None: as the images are.
        legs: parts with their own share and resolution instead, the last one ending at `epochs`.
        seed: of the order of the images, of augmentation and of dropout.
        precision: "fp32"; "bf16" or "fp16" mixed, on CUDA only.
        device: "cpu", "cuda" or "cuda:1".
        time_box_s: seconds after which a call stops at the last whole epoch; what comes out then depends on
            the machine. None: no limit.

    Raises:
        InputError: a value that makes no sense; the message names the field.
    """

    epochs: int = 30
    batch: int = 128
    learning_rate: float = 0.1
    schedule: Schedule = "cosine"
    warmup: float = 0.1
    optimiser: Optimiser = "sgd"
    weight_decay: float = 5e-4
    augmentation: tuple[str, ...] = ("shift", "light")
    label_smoothing: float = 0.0
    data_fraction: float = 1.0
    resolution: int | None = None
    legs: tuple[Leg, ...] = ()
    seed: int = 0
    precision: Precision = "fp32"
    device: str = "cpu"
    time_box_s: float | None = None

    def __post_init__(self) -> None:
        Leg(self.epochs, self.data_fraction, self.resolution)
        _need(_whole(self.batch, 2), "batch", self.batch, "an integer of at least 2")
        _need(_positive(self.learning_rate), "learning_rate", self.learning_rate, "a number above 0")
        _need(0 <= self.warmup < 1, "warmup", self.warmup, "a share of the steps, 0 to below 1")
        _need(self.weight_decay >= 0, "weight_decay", self.weight_decay, "at least 0")
        _need(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "0 to below 1")
        _need(_whole(self.seed, 0), "seed", self.seed, "an integer of at least 0")
        _need(
            self.time_box_s is None or self.time_box_s > 0, "time_box_s", self.time_box_s, "above 0, or None"
        )
        for what, given, known in (
            ("optimiser", self.optimiser, OPTIMISERS),
            ("schedule", self.schedule, SCHEDULES),
            ("training precision", self.precision, PRECISIONS),
            *(("augmentation", a, AUGMENTATIONS) for a in self.augmentation),
        ):
            if given not in known:
                raise UnknownNameError(what, str(given), known, f"known: {', '.join(known)}")
        self._check_legs()

    def _check_legs(self) -> None:
        if not self.legs:
            return
        ends = [leg.epochs for leg in self.legs]
        if ends[-1] != self.epochs or any(a >= b for a, b in pairwise(ends)):
            msg = f"legs that end at {ends} given, expected increasing epochs and the last at {self.epochs}"
            raise InputError(msg)
        if (self.data_fraction, self.resolution) != (1.0, None):
            raise InputError("legs and data_fraction or resolution given, expected the legs to say both")

    @property
    def parts(self) -> tuple[Leg, ...]:
        """The legs; one where none was given."""
        return self.legs or (Leg(self.epochs, self.data_fraction, self.resolution),)

    def leg_at(self, epoch: int) -> Leg:
        """The leg in which an epoch lies, the first epoch being 1."""
        return next(leg for leg in self.parts if epoch <= leg.epochs)

    def rate_at(self, done: float) -> float:
        """Learning rate when this share of all epochs is done."""
        if done < self.warmup:
            return self.learning_rate * done / self.warmup
        left = (1 - done) / (1 - self.warmup)
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "linear":
            return self.learning_rate * left
        return self.learning_rate * 0.5 * (1 - math.cos(math.pi * left))

    def identity(self) -> dict[str, Any]:
        """What decides the outcome, as JSON keeps it."""
        told = asdict(self)
        return {k: _listed(v) for k, v in told.items() if k not in LOCAL}

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Fields in which another identity differs, as text."""
        mine = self.identity()
        names = [n for n in {**mine, **other} if mine.get(n) != other.get(n)]
        return [f"{n} {other.get(n)!r} there, {mine.get(n)!r} asked for" for n in names]


def rungs(
    plan: TrainingPlan,
    eta: int = 3,
    n: int = 3,
    *,
    smallest_data: float = 1.0,
    smallest_resolution: int | None = None,
    resolution: int | None = None,
) -> TrainingPlan:
    """The plan in legs for successive halving: epochs, data and resolution grow towards the last.

    Every leg goes on from the one before: 27 epochs with `eta` 3 stop at 3 and at 9.

    Args:
        plan: of the full training.
        eta: each leg ends at so many times the epochs of the one before.
        n: legs.
        smallest_data: share of the images in the first leg; it grows by equal factors to 1.
        smallest_resolution: pixels in the first leg, growing by equal factors to `resolution`.
        resolution: pixels in the last leg.

    Raises:
        InputError: fewer epochs than that needs.
    """
    if n < 1 or eta < 2 or plan.epochs < eta ** (n - 1):
        least = max(eta, 2) ** (max(n, 1) - 1)
        msg = f"{n} legs by {eta} of {plan.epochs} epochs given, expected at least {least} epochs"
        raise InputError(msg)
    if (smallest_resolution is None) != (resolution is None):
        raise InputError("one of smallest_resolution and resolution given, expected both or none")
    legs = []
    for at in range(n):
        back = n - 1 - at
        share = back / (n - 1) if n > 1 else 0.0
        side = None
        if smallest_resolution is not None and resolution is not None:
            side = round(resolution * (smallest_resolution / resolution) ** share)
        legs.append(Leg(max(1, round(plan.epochs / eta**back)), smallest_data**share, side))
    return replace(plan, legs=tuple(legs), data_fraction=1.0, resolution=None)


def plan_from(data: Mapping[str, Any]) -> TrainingPlan:
    """A plan from a mapping as a file has it.

    Raises:
        UnknownNameError: a field that a plan does not have.
    """
    known = [f.name for f in fields(TrainingPlan)]
    unknown = next((n for n in data if n not in known), None)
    if unknown is not None:
        raise UnknownNameError("field of a training plan", unknown, known)
    given = dict(data)
    given["legs"] = tuple(Leg(**leg) for leg in given.get("legs", ()))
    if "augmentation" in given:
        given["augmentation"] = tuple(given["augmentation"])
    return TrainingPlan(**given)


def _need(fine: bool, name: str, value: object, expected: str) -> None:
    if not fine:
        msg = f"{name}={value!r} given, expected {expected}"
        raise InputError(msg)


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, tuple) else value
