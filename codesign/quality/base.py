"""What a quality is: a top-1 error with its interval and fidelity, and what it does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from hw_models.cost.base import Estimate
from hw_models.errors import InputError

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate


RANK_SCORE: Final = "rank_score"
"""Name of the figure of a quality that only ranks networks: more is said to be better."""
RANK_UNIT: Final = "rank score"
"""Its unit: a number without meaning but for its order."""


@dataclass(frozen=True, slots=True)
class Rating:
    """How good one network is at one precision.

    Attributes:
        error: top-1 error in per cent with its 90 % interval; unknown where networks are ranked alone.
        notes: what the figure leaves out.
        further: other figures by the name that an objective has for them, in its unit.

    Raises:
        InputError: an error in another unit than per cent, such as a rank score.
    """

    error: Estimate
    notes: tuple[str, ...] = ()
    further: Mapping[str, Estimate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.error.unit != "%":
            msg = (
                f"an error in '{self.error.unit}' given, expected per cent; what only ranks networks goes "
                f"under '{RANK_SCORE}' of `further`, and is no error"
            )
            raise InputError(msg)

    @property
    def facts(self) -> dict[str, float]:
        """The further figures with their ends, `_low` and `_high`, as an evaluation keeps them."""
        found: dict[str, float | None] = {}
        for name, e in self.further.items():
            found |= {name: e.value, f"{name}_low": e.low, f"{name}_high": e.high}
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def unknown(cls) -> Rating:
        """Nothing is known."""
        return cls(Estimate.unknown("%"))


class Quality(Protocol):
    """Rates networks. It knows no chip: only the precision at which the network would run."""

    def rate(self, network: Candidate, precision: str) -> Rating:
        """The rating of one network; unknown where there is no figure."""
        ...
