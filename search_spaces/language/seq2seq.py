"""Encoders and one-token decoders with kept keys and values: Whisper and Marian.

Source: Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision, ICML 2023 (Whisper);
Junczys-Dowmunt et al., Marian, ACL 2018, in the sizes of Helsinki-NLP/opus-mt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.language.sizes import AUDIO_TOKENS, MARIAN, WHISPER, Size
from search_spaces.language.transformer import CachedAttention, EncoderLayer, FeedForward

if TYPE_CHECKING:
    from torch import Tensor


class Kept(nn.Module):
    """Keys and values by head of what was encoded, (N, S, width) to twice (N, heads, S, d)."""

    def __init__(self, width: int, heads: int, *, key_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.key, self.value = nn.Linear(width, width, key_bias), nn.Linear(width, width)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        made = (self.key(x), self.value(x))
        return [t.view(*x.shape[:2], self.heads, -1).transpose(1, 2) for t in made]


class WhisperEncoder(nn.Module):
    """Mel bands (N, bands, 3000) to the keys and values that the decoder asks, by layer."""

    def __init__(self, variant: str = "tiny") -> None:
        super().__init__()
        s = WHISPER[variant]
        self.convs = nn.ModuleList(
            [nn.Conv1d(s.bands, s.width, 3, 1, 1), nn.Conv1d(s.width, s.width, 3, 2, 1)]
        )
        self.positions = nn.Parameter(torch.zeros(AUDIO_TOKENS, s.width))
        self.layers = nn.Sequential(
            *(
                EncoderLayer(s.width, s.heads, 4 * s.width, before=True, key_bias=False)
                for _ in range(s.encoder)
            )
        )
        self.norm = nn.LayerNorm(s.width)
        self.crossed = nn.ModuleList(Kept(s.width, s.heads, key_bias=False) for _ in range(s.decoder))

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        for conv in self.convs:
            x = functional.gelu(conv(x))
        x = self.norm(self.layers(x.transpose(1, 2) + self.positions))
        kept = []
        for ask in self.crossed:
            kept += ask(x)
        return kept


class DecoderLayer(nn.Module):
    """One new token: attention to those before it, to the encoder, and a feed-forward part."""

    def __init__(self, width: int, heads: int, hidden: int, activation: str, *, before: bool) -> None:
        super().__init__()
        self.before = before
        self.own = CachedAttention(width, heads, key_bias=not before)
        self.cross = CachedAttention(width, heads)
        del self.cross.key, self.cross.value
        self.feed = FeedForward(width, hidden, activation)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))

    @override
    def forward(self, x: Tensor, own: tuple[Tensor, Tensor], cross: tuple[Tensor, Tensor]) -> list[Tensor]:
        mixed, key, value = self.own.step(self.norms[0](x) if self.before else x, *own)
        x = x + mixed if self.before else self.norms[0](x + mixed)
        asked = self.cross.ask(self.norms[1](x) if self.before else x, *cross)
        x = x + asked if self.before else self.norms[1](x + asked)
        fed = self.feed(self.norms[2](x) if self.before else x)
        return [x + fed if self.before else self.norms[2](x + fed), key, value]


class Decoder(nn.Module):
    """Scores of the next word from one token id (N, 1), kept keys and values, and those of the encoder.

    Args:
        size: of the network.
        hidden: inside the feed-forward parts.
        positions: of the table of positions.
        activation: of the feed-forward parts.
        before: whether parts are normalised before, and the result once more.
        bias: whether the scores have one.
    """

    def __init__(
        self, size: Size, hidden: int, positions: int, activation: str, *, before: bool, bias: bool
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(size.words, size.width)
        self.positions = nn.Parameter(torch.zeros(positions, size.width))
        self.layers = nn.ModuleList(
            DecoderLayer(size.width, size.heads, hidden, activation, before=before)
            for _ in range(size.decoder)
        )
        self.norm = nn.LayerNorm(size.width) if before else nn.Identity()
        self.bias = nn.Parameter(torch.zeros(size.words)) if bias else None

    @override
    def forward(self, ids: Tensor, own: Tensor, cross: Tensor) -> list[Tensor]:
        """`own` and `cross`: (layers, 2, N, heads, S, d)."""
        x = self.words(ids) + self.positions[:1]
        kept = []
        for layer, mine, theirs in zip(self.layers, own, cross, strict=True):
            x, key, value = layer(x, (mine[0], mine[1]), (theirs[0], theirs[1]))
            kept += [key, value]
        return [functional.linear(self.norm(x), self.words.weight, self.bias), *kept]


def whisper_decoder(variant: str = "tiny") -> Decoder:
    """The decoder of Whisper; it keeps 448 positions."""
    s = WHISPER[variant]
    return Decoder(s, 4 * s.width, 448, "gelu", before=True, bias=False)


def marian_decoder() -> Decoder:
    """The decoder of OPUS-MT."""
    return Decoder(MARIAN, 2048, 512, "silu", before=False, bias=True)


class MarianEncoder(nn.Module):
    """Token ids (N, T) to the keys and values that the decoder asks, by layer."""

    def __init__(self) -> None:
        super().__init__()
        s = MARIAN
        self.words = nn.Embedding(s.words, s.width)
        self.positions = nn.Parameter(torch.zeros(512, s.width))
        self.layers = nn.Sequential(
            *(EncoderLayer(s.width, s.heads, 2048, activation="silu") for _ in range(s.encoder))
        )
        self.crossed = nn.ModuleList(Kept(s.width, s.heads) for _ in range(s.decoder))

    @override
    def forward(self, ids: Tensor) -> list[Tensor]:
        x = self.layers(self.words(ids) + self.positions[: ids.shape[1]])
        kept = []
        for ask in self.crossed:
            kept += ask(x)
        return kept
