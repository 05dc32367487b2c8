"""The reference networks of MLPerf Tiny.

Source: Banbury et al., MLPerf Tiny Benchmark, NeurIPS 2021; mlcommons/tiny, benchmark/training (Apache-2.0).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from torch import Tensor

AUTOENCODER: Final = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
"""Widths of the layers; 640: five frames of 128 mel bands."""


class Residual(nn.Module):
    """Two 3x3 convolutions with a residual, projected where the block strides."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        second = ConvBnAct(c_out, c_out, 3, activation=None)
        self.layers = nn.Sequential(ConvBnAct(c_in, c_out, 3, stride=stride), second)
        self.shortcut = nn.Conv2d(c_in, c_out, 1, stride) if stride > 1 else nn.Identity()
        self.act = nn.ReLU()

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.layers(x) + self.shortcut(x))
        return y


def resnet8(classes: int = 10) -> nn.Module:
    """Image classification, (N, 3, 32, 32); 78 k parameters, 12.5 M MACs."""
    blocks = (Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2))
    head = (nn.AvgPool2d(8), nn.Flatten(), nn.Linear(64, classes))
    return nn.Sequential(ConvBnAct(3, 16, 3), *blocks, *head)


def ds_cnn(classes: int = 12, width: int = 64, blocks: int = 4) -> nn.Module:
    """Keyword spotting, (N, 1, 49, 10); 24 k parameters, 2.7 M MACs."""
    first = nn.Conv2d(1, width, (10, 4), 2, (5, 1))
    layers: list[nn.Module] = [first, nn.BatchNorm2d(width), nn.ReLU()]
    for _ in range(blocks):
        layers += [ConvBnAct(width, width, 3, groups=width), ConvBnAct(width, width, 1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def autoencoder() -> nn.Module:
    """Anomaly detection, (N, 640); 0.27 M parameters and MACs."""
    layers: list[nn.Module] = []
    for c_in, c_out in itertools.pairwise(AUTOENCODER):
        layers += [nn.Linear(c_in, c_out), nn.BatchNorm1d(c_out), nn.ReLU()]
    return nn.Sequential(*layers[:-2])
