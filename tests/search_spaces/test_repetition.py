"""Copies of a block against the network that is written in full."""

from __future__ import annotations

import pytest

from search_spaces.closed_form import differences
from search_spaces.graph_writer import GraphWriter, Ref
from search_spaces.language.decoder import PUBLISHED, Decoder
from search_spaces.repetition import Block, repeated
from search_spaces.written_space import WrittenSpace


def _tower(layers: int) -> tuple[GraphWriter, Ref, Block]:
    """Layers that read a tensor of their own each, one that all share, and the layer before."""
    w = GraphWriter("tower")
    image = w.input((1, 8))
    beside = [w.input((1, 8)) for _ in range(6)]
    x = w.linear(image, "first", 8)
    for at in range(layers):
        start, read = w.mark, x
        y = w.linear(w.add(x, beside[at]), f"tower.{at}.linear", 8)
        x = w.add(w.mul(y, w.parameter("gain", (8,))), read)
    block = Block(f"tower.{at}", start, w.mark, (read, x), {beside[at]: 1})
    return w, w.linear(x, "last", 4), block


@pytest.mark.parametrize("times", [0, 1, 4])
def test_copies_are_what_would_have_been_written(times) -> None:
    few, result, second = _tower(2)
    whole, last, _ = _tower(2 + times)
    assert differences(repeated(few.finish([result]), second, times), whole.finish([last])) == []


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("layers", [2, 4, 12])
def test_decoders_of_any_depth(phase, layers) -> None:
    space = Decoder(phase=phase)
    candidate = PUBLISHED["qwen2_5_0_5b"].replace(layers=layers)
    assert differences(space.workload(candidate), WrittenSpace.workload(space, candidate)) == []


def test_copies_have_paths_of_their_own() -> None:
    few, result, second = _tower(2)
    paths = [o.module for o in repeated(few.finish([result]), second, 3).ops if o.module]
    assert paths == ["first", *(f"tower.{at}.linear" for at in range(5)), "last"]
