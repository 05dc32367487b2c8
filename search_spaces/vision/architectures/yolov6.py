"""YOLOv6, releases 0.1 to 0.3, as deployed: every branch of a RepVGG block merged into one 3x3 convolution.

Source: Li et al., YOLOv6, arXiv 2209.02976 and v3.0, arXiv 2301.05586, and the configuration tables of
meituan/YOLOv6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import Features
from search_spaces.vision.architectures.yolo_blocks import Bottleneck, Conv, Csp, PyramidPool
from search_spaces.vision.architectures.yolo_heads import DecoupledHead, Detector, PathAggregation

if TYPE_CHECKING:
    from torch import Tensor

Block = Callable[[int, int, int], nn.Module]
"""From channels in and out and repeats."""

SIZES: Final = {"n": (0.33, 0.25), "t": (0.33, 0.375), "s": (0.33, 0.5), "m": (0.6, 0.75), "l": (1.0, 1.0)}
"""Depth and width."""
CSP_RATIO: Final = {"m": 2 / 3, "l": 0.5}
"""Sizes built of CSP stages, with the share of the channels inside."""
BINS: Final = 17
"""Channels of a side of a box in the larger sizes, which predict a distribution."""

Relu = partial(Conv, activation="relu")


def _plain(c_in: int, c_out: int, n: int) -> nn.Module:
    """`n` 3x3 convolutions in a row."""
    return nn.Sequential(*(Relu(c_in if at == 0 else c_out, c_out, 3) for at in range(n)))


def _csp(c_in: int, c_out: int, n: int, *, ratio: float, act: str) -> nn.Module:
    """CSP over pairs of 3x3 convolutions ("BepC3")."""
    block = Csp(c_in, c_out, 0, kernels=(3, 3), act=act, ratio=ratio)
    inside = int(c_out * ratio)
    block.inner = nn.Sequential(*(Bottleneck(inside, inside, (3, 3), "relu") for _ in range(max(n // 2, 1))))
    return block


class CspPool(nn.Module):
    """Pyramid pooling on one branch of two ("SimCSPSPPF")."""

    def __init__(self, channels: int, act: str = "relu") -> None:
        super().__init__()
        half = channels // 2
        one = partial(Conv, activation=act)
        self.before = nn.Sequential(one(channels, half), one(half, half, 3), one(half, half))
        self.beside = one(channels, half)
        self.pools = nn.ModuleList(nn.MaxPool2d(5, 1, 2) for _ in range(3))
        self.after = nn.Sequential(one(4 * half, half), one(half, half, 3))
        self.last = one(2 * half, channels)

    @override
    def forward(self, x: Tensor) -> Tensor:
        parts = [self.before(x)]
        for pool in self.pools:
            parts.append(pool(parts[-1]))
        y: Tensor = self.last(torch.cat([self.beside(x), self.after(torch.cat(parts, 1))], 1))
        return y


class Fusion(nn.Module):
    """Joins a coarse, a middle and a fine map at the middle one's resolution ("BiFusion")."""

    def __init__(self, middle: int, fine: int, out: int) -> None:
        super().__init__()
        self.enlarge = nn.ConvTranspose2d(out, out, 2, 2)
        self.middle, self.fine = (
            Relu(middle, out),
            nn.Sequential(Relu(fine, out), Relu(out, out, 3, stride=2)),
        )
        self.last = Relu(3 * out, out)

    @override
    def forward(self, coarse: Tensor, middle: Tensor, fine: Tensor) -> Tensor:
        joined = torch.cat([self.enlarge(coarse), self.middle(middle), self.fine(fine)], 1)
        y: Tensor = self.last(joined)
        return y


class FusionNeck(nn.Module):
    """The neck since release 0.3, which reads four maps; the results are the three coarser ones."""

    def __init__(self, maps: Sequence[int], out: Sequence[int], block: Block, n: int) -> None:
        super().__init__()
        p2, p3, p4, p5 = maps
        up4, up3, _, down4, _, down5 = out
        self.reduce = nn.ModuleList([Relu(p5, up4), Relu(up4, up3)])
        self.fuse = nn.ModuleList([Fusion(p4, p3, up4), Fusion(p3, p2, up3)])
        self.tops = nn.ModuleList([block(up4, up4, n), block(up3, up3, n)])
        self.downs = nn.ModuleList([Relu(up3, up3, 3, stride=2), Relu(down4, down4, 3, stride=2)])
        self.bottoms = nn.ModuleList([block(2 * up3, down4, n), block(up4 + down4, down5, n)])

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        p2, p3, p4, p5 = maps
        coarse = self.reduce[0](p5)
        middle = self.reduce[1](self.tops[0](self.fuse[0](coarse, p4, p3)))
        out = [self.tops[1](self.fuse[1](middle, p3, p2))]
        for down, bottom, held in zip(self.downs, self.bottoms, (middle, coarse), strict=True):
            out.append(bottom(torch.cat([down(out[-1]), held], 1)))
        return out


def yolov6(size: str = "n", release: int = 3) -> nn.Module:
    """YOLOv6; 4.3 M parameters, 11.1 GFLOPs at 640 pixels for "n" of release 0.1, 4.7 M and 11.4 of 0.3.

    Args:
        size: n, t, s, m or l.
        release: minor number; 1 and 2 have a plain path aggregation.
    """
    depth, width = SIZES[size]
    c = [int(b * width) for b in (64, 128, 256, 512, 1024)]
    act = "silu" if size == "l" else "relu"
    block: Block = partial(_csp, ratio=CSP_RATIO[size], act=act) if size in CSP_RATIO else _plain
    stages: list[nn.Module] = [Relu(3, c[0], 3, stride=2)]
    for at, base in enumerate((6, 12, 18, 6), start=1):
        n = max(round(base * depth), 1)
        stages.append(nn.Sequential(Relu(c[at - 1], c[at], 3, stride=2), block(c[at], c[at], n)))
    csp_pool = release > 2 and size not in CSP_RATIO
    stages[-1].append(CspPool(c[4]) if csp_pool else PyramidPool(c[4], c[4], act))  # type: ignore[operator]
    out = [int(b * width) for b in (256, 128, 128, 256, 256, 512)]
    n = max(round(12 * depth), 1)
    neck, taps = (
        (FusionNeck(c[1:], out, block, n), (1, 2, 3, 4))
        if release > 2
        else (_early(c[2:], out, n), (2, 3, 4))
    )
    box = 4 * BINS if size in CSP_RATIO else 4
    head = DecoupledHead((out[2], out[3], out[5]), None, 1, box=box, confidence=release == 1)
    return Detector(Features(stages, c, taps), neck, head)


def _early(maps: Sequence[int], out: Sequence[int], n: int) -> nn.Module:
    """Path aggregation that enlarges by transposed convolutions."""
    p3, p4, p5 = maps
    up4, up3, _, down4, _, down5 = out
    return PathAggregation(
        [Relu(p5, up4), Relu(up4, up3)],
        [_plain(up4 + p4, up4, n), _plain(up3 + p3, up3, n)],
        [Relu(up3, up3, 3, stride=2), Relu(down4, down4, 3, stride=2)],
        [_plain(2 * up3, down4, n), _plain(up4 + down4, down5, n)],
        enlarge=[nn.ConvTranspose2d(up4, up4, 2, 2), nn.ConvTranspose2d(up3, up3, 2, 2)],
    )
