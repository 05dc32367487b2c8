"""STDC, FCN-8s and SegFormer: segmentation of whole street scenes.

Source: Fan et al., Rethinking BiSeNet (STDC), CVPR 2021; Long et al., FCN, CVPR 2015; Xie et al., SegFormer,
NeurIPS 2021; the configurations of open-mmlab/mmsegmentation (Apache-2.0).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct, Features
from search_spaces.vision.architectures.segmentation import enlarged, resnet_stages

if TYPE_CHECKING:
    from torch import Tensor

CITYSCAPES: Final = 19
STDC_LAYERS: Final = {1: (2, 2, 2), 2: (4, 5, 3)}


class Concatenated(nn.Module):
    """Four convolutions of falling width, all joined; `stride` is that of the second."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.first = ConvBnAct(c_in, c_out // 2, 1)
        self.down: nn.Module = nn.Identity()
        self.pool: nn.Module = nn.Identity()
        if stride > 1:
            half = c_out // 2
            self.down = ConvBnAct(half, half, 3, stride=2, groups=half, activation=None)
            self.pool = nn.AvgPool2d(3, 2, 1)
        widths = (c_out // 2, c_out // 4, c_out // 8, c_out // 8)
        self.rest = nn.ModuleList(ConvBnAct(a, b, 3) for a, b in itertools.pairwise(widths))

    @override
    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        maps, y = [self.pool(first)], self.down(first)
        for conv in self.rest:
            y = conv(y)
            maps.append(y)
        return torch.cat(maps, 1)


def stdc_features(variant: int = 1) -> Features:
    """STDC-1 or -2: maps of strides 8, 16 and 32 with 256, 512 and 1024 channels."""
    stages: list[nn.Module] = [ConvBnAct(3, 32, 3, stride=2), ConvBnAct(32, 64, 3, stride=2)]
    c_in = 64
    for n, width in zip(STDC_LAYERS[variant], (256, 512, 1024), strict=True):
        blocks = [Concatenated(c_in if at == 0 else width, width, 2 if at == 0 else 1) for at in range(n)]
        stages.append(nn.Sequential(*blocks))
        c_in = width
    return Features(stages, (32, 64, 256, 512, 1024), (2, 3, 4))


class Refined(nn.Module):
    """A 3x3 convolution weighed by what a 1x1 convolution makes of its means."""

    def __init__(self, c_in: int, width: int) -> None:
        super().__init__()
        self.conv = ConvBnAct(c_in, width, 3)
        gate = ConvBnAct(width, width, 1, activation="sigmoid")
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), gate)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        gated: Tensor = y * self.gate(y)
        return gated


class Stdc(nn.Module):
    """STDC with the context path and fusion of BiSeNet; 8.3 M parameters for STDC-1 on Cityscapes."""

    def __init__(self, variant: int = 1, classes: int = CITYSCAPES, width: int = 128) -> None:
        super().__init__()
        self.backbone = stdc_features(variant)
        fine, middle, deep = self.backbone.tapped
        self.refine = nn.ModuleList([Refined(middle, width), Refined(deep, width)])
        self.smooth = nn.ModuleList([ConvBnAct(width, width, 3), ConvBnAct(width, width, 3)])
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvBnAct(deep, width, 1))
        joined = 2 * width
        self.fuse = ConvBnAct(fine + width, joined, 1)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            ConvBnAct(joined, joined // 4, 1, norm=False),
            ConvBnAct(joined // 4, joined, 1, norm=False, activation="sigmoid"),
        )
        self.head = nn.Sequential(ConvBnAct(joined, joined, 3), nn.Conv2d(joined, classes, 1))

    @override
    def forward(self, x: Tensor) -> Tensor:
        fine, middle, deep = self.backbone(x)
        context = enlarged(self.mean(deep), deep)
        context = self.smooth[1](enlarged(self.refine[1](deep) + context, middle))
        context = self.smooth[0](enlarged(self.refine[0](middle) + context, fine))
        joined = self.fuse(torch.cat([fine, context], 1))
        return enlarged(self.head(joined + joined * self.gate(joined)), x)


class Fcn8(nn.Module):
    """Scores from strides 8, 16 and 32 of a ResNet, added; 11.2 M parameters on ResNet-18."""

    def __init__(self, depth: int = 18, classes: int = CITYSCAPES) -> None:
        super().__init__()
        stem, *stages = resnet_stages(depth)
        widths = (64, 64, 128, 256, 512) if depth < 50 else (64, 256, 512, 1024, 2048)
        self.backbone = Features([stem, *stages], widths, (2, 3, 4))
        self.scores = nn.ModuleList(nn.Conv2d(c, classes, 1) for c in self.backbone.tapped)

    @override
    def forward(self, x: Tensor) -> Tensor:
        fine, middle, deep = (score(m) for score, m in zip(self.scores, self.backbone(x), strict=True))
        return enlarged(fine + enlarged(middle + enlarged(deep, middle), fine), x)


class ReducedAttention(nn.Module):
    """Attention whose keys and values are of a coarser map; (N, C, H, W) in and out."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.pair = nn.Linear(width, 2 * width)
        self.reduce = nn.Conv2d(width, width, reduction, reduction) if reduction > 1 else nn.Identity()
        self.norm = nn.LayerNorm(width) if reduction > 1 else nn.Identity()

    @override
    def forward(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        image = torch.unflatten(x.transpose(1, 2), 2, grid)
        coarse = self.reduce(image).flatten(2).transpose(1, 2)
        key, value = self.pair(self.norm(coarse)).chunk(2, 2)
        split = [t.unflatten(2, (self.heads, -1)).transpose(1, 2) for t in (self.query(x), key, value)]
        mixed = functional.scaled_dot_product_attention(*split)
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return y


class MixBlock(nn.Module):
    """Attention and a feed-forward part with a depthwise convolution inside, each with a residual."""

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = ReducedAttention(width, heads, reduction)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.depthwise = nn.Conv2d(4 * width, 4 * width, 3, padding=1, groups=4 * width)

    @override
    def forward(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        x = x + self.attention(self.norm1(x), grid)
        y = self.depthwise(self.up(self.norm2(x)).transpose(1, 2).unflatten(2, grid))
        out: Tensor = x + self.down(functional.gelu(y.flatten(2).transpose(1, 2)))
        return out


MIT_WIDTHS: Final = {0: (32, 64, 160, 256), 1: (64, 128, 320, 512), 2: (64, 128, 320, 512)}
MIT_LAYERS: Final = {0: (2, 2, 2, 2), 1: (2, 2, 2, 2), 2: (3, 4, 6, 3)}
MIT_HEADS: Final = (1, 2, 5, 8)
MIT_REDUCTION: Final = (8, 4, 2, 1)


class SegFormer(nn.Module):
    """SegFormer on MiT; 3.7 M parameters for B0, 8.4 GFLOPs at 512 pixels."""

    def __init__(self, variant: int = 0, classes: int = CITYSCAPES) -> None:
        super().__init__()
        widths = MIT_WIDTHS[variant]
        inner = 256 if variant < 2 else 768
        before = (3, *widths[:-1])
        self.patches = nn.ModuleList(
            nn.Conv2d(a, b, k, s, k // 2)
            for a, b, k, s in zip(before, widths, (7, 3, 3, 3), (4, 2, 2, 2), strict=True)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(w) for w in widths)
        self.after = nn.ModuleList(nn.LayerNorm(w) for w in widths)
        rows = zip(widths, MIT_HEADS, MIT_REDUCTION, MIT_LAYERS[variant], strict=True)
        self.stages = nn.ModuleList(
            nn.ModuleList(MixBlock(w, heads, reduction) for _ in range(n)) for w, heads, reduction, n in rows
        )
        self.levels = nn.ModuleList(ConvBnAct(w, inner, 1) for w in widths)
        self.fuse = ConvBnAct(4 * inner, inner, 1)
        self.last = nn.Conv2d(inner, classes, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps: list[Tensor] = []
        y = x
        for at, patch in enumerate(self.patches):
            y = patch(y)
            grid = (y.shape[2], y.shape[3])
            tokens = self.norms[at](y.flatten(2).transpose(1, 2))
            for block in self.stages[at].children():
                tokens = block(tokens, grid)
            y = self.after[at](tokens).transpose(1, 2).unflatten(2, grid)
            maps.append(y)
        scores = [enlarged(level(m), maps[0]) for level, m in zip(self.levels, maps, strict=True)]
        return enlarged(self.last(self.fuse(torch.cat(scores, 1))), x)
