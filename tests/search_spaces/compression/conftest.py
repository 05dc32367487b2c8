"""Networks in which channels are coupled in every way there is."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from typing_extensions import override


class Coupled(nn.Module):
    """A residual connection, a depthwise layer, a gate, a concatenation, a flattened head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.grow = nn.Conv2d(32, 64, 1)
        self.deep = nn.Conv2d(64, 64, 3, 1, 1, groups=64)
        self.norm = nn.BatchNorm2d(64)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(64, 16, 1), nn.ReLU(), nn.Conv2d(16, 64, 1)
        )
        self.fall = nn.Conv2d(64, 32, 1)
        self.side = nn.Conv2d(32, 24, 3, 2, 1)
        self.other = nn.Conv2d(32, 40, 3, 2, 1)
        self.head = nn.Linear(64 * 4 * 4, 48)
        self.last = nn.Linear(48, 10)

    @override
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        y = torch.relu(self.norm(self.deep(torch.relu(self.grow(x)))))
        x = x + self.fall(y * torch.sigmoid(self.gate(y)))
        x = torch.cat([self.side(x), self.other(x)], 1)
        x = torch.nn.functional.max_pool2d(x, 2)
        return self.last(torch.relu(self.head(x.flatten(1))))


class Grouped(nn.Module):
    """A grouped convolution, which channels are not followed through."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 32, 3, padding=1)
        self.groups = nn.Conv2d(32, 32, 3, padding=1, groups=4)
        self.last = nn.Linear(32, 10)

    @override
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.groups(torch.relu(self.first(x))).mean((2, 3)))


@pytest.fixture
def coupled() -> nn.Module:
    torch.manual_seed(0)
    return Coupled().eval()


@pytest.fixture
def grouped() -> nn.Module:
    torch.manual_seed(0)
    return Grouped().eval()
