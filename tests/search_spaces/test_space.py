"""The contract of a space, on the example that ships and on spaces that break it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.catalogue import list_spaces, load_space, reference
from search_spaces.knobs import Bool, Choice, IntRange, Knob
from search_spaces.space import SearchSpace
from search_spaces.testing.conformance import problems
from search_spaces.testing.plain_cnn import PlainCnn


@dataclass(frozen=True)
class Gated(SearchSpace):
    """`width` counts only where `wide` is set."""

    name: str = "gated"

    @property
    def knobs(self) -> Mapping[str, Knob]:
        return {"wide": Bool(), "width": IntRange(1, 4)}

    @property
    def size(self) -> int:
        return 5

    def canonical(self, candidate: Candidate) -> Candidate:
        if candidate.get("wide"):
            return super().canonical(candidate)
        unknown = [k for k in candidate if k not in self.knobs]
        if unknown:
            raise InputError(unknown[0])
        return Candidate(wide=False)

    def build(self, candidate: Candidate) -> None:  # noqa: ARG002 - the protocol
        return None


@pytest.mark.parametrize("space", [PlainCnn(), Gated(), load_space("timm_zoo")], ids=lambda s: s.name)
def test_spaces_conform(space: SearchSpace) -> None:
    assert problems(space) == []


def test_a_knob_that_does_not_apply_is_removed() -> None:
    space = Gated()
    assert list(space.candidates()) == [
        Candidate(wide=False),
        *(Candidate(wide=True, width=w) for w in range(1, 5)),
    ]
    assert space.neighbours(Candidate(wide=True, width=2)) == (
        Candidate(wide=False),
        Candidate(wide=True, width=1),
        Candidate(wide=True, width=3),
    )


def test_conformance_finds_what_is_wrong() -> None:
    class Wrong(Gated):
        @property
        def size(self) -> int:
            return 8

        def neighbours(self, candidate: Candidate) -> list[Candidate]:
            return [candidate, candidate]

    found = problems(Wrong(), samples=2)
    assert "size is 8, but candidates() gives 5" in found
    assert any("is its own neighbour" in p for p in found)
    assert any("has a neighbour twice" in p for p in found)


def test_plain_cnn_builds_and_traces() -> None:
    space = PlainCnn()
    candidate = Candidate(depth=2, width=16)
    assert space.build(candidate)(__import__("torch").zeros(2, 3, 32, 32)).shape == (2, 10)
    # 3x3 convolutions 3 -> 16 and 16 -> 16 on 32x32 pixels, then a linear layer 16 -> 10
    assert space.workload(candidate).macs == 32 * 32 * 9 * (3 * 16 + 16 * 16) + 16 * 10


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (
            Candidate(depth=2, widht=16),
            "unknown knob of the space 'plain_cnn' 'widht'; did you mean 'width'?",
        ),
        (
            Candidate(depth=9, width=16),
            "knob 'depth' of the space 'plain_cnn': 9 given, expected an integer from 2 to 6",
        ),
        (
            Candidate(width=16),
            "knob 'depth' of the space 'plain_cnn' is not set, expected an integer from 2 to 6",
        ),
    ],
    ids=["unknown", "outside", "unset"],
)
def test_wrong_candidates_are_refused(candidate: Candidate, said: str) -> None:
    with pytest.raises(InputError) as error:
        PlainCnn().canonical(candidate)
    assert str(error.value).startswith(said)


def test_samples_are_seeded_and_uniform() -> None:
    space = PlainCnn()
    drawn = [space.sample(np.random.default_rng(3)) for _ in range(2)]
    assert drawn[0] == drawn[1]
    rng = np.random.default_rng(0)
    counts = np.bincount([int(space.sample(rng)["depth"]) for _ in range(2000)], minlength=7)[2:]
    assert counts.min() > 330  # 400 expected of each of five values, sd 18


def test_spaces_are_found_by_name() -> None:
    assert {"soc", "systolic", "timm_zoo", "vector"} <= set(list_spaces())
    assert list_spaces() == sorted(list_spaces())
    with pytest.raises(UnknownNameError, match="did you mean 'timm_zoo'"):
        load_space("timmzoo")
    assert load_space("search_spaces.testing.plain_cnn:PlainCnn") == PlainCnn()
    with pytest.raises(InputError, match="cannot be imported"):
        load_space("search_spaces.testing.plain_cnn:Nothing")
    with pytest.raises(InputError, match="expected a search space"):
        load_space("search_spaces.knobs:Bool")


def test_a_space_knows_how_to_be_found_again() -> None:
    assert reference(load_space("timm_zoo")) == "timm_zoo"
    assert reference(PlainCnn()) == "search_spaces.testing.plain_cnn:PlainCnn"
    assert reference(PlainCnn(n_classes=3)) is None


def test_choice_of_one_is_a_space() -> None:
    @dataclass(frozen=True)
    class One(SearchSpace):
        name: str = "one"

        @property
        def knobs(self) -> Mapping[str, Knob]:
            return {"only": Choice(("this",))}

        def build(self, candidate: Candidate) -> None:  # noqa: ARG002 - the protocol
            return None

    assert problems(One()) == []
    assert One().neighbours(Candidate(only="this")) == ()
