"""Depth from one image, by a ResNet and a decoder that joins its maps.

Source: Godard et al., Digging into Self-Supervised Monocular Depth Estimation, ICCV 2019 (Monodepth2), whose
network SC-DepthV3 (Sun et al., TPAMI 2023) uses too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

if TYPE_CHECKING:
    from torch import Tensor

WIDTHS: Final = (256, 128, 64, 32, 16)
"""Channels of the decoder, coarsest first."""


class MonoDepth(nn.Module):
    """Disparity at the image's resolution; 14.8 M parameters, the unused classifier among them."""

    def __init__(self, depth: int = 18) -> None:
        super().__init__()
        from torchvision.models import get_model

        self.encoder: Any = get_model(f"resnet{depth}", weights=None)
        beside = (256, 128, 64, 64, 0)
        before = (512, *WIDTHS[:-1])
        self.first = nn.ModuleList(_conv(a, b) for a, b in zip(before, WIDTHS, strict=True))
        self.second = nn.ModuleList(_conv(a + b, a) for a, b in zip(WIDTHS, beside, strict=True))
        self.last = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(WIDTHS[-1], 1, 3), nn.Sigmoid())

    @override
    def forward(self, x: Tensor) -> Tensor:
        net = self.encoder
        maps = [net.relu(net.bn1(net.conv1(x)))]
        maps.append(net.layer1(net.maxpool(maps[-1])))
        for layer in (net.layer2, net.layer3, net.layer4):
            maps.append(layer(maps[-1]))
        y = maps.pop()
        for first, second in zip(self.first, self.second, strict=True):
            y = functional.interpolate(first(y), scale_factor=2.0)
            y = second(torch.cat([y, maps.pop()], 1) if maps else y)
        disparity: Tensor = self.last(y)
        return disparity


def _conv(c_in: int, c_out: int) -> nn.Module:
    """A 3x3 convolution of the mirrored map."""
    return nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(c_in, c_out, 3), nn.ELU())
