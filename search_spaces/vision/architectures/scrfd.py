"""SCRFD: faces with five landmarks, its backbone searched for small budgets.

Source: Guo et al., Sample and Computation Redistribution for Efficient Face Detection, ICLR 2022;
deepinsight/insightface, detection/scrfd/configs (MIT).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct, Features

if TYPE_CHECKING:
    from torch import Tensor

ANCHORS: Final = 2
PREDICTED: Final = (1, 4, 10)
"""Score, box and landmarks of an anchor."""


@dataclass(frozen=True, slots=True)
class Size:
    """Layers of one size.

    Attributes:
        blocks: of each stage.
        widths: of each stage; of MobileNets also of the first two convolutions.
        neck: channels of the pyramid.
        depth: convolutions of the head.
        inside: channels of the head.
        mobile: whether convolutions are separable.
    """

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    neck: int
    depth: int
    inside: int
    mobile: bool = False


SIZES: Final = {
    "500m": Size((2, 3, 2, 6), (16, 16, 40, 72, 152, 288), 16, 2, 64, mobile=True),
    "2.5g": Size((3, 5, 3, 2), (24, 48, 48, 80), 24, 2, 64),
    "10g": Size((3, 4, 2, 3), (56, 88, 88, 224), 56, 3, 80),
}


class Basic(nn.Module):
    """Two 3x3 convolutions with a residual that averages before it projects."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        second = ConvBnAct(c_out, c_out, 3, activation=None)
        self.layers = nn.Sequential(ConvBnAct(c_in, c_out, 3, stride=stride), second)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or c_in != c_out:
            pool = nn.AvgPool2d(stride, stride) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, ConvBnAct(c_in, c_out, 1, activation=None))
        self.act = nn.ReLU()

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.layers(x) + self.shortcut(x))
        return y


def separable(c_in: int, c_out: int, stride: int = 1) -> nn.Module:
    """A depthwise 3x3 convolution and a 1x1."""
    depthwise = ConvBnAct(c_in, c_in, 3, stride=stride, groups=c_in)
    return nn.Sequential(depthwise, ConvBnAct(c_in, c_out, 1))


def _backbone(size: Size) -> Features:
    if size.mobile:
        first, c_in, *widths = size.widths
        stem = [ConvBnAct(3, first, 3, stride=2), separable(first, c_in)]
    else:
        c_in, widths = size.widths[0], list(size.widths)
        half = c_in // 2
        stem = [ConvBnAct(3, half, 3, stride=2), ConvBnAct(half, half, 3), ConvBnAct(half, c_in, 3)]
        stem.append(nn.MaxPool2d(3, 2, 1))
    stages: list[nn.Module] = [nn.Sequential(*stem)]
    for at, (n, width) in enumerate(zip(size.blocks, widths, strict=True)):
        stride = 2 if at or size.mobile else 1
        block = separable if size.mobile else Basic
        row = [block(c_in if b == 0 else width, width, stride if b == 0 else 1) for b in range(n)]
        stages.append(nn.Sequential(*row))
        c_in = width
    return Features(stages, (size.widths[0], *widths), (2, 3, 4))


class Neck(nn.Module):
    """Path aggregation by sums, its convolutions linear."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for _ in channels)
        self.down = nn.ModuleList(nn.Conv2d(width, width, 3, 2, 1) for _ in channels[1:])
        self.last = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for _ in channels[1:])

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        sums = [lateral(m) for lateral, m in zip(self.laterals, maps, strict=True)]
        for at in range(len(sums) - 2, -1, -1):
            sums[at] = sums[at] + functional.interpolate(sums[at + 1], size=sums[at].shape[2:])
        out = [smooth(s) for smooth, s in zip(self.smooth, sums, strict=True)]
        for at, down in enumerate(self.down):
            out[at + 1] = out[at + 1] + down(out[at])
        return [out[0], *(last(m) for last, m in zip(self.last, out[1:], strict=True))]


class Scrfd(nn.Module):
    """SCRFD of a size at 640 pixels; 4.2 M parameters for "10g"."""

    def __init__(self, size: str = "10g") -> None:
        super().__init__()
        s = SIZES[size]
        self.backbone = _backbone(s)
        self.neck = Neck(self.backbone.tapped, s.neck)
        block = separable if s.mobile else lambda a, b: ConvBnAct(a, b, 3)
        self.heads = nn.ModuleList()
        for _ in self.backbone.taps:
            self.heads.append(
                nn.Sequential(*(block(s.neck if at == 0 else s.inside, s.inside) for at in range(s.depth)))
            )
        self.last = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(s.inside, ANCHORS * n, 3, 1, 1) for n in PREDICTED) for _ in self.heads
        )

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        out = []
        for head, last, m in zip(self.heads, self.last, self.neck(self.backbone(x)), strict=True):
            seen = head(m)
            out += [predict(seen) for predict in last.children()]
        return out
