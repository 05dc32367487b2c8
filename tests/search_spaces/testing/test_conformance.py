"""The conformance suite on the spaces that ship, on one of twenty lines, and on spaces that break it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from search_spaces.candidate import Candidate
from search_spaces.catalogue import list_spaces, load_space
from search_spaces.knobs import Choice, IntRange, Knob
from search_spaces.space import SearchSpace
from search_spaces.testing.conformance import across_processes, problems
from search_spaces.testing.plain_cnn import PlainCnn

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

DOCS = Path(__file__).parents[3] / "docs" / "spaces.md"
OWN = next(x for x in DOCS.read_text("utf-8").split("```python\n") if "class Mlp" in x).partition("```")[0]
"""The example of the documentation."""
UNORDERED = (
    OWN.replace("Mlp", "Unordered")
    + """
    def neighbours(self, candidate):
        return list(set(super().neighbours(candidate)))
"""
)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "own_spaces.py").write_text(OWN + UNORDERED)
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_spaces"
    sys.modules.pop("own_spaces", None)


def test_a_space_of_twenty_lines_holds_to_the_contract(own: str) -> None:
    assert len(OWN.strip().splitlines()) <= 20
    space = load_space(f"{own}:Mlp")
    assert problems(space, build=True, export=True) == []
    assert space.size == 24
    # 16 x 8 and 8 x 4 weights
    assert space.workload(Candidate(depth=1, width=8, bias=False)).macs == 16 * 8 + 8 * 4


def test_spaces_are_the_same_in_every_process_but_for_one_with_an_order_of_a_set(own: str) -> None:
    found = across_processes(*list_spaces(), f"{own}:Mlp", f"{own}:Unordered")
    assert found == [
        f"{own}:Unordered differs between processes: does an order come from a set, or a seed from hash()?"
    ]


@dataclass(frozen=True)
class Plain(PlainCnn):
    """The example, to be broken."""


def broken(**methods: Any) -> list[str]:
    return problems(type("Broken", (Plain,), methods)(), samples=4)


def test_what_breaks_the_contract_is_told() -> None:
    rng = np.random.default_rng(0)

    def drifting(self: SearchSpace, _: np.random.Generator) -> Candidate:
        return Candidate(depth=int(rng.integers(2, 7)), width=16)

    def lenient(self: SearchSpace, candidate: Candidate) -> Candidate:
        return candidate

    def raising(self: SearchSpace, candidate: Candidate) -> Candidate:
        return Candidate(depth=int(candidate["depth"]), width={16: 16, 32: 32, 64: 64}[candidate["width"]])

    def one_way(self: SearchSpace, candidate: Candidate) -> Sequence[Candidate]:
        return [c for c in self.candidates() if c["depth"] > candidate["depth"]]

    def unnamed(self: SearchSpace, candidate: Candidate) -> str:
        return ""

    def loose(self: SearchSpace) -> Iterator[Candidate]:
        return (Candidate(depth=d, width=w, far=1) for d in range(2, 7) for w in (16, 32, 64))

    assert "sample gives other candidates for the same seed" in broken(sample=drifting)
    assert any(
        "accepts 'no_such_knob', a knob that plain_cnn does not" in p for p in broken(canonical=lenient)
    )
    assert any("accepts a value outside the domain of 'depth'" in p for p in broken(canonical=lenient))
    assert any("canonical raises ValueError at a value outside" in p for p in broken(canonical=raising))
    assert any("have the candidate for a neighbour; a search" in p for p in broken(neighbours=one_way))
    assert any("has no label" in p for p in broken(label=unnamed))
    assert any(
        p.startswith("raises what a candidate of its own") and "'far'" in p for p in broken(candidates=loose)
    )


def test_a_knob_without_values_is_a_problem_not_a_crash() -> None:
    @dataclass(frozen=True)
    class Empty(SearchSpace):
        name: str = "empty"

        @property
        def knobs(self) -> Mapping[str, Knob]:
            return {"width": Choice(()), "depth": IntRange(1, 2)}

        def build(self, candidate: Candidate) -> None:  # noqa: ARG002 - the protocol
            return None

    assert problems(Empty()) == [
        "sample raises: a knob without values: Choice(()) given, expected at least one value"
    ]


def test_networks_that_are_not_what_the_workload_says_are_told() -> None:
    @dataclass(frozen=True)
    class Optimistic(PlainCnn):
        def workload(self, candidate: Candidate) -> Workload:
            return super().workload(self.canonical(candidate).replace(depth=2))

    found = problems(Optimistic(), samples=3, build=True)
    assert any("is not the trace of its module: op " in p for p in found)

    @dataclass(frozen=True)
    class Untrained(PlainCnn):
        def build(self, candidate: Candidate) -> Any:
            module = super().build(candidate)
            module.spare = __import__("torch").nn.Identity()
            module.register_parameter(
                "unused", __import__("torch").nn.Parameter(__import__("torch").zeros(1))
            )
            return module

    found = problems(Untrained(), samples=2, build=True)
    assert any("trains without its parameter 'unused'" in p for p in found)
