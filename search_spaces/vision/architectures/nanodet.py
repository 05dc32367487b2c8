"""NanoDet on RepVGG, as deployed.

Source: RangiLyu/nanodet, config/legacy_v0.x_configs/nanodet-RepVGG-A0_416.yml (Apache-2.0); its head after Li
et al., Generalized Focal Loss, NeurIPS 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct, Features
from search_spaces.vision.architectures.repvgg import repvgg_stages

if TYPE_CHECKING:
    from torch import Tensor

BINS: Final = 11
LAST: Final = 512
"""Channels of the backbone's last map, where classifiers have more."""


class LightNeck(nn.Module):
    """One width for all maps, and resized sums down and up; no convolution but the first."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        sums = [lateral(m) for lateral, m in zip(self.laterals, maps, strict=True)]
        order = [*range(len(sums) - 2, -1, -1), *range(1, len(sums))]
        for place, at in enumerate(order):
            source = at + 1 if place < len(sums) - 1 else at - 1
            size = sums[at].shape[2:]
            sums[at] = sums[at] + functional.interpolate(sums[source], size=size, mode="bilinear")
        return sums


class NanoDet(nn.Module):
    """NanoDet; 6.7 M parameters, 11.3 GFLOPs at 416 pixels on RepVGG-A0.

    Args:
        size: of RepVGG.
        width: of neck and head.
        depth: 3x3 convolutions of the head of each level.
        classes: of the data set.
    """

    def __init__(self, size: str = "a0", width: int = 128, depth: int = 2, classes: int = 80) -> None:
        super().__init__()
        stages, channels = repvgg_stages(size, last=LAST)
        self.backbone = Features(stages, channels, (2, 3, 4))
        self.neck = LightNeck(self.backbone.tapped, width)
        self.heads = nn.ModuleList()
        for _ in self.backbone.taps:
            convs = (ConvBnAct(width, width, 3) for _ in range(depth))
            self.heads.append(nn.Sequential(*convs, nn.Conv2d(width, classes + 4 * BINS, 1)))

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        maps = self.neck(self.backbone(x))
        return [head(m) for head, m in zip(self.heads, maps, strict=True)]
