"""A small data set that can be learnt in a second, and networks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from codesign.data.road_signs.source import road_signs


@pytest.fixture(scope="session")
def data():
    """Road signs of 12 classes, at 16 pixels."""
    return road_signs(12, 16, n_train=360, n_val=180, n_test=240, seed=3).in_memory()


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def net():
    """Makes a small network with normalisation and dropout; equal seeds, equal weights."""
    import torch
    from torch import nn

    def made(width: int = 8, classes: int = 12, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(32 * width, classes),
        )

    return made
