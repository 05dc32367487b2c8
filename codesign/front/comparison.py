"""What came out of holding two fronts against each other, and the ways to see it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from typing_extensions import override

if TYPE_CHECKING:
    import pandas as pd

    from codesign.front.front import Front
    from codesign.search.trial import Trial

SURE: Final = 0.95
"""Probability from which a difference counts as separable."""

NO_GAIN: Final = 0.005
"""Share of a value below which a gain is told as none."""

Standing = Literal["beats", "beaten", "equal", "stands"]


@dataclass(frozen=True, slots=True)
class Held:
    """One point of one front held against all points of the other.

    Attributes:
        side: name of its front.
        trial: the point.
        standing: "beaten" by a point of the other; "equal" to one; "beats" one or more; else it "stands".
        by: numbers of the other front's points that beat it; over: of those that it beats.
        beaten_probability: that some point of the other front truly beats it.
    """

    side: str
    trial: Trial
    standing: Standing
    by: tuple[int, ...]
    over: tuple[int, ...]
    beaten_probability: float

    @property
    def separable(self) -> bool:
        """Whether the intervals can tell if it is beaten, at 95 %."""
        return max(self.beaten_probability, 1.0 - self.beaten_probability) >= SURE


@dataclass(frozen=True, slots=True)
class Along:
    """What the first front gains on the second along one objective, everything else no worse.

    Attributes:
        objective: its name.
        best: best value on each front, None where it is empty.
        gain: median over the second front's points that the first can match in all other objectives: value of
            the second over that of the first, in the sense of the goal (above 1: the first is better); None:
            it can match none, or the values are not above 0.
        matched: how many of the second's points it can match; of: how many there are.
    """

    objective: str
    best: tuple[float | None, float | None]
    gain: float | None
    matched: int
    of: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Hypervolume of the first front less that of the second: by best figures, and the 90 % range of it.

    Attributes:
        first_larger: probability that the first is truly the larger one.
    """

    value: float
    low: float
    high: float
    first_larger: float


@dataclass(frozen=True, eq=False)
class FrontComparison:
    """What two fronts in the same objectives have over each other.

    Attributes:
        fronts: the two; names: what they are called.
        coverage: share of the other's points that each covers (no worse anywhere); None: there are none.
        hypervolume: of each, as a share of the box from the ideal of both fronts together to a tenth of the
            range beyond their nadir.
        difference: of the hypervolumes.
        epsilon: by how much each must be better everywhere, in parts of the common range, to cover the other.
        points: every point of the first, then of the second.
        along: objective by objective, what the first gains on the second.
    """

    fronts: tuple[Front, Front]
    names: tuple[str, str]
    coverage: tuple[float | None, float | None]
    hypervolume: tuple[float, float]
    difference: Difference
    epsilon: tuple[float | None, float | None]
    points: tuple[Held, ...]
    along: tuple[Along, ...]

    @property
    def verdict(self) -> str:
        """Which front is better by hypervolume, or that the intervals cannot tell."""
        first, second = self.names
        p = self.difference.first_larger
        if max(p, 1.0 - p) < SURE:
            return f"{first} and {second} are not separable (hypervolume of {first} larger at {p:.0%})"
        better, worse = (first, second) if p >= SURE else (second, first)
        return f"{better} is better than {worse}"

    @override
    def __repr__(self) -> str:
        said = [
            f"{n}: {len(f)} points, hypervolume {hv:.3f}, covers {_share(c)}"
            for n, f, hv, c in zip(self.names, self.fronts, self.hypervolume, self.coverage, strict=True)
        ]
        return f"FrontComparison({self.verdict}; {'; '.join(said)})"

    def to_frame(self) -> pd.DataFrame:
        """One row per point of either front: who it is, its objectives, who beats it, how sure that is."""
        import pandas as pd

        names = self.fronts[0].demands.names()
        columns = ["front", "id", "network", "chip", "precision", *names, "standing"]
        columns += ["beaten_by", "beats", "beaten_probability", "separable"]
        return pd.DataFrame([self._row(p, names) for p in self.points], columns=columns)

    def measures(self) -> pd.DataFrame:
        """One row per measure, a column a front."""
        import pandas as pd

        d = self.difference
        rows: list[tuple[Any, ...]] = [
            ("points", *(len(f) for f in self.fronts)),
            ("coverage of the other", *self.coverage),
            ("hypervolume", *self.hypervolume),
            ("probability of the larger hypervolume", d.first_larger, 1.0 - d.first_larger),
            ("additive epsilon to cover the other", *self.epsilon),
        ]
        rows += [(f"best {a.objective}", *a.best) for a in self.along]
        return pd.DataFrame(rows, columns=["measure", *self.names])

    def to_record(self) -> dict[str, Any]:
        """All of it for JSON."""
        d = self.difference
        each = [
            {"name": n, "n_points": len(f), "coverage": c, "hypervolume": hv, "epsilon": e}
            for n, f, c, hv, e in zip(
                self.names, self.fronts, self.coverage, self.hypervolume, self.epsilon, strict=True
            )
        ]
        return {
            "verdict": self.verdict,
            "fronts": each,
            "hypervolume_difference": {"value": d.value, "low": d.low, "high": d.high},
            "first_larger_probability": d.first_larger,
            "along": [
                {
                    "objective": a.objective,
                    "best": list(a.best),
                    "gain": a.gain,
                    "matched": a.matched,
                    "of": a.of,
                }
                for a in self.along
            ],
            "points": [
                {**row, "beaten_by": list(p.by), "beats": list(p.over)}
                for row, p in zip(self.to_frame().to_dict("records"), self.points, strict=True)
            ],
        }

    def of(self, name: str) -> tuple[Held, ...]:
        """The points of one of the fronts."""
        return tuple(p for p in self.points if p.side == name)

    def _repr_html_(self) -> str:
        measures = self.measures().to_html(index=False, float_format="{:.4g}".format, na_rep="-")
        gains = "".join(f"<li>{html.escape(line)}</li>" for line in self.sentences)
        return f"<p>{html.escape(self.verdict)}</p>{measures}<ul>{gains}</ul>"

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """What the measures say, in words."""
        first, second = self.names
        d = self.difference
        said = [
            f"hypervolume of {first} less that of {second}: {d.value:+.3f} "
            f"(90 %: {d.low:+.3f} to {d.high:+.3f})"
        ]
        for name in self.names:
            beaten = [p for p in self.of(name) if p.standing == "beaten"]
            sure = sum(p.beaten_probability >= SURE for p in beaten)
            n = len(self.of(name))
            said.append(f"{len(beaten)} of {n} points of {name} are beaten, {sure} of them surely")
        said += [
            f"{a.objective}: at no worse other objectives {first} has {_times(a.gain)} than {second} "
            f"(median of the {a.matched} of {a.of} points that it can match)"
            for a in self.along
            if a.gain is not None
        ]
        return tuple(said)

    def _row(self, held: Held, names: Sequence[str]) -> dict[str, Any]:
        e, t = held.trial.evaluation, held.trial
        return {
            "front": held.side,
            "id": t.number,
            "network": e.network,
            "chip": e.chip,
            "precision": e.precision,
            **{n: t.value(n) for n in names},
            "standing": held.standing,
            "beaten_by": ", ".join(map(str, held.by)),
            "beats": ", ".join(map(str, held.over)),
            "beaten_probability": held.beaten_probability,
            "separable": held.separable,
        }


def _share(share: float | None) -> str:
    return "none (there is no point)" if share is None else f"{share:.0%}"


def _times(gain: float) -> str:
    if abs(gain - 1.0) < NO_GAIN:
        return "no better values"
    return f"{gain:.3g} x better values" if gain > 1 else f"{1 / gain:.3g} x worse values"
