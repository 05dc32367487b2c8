"""A space with fewer values of some knobs."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.narrowed import Narrowed
from search_spaces.testing.conformance import problems
from search_spaces.testing.plain_cnn import PlainCnn
from search_spaces.vision.elastic_cnn import ElasticCnn
from search_spaces.vision.elastic_resnet import ElasticResnet


def test_it_has_the_kept_networks_and_no_others():
    whole = PlainCnn(n_classes=3)
    space = Narrowed(whole, {"depth": (2, 4)})
    assert problems(space) == []
    assert list(space.candidates()) == [c for c in whole.candidates() if c["depth"] in (2, 4)]
    assert (space.size, space.name, space.n_classes) == (6, "plain_cnn", 3)
    with pytest.raises(
        InputError, match=r"knob 'depth' of the space 'plain_cnn': 3 given, expected one of 2, 4"
    ):
        space.build(Candidate(depth=3, width=16))
    with pytest.raises(InputError, match="'depth' of the space 'plain_cnn' is not set"):
        space.canonical(Candidate(width=16))
    assert space == Narrowed(whole, {"depth": (2, 4)})
    assert hash(space) == hash(Narrowed(whole, {"depth": (4, 2)}))


def test_elastic_spaces_can_be_narrowed():
    resnet = Narrowed(ElasticResnet(), {"block": ("basic",), "depth_3": (1, 2)})
    assert problems(resnet, samples=8) == []
    candidate = resnet.sample(np.random.default_rng(0))
    assert resnet.workload(candidate).macs == ElasticResnet().workload(candidate).macs


def test_values_that_mean_the_same_stand_for_each_other():
    """At 16 channels 2.3 and 2.5 are 40 hidden ones: where 2.3 is not kept, 2.5 stands for both."""
    space = Narrowed(ElasticCnn(), {"expand_1_1": (2.5, 4.0)})
    drawn = [space.sample(np.random.default_rng(i)) for i in range(6)]
    assert {c["expand_1_1"] for c in drawn} == {2.5, 4.0}
    for candidate in drawn:
        assert space.canonical(candidate) == candidate
        assert space.workload(candidate).macs == ElasticCnn().workload(candidate).macs


def test_what_cannot_be_kept_is_named():
    with pytest.raises(
        UnknownNameError, match="unknown knob of the space 'plain_cnn' 'dept'; did you mean 'depth'"
    ):
        Narrowed(PlainCnn(), {"dept": (2,)})
    with pytest.raises(InputError, match=r"'depth' .*: 9 given to keep, expected an integer from 2 to 6"):
        Narrowed(PlainCnn(), {"depth": (2, 9)})
    with pytest.raises(InputError, match=r"'depth' .*: no value given to keep"):
        Narrowed(PlainCnn(), {"depth": ()})
