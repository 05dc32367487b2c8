"""A vision transformer whose blocks attend to the whole image or within windows.

Source: Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021; windows without a shift, padded where
they do not fit, as in Li et al., Exploring Plain Vision Transformer Backbones, ECCV 2022, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

if TYPE_CHECKING:
    from torch import Tensor

    from search_spaces.vision.elastic_vit import Block


EPSILON: Final = 1e-6
"""Of the norms; google-research/vision_transformer, as timm and torchvision have it."""


class FusedAttention(nn.Module):
    """Self-attention by heads, one projection for queries, keys and values; (N, T, width) in and out."""

    def __init__(self, width: int, heads: int, head_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * heads * head_width)
        self.proj = nn.Linear(heads * head_width, width)

    @override
    def forward(self, x: Tensor) -> Tensor:
        n, length, _ = x.shape
        query, key, value = self.qkv(x).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value)
        y: Tensor = self.proj(mixed.transpose(1, 2).reshape(n, length, -1))
        return y


class VitBlock(nn.Module):
    """Attention and feed-forward, each beside the identity and normalised before; (N, T, width) in and out.

    Args:
        width: of a token.
        block: heads, their width, hidden width, window.
        grid: tokens on a side of the image; with a window there are no others.
    """

    def __init__(self, width: int, block: Block, grid: int) -> None:
        super().__init__()
        self.grid, self.window = grid, block.window
        self.norm1 = nn.LayerNorm(width, EPSILON)
        self.attention = FusedAttention(width, block.heads, block.head_width)
        self.norm2 = nn.LayerNorm(width, EPSILON)
        self.mlp = nn.Sequential(nn.Linear(width, block.hidden), nn.GELU(), nn.Linear(block.hidden, width))

    def within_windows(self, x: Tensor) -> Tensor:
        """Attention within windows that tile the image."""
        n, length, c = x.shape
        grid, window = self.grid, self.window
        count = -(-grid // window)
        side, lacks = count * window, count * window - grid
        x = x.view(n, grid, grid, c)
        if lacks:
            x = functional.pad(x, (0, 0, 0, lacks, 0, lacks))
        tiles = x.view(n, count, window, count, window, c).transpose(2, 3).reshape(-1, window * window, c)
        y = self.attention(tiles).view(n, count, count, window, window, c)
        y = y.transpose(2, 3).reshape(n, side, side, c)
        if lacks:
            y = y[:, :grid, :grid]
        whole: Tensor = y.reshape(n, length, c)
        return whole

    @override
    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + (self.within_windows(y) if self.window else self.attention(y))
        result: Tensor = x + self.mlp(self.norm2(x))
        return result


class WindowedVit(nn.Module):
    """Patches, blocks, classifier; (N, 3, grid x patch, grid x patch) to (N, classes).

    Args:
        width: of a token.
        patch: side of a patch in pixels.
        grid: patches on a side of the image.
        blocks: of the network.
        classes: of the data set.
        class_token: whether a token of its own is classified; else the mean of all.
    """

    def __init__(
        self, width: int, patch: int, grid: int, blocks: Sequence[Block], classes: int, *, class_token: bool
    ) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width)) if class_token else None
        self.position = nn.Parameter(torch.randn(1, grid**2 + class_token, width) * 0.02)
        self.blocks = nn.Sequential(*(VitBlock(width, b, grid) for b in blocks))
        self.norm = nn.LayerNorm(width, EPSILON)
        self.head = nn.Linear(width, classes)

    @override
    def forward(self, image: Tensor) -> Tensor:
        x = self.patch(image).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        x = self.norm(self.blocks(x + self.position))
        logits: Tensor = self.head(x.mean(1) if self.token is None else x[:, 0])
        return logits
