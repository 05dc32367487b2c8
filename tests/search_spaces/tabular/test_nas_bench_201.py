import os
from pathlib import Path

import numpy as np
import pytest

from search_spaces.candidate import Candidate
from search_spaces.tabular import nas_bench_macro
from search_spaces.tabular.nas_bench_201 import KNOBS, counted, effective, live, load
from search_spaces.testing.conformance import problems

NAS = Path(os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[4] / "shared" / "reference")) / "nas"


def test_edges_that_lead_nowhere_are_dead() -> None:
    # 0->1 and 1->2 convolve, but 1->3 and 2->3 are cut: only 0->3 lives
    operators = np.array([[3, 1, 3, 1, 0, 0], [3, 3, 3, 3, 3, 3], [3, 0, 0, 0, 0, 3]])
    assert live(operators).tolist() == [[False] * 3 + [True, False, False], [True] * 6, [False] * 6]


def test_the_largest_cell_counts_the_published_network() -> None:
    largest = counted(np.full((1, 6), 3))[0]
    assert np.exp(largest[0]) == pytest.approx(220_119_680, rel=1e-9)
    assert np.exp(largest[1]) == pytest.approx(1_531_546, rel=1e-9)
    assert largest[2:6].tolist() == [0, 0, 6, 0]
    # four paths of 1, 2, 2 and 3 convolutions
    assert largest[8:10].tolist() == [2.0, 2.0]


def test_a_dead_cell_counts_nothing() -> None:
    dead = counted(np.array([[3, 3, 3, 0, 0, 0]]))[0]
    assert dead[2:16].tolist() == [0.0] * 14
    assert dead[16:24].tolist() == [-1.0] * 8
    assert not dead[24:].any()


def test_equal_networks_have_equal_knobs_that_count() -> None:
    names = ("nor_conv_3x3", "none", "nor_conv_1x1", "skip_connect", "none", "none")
    candidate = Candidate(dict(zip(KNOBS, names, strict=True)))
    assert effective(candidate) == Candidate(op_0_3="skip_connect")


def test_the_whole_table_is_a_space() -> None:
    if not NAS.is_dir():
        pytest.skip("no reference tables beside the checkout; set CODESIGN_REFERENCE")
    space = load(NAS)
    assert space.size == 15_625
    assert problems(space, samples=5) == []
    best = max(space.look_up(list(space.candidates()), "cifar100_test_200ep"))
    assert best == pytest.approx(73.51, abs=0.01)


def test_macro_is_a_space_too() -> None:
    if not NAS.is_dir():
        pytest.skip("no reference tables beside the checkout; set CODESIGN_REFERENCE")
    space = nas_bench_macro.load(NAS)
    assert space.size == 3**8
    assert problems(space, samples=5) == []
    assert space.features([next(space.candidates())])[0, 2:].tolist() == [8, 0, 0]
