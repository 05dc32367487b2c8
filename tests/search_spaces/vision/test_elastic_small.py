"""The space for small images: what is built is what is written."""

from __future__ import annotations

import pytest

from search_spaces.candidate import Candidate
from search_spaces.testing.conformance import problems
from search_spaces.vision.elastic_small import KNOBS, ElasticSmall

LEAST = Candidate({name: next(iter(knob)) for name, knob in KNOBS.items()})


def test_it_keeps_the_contract():
    assert problems(ElasticSmall(), samples=8, build=True) == []


def test_its_size_is_the_product_of_its_knobs():
    """Seven resolutions; three depths, widths and kernels and four expansions in each of three stages."""
    assert ElasticSmall().size == 7 * (3**3 * 4) ** 3


def test_parameters_by_hand():
    """Weights and two of a batch norm for each channel; the smallest network with 43 classes.

    Stem 3x3; each block 1x1, depthwise 3x3, 1x1; widths 16, 16, 24, 40, twice as many inside; head 3 x 40.
    """
    stem = 3 * 16 * 9 + 2 * 16
    blocks = [
        c * 2 * c + 2 * 2 * c + 2 * c * 9 + 2 * 2 * c + 2 * c * out + 2 * out
        for c, out in ((16, 16), (16, 24), (24, 40))
    ]
    head = 40 * 120 + 2 * 120 + 120 * 43 + 43
    assert ElasticSmall().workload(LEAST).params == stem + sum(blocks) + head


@pytest.mark.parametrize("knob", ["resolution", "depth_2", "width_3", "kernel_1", "expand_2"])
def test_more_of_anything_is_more_work(knob):
    space, values = ElasticSmall(), list(KNOBS[knob])
    macs = [space.workload(LEAST.replace(**{knob: value})).macs for value in values]
    assert macs == sorted(macs)
    assert len(set(macs)) == len(macs)


def test_a_part_is_called_the_same_wherever_it_stands():
    space = ElasticSmall()
    short, long = space.shared_parts(LEAST), space.shared_parts(LEAST.replace(depth_1=3))
    assert short["features.stages.2"] == long["features.stages.4"] == "stages.2.1"
    assert short["features.stages.4"] == long["features.stages.6"] == "head"
