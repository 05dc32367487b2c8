"""Traces are kept under what they depend on: the recipe, and every file of ours that takes part."""

from __future__ import annotations

import pytest

from hw_models.errors import InputError
from search_spaces.published import base
from search_spaces.published.base import Ids, Recipe, own, workload_of

PLAIN = "search_spaces.vision.architectures.super_resolution:quicksrnet"


def test_a_trace_depends_on_the_files_that_a_module_imports() -> None:
    alone = base._sources("search_spaces.vision.architectures.layers")
    users = base._sources("search_spaces.vision.architectures.ffnet")
    assert len(alone) == 1
    assert set(alone) < set(users)
    assert len(users) >= 4  # itself, layers, segmentation, ddrnet


def test_own_finds_architectures_by_module_and_function() -> None:
    short = own("super_resolution:quicksrnet", (1, 3, 8, 8), name="quick", layers=1)
    assert short is workload_of(Recipe(PLAIN, ((1, 3, 8, 8),), (("layers", 1),)), "quick")
    weights = 3 * 32 * 9 + 32 + 32 * 32 * 9 + 32 + 32 * 48 * 9 + 48
    assert short.params == weights
    assert short.macs == 64 * (weights - 32 - 32 - 48)


def test_what_cannot_be_built_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"odd cannot be built: .*unexpected keyword argument 'depth'"):
        own("super_resolution:quicksrnet", (1, 3, 8, 8), name="odd", depth=1)


def test_what_does_not_run_says_on_which_shapes() -> None:
    with pytest.raises(InputError, match=r"odd does not run on \(1, 4, 8, 8\): "):
        own("super_resolution:quicksrnet", (1, 4, 8, 8), name="odd")


def test_ids_are_whole_numbers() -> None:
    text = own("search_spaces.language.encoders:Bert", Ids((1, 16)), name="bert", layers=1, head="")
    assert text.params == (30522 + 512 + 2 + 2) * 768 + 12 * 768**2 + 9 * 768 + 4 * 768
