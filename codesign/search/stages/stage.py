"""A stage: one way to rate networks, with what it is paid for; and the stages of a study, cheapest first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from codesign.quality.base import Quality, Rating
from hw_models.errors import InputError

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate

REDUCTION: Final = 2.0
"""Of so many candidates at a stage one goes on to the next.

Halving, after Jamieson, Talwalkar 2016. More would ask more of the cheap stage than its ranks are worth.
"""


SETTLE: Final = 10
"""Networks that go through all stages first: as many as the cost-aware search starts with."""


@runtime_checkable
class RatesMany(Protocol):
    """A quality that rates many networks at a time, for example one on each GPU."""

    def rate_many(self, networks: Sequence[Candidate], precisions: Sequence[str]) -> Iterable[Rating]:
        """One rating for each network at its precision, in their order, each as soon as it is known."""
        ...


@dataclass(frozen=True, slots=True)
class Resource:
    """What a stage gives to one network.

    Attributes:
        epochs: of training, counted from the start; None: nothing is trained.
        data: share of the training set, 0..1.
        resolution: edge of the training images in pixels; None: as the network is used.
    """

    epochs: float | None = None
    data: float = 1.0
    resolution: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and not (math.isfinite(self.epochs) and self.epochs > 0):
            msg = f"epochs={self.epochs!r} given, expected a number above 0, or None where nothing is trained"
            raise InputError(msg)
        if not 0 < self.data <= 1:
            msg = f"data={self.data!r} given, expected the share of the training set, above 0 and at most 1"
            raise InputError(msg)
        if self.resolution is not None and self.resolution < 1:
            msg = f"resolution={self.resolution!r} given, expected pixels, or None for the network's own"
            raise InputError(msg)


@dataclass(frozen=True, slots=True)
class Stage:
    """One rung of the ladder from a proxy to a full training.

    Attributes:
        name: "proxy", "12 epochs", "full".
        quality: rates a network at a precision; what it says is of this stage, whatever fidelity it states.
        charge: what a network costs that is rated here and nowhere before, in full-training equivalents.
        continues: whether it goes on from where the stage before left a network, so that only the difference
            of the charges is paid; else the whole charge is, as where a short training has a schedule of
            its own.
        resource: what a network is given here, for reports and for a training loop.

    Raises:
        InputError: no name, no charge above 0, a quality that rates nothing.
    """

    name: str
    quality: Quality
    charge: float
    continues: bool = False
    resource: Resource = Resource()

    def __post_init__(self) -> None:
        if not self.name:
            msg = "stage without a name given, expected one such as 'proxy', 'short' or 'full'"
            raise InputError(msg)
        number = isinstance(self.charge, int | float) and not isinstance(self.charge, bool)
        if not (number and math.isfinite(self.charge) and self.charge > 0):
            msg = (
                f"stage '{self.name}': charge={self.charge!r} given, expected full-training equivalents over "
                "0: 12 of 200 epochs are 0.06, a proxy of a second is that second's share of one"
            )
            raise InputError(msg)
        if not callable(getattr(self.quality, "rate", None)):
            msg = (
                f"stage '{self.name}': {self.quality!r} given, expected a quality: an object with "
                "`rate(network, precision) -> Rating`"
            )
            raise InputError(msg)

    def ratings(self, networks: Sequence[Candidate], precisions: Sequence[str]) -> Iterator[Rating | str]:
        """One rating for each network, in their order; where it failed, a text with the reason.

        Rated one by one, what a quality raises fails that network alone. Rated together, it fails those that
        have no rating yet.
        """
        if not isinstance(self.quality, RatesMany):
            for network, precision in zip(networks, precisions, strict=True):
                try:
                    yield self._checked(self.quality.rate(network, precision))
                except Exception as error:  # a quality may raise anything; the search goes on
                    yield self._raised(error)
            return
        n = 0
        try:
            for rating in self.quality.rate_many(networks, precisions):
                yield self._checked(rating)
                n += 1
            problem = f"stage '{self.name}' gave {n} ratings for {len(networks)} networks"
        except Exception as error:  # as above
            problem = self._raised(error)
        yield from [problem] * (len(networks) - n)

    def _raised(self, error: Exception) -> str:
        return f"stage '{self.name}' raised {type(error).__name__}: {error}"

    def _checked(self, rating: Any) -> Rating | str:
        if not isinstance(rating, Rating):
            return f"stage '{self.name}' gave {rating!r}, expected a Rating"
        value = rating.error.value
        if value is not None and not math.isfinite(value):
            return f"stage '{self.name}' gave the error {value}, expected a finite number of per cent"
        return rating

    def described(self) -> dict[str, Any]:
        """What a run folder keeps of it."""
        given = {k: v for k, v in asdict(self.resource).items() if v != getattr(Resource(), k)}
        return {"name": self.name, "charge": self.charge, "continues": self.continues, **given}


@dataclass(frozen=True, slots=True)
class Ladder:
    """The stages of a study, cheapest first; the last one alone makes a front.

    Attributes:
        stages: at least one, charges increasing.
        reduction: of so many candidates at a stage one goes on; at least 1.
        settle: networks that go through all stages before the first is stopped.

    Raises:
        InputError: no stage, two of one name, charges that do not increase, a reduction below 1.
    """

    stages: tuple[Stage, ...]
    reduction: float = REDUCTION
    settle: int = SETTLE

    def __post_init__(self) -> None:
        if not self.stages:
            msg = "no stage given, expected at least one; leave `stages` out for a study without"
            raise InputError(msg)
        wrong = next((s for s in self.stages if not isinstance(s, Stage)), None)
        if wrong is not None:
            msg = f"stage {wrong!r} given, expected a codesign.Stage(name, quality, charge)"
            raise InputError(msg)
        names = [s.name for s in self.stages]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            msg = f"stage '{twice}' given twice, expected names that differ"
            raise InputError(msg)
        for low, high in pairwise(self.stages):
            if high.charge <= low.charge:
                msg = (
                    f"stage '{high.name}' after '{low.name}': charges {high.charge:g} and {low.charge:g} "
                    "given, expected charges that increase from stage to stage"
                )
                raise InputError(msg)
        if not (math.isfinite(self.reduction) and self.reduction >= 1):
            msg = f"reduction={self.reduction!r} given, expected a number of at least 1; 2 halves"
            raise InputError(msg)
        if self.settle < 0:
            msg = f"settle={self.settle!r} given, expected a number of networks"
            raise InputError(msg)

    def described(self) -> dict[str, Any]:
        """What a run folder keeps of it."""
        of = [s.described() for s in self.stages]
        return {"reduction": float(self.reduction), "settle": self.settle, "of": of}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the stages."""
        return tuple(s.name for s in self.stages)

    @property
    def widening(self) -> float:
        """Candidates asked for, for each that reaches the last stage."""
        return float(self.reduction ** (len(self.stages) - 1))

    def price(self, position: int) -> float:
        """What is paid at a stage for a network that went through those before it."""
        stage = self.stages[position]
        before = self.stages[position - 1].charge if position and stage.continues else 0.0
        return stage.charge - before

    def goes_on(self, n: int) -> int:
        """How many of n candidates go on: at least one."""
        return min(n, max(1, math.ceil(n / self.reduction)))


def ladder_of(given: Ladder | Sequence[Stage] | None) -> Ladder | None:
    """The stages of a study; None: it has none.

    Raises:
        InputError: something else than stages, or stages that do not fit together.
    """
    if given is None or isinstance(given, Ladder):
        return given
    if isinstance(given, Stage) or not isinstance(given, Iterable):
        msg = f"stages={given!r} given, expected a list of codesign.Stage, cheapest first"
        raise InputError(msg)
    return Ladder(tuple(given))


class Train(Protocol):
    """A training loop that can stop and go on."""

    def __call__(self, network: Candidate, precision: str, resource: Resource, folder: Path) -> Rating:
        """Train a network up to a resource and rate it.

        Args:
            network: what is trained.
            precision: what it is rated at.
            resource: how far; an earlier call with less may have left a checkpoint.
            folder: of this network alone, the same at every stage.
        """
        ...


@dataclass(frozen=True, slots=True)
class Trained:
    """The quality of networks after so much training; each has a folder for its checkpoint."""

    train: Train
    resource: Resource
    folder: Path

    def rate(self, network: Candidate, precision: str) -> Rating:
        """Train on from the last checkpoint, if there is one, and rate."""
        where = self.folder / network.digest
        where.mkdir(parents=True, exist_ok=True)
        return self.train(network, precision, self.resource, where)


def training_stages(train: Train, resources: Mapping[str, Resource], folder: Path | str) -> tuple[Stage, ...]:
    """Stages of one training that goes on from checkpoint to checkpoint; the last is the full training.

    A stage is charged the images that it adds to the stage before, times the pixels of each, in those of a
    full training from the start: what a convolutional network computes grows with both.

    Args:
        train: the loop.
        resources: name of a stage -> what a network is given there, cheapest first.
        folder: where checkpoints lie.

    Raises:
        InputError: a resource without epochs, epochs that do not increase, a resolution here but not there.
    """
    named = list(resources.items())
    if not named:
        msg = "no resource given, expected one for each stage, such as {'short': Resource(epochs=12), ...}"
        raise InputError(msg)
    full = named[-1][1]
    for name, resource in named:
        if resource.epochs is None:
            msg = f"stage '{name}': no epochs given, expected how far the network is trained"
            raise InputError(msg)
        if (resource.resolution is None) != (full.resolution is None):
            msg = f"stage '{name}': expected a resolution for every stage or for none"
            raise InputError(msg)
    found: list[Stage] = []
    epochs = charge = 0.0
    for name, resource in named:
        until = resource.epochs or 0.0
        charge += (until - epochs) * _work_of_an_epoch(resource, full) / (full.epochs or 1.0)
        found.append(Stage(name, Trained(train, resource, Path(folder)), charge, bool(found), resource))
        epochs = until
    return Ladder(tuple(found)).stages


def _work_of_an_epoch(resource: Resource, full: Resource) -> float:
    """Images seen times their pixels, as a share of those of the full training."""
    edge = (resource.resolution or 1) / (full.resolution or 1)
    return resource.data * edge**2 / full.data
