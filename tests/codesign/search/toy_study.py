"""A joint space with a cost in closed form, as a module and as a program that a test can kill.

python toy_study.py FOLDER N_TRIALS SEED SAMPLER SECONDS_EACH
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from codesign.evaluate import Evaluation, PointCost
from codesign.search.study import Study
from hw_models.cost.base import Estimate
from search_spaces.candidate import Candidate
from search_spaces.knobs import Bool, Choice, IntRange, Knob
from search_spaces.space import SearchSpace

CHIPS = tuple(f"chip{i:02d}" for i in range(40))

KNOBS: Mapping[str, Knob] = {
    "depth": IntRange(1, 10),
    "width": Choice(tuple(range(16, 144, 16)), ordered=True),
    "boost": Bool(),
    "gain": Choice((1, 2)),
    "chip": Choice(CHIPS),
}


@dataclass(frozen=True)
class Toy(SearchSpace):
    """Depth and width against time; `gain` counts only if `boost` is set. 10 x 8 x 3 x 40 = 9,600 points."""

    name: str = "toy"

    @property
    def knobs(self) -> Mapping[str, Knob]:
        return KNOBS

    @property
    def size(self) -> int:
        return 10 * 8 * 3 * len(CHIPS)

    def canonical(self, candidate: Candidate) -> Candidate:
        whole = super().canonical(Candidate({"gain": 1, **candidate}))
        return whole if whole["boost"] else whole.only(["depth", "width", "boost", "chip"])

    def build(self, candidate: Candidate) -> None:  # noqa: ARG002 - the protocol
        return None


def measure(c: Candidate) -> Evaluation:
    """Error falls with depth and width, time rises; chip i is slower and less hungry, every 13th unknown."""
    depth, width, chip = int(c["depth"]), int(c["width"]), CHIPS.index(str(c["chip"]))
    gain = int(c.get("gain", 0))
    error = 60 - 2.1 * depth - 0.13 * width - 1.7 * gain
    seconds = 1e-5 * depth * width * (1 + gain / 3) * (1 + chip / 7)
    joules = 2e-3 * seconds * 1e3 / (1 + chip / 5)
    estimate = Estimate(seconds, seconds * 0.8, seconds * 1.3, "roofline", "s")
    energy = Estimate(joules, joules / 2, joules * 2, "prior", "J") if chip % 13 else Estimate.unknown("J")
    return Evaluation(
        c,
        network=f"cnn-{depth}-{width}",
        chip=str(c["chip"]),
        precision="int8" if gain else "fp16",
        cost=PointCost(latency=estimate, energy=energy),
        error=Estimate(error, error, error + gain, "prior" if gain else "published", "%"),
        facts={"params_m": depth * width / 100},
        bound="mac",
    )


@dataclass
class Slow:
    """Evaluates one point after the other and remembers how often each was asked for."""

    seconds_each: float = 0.0
    asked: list[Candidate] | None = None

    def __call__(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        for c in candidates:
            time.sleep(self.seconds_each)
            if self.asked is not None:
                self.asked.append(c)
            yield measure(c)

    paid: ClassVar = ("error_pct", "top1_pct")

    def free(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """All but the error, at once."""
        return (replace(measure(c), error=Estimate.unknown("%")) for c in candidates)


def toy_study(folder: object = None, *, seed: int = 0, sampler: str = "nsga2", **options: object) -> Study:
    """The study of these tests."""
    options.setdefault("evaluator", Slow())
    options.setdefault("objectives", ["error_pct", "latency_ms", "energy_mj"])
    options.setdefault("constraints", {"latency_ms": "<= 12"})
    return Study(Toy(), seed=seed, sampler=sampler, storage=folder, **options)


if __name__ == "__main__":
    where, n_trials, seed, sampler, each = sys.argv[1:]
    toy_study(where, seed=int(seed), sampler=sampler, evaluator=Slow(float(each))).run(int(n_trials))
