"""OSNet: person re-identification from features of several scales.

Source: Zhou et al., Omni-Scale Feature Learning, ICCV 2019; KaiyangZhou/deep-person-reid (MIT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.mobilenets import SqueezeExcite

if TYPE_CHECKING:
    from torch import Tensor

CHANNELS: Final = (64, 256, 384, 512)
STREAMS: Final = 4


class LightConv(nn.Module):
    """A linear 1x1 convolution, then a depthwise 3x3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1, bias=False)
        self.depthwise = ConvBnAct(channels, channels, 3, groups=channels)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.depthwise(self.mix(x))
        return y


class OmniBlock(nn.Module):
    """Streams of one to four light convolutions, each weighed by the same gate, summed; with a residual."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        inside = c_out // 4
        self.first = ConvBnAct(c_in, inside, 1)
        self.streams = nn.ModuleList(
            nn.Sequential(*(LightConv(inside) for _ in range(n))) for n in range(1, STREAMS + 1)
        )
        self.gate = SqueezeExcite(inside, inside // 16, "sigmoid")
        self.last = ConvBnAct(inside, c_out, 1, activation=None)
        self.shortcut = ConvBnAct(c_in, c_out, 1, activation=None) if c_in != c_out else nn.Identity()
        self.act = nn.ReLU()

    @override
    def forward(self, x: Tensor) -> Tensor:
        inside = self.first(x)
        gated = [self.gate(stream(inside)) for stream in self.streams]
        total = gated[0]
        for one in gated[1:]:
            total = total + one
        y: Tensor = self.act(self.shortcut(x) + self.last(total))
        return y


def osnet(width: float = 1.0, embedding: int = 512) -> nn.Module:
    """OSNet at a width, to an embedding; 2.2 M parameters, 0.98 G MACs at 256x128 pixels and width 1."""
    c = [int(base * width) for base in CHANNELS]
    layers: list[nn.Module] = [ConvBnAct(3, c[0], 7, stride=2), nn.MaxPool2d(3, 2, 1)]
    for at in range(1, len(c)):
        layers += [OmniBlock(c[at - 1], c[at]), OmniBlock(c[at], c[at]), ConvBnAct(c[at], c[at], 1)]
        layers += [nn.AvgPool2d(2, 2)] if at < len(c) - 1 else []
    embed = (nn.Linear(c[-1], embedding), nn.BatchNorm1d(embedding), nn.ReLU())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *embed)
