"""Knobs: domains, neighbours, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_models.errors import InputError
from search_spaces.knobs import Bool, Choice, IntRange, expected


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Choice(()), "a knob without values: Choice(()) given, expected at least one value"),
        (lambda: Choice((1, 2, 1)), "knob value 1 given twice, expected every value once"),
        (lambda: Choice((1, (2, 3))), "knob value (2, 3) given, expected text, a number or a truth value"),
        (lambda: Choice((float("nan"),)), "knob value nan given, expected text, a number or a truth value"),
        (lambda: IntRange(3, 2), "a knob without values: IntRange(3, 2) given, expected low <= high"),
        (lambda: IntRange(0, 4, 0), "step 0 given, expected a positive integer"),
    ],
    ids=["empty", "twice", "tuple", "nan", "backwards", "step"],
)
def test_impossible_domains_are_refused(make, said: str) -> None:
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == said


def test_true_and_one_are_two_values() -> None:
    knob = Choice((True, 1))
    assert True in knob
    assert 1 in knob
    assert True not in Choice((1, 2))
    assert True not in IntRange(0, 3)


def test_neighbours() -> None:
    assert Choice(("a", "b", "c")).near("b") == ("a", "c")
    assert Choice((16, 32, 64, 128), ordered=True).near(64) == (32, 128)
    assert Choice((16, 32), ordered=True).near(16) == (32,)
    assert IntRange(2, 10, 4).near(6) == (2, 10)
    assert IntRange(2, 11, 4).near(10) == (6,)
    assert Bool().near(True) == (False,)


@given(low=st.integers(-50, 50), width=st.integers(0, 60), step=st.integers(1, 9))
def test_a_range_counts_what_it_lists(low: int, width: int, step: int) -> None:
    knob = IntRange(low, low + width, step)
    values = list(knob)
    assert len(knob) == len(values)
    assert all(v in knob for v in values)
    assert all(n in knob and n != v for v in values for n in knob.near(v))


def test_the_domain_in_words() -> None:
    assert expected(IntRange(2, 6)) == "expected an integer from 2 to 6"
    assert expected(IntRange(0, 8, 4)) == "expected an integer from 0 to 8 in steps of 4"
    assert expected(Choice(("a", 1))) == "expected one of 'a', 1"
    many = Choice(tuple(f"resnet{i}" for i in range(50)))
    assert expected(many, "resnet4x").startswith("expected one of 50 values; did you mean 'resnet4'")
