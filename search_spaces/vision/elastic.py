"""What the elastic spaces share: knobs that do not apply leave the canonical form; a written workload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from typing_extensions import override

from search_spaces.candidate import Candidate
from search_spaces.closed_form import OpWriter
from search_spaces.space import SearchSpace, check, filled

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from search_spaces.knobs import Scalar


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
        whole = check(self, filled(self, candidate))
        counts = self.reduced(whole)
        missing = next((name for name in self.knobs if name in counts and name not in candidate), None)
        if missing is not None:
            return check(self, whole.only(n for n in self.knobs if n != missing))
        return Candidate(counts)

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
