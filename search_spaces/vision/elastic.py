"""What the elastic spaces share: knobs that do not apply leave the canonical form; a written workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from typing_extensions import override

from search_spaces.candidate import Candidate
from search_spaces.closed_form import OpWriter
from search_spaces.space import SearchSpace, check, filled

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from search_spaces.knobs import Knob, Scalar


class ElasticSpace(SearchSpace):
    """One kind of network in many sizes; a subclass says `knobs`, `reduced`, `sizes`, `written`, `build`."""

    def reduced(self, whole: Candidate) -> Mapping[str, Scalar]:
        """What counts of a candidate whose knobs are all set: equal networks have equal answers."""
        raise NotImplementedError

    def sizes(self, here: Candidate) -> str:
        """The sizes of a canonical candidate that its label shows."""
        raise NotImplementedError

    def written(self, w: OpWriter, here: Candidate) -> int:
        """Write every operator of a canonical candidate; the tensor that the network returns."""
        raise NotImplementedError

    @property
    def known(self) -> Mapping[str, Candidate]:
        """Published networks that are candidates, by the name that timm has for them."""
        return {}

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        """The candidate without knobs that do not apply; those need not be set.

        Raises:
            UnknownNameError: a knob that the space does not have.
            InputError: a knob that applies and is not set, or one set to a value outside its domain.
        """
        check(self, filled(self, candidate))
        whole = self._whole(candidate)
        counts = self.reduced(whole)
        missing = next((name for name in self.knobs if name in counts and name not in candidate), None)
        if missing is not None:
            return check(self, whole.only(name for name in self.knobs if name != missing))
        return Candidate(counts)

    @override
    def neighbours(self, candidate: Candidate) -> Sequence[Candidate]:
        """As of every space, without checking values that the knobs themselves gave."""
        here = self.canonical(candidate)
        whole = self._whole(here)
        found: dict[Candidate, None] = {}
        for name, knob in self.knobs.items():
            for near in knob.near(here[name]) if name in here else ():
                found.setdefault(Candidate(self.reduced(whole.replace(**{name: near}))))
        found.pop(here, None)
        return tuple(found)

    def _whole(self, here: Candidate) -> Candidate:
        """All knobs set, to values as the domain has them (1.0 for 1); to the first one where it was not."""
        return Candidate({name: _own(knob, here.get(name)) for name, knob in self.knobs.items()})

    @override
    def label(self, candidate: Candidate) -> str:
        return self._titled(self.canonical(candidate))

    def _titled(self, here: Candidate) -> str:
        return f"{self.name}@{self.sizes(here)}-{here.digest[:6]}"

    @override
    def workload(self, candidate: Candidate) -> Workload:
        """The workload of the module that `build` makes, written without making it."""
        here = self.canonical(candidate)
        w = OpWriter(self._titled(here))
        return w.finish([self.written(w, here)], {"space": self.name})


def _own(knob: Knob, value: Scalar | None) -> Scalar:
    """The domain's own value that equals this one; the first where there is none."""
    first = next(iter(knob))
    if value is None:
        return first
    return value if type(value) is type(first) else next(v for v in knob if v == value)
