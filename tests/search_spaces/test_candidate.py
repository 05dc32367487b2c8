"""Candidates: equal whatever the order, the same after JSON, the same key in every process."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_models.errors import InputError
from search_spaces.candidate import Candidate

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.text(max_size=8),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(st.dictionaries(st.text(max_size=8), VALUES, max_size=6))
def test_json_round_trip_is_identity(values) -> None:
    candidate = Candidate(values)
    again = Candidate.from_json(candidate.to_json())
    assert again == candidate
    assert [type(v) for v in again.values()] == [type(v) for v in candidate.values()]


def test_order_does_not_matter() -> None:
    one, other = Candidate(b=2, a=1), Candidate(a=1, b=2)
    assert one == other
    assert hash(one) == hash(other)
    assert one.key == other.key == '{"a":1,"b":2}'
    assert len({one, other}) == 1


def test_the_key_is_the_same_in_another_process() -> None:
    code = "from search_spaces.candidate import Candidate; print(Candidate(arch='é', size=224).digest)"
    env = {"PYTHONHASHSEED": "1", "PATH": "/usr/bin"}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert out.stdout.strip() == Candidate(size=224, arch="é").digest


def test_a_candidate_does_not_change() -> None:
    candidate = Candidate(a=1)
    changed = candidate.replace(a=2, b=3)
    assert candidate == Candidate(a=1)
    assert changed.only(["b"]) == Candidate(b=3)
    with pytest.raises(TypeError):
        candidate["a"] = 5


@pytest.mark.parametrize("text", ["[1]", "{", "3", '{"a": [1]}', '{"a": null}'])
def test_what_is_no_candidate_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected"):
        Candidate.from_json(text)
