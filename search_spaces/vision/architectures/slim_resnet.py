"""ResNet v1 and v2 of TensorFlow's slim, which differ from torchvision's in where they stride.

The last unit of a stage halves the image, not the first one of the next, so that v1-50 has 3.5 G MACs at 224
pixels instead of 4.1 G; v2 normalises before its convolutions.

Source: tensorflow/models, research/slim/nets/resnet_v1.py and resnet_v2.py (Apache-2.0), after He et al.,
Deep Residual Learning, CVPR 2016 (v1) and Identity Mappings, ECCV 2016 (v2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from torch import Tensor

UNITS: Final = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}
CLASSES: Final = {1: 1000, 2: 1001}
WIDTHS: Final = (64, 128, 256, 512)


class Unit(nn.Module):
    """Bottleneck of width `width`; (N, c_in, H, W) to (N, 4 width, H / stride, W / stride)."""

    def __init__(self, c_in: int, width: int, stride: int, version: int) -> None:
        super().__init__()
        out = 4 * width
        self.before = nn.Sequential(nn.BatchNorm2d(c_in), nn.ReLU()) if version == 2 else nn.Identity()
        self.branch = nn.Sequential(
            ConvBnAct(c_in, width, 1),
            ConvBnAct(width, width, 3, stride=stride),
            ConvBnAct(width, out, 1, activation=None, norm=version == 1),
        )
        self.projects = c_in != out
        self.shortcut: nn.Module = nn.MaxPool2d(1, stride) if stride > 1 else nn.Identity()
        if self.projects:
            self.shortcut = ConvBnAct(c_in, out, 1, stride=stride, activation=None, norm=version == 1)
        self.after = nn.ReLU() if version == 1 else nn.Identity()

    @override
    def forward(self, x: Tensor) -> Tensor:
        normed = self.before(x)
        y: Tensor = self.after(self.shortcut(normed if self.projects else x) + self.branch(normed))
        return y


def slim_resnet(depth: int = 50, version: int = 1, classes: int | None = None) -> nn.Sequential:
    """ResNet of slim; v1-50 has 25.6 M parameters and, at 224 pixels, 3.48 G MACs.

    Args:
        depth: 50, 101, 152 or 200.
        version: 1, or 2 (normalised before the convolutions).
        classes: 1000 for v1 and 1001 for v2 where not given.
    """
    first = ConvBnAct(3, 64, 7, stride=2) if version == 1 else nn.Conv2d(3, 64, 7, 2, 3)
    layers: list[nn.Module] = [first, nn.MaxPool2d(3, 2, 1)]
    c_in = 64
    for stage, (units, width) in enumerate(zip(UNITS[depth], WIDTHS, strict=True)):
        for unit in range(units):
            stride = 2 if unit == units - 1 and stage < len(WIDTHS) - 1 else 1
            layers.append(Unit(c_in, width, stride, version))
            c_in = 4 * width
    if version == 2:
        layers += [nn.BatchNorm2d(c_in), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, classes or CLASSES[version])]
    return nn.Sequential(*layers)
