"""A face detector of one megabyte.

Source: Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB (MIT), the variant "slim".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct, Features

if TYPE_CHECKING:
    from torch import Tensor


SLIM: Final = (
    (32, 1), (32, 2), (32, 1), (64, 2), (64, 1), (64, 1), (64, 1), (128, 2), (128, 1), (128, 1), (256, 2),
    (256, 1),
)  # fmt: skip
SLIM_ANCHORS: Final = (3, 2, 2, 3)


class SlimFaces(nn.Module):
    """The "slim" face detector of one megabyte; 0.26 M parameters, 0.08 G MACs at 320x240 pixels."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        stages: list[nn.Module] = [ConvBnAct(3, width, 3, stride=2)]
        widths = [width]
        for out, stride in SLIM:
            depthwise = ConvBnAct(widths[-1], widths[-1], 3, stride=stride, groups=widths[-1])
            stages.append(nn.Sequential(depthwise, ConvBnAct(widths[-1], out, 1)))
            widths.append(out)
        self.backbone = Features(stages, widths, (7, 10, 12))
        self.extra = nn.Sequential(nn.Conv2d(256, 64, 1), nn.ReLU(), _separable(64, 256, 2), nn.ReLU())
        rows = list(zip((*self.backbone.tapped, 256), SLIM_ANCHORS, strict=True))
        self.boxes = nn.ModuleList(self._head(c, 4 * n, last=at == 3) for at, (c, n) in enumerate(rows))
        self.scores = nn.ModuleList(self._head(c, 2 * n, last=at == 3) for at, (c, n) in enumerate(rows))

    @staticmethod
    def _head(c_in: int, out: int, *, last: bool) -> nn.Module:
        return nn.Conv2d(c_in, out, 3, 1, 1) if last else _separable(c_in, out, 1)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        maps = self.backbone(x)
        maps.append(self.extra(maps[-1]))
        return [head[at](m) for at, m in enumerate(maps) for head in (self.boxes, self.scores)]


def _separable(c_in: int, c_out: int, stride: int) -> nn.Module:
    depthwise = nn.Conv2d(c_in, c_in, 3, stride, 1, groups=c_in)
    return nn.Sequential(depthwise, nn.ReLU(), nn.Conv2d(c_in, c_out, 1))
