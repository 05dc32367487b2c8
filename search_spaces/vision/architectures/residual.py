"""Residual networks of any depth, width and bottleneck, with the stem and the shortcut of ResNet or ResNet-D.

Source: He et al., Deep Residual Learning, CVPR 2016, the stride in the 3x3 as torchvision and timm have it;
He et al., Bag of Tricks, CVPR 2019, section 4.2, for the deep stem and the averaging shortcut.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from torch import Tensor

    from search_spaces.vision.elastic_resnet import Unit


class ResidualUnit(nn.Module):
    """Two 3x3 convolutions, or a 3x3 between two 1x1, beside the identity or a projection of the input."""

    def __init__(self, unit: Unit) -> None:
        super().__init__()
        layers = []
        c_in = unit.c_in
        for c_out, kernel, stride in unit.layers[:-1]:
            layers.append(ConvBnAct(c_in, c_out, kernel, stride=stride))
            c_in = c_out
        c_out, kernel, stride = unit.layers[-1]
        self.branch = nn.Sequential(*layers, ConvBnAct(c_in, c_out, kernel, stride=stride, activation=None))
        self.shortcut: nn.Module = nn.Identity()
        if unit.projects:
            pooled = unit.averages and unit.stride > 1
            pool = nn.AvgPool2d(unit.stride, unit.stride) if pooled else nn.Identity()
            step = 1 if pooled else unit.stride
            self.shortcut = nn.Sequential(pool, ConvBnAct(unit.c_in, c_out, 1, stride=step, activation=None))
        self.act = nn.ReLU()

    @override
    def forward(self, x: Tensor) -> Tensor:
        y = self.branch(x)
        summed: Tensor = self.act(y + self.shortcut(x))
        return summed


def residual_network(
    stem: Sequence[tuple[int, int, int]], stages: Sequence[Sequence[Unit]], classes: int
) -> nn.Sequential:
    """The network; (N, 3, H, W) to (N, classes).

    Args:
        stem: channels, kernel and stride of the convolutions before the first pooling.
        stages: the units of each stage.
        classes: of the data set.
    """
    first, c_in = [], 3
    for c_out, kernel, stride in stem:
        first.append(ConvBnAct(c_in, c_out, kernel, stride=stride))
        c_in = c_out
    units = [nn.Sequential(*(ResidualUnit(u) for u in stage)) for stage in stages]
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            stem=nn.Sequential(*first),
            pool=nn.MaxPool2d(3, 2, 1),
            stages=nn.Sequential(*units),
            mean=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            classifier=nn.Linear(stages[-1][-1].c_out, classes),
        )
    )
