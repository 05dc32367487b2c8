"""Spaces whose networks are written on a `GraphWriter`; spaces where some knobs decide which others apply."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from typing_extensions import override

from search_spaces.candidate import Candidate
from search_spaces.graph_writer import GraphWriter, Ref
from search_spaces.space import SearchSpace, check, filled

if TYPE_CHECKING:
    from torch import nn

    from hw_models.workload.graph import Workload
    from search_spaces.knobs import Scalar


def as_in_domains(space: SearchSpace, candidate: Candidate) -> Candidate:
    """The candidate with values as the domains write them (1.0 for 1), so that equal ones have equal keys.

    Raises:
        UnknownNameError: a knob that the space does not have.
        InputError: a knob that is not set, or set to a value outside its domain.
    """
    knobs = space.knobs
    here = check(space, candidate)
    own = {k: v if isinstance(v, str) else next(x for x in knobs[k] if x == v) for k, v in here.items()}
    return Candidate(own)


class WrittenSpace(SearchSpace):
    """One description of a network gives its workload, at once, and its module. A subclass says `write`."""

    @property
    def known(self) -> Mapping[str, Candidate]:
        """Published networks that are candidates, by name."""
        return {}

    @abstractmethod
    def write(self, w: GraphWriter, candidate: Candidate) -> Sequence[Ref]:
        """Write the network of a canonical candidate; what it returns."""

    @override
    def workload(self, candidate: Candidate) -> Workload:
        writer, outputs = self._written(candidate, steps=False)
        return writer.finish(outputs)

    @override
    def build(self, candidate: Candidate) -> nn.Module:
        from search_spaces.graph_module import graph_module

        writer, outputs = self._written(candidate, steps=True)
        return graph_module(writer, outputs)

    def _written(self, candidate: Candidate, *, steps: bool) -> tuple[GraphWriter, Sequence[Ref]]:
        here = self.canonical(candidate)
        writer = GraphWriter(f"{self.name}-{self.label(here)}", steps=steps)
        return writer, self.write(writer, here)


class BranchedSpace(WrittenSpace):
    """Some knobs, the deciding ones, say which of the others apply; those that do not are removed.

    A subclass says `deciding`, `idle` and, where some of their combinations mean another, `settled`.
    """

    @property
    @abstractmethod
    def deciding(self) -> tuple[str, ...]:
        """Knobs that decide; they always apply."""

    @abstractmethod
    def idle(self, decided: Mapping[str, Scalar]) -> set[str]:
        """Knobs that do not apply."""

    def settled(self, decided: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """The values of the deciding knobs that count."""
        return decided

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        """The candidate without knobs that do not apply; those need not be set.

        Raises:
            UnknownNameError: a knob that the space does not have.
            InputError: a knob that applies and is not set, or one set to a value outside its domain.
        """
        whole = as_in_domains(self, filled(self, candidate))
        decided = self.settled({k: whole[k] for k in self.deciding})
        idle = self.idle(decided)
        missing = {k for k in self.knobs if k not in idle and k not in candidate}
        if missing:
            check(self, whole.only(k for k in whole if k not in missing))
        return Candidate({k: v for k, v in {**whole, **decided}.items() if k not in idle})

    @property
    @override
    def size(self) -> int:
        knobs = self.knobs
        return sum(prod(len(knobs[k]) for k in rest) for _, rest in self._branches())

    @override
    def candidates(self) -> Iterator[Candidate]:
        knobs = self.knobs
        for decided, rest in self._branches():
            for values in product(*(knobs[k] for k in rest)):
                yield Candidate({**decided, **dict(zip(rest, values, strict=True))})

    def _branches(self) -> Iterator[tuple[Mapping[str, Scalar], list[str]]]:
        """Values of the deciding knobs, with the knobs that then apply."""
        knobs = self.knobs
        for values in product(*(knobs[k] for k in self.deciding)):
            decided = dict(zip(self.deciding, values, strict=True))
            if self.settled(decided) == decided:
                idle = self.idle(decided)
                yield decided, [k for k in knobs if k not in idle and k not in self.deciding]
