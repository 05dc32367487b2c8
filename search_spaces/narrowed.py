"""A space with fewer values of some knobs: the part of it that a search, or a supernet, is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from hw_models.errors import InputError, UnknownNameError
from search_spaces.knobs import Choice, Knob, Scalar, expected
from search_spaces.space import SearchSpace, check, filled

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from search_spaces.candidate import Candidate


@dataclass(frozen=True)
class Narrowed(SearchSpace):
    """The networks of a space whose knobs have the values that are kept; nothing else about it changes.

    Args:
        space: the whole.
        kept: knob -> its values, in the order of the knob's own; knobs that are not named keep all of theirs.

    Raises:
        UnknownNameError: a knob that the space does not have.
        InputError: a value that the knob does not have, or a knob without values.
    """

    space: SearchSpace
    kept: Mapping[str, Sequence[Scalar]]

    def __post_init__(self) -> None:
        for name, values in self.kept.items():
            if name not in self.space.knobs:
                raise UnknownNameError(f"knob of the space '{self.space.name}'", name, self.space.knobs)
            wrong = [v for v in values if v not in self.space.knobs[name]]
            if wrong or not len(values):
                told = f"{wrong[0]!r}" if wrong else "no value"
                domain = expected(self.space.knobs[name])
                msg = f"knob '{name}' of the space '{self.space.name}': {told} given to keep, {domain}"
                raise InputError(msg)

    @override
    def __hash__(self) -> int:
        return hash((self.space.name, tuple((n, tuple(k)) for n, k in self.knobs.items())))

    @property
    @override
    def name(self) -> str:
        return self.space.name

    @property
    def n_classes(self) -> int | None:
        """Classes that the networks tell apart; None where they are no classifiers."""
        found: int | None = getattr(self.space, "n_classes", None)
        return found

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return self._knobs

    @cached_property
    def _knobs(self) -> Mapping[str, Knob]:
        found = dict(self.space.knobs)
        for name, values in self.kept.items():
            whole = found[name]
            ordered = not isinstance(whole, Choice) or whole.ordered
            found[name] = Choice(tuple(v for v in whole if v in tuple(values)), ordered)
        return found

    @property
    @override
    def size(self) -> int:
        """At most: knob values that make no difference are counted as if they did."""
        found = 1
        for knob in self.knobs.values():
            found *= len(knob)
        return found

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        """The space's own canonical form, with the first kept value where that stands for several.

        Raises:
            UnknownNameError: a knob that the space does not have.
            InputError: a knob set to a value that was not kept.
        """
        check(self, filled(self, candidate))
        here = self.space.canonical(candidate)
        for name in here:
            if here[name] not in self.knobs[name]:
                alike = (v for v in self.knobs[name] if self._same(here, name, v))
                here = here.replace(**{name: next(alike)})
        return here

    def _same(self, here: Candidate, name: str, value: Scalar) -> bool:
        whole = self.space.canonical(here)
        return self.space.canonical(here.replace(**{name: value})) == whole

    @override
    def build(self, candidate: Candidate) -> Any:
        return self.space.build(self.canonical(candidate))

    @override
    def workload(self, candidate: Candidate) -> Workload:
        return self.space.workload(self.canonical(candidate))

    @override
    def label(self, candidate: Candidate) -> str:
        return self.space.label(self.canonical(candidate))

    def shared_parts(self, candidate: Candidate) -> Mapping[str, str]:
        """As the space has it (`codesign.quality.supernet.sharing`).

        Raises:
            InputError: the space does not say which weights its networks share.
        """
        told = getattr(self.space, "shared_parts", None)
        if told is None:
            msg = (
                f"'{self.space.name}' does not say which weights its networks share: it has no `shared_parts`"
            )
            raise InputError(msg)
        found: Mapping[str, str] = told(self.canonical(candidate))
        return found
