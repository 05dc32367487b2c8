"""What the elastic spaces share: knobs that do not apply leave the canonical form, and published networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from typing_extensions import override

from search_spaces.candidate import Candidate
from search_spaces.space import SearchSpace, check, filled

if TYPE_CHECKING:
    from search_spaces.knobs import Scalar


class ElasticSpace(SearchSpace):
    """A space of one kind of network in many sizes. Subclasses say `reduced` beside what every space says."""

    def reduced(self, whole: Candidate) -> Mapping[str, Scalar]:
        """What counts of a candidate whose knobs are all set: equal networks have equal answers."""
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
