"""A joint study with costs and a quality in closed form; it counts what is paid for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from codesign.evaluate import Evaluation, PointCost
from codesign.search.study import Study
from hw_models.cost.base import Estimate
from search_spaces.knobs import IntRange, Knob
from search_spaces.product import Product
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate

OBJECTIVES = ("error_pct", "latency_ms", "rated_power_w")
CHIPS = ("a40", "l4", "xavier")


@dataclass(frozen=True)
class Networks(SearchSpace):
    """Depth, width and resolution."""

    name: str = "networks"

    @property
    def knobs(self) -> Mapping[str, Knob]:
        return {"depth": IntRange(1, 12), "width": IntRange(16, 256, 16), "side": IntRange(96, 256, 32)}

    def build(self, candidate: Candidate) -> None:  # noqa: ARG002 - the protocol
        return None


@dataclass
class Measured:
    """Larger networks are better, slower on a chip of less peak; `paid_for` remembers every training."""

    space: Product
    data_set: str = "invented"
    paid_for: list[Candidate] = field(default_factory=list)

    paid: ClassVar = ("error_pct", "top1_pct")

    def __call__(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        for e in self.free(candidates):
            rated = self.space.effective(e.candidate)
            self.paid_for.append(rated)
            noise = zlib.crc32(rated.key.encode()) % 1000 / 400
            size = int(rated["depth"]) * 1.5 + int(rated["width"]) * 0.06 + int(rated["side"]) * 0.05
            error = 70 - size + noise
            yield replace(e, error=Estimate(error, error - 1, error + 1, "full", "%"), notes=("of a test",))

    def free(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """All but the error."""
        for c in candidates:
            chip = self.space.chip(c)
            work = int(c["depth"]) * int(c["width"]) ** 2 * int(c["side"]) ** 2
            seconds = 20.0 * work / chip.main_engine.peak[self.space.precision(c)].value
            yield Evaluation(
                c,
                network=self.space.networks.label(self.space.network(c)),
                chip=chip.label,
                precision=self.space.precision(c),
                cost=PointCost(latency=Estimate(seconds, seconds, seconds, "roofline", "s")),
                facts={"rated_power_w": 3.0 - CHIPS.index(chip.name), "macs_g": work / 1e9},
            )


def joint_study(chips: Sequence[str], folder: object = None, **options: object) -> Study:
    """The study of these tests."""
    options.setdefault("objectives", list(OBJECTIVES))
    options.setdefault("sampler", "cost_aware")
    space = Product.of(Networks(), chips, ("fp16", "fp32"))
    return Study(space, storage=folder, **{"evaluator": Measured(space), **options})
