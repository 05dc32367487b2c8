"""A study small enough to report on in a test: three made-up CNNs on real chips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest
from torch import nn
from typing_extensions import override

from codesign.search.study import Study
from search_spaces.knobs import Choice, Knob
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from pathlib import Path

    from search_spaces.candidate import Candidate

HOSTILE = "<img src=x onerror=alert(1)>"
TOP1 = {16: 60.0, 64: 75.0, 256: 82.5}
CHIPS = ["jetson_agx_orin_64@15W", "jetson_tx2", "rk3588", "rtx4090"]


@dataclass(frozen=True)
class Cnns(SearchSpace):
    """A CNN whose width is its one knob; its names are hostile."""

    name: str = "cnns"
    published_source: ClassVar[str] = "made up for the tests"
    input_shape: ClassVar[tuple[int, ...]] = (1, 3, 64, 64)

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return {"width": Choice(tuple(TOP1), ordered=True)}

    @override
    def build(self, candidate: Candidate) -> nn.Module:
        width = int(candidate["width"])
        return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU())

    @override
    def label(self, candidate: Candidate) -> str:
        return f"{HOSTILE}{candidate['width']}"

    def published_top1(self, candidate: Candidate) -> float:
        return TOP1[int(candidate["width"])]

    def published_note(self, candidate: Candidate) -> str:
        return f"top-1 of width {candidate['width']}"


def make_study(storage: Path | None, constraints: Mapping[str, str]) -> Study:
    return Study(
        Cnns() * CHIPS,
        ["error_pct", "latency_ms", "energy_mj"],
        dict(constraints),
        rate_hz=30,
        storage=storage,
        question="Which toy on which chip?",
    )


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """All 30 points, on disk."""
    limits = {"latency_ms": "<= 33.3", "power_w": "<= 15", "rated_power_w": "<= 15"}
    return make_study(tmp_path_factory.mktemp("runs") / "toy", limits).run(60)


@pytest.fixture(scope="session")
def make() -> Callable[..., Study]:
    return make_study
