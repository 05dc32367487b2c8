"""Building blocks of the YOLO detectors, in the form they are deployed in (parallel branches merged).

All map (N, c_in, H, W) to (N, c_out, H, W), and halve H and W where they say so.

Source: Wang et al., CSPNet, CVPRW 2020; Jocher et al., YOLOv5 and YOLOv8 (their published diagrams and model
tables); Wang et al., YOLOv9, ECCV 2024; Wang et al., YOLOv10, NeurIPS 2024; Tian et al., YOLOv12, 2025.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

Conv = partial(ConvBnAct, activation="silu")


class Bottleneck(nn.Module):
    """Two convolutions and, where `add`, a residual; `ratio`: channels in between over `c_out`."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernels: tuple[int, int],
        act: str,
        *,
        add: bool = True,
        ratio: float = 1.0,
    ) -> None:
        super().__init__()
        hidden = int(c_out * ratio)
        self.first = Conv(c_in, hidden, kernels[0], activation=act)
        self.second = Conv(hidden, c_out, kernels[1], activation=act)
        self.add = add and c_in == c_out

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.first(x))
        return x + y if self.add else y


class Csp(nn.Module):
    """CSP with three 1x1 convolutions ("C3"): half the channels go through `n` bottlenecks."""

    def __init__(
        self,
        c_in: int,
        c_out: int,
        n: int,
        *,
        add: bool = True,
        act: str = "silu",
        kernels: tuple[int, int] = (1, 3),
        ratio: float = 0.5,
    ) -> None:
        super().__init__()
        hidden = int(c_out * ratio)
        self.first = Conv(c_in, hidden, activation=act)
        self.second = Conv(c_in, hidden, activation=act)
        self.inner = nn.Sequential(*(Bottleneck(hidden, hidden, kernels, act, add=add) for _ in range(n)))
        self.last = Conv(2 * hidden, c_out, activation=act)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(torch.cat([self.inner(self.first(x)), self.second(x)], 1))
        return y


class EarlyCsp(nn.Module):
    """CSP of the first YOLOv5 releases: linear 1x1 convolutions, one norm and activation over both halves."""

    def __init__(self, c_in: int, c_out: int, n: int, *, add: bool = True, act: str = "leaky") -> None:
        super().__init__()
        hidden = c_out // 2
        self.first = Conv(c_in, hidden, activation=act)
        self.inner = nn.Sequential(*(Bottleneck(hidden, hidden, (1, 3), act, add=add) for _ in range(n)))
        self.after = nn.Conv2d(hidden, hidden, 1, bias=False)
        self.second = nn.Conv2d(c_in, hidden, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * hidden)
        self.act = nn.LeakyReLU(0.1)
        self.last = Conv(2 * hidden, c_out, activation=act)

    @override
    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([self.after(self.inner(self.first(x))), self.second(x)], 1)
        y: Tensor = self.last(self.act(self.norm(both)))
        return y


class SplitCsp(nn.Module):
    """CSP that keeps every step ("C2f"): one 1x1 convolution, two halves, `n` blocks in a row, all joined.

    Args:
        c_in: channels read.
        c_out: channels written.
        n: how many blocks.
        inner: makes one of them.
        ratio: channels of a half over `c_out`.
        act: activation of the 1x1 convolutions.
    """

    def __init__(
        self, c_in: int, c_out: int, n: int, inner: Callable[[int, int], nn.Module], ratio: float = 0.5,
        act: str = "silu",
    ) -> None:  # fmt: skip
        super().__init__()
        hidden = int(c_out * ratio)
        self.first = Conv(c_in, 2 * hidden, activation=act)
        self.inner = nn.ModuleList(inner(hidden, hidden) for _ in range(n))
        self.last = Conv((2 + n) * hidden, c_out, activation=act)

    @override
    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.first(x).chunk(2, 1))
        for block in self.inner:
            parts.append(block(parts[-1]))
        y: Tensor = self.last(torch.cat(parts, 1))
        return y


class Focus(nn.Module):
    """Every 2x2 pixels to channels, then a 3x3 convolution; halves H and W."""

    def __init__(self, c_in: int, c_out: int, act: str) -> None:
        super().__init__()
        self.conv = Conv(4 * c_in, c_out, 3, activation=act)

    @override
    def forward(self, x: Tensor) -> Tensor:
        corners = [x[..., i::2, j::2] for j in (0, 1) for i in (0, 1)]
        y: Tensor = self.conv(torch.cat(corners, 1))
        return y


class PyramidPool(nn.Module):
    """Spatial pyramid pooling: max over growing windows beside the input.

    Args:
        c_in: channels read.
        c_out: channels written.
        act: activation.
        windows: of the poolings.
        chained: one after the other ("SPPF") instead of side by side.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        act: str = "silu",
        *,
        windows: tuple[int, ...] = (5, 5, 5),
        chained: bool = True,
    ) -> None:
        super().__init__()
        hidden = c_in // 2
        self.first = Conv(c_in, hidden, activation=act)
        self.pools = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in windows)
        self.last = Conv((1 + len(windows)) * hidden, c_out, activation=act)
        self.chained = chained

    @override
    def forward(self, x: Tensor) -> Tensor:
        parts = [self.first(x)]
        for pool in self.pools:
            parts.append(pool(parts[-1 if self.chained else 0]))
        y: Tensor = self.last(torch.cat(parts, 1))
        return y


class ConvAttention(nn.Module):
    """Multi-head attention over pixels with 1x1 convolutions and a depthwise one for the position.

    Args:
        channels: read and written.
        heads: of the attention.
        key_ratio: channels of a key over those of a value.
        position: side of the depthwise kernel.
        areas: bands that the image is cut into, each attending to itself.
    """

    def __init__(
        self, channels: int, heads: int, *, key_ratio: float = 0.5, position: int = 3, areas: int = 1
    ) -> None:
        super().__init__()
        self.heads, self.areas = heads, areas
        self.value = channels // heads
        self.key = int(self.value * key_ratio)
        self.qkv = Conv(channels, heads * (2 * self.key + self.value), activation=None)
        self.position = Conv(channels, channels, position, groups=channels, activation=None)
        self.project = Conv(channels, channels, activation=None)

    @override
    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        tokens = h * w // self.areas
        qkv = self.qkv(x).view(n, self.heads, 2 * self.key + self.value, self.areas, tokens)
        q, k, v = qkv.permute(0, 3, 1, 4, 2).split([self.key, self.key, self.value], -1)
        mixed = functional.softmax(q @ k.transpose(-2, -1) * self.key**-0.5, -1) @ v
        back = mixed.permute(0, 2, 4, 1, 3).reshape(n, c, h, w)
        values = v.permute(0, 2, 4, 1, 3).reshape(n, c, h, w)
        y: Tensor = self.project(back + self.position(values))
        return y


class AttentionBlock(nn.Module):
    """Attention and two 1x1 convolutions, each with a residual; `mlp`: how much wider the middle is."""

    def __init__(self, channels: int, attention: nn.Module, mlp: float = 2.0) -> None:
        super().__init__()
        self.attention = attention
        hidden = int(channels * mlp)
        self.mlp = nn.Sequential(Conv(channels, hidden), Conv(hidden, channels, activation=None))

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        y: Tensor = x + self.mlp(x)
        return y


class PartialAttention(nn.Module):
    """Half of the channels through `n` attention blocks ("PSA", "C2PSA")."""

    def __init__(self, channels: int, n: int = 1) -> None:
        super().__init__()
        half = channels // 2
        self.first = Conv(channels, 2 * half)
        blocks = (AttentionBlock(half, ConvAttention(half, max(1, half // 64))) for _ in range(n))
        self.inner = nn.Sequential(*blocks)
        self.last = Conv(2 * half, channels)

    @override
    def forward(self, x: Tensor) -> Tensor:
        kept, mixed = self.first(x).chunk(2, 1)
        y: Tensor = self.last(torch.cat([kept, self.inner(mixed)], 1))
        return y


class AreaCsp(nn.Module):
    """YOLOv12's aggregation: `n` pairs of area attention, or CSP blocks where `areas` is 0, all joined."""

    def __init__(
        self, c_in: int, c_out: int, n: int, areas: int, *, mlp: float = 2.0, scaled: bool = False
    ) -> None:
        super().__init__()
        hidden = c_out // 2
        self.first = Conv(c_in, hidden)
        self.inner = nn.ModuleList(self._block(hidden, areas, mlp) for _ in range(n))
        self.last = Conv((1 + n) * hidden, c_out)
        self.scale = nn.Parameter(torch.empty(c_out, 1, 1)) if scaled and areas else None

    @staticmethod
    def _block(channels: int, areas: int, mlp: float) -> nn.Module:
        if not areas:
            return Csp(channels, channels, 2, kernels=(3, 3))
        how = {"key_ratio": 1.0, "position": 7, "areas": areas}
        pair = (ConvAttention(channels, channels // 32, **how) for _ in range(2))  # type: ignore[arg-type]
        return nn.Sequential(*(AttentionBlock(channels, attention, mlp) for attention in pair))

    @override
    def forward(self, x: Tensor) -> Tensor:
        parts = [self.first(x)]
        for block in self.inner:
            parts.append(block(parts[-1]))
        y: Tensor = self.last(torch.cat(parts, 1))
        return y if self.scale is None else x + self.scale * y


class CompactInverted(nn.Module):
    """YOLOv10's block: depthwise 3x3, 1x1, depthwise, 1x1, depthwise 3x3, with a residual.

    Args:
        c_in: channels read.
        c_out: channels written.
        large: whether the depthwise convolution in the middle is 7x7.
        add: whether the input is added.
    """

    def __init__(self, c_in: int, c_out: int, *, large: bool = False, add: bool = True) -> None:
        super().__init__()
        wide = 2 * c_out
        self.layers = nn.Sequential(
            Conv(c_in, c_in, 3, groups=c_in),
            Conv(c_in, wide),
            Conv(wide, wide, 7 if large else 3, groups=wide),
            Conv(wide, c_out),
            Conv(c_out, c_out, 3, groups=c_out),
        )
        self.add = add and c_in == c_out

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.add else y


def separate_down(c_in: int, c_out: int) -> nn.Module:
    """YOLOv10's downsampling: 1x1 over channels, then depthwise 3x3 with stride 2."""
    return nn.Sequential(Conv(c_in, c_out), Conv(c_out, c_out, 3, stride=2, groups=c_out, activation=None))


class SplitDown(nn.Module):
    """YOLOv9's downsampling ("ADown"): one half through a convolution, the other through a pooling."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.smooth = nn.AvgPool2d(2, 1)
        self.conv = Conv(c_in // 2, c_out // 2, 3, stride=2)
        self.pool = nn.Sequential(nn.MaxPool2d(3, 2, 1), Conv(c_in // 2, c_out // 2))

    @override
    def forward(self, x: Tensor) -> Tensor:
        one, other = self.smooth(x).chunk(2, 1)
        return torch.cat([self.conv(one), self.pool(other)], 1)


class Elan(nn.Module):
    """YOLOv9's aggregation: two halves, two blocks in a row, all joined ("ELAN1", "RepNCSPELAN4").

    Args:
        c_in: channels read.
        c_out: channels written.
        split: channels after the first 1x1 convolution.
        inner: channels of each block.
        n: bottlenecks in each block; 0: one 3x3 convolution instead.
    """

    def __init__(self, c_in: int, c_out: int, split: int, inner: int, n: int) -> None:
        super().__init__()
        self.first = Conv(c_in, split)
        self.inner = nn.ModuleList(self._block(c, inner, n) for c in (split // 2, inner))
        self.last = Conv(split + 2 * inner, c_out)

    @staticmethod
    def _block(c_in: int, c_out: int, n: int) -> nn.Module:
        if not n:
            return Conv(c_in, c_out, 3)
        return nn.Sequential(Csp(c_in, c_out, n, kernels=(3, 3)), Conv(c_out, c_out, 3))

    @override
    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.first(x).chunk(2, 1))
        for block in self.inner:
            parts.append(block(parts[-1]))
        y: Tensor = self.last(torch.cat(parts, 1))
        return y
