"""One small network costed on three chips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from torch import nn

from hw_models.cost.estimate import estimate
from hw_models.spec.load import load_chip
from hw_models.workload.from_torch import trace

if TYPE_CHECKING:
    from hw_models.cost.base import Cost


@pytest.fixture(scope="session")
def costs() -> list[Cost]:
    """A plain CNN on a chip with modelled energy, on one without, on one at another precision."""
    net = nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 64, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    ).eval()
    workload = trace(net, (1, 3, 224, 224), name="plain<cnn>")
    chips = (("jetson_agx_orin_64@15W", "int8"), ("nvdla_2048", "int8"), ("jetson_tx2", "fp16"))
    return [estimate(workload, load_chip(chip), precision=precision) for chip, precision in chips]
