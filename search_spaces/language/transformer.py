"""Attention and the transformer blocks that encoders and decoders of text, speech and images share.

Source: Vaswani et al., Attention Is All You Need, NeurIPS 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

if TYPE_CHECKING:
    from torch import Tensor

ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU}


class Attention(nn.Module):
    """Multi-head attention; (N, T, width) and (N, S, `context`) to (N, T, width).

    Args:
        width: of what asks.
        heads: into which the inner width is split.
        context: width of what is asked; `width` if 0.
        inner: width of queries, keys and values; `width` if 0.
        bias: whether the projections have one.
        key_bias: whether that of the keys has one.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        context: int = 0,
        inner: int = 0,
        bias: bool = True,
        key_bias: bool = True,
    ) -> None:
        super().__init__()
        inner, context = inner or width, context or width
        self.heads = heads
        self.query = nn.Linear(width, inner, bias)
        self.key = nn.Linear(context, inner, bias and key_bias)
        self.value = nn.Linear(context, inner, bias)
        self.out = nn.Linear(inner, width, bias)

    def split(self, x: Tensor) -> Tensor:
        """(N, T, heads x d) to (N, heads, T, d)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Queries, keys and values by head to (N, T, width)."""
        mixed = functional.scaled_dot_product_attention(query, key, value)
        y: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return y

    @override
    def forward(self, x: Tensor, context: Tensor | None = None, values: Tensor | None = None) -> Tensor:
        """`values`: instead of the context, where keys carry positions and values do not."""
        context = x if context is None else context
        value = self.value(context if values is None else values)
        return self.attend(self.split(self.query(x)), self.split(self.key(context)), self.split(value))


class CachedAttention(Attention):
    """Attention of one new token to what was kept of those before; the new key and value come out too."""

    def step(self, x: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 1, width) and caches (N, heads, S, d)."""
        key = torch.cat([keys, self.split(self.key(x))], 2)[:, :, 1:]
        value = torch.cat([values, self.split(self.value(x))], 2)[:, :, 1:]
        return self.attend(self.split(self.query(x)), key, value), key, value

    def ask(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(N, 1, width) and keys and values of an encoder (N, heads, S, d)."""
        return self.attend(self.split(self.query(x)), keys, values)


class FeedForward(nn.Sequential):
    """Two linear layers and an activation between."""

    def __init__(self, width: int, hidden: int, activation: str = "gelu") -> None:
        super().__init__(nn.Linear(width, hidden), ACTIVATIONS[activation](), nn.Linear(hidden, width))


class GatedFeedForward(nn.Module):
    """One linear layer gates another (SwiGLU); no biases."""

    def __init__(self, width: int, hidden: int, activation: str = "silu") -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden, bias=False)
        self.gate = nn.Linear(width, hidden, bias=False)
        self.act = ACTIVATIONS[activation]()
        self.down = nn.Linear(hidden, width, bias=False)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(self.up(x) * self.act(self.gate(x)))
        return y


class EncoderLayer(nn.Module):
    """Attention and feed-forward beside the identity; normalised after (as first published) or before."""

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        *,
        activation: str = "gelu",
        before: bool = False,
        key_bias: bool = True,
    ) -> None:
        super().__init__()
        self.before = before
        self.attention = Attention(width, heads, key_bias=key_bias)
        self.norm1 = nn.LayerNorm(width)
        self.feed = FeedForward(width, hidden, activation)
        self.norm2 = nn.LayerNorm(width)

    @override
    def forward(self, x: Tensor) -> Tensor:
        if self.before:
            x = x + self.attention(self.norm1(x))
            y: Tensor = x + self.feed(self.norm2(x))
            return y
        x = self.norm1(x + self.attention(x))
        y = self.norm2(x + self.feed(x))
        return y
