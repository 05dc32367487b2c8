"""Mappings in the notation of the Gemmini rows: read strictly, with errors that say where and what."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.tiled.decoupled import parse_mapping
from hw_models.cost.tiled.decoupled.mapping import EXAMPLE, TILE_ORDER, Loop
from hw_models.errors import InputError, UnknownNameError

BERT = {"P": 128, "Q": 1, "K": 768, "C": 768, "R": 1, "S": 1}


def test_reads_levels_loops_and_what_is_spread():
    found = parse_mapping(EXAMPLE, BERT)
    assert [level.number for level in found.levels] == [3, 2, 1, 0]
    assert [level.kept for level in found.levels] == ["WIO", "WI", "O", "W"]
    assert found.levels[2].loops == (Loop("C", 48), Loop("P", 16), Loop("C", 16, spatial=True))


def test_a_tile_is_all_below_the_outermost_memory():
    found = parse_mapping(EXAMPLE, BERT)
    assert dict(zip(TILE_ORDER, found.tiles, strict=True)) == {**BERT, "K": 16}
    assert found.factor("K") == 768


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is no mapping"),
        ("K48", "'K48' in mapping 'K48' is no memory with its loops"),
        ("L1[O] K48 L0[W] P8", "'L0[W]' in mapping 'L1[O] K48 L0[W] P8' is no loop"),
        ("L1[O] K - L0[W] P8", "'K' in mapping 'L1[O] K - L0[W] P8' is no loop"),
        ("L1[O] K16Y - L0[W] P8", "'K16Y' in mapping"),
        ("L1[O] K0 - L0[W] P8", "factor of 'K0'"),
        ("L0[O] K2 - L1[W] P8", "memories L0, L1 in mapping"),
        ("L1[O] K2 - L1[W] P8", "expected each once, the outermost (highest) first"),
    ],
)
def test_bad_text_is_answered_with_the_word_that_is_wrong(text, said):
    with pytest.raises(InputError) as error:
        parse_mapping(text)
    assert said in str(error.value)


def test_a_wrong_letter_is_answered_with_the_letters_there_are():
    with pytest.raises(UnknownNameError) as error:
        parse_mapping("L1[O] M2 - L0[W] P8")
    assert "unknown loop in mapping 'L1[O] M2 - L0[W] P8' 'M'" in str(error.value)
    assert "P columns, Q rows" in str(error.value)
    with pytest.raises(UnknownNameError, match="known: W, I, O"):
        parse_mapping("L1[X] K2")


def test_factors_must_multiply_to_the_problem():
    with pytest.raises(InputError) as error:
        parse_mapping(EXAMPLE, {**BERT, "K": 512, "Q": 2})
    assert str(error.value) == (
        f"mapping '{EXAMPLE}' does not cover its problem; K: factors multiply to 768, the problem has 512; "
        "Q: factors multiply to 1, the problem has 2"
    )


loops = st.tuples(st.sampled_from("NKCPQRS"), st.integers(1, 20), st.booleans())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(loops, max_size=4), min_size=1, max_size=4))
def test_whatever_is_written_comes_back(levels):
    words = [
        " ".join([f"L{n}[WIO]", *(f"{letter}{factor}{'X' * spread}" for letter, factor, spread in level)])
        for n, level in zip(range(len(levels) - 1, -1, -1), levels, strict=True)
    ]
    found = parse_mapping(" - ".join(words))
    got = [[(x.letter, x.factor, x.spatial) for x in level.loops] for level in found.levels]
    assert got == levels
    product = Counter(dict.fromkeys("NKCPQRS", 1))
    for letter, factor, _ in (loop for level in levels for loop in level):
        product[letter] *= factor
    assert all(found.factor(letter) == product[letter] for letter in "NKCPQRS")
