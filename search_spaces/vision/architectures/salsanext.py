"""SalsaNext: a laser scan as an image (N, 5, 64, 2048) to a class for each point; 6.7 M parameters.

Source: Cortinhal et al., SalsaNext, ISVC 2020; TiagoCortinhal/SalsaNext,
train/tasks/semantic/modules/SalsaNext.py (MIT).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch
from torch import nn
from typing_extensions import override

if TYPE_CHECKING:
    from torch import Tensor


class ConvActBn(nn.Sequential):
    """Convolution, leaky ReLU, batch norm: in this order."""

    def __init__(self, c_in: int, c_out: int, kernel: int, dilation: int = 1) -> None:
        padding = dilation * (kernel - 1) // 2
        conv = nn.Conv2d(c_in, c_out, kernel, padding=padding, dilation=dilation)
        super().__init__(conv, nn.LeakyReLU(), nn.BatchNorm2d(c_out))


class Context(nn.Module):
    """A 1x1 convolution, and two 3x3 beside it."""

    def __init__(self, c_in: int, out: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(nn.Conv2d(c_in, out, 1), nn.LeakyReLU())
        self.layers = nn.Sequential(ConvActBn(out, out, 3), ConvActBn(out, out, 3, 2))

    @override
    def forward(self, x: Tensor) -> Tensor:
        short = self.shortcut(x)
        y: Tensor = short + self.layers(short)
        return y


class Chain(nn.Module):
    """Three convolutions in a row, their results joined."""

    def __init__(self, c_in: int, out: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [ConvActBn(c_in, out, 3), ConvActBn(out, out, 3, 2), ConvActBn(out, out, 2, 2)]
        )
        self.join = ConvActBn(3 * out, out, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for conv in self.convs:
            x = conv(x)
            maps.append(x)
        y: Tensor = self.join(torch.cat(maps, 1))
        return y


class Down(nn.Module):
    """A chain beside a 1x1 convolution; the result, and its means at half the size."""

    def __init__(self, c_in: int, out: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(nn.Conv2d(c_in, out, 1), nn.LeakyReLU())
        self.chain = Chain(c_in, out)
        self.pool = nn.AvgPool2d(3, 2, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.shortcut(x) + self.chain(x)
        return y


class SalsaNext(nn.Module):
    """The network; `classes`: of points."""

    def __init__(self, classes: int = 20, width: int = 32, channels: int = 5) -> None:
        super().__init__()
        w = width
        self.context = nn.Sequential(Context(channels, w), Context(w, w), Context(w, w))
        widths = (w, 2 * w, 4 * w, 8 * w, 8 * w)
        self.down = nn.ModuleList(Down(a, b) for a, b in itertools.pairwise(widths))
        self.middle = Down(8 * w, 8 * w)
        ups = ((8 * w, 8 * w, 4 * w), (4 * w, 8 * w, 4 * w), (4 * w, 4 * w, 2 * w), (2 * w, 2 * w, w))
        self.up = nn.ModuleList(Chain(a // 4 + beside, out) for a, beside, out in ups)
        self.shuffle = nn.PixelShuffle(2)
        self.last = nn.Conv2d(w, classes, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = self.context(x)
        beside = []
        for down in self.down:
            full = down(x)
            beside.append(full)
            x = down.get_submodule("pool")(full)
        x = self.middle(x)
        for up, fine in zip(self.up, reversed(beside), strict=True):
            x = up(torch.cat([self.shuffle(x), fine], 1))
        y: Tensor = self.last(x)
        return y.softmax(1)
