"""Torch on one thread."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def data():
    """Road signs of 12 classes, at 16 pixels."""
    from codesign.data.road_signs.source import road_signs

    return road_signs(12, 16, n_train=360, n_val=24, n_test=24, seed=3)
