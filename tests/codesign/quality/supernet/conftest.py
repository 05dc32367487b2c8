"""A small space whose networks share weights, and a small data set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codesign.data.road_signs.source import road_signs
from search_spaces.narrowed import Narrowed
from search_spaces.vision.elastic_small import ElasticSmall


@pytest.fixture(scope="session")
def data():
    """Road signs of 12 classes, at 24 pixels."""
    return road_signs(12, 24, n_train=480, n_val=240, n_test=240, seed=3).in_memory()


@pytest.fixture(scope="session")
def space():
    """Networks with every kind of size to choose."""
    kept = {
        "resolution": (16, 24),
        **{f"depth_{s}": (1, 2) for s in (1, 2)},
        **{"width_1": (16, 24), "width_2": (24, 32), "width_3": (40, 64)},
        **{"kernel_1": (3, 5), "kernel_2": (3, 5, 7), "expand_2": (2, 3)},
        **{"depth_3": (1,), "kernel_3": (3,), "expand_1": (2,), "expand_3": (2,)},
    }
    return Narrowed(ElasticSmall(n_classes=12), kept)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
