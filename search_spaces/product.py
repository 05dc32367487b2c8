"""The joint space: a network space times a chip space times a precision, as one search space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from hw_models.errors import InputError, UnknownNameError
from hw_models.spec.accelerator import PRECISIONS, Accelerator
from search_spaces.candidate import Candidate
from search_spaces.knobs import Choice, Knob
from search_spaces.space import SearchSpace, check, one_edit_neighbours

if TYPE_CHECKING:
    import numpy as np

    from hw_models.workload.graph import Workload

DEFAULT_PRECISIONS = ("fp16", "int8", "fp32")
"""Precisions that a joint search may choose between unless told otherwise, the preferred one first."""


@dataclass(frozen=True)
class ChipList(SearchSpace):
    """Some given chips as a chip space with the one knob `chip`.

    Args:
        chips: the chips, each at its power mode; no label twice.

    Raises:
        InputError: where there is no chip, or one of them twice.
    """

    chips: tuple[Accelerator, ...]
    name: str = "chips"

    def __post_init__(self) -> None:
        labels = [c.label for c in self.chips]
        if not labels:
            msg = "no chip given, expected at least one; `codesign chips list` names them"
            raise InputError(msg)
        if len(set(labels)) < len(labels):
            twice = next(n for i, n in enumerate(labels) if n in labels[:i])
            msg = f"chip '{twice}' given twice, expected every chip once"
            raise InputError(msg)

    @cached_property
    def _by_label(self) -> dict[str, Accelerator]:
        return {c.label: c for c in self.chips}

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return {"chip": Choice(tuple(self._by_label))}

    @override
    def build(self, candidate: Candidate) -> Accelerator:
        return self._by_label[str(check(self, candidate)["chip"])]


@dataclass(frozen=True)
class Product(SearchSpace):
    """Networks x chips x precision. A precision that a chip has no peak for becomes the first one it has.

    Attributes:
        networks: the network space.
        chips: the chip space; its `build` returns an `Accelerator`.
        precisions: what may be chosen, the preferred one first.
        left_out: chips that were asked for and cannot be costed: label -> reason.
    """

    networks: SearchSpace
    chips: SearchSpace
    precisions: tuple[str, ...] = DEFAULT_PRECISIONS
    left_out: Mapping[str, str] = field(default_factory=dict)
    _precisions_of: dict[Candidate, tuple[str, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        _check_precisions(self.precisions)
        mine = {"precision", *self.chips.knobs}
        clash = sorted(mine & set(self.networks.knobs))
        if clash:
            msg = (
                f"knob '{clash[0]}' is in both '{self.networks.name}' and its chips; rename it in one of them"
            )
            raise InputError(msg)

    @classmethod
    def of(
        cls,
        networks: SearchSpace,
        chips: SearchSpace | Sequence[Accelerator | str],
        precisions: Sequence[str] = DEFAULT_PRECISIONS,
    ) -> Product:
        """The joint space; of a list of chips, those that cannot be costed are left out and listed.

        Args:
            networks: the network space.
            chips: a chip family, or chips (or their names, as `load_chip` takes them).
            precisions: what may be chosen, the preferred one first.

        Raises:
            InputError: where no chip can be costed at any of the precisions.
        """
        precisions = tuple(precisions)
        _check_precisions(precisions)
        if isinstance(chips, SearchSpace):
            return cls(networks, chips, precisions)
        given = [_loaded(c) for c in chips]
        reasons = {c.label: _why_not(c, precisions) for c in given}
        usable = tuple(c for c in given if not reasons[c.label])
        left_out = {label: reason for label, reason in reasons.items() if reason}
        if given and not usable:
            label, reason = next(iter(left_out.items()))
            msg = (
                f"none of the {len(given)} chips can be costed at {', '.join(precisions)}; {label}: {reason}"
            )
            raise InputError(msg)
        return cls(networks, ChipList(usable), precisions, left_out)

    @property
    @override
    def name(self) -> str:
        return f"{self.networks.name} x {self.chips.name}"

    @cached_property
    def _knobs(self) -> dict[str, Knob]:
        return {**self.networks.knobs, **self.chips.knobs, "precision": Choice(self.precisions)}

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return self._knobs

    @cached_property
    def _size(self) -> int:
        if isinstance(self.chips, ChipList):
            pairs = sum(len(self.supported(c)) for c in self.chips.chips)
        else:
            pairs = self.chips.size * len(self.precisions)
        return self.networks.size * pairs

    @property
    @override
    def size(self) -> int:
        return self._size

    def supported(self, chip: Accelerator) -> tuple[str, ...]:
        """Precisions of this space that the chip's main engine has a peak for, the preferred one first."""
        return tuple(p for p in self.precisions if p in chip.main_engine.peak)

    def network(self, candidate: Candidate) -> Candidate:
        """The part of a candidate that chooses the network."""
        return candidate.only(self.networks.knobs)

    def effective(self, candidate: Candidate) -> Candidate:
        """What the quality of a candidate depends on: the network and its precision, not the chip."""
        return candidate.only((*self.networks.knobs, "precision"))

    @cached_property
    def rated(self) -> RatedNetworks:
        """What has a quality of its own in this space, as a space: networks at a precision, without chips."""
        return RatedNetworks(self)

    def on(self, rated: Candidate, chip: Candidate) -> Candidate | None:
        """A network at a precision on a chip, all canonical; None: the chip has no peak at the precision."""
        if rated["precision"] not in self._supported_by(chip):
            return None
        return Candidate({**rated, **chip})

    def _supported_by(self, chip: Candidate) -> tuple[str, ...]:
        if chip not in self._precisions_of:
            self._precisions_of[chip] = self.supported(self.chips.build(chip))
        return self._precisions_of[chip]

    def chip(self, candidate: Candidate) -> Accelerator:
        """The chip of a candidate."""
        built: Accelerator = self.chips.build(candidate.only(self.chips.knobs))
        return built

    def precision(self, candidate: Candidate) -> str:
        """The precision of a canonical candidate."""
        return str(candidate["precision"])

    @override
    def build(self, candidate: Candidate) -> tuple[Any, Accelerator]:
        """The network and the chip."""
        return self.networks.build(self.network(candidate)), self.chip(candidate)

    @override
    def workload(self, candidate: Candidate) -> Workload:
        return self.networks.workload(self.network(candidate))

    @override
    def label(self, candidate: Candidate) -> str:
        here = self.canonical(candidate)
        return (
            f"{self.networks.label(self.network(here))} on {self.chip(here).label} ({self.precision(here)})"
        )

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        unknown = [k for k in candidate if k not in self.knobs]
        if unknown or any(k not in candidate for k in (*self.chips.knobs, "precision")):
            check(self, candidate)
        network = self.networks.canonical(self.network(candidate))
        chip = self.chips.canonical(candidate.only(self.chips.knobs))
        supported = self.supported(self.chips.build(chip))
        precision = candidate["precision"]
        if precision not in supported:
            if precision not in self.precisions:
                check(self, candidate)
            precision = supported[0] if supported else precision
        return Candidate({**network, **chip, "precision": precision})

    @override
    def neighbours(self, candidate: Candidate) -> Sequence[Candidate]:
        """The network's neighbours on the same chip, then the same network on other chips and precisions."""
        here = self.canonical(candidate)
        network = self.network(here)
        moved = [self.canonical(here.replace(**near)) for near in self.networks.neighbours(network)]
        hardware = _Hardware(self, network)
        return tuple(dict.fromkeys([*moved, *one_edit_neighbours(hardware, here)]))

    @override
    def candidates(self) -> Iterator[Candidate]:
        for network in self.networks.candidates():
            for chip in self.chips.candidates():
                for precision in self.supported(self.chips.build(chip)):
                    yield Candidate({**network, **chip, "precision": precision})


@dataclass(frozen=True)
class RatedNetworks(SearchSpace):
    """Networks at a precision: the part of a joint space that a quality is measured of.

    A precision that no chip of a list has a peak for is none of this space.
    """

    product: Product

    @property
    @override
    def name(self) -> str:
        return f"{self.product.networks.name} at a precision"

    @cached_property
    def precisions(self) -> tuple[str, ...]:
        """Those that some chip has a peak for, the preferred one first; of a chip family all."""
        product = self.product
        if not isinstance(product.chips, ChipList):
            return product.precisions
        some = {p for chip in product.chips.chips for p in product.supported(chip)}
        return tuple(p for p in product.precisions if p in some)

    @cached_property
    def _knobs(self) -> dict[str, Knob]:
        return {**self.product.networks.knobs, "precision": Choice(self.precisions)}

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return self._knobs

    @property
    @override
    def size(self) -> int:
        return self.product.networks.size * len(self.precisions)

    def network(self, candidate: Candidate) -> Candidate:
        """The network alone."""
        return candidate.only(self.product.networks.knobs)

    @override
    def build(self, candidate: Candidate) -> Any:
        """The network."""
        return self.product.networks.build(self.network(candidate))

    @override
    def workload(self, candidate: Candidate) -> Workload:
        return self.product.networks.workload(self.network(candidate))

    @override
    def label(self, candidate: Candidate) -> str:
        return f"{self.product.networks.label(self.network(candidate))} ({candidate['precision']})"

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        unknown = [k for k in candidate if k not in self.knobs]
        if unknown or candidate.get("precision") not in self.precisions:
            check(self, candidate)
        network = self.product.networks.canonical(self.network(candidate))
        return Candidate({**network, "precision": candidate["precision"]})

    @override
    def neighbours(self, candidate: Candidate) -> Sequence[Candidate]:
        """The network's neighbours at the same precision, then the same network at others."""
        here = self.canonical(candidate)
        precision = here["precision"]
        near = self.product.networks.neighbours(self.network(here))
        moved = [Candidate({**network, "precision": precision}) for network in near]
        return (*moved, *(here.replace(precision=p) for p in self.precisions if p != precision))

    @override
    def candidates(self) -> Iterator[Candidate]:
        for network in self.product.networks.candidates():
            for precision in self.precisions:
                yield Candidate({**network, "precision": precision})

    @override
    def sample(self, rng: np.random.Generator) -> Candidate:
        network = self.product.networks.sample(rng)
        precision = self.precisions[int(rng.integers(len(self.precisions)))]
        return Candidate({**network, "precision": precision})


@dataclass(frozen=True)
class _Hardware(SearchSpace):
    """The chip and precision knobs of a product around one fixed network."""

    product: Product
    network: Candidate
    name: str = "hardware"

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return {k: v for k, v in self.product.knobs.items() if k not in self.product.networks.knobs}

    @override
    def build(self, candidate: Candidate) -> Accelerator:
        return self.product.chip(candidate)

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        return self.product.canonical(candidate)


def _loaded(chip: Accelerator | str) -> Accelerator:
    if isinstance(chip, Accelerator):
        return chip
    from hw_models.spec.load import load_chip

    return load_chip(chip)


def _check_precisions(wanted: tuple[str, ...]) -> None:
    if not wanted:
        raise InputError("no precision given, expected at least one, for example 'int8'")
    unknown = [p for p in wanted if p not in PRECISIONS]
    if unknown:
        raise UnknownNameError("precision", unknown[0], PRECISIONS)


def _why_not(chip: Accelerator, precisions: tuple[str, ...]) -> str:
    """Why a chip cannot be costed at any of the precisions; empty if it can."""
    if not chip.costable:
        return "; ".join(chip.why_not_costable())
    if not set(precisions) & set(chip.main_engine.peak):
        return f"no peak at {', '.join(precisions)}; peaks known: {', '.join(chip.main_engine.peak)}"
    return ""
