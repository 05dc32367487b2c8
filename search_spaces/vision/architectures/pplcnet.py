"""PP-LCNet, ShuffleNet V2 and DenseNet at the sizes that PaddleClas measures.

Source: Cui et al., PP-LCNet, arXiv 2109.15099; Ma et al., ShuffleNet V2, ECCV 2018; Huang et al., DenseNet,
CVPR 2017; the configurations of PaddlePaddle/PaddleClas (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import nn

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.mobilenets import SqueezeExcite
from search_spaces.vision.widths import divisible

if TYPE_CHECKING:
    from collections.abc import Sequence

LC_BLOCKS: Final = (
    (3, 32, 1, False), (3, 64, 2, False), (3, 64, 1, False), (3, 128, 2, False), (3, 128, 1, False),
    (3, 256, 2, False), *((5, 256, 1, False),) * 5, (5, 512, 2, True), (5, 512, 1, True),
)  # fmt: skip
"""Kernel, channels, stride and excitation of each separable convolution."""
LC_HIDDEN: Final = 1280

SHUFFLE_WIDTHS: Final = {
    0.25: (24, 24, 48, 96, 512), 0.33: (24, 32, 64, 128, 512), 0.5: (24, 48, 96, 192, 1024),
    1.0: (24, 116, 232, 464, 1024), 1.5: (24, 176, 352, 704, 1024), 2.0: (24, 224, 488, 976, 2048),
}  # fmt: skip
DENSE_LAYERS: Final = {
    121: (6, 12, 24, 16), 161: (6, 12, 36, 24), 169: (6, 12, 32, 32), 201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}  # fmt: skip


def pplcnet(width: float = 1.0, classes: int = 1000) -> nn.Module:
    """PP-LCNet; 3.0 M parameters, 161 M MACs at width 1 and 224 pixels."""
    channels = divisible(16 * width)
    layers: list[nn.Module] = [ConvBnAct(3, channels, 3, stride=2, activation="hardswish")]
    for kernel, base, stride, excite in LC_BLOCKS:
        layers.append(
            ConvBnAct(channels, channels, kernel, stride=stride, groups=channels, activation="hardswish")
        )
        layers += [SqueezeExcite(channels, channels // 4)] if excite else []
        out = divisible(base * width)
        layers.append(ConvBnAct(channels, out, 1, activation="hardswish"))
        channels = out
    head: Sequence[nn.Module] = (nn.Conv2d(channels, LC_HIDDEN, 1, bias=False), nn.Hardswish(), nn.Flatten())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), *head, nn.Linear(LC_HIDDEN, classes))


def shufflenet_v2(width: float = 1.0, classes: int = 1000) -> nn.Module:
    """ShuffleNet V2; 2.3 M parameters, 149 M MACs at width 1 and 224 pixels."""
    from torchvision.models.shufflenetv2 import ShuffleNetV2

    module: nn.Module = ShuffleNetV2([4, 8, 4], list(SHUFFLE_WIDTHS[width]), classes)
    return module


def densenet(depth: int = 121, classes: int = 1000) -> nn.Module:
    """DenseNet; 8.0 M parameters, 2.9 G MACs at 224 pixels for 121 layers."""
    from torchvision.models import DenseNet

    growth, first = (48, 96) if depth == 161 else (32, 64)
    module: nn.Module = DenseNet(growth, DENSE_LAYERS[depth], first, num_classes=classes)
    return module
