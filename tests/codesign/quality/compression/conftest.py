"""A small trained network on a few drawn signs, once for all tests here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from codesign.data.road_signs.source import road_signs
from codesign.data.source import DataSource
from codesign.quality.compression.network import Network, Pictures
from codesign.quality.training.loop import train
from codesign.quality.training.plan import TrainingPlan
from codesign.quality.training.result import TrainingResult

PLAN = TrainingPlan(epochs=3, batch=32, learning_rate=0.05, augmentation=())
Trained = tuple[nn.Module, DataSource, TrainingResult]


@pytest.fixture(scope="session")
def trained() -> Trained:
    data = road_signs(12, 16, n_train=480, n_val=240, n_test=120).in_memory()
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 24)):
        conv = nn.Conv2d(before, after, 3, 2, 1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU()]
    module = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(96, 12))
    return module, data, train(module, data, PLAN)


@pytest.fixture(scope="session")
def network(trained: Trained) -> Network:
    return Network.of(trained[0], trained[1].input_shape)


@pytest.fixture
def val(trained: Trained) -> Pictures:
    return Pictures.of(trained[1], "val", trained[2])


@pytest.fixture
def seen(trained: Trained) -> Pictures:
    return Pictures.of(trained[1], "train", trained[2], 128)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "onnx"
