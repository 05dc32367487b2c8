"""Text encoders: token ids (N, T) to what they are trained to say of each token or of the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.language.transformer import Attention, EncoderLayer, FeedForward, GatedFeedForward

if TYPE_CHECKING:
    from torch import Tensor

VOCABULARY: Final = 30522
"""Word pieces of BERT, uncased."""


class Embeddings(nn.Module):
    """Words, positions and segments, added and normalised; (N, T) to (N, T, width)."""

    def __init__(self, width: int, words: int = VOCABULARY, positions: int = 512, segments: int = 2) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.positions = nn.Embedding(positions, width)
        self.segments = nn.Embedding(segments, width) if segments else None
        self.norm = nn.LayerNorm(width)

    @override
    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        if self.segments is not None:
            x = x + self.segments(torch.zeros_like(ids))
        y: Tensor = self.norm(x)
        return y


class MaskedWords(nn.Module):
    """Scores of words; the table of words is used twice, as its parameters are counted."""

    def __init__(self, width: int, words: nn.Embedding, inner: int = 0) -> None:
        super().__init__()
        inner = inner or width
        self.dense, self.norm = nn.Linear(width, inner), nn.LayerNorm(inner)
        self.words = words
        self.bias = nn.Parameter(torch.zeros(words.num_embeddings))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(self.norm(functional.gelu(self.dense(x))), self.words.weight, self.bias)


class Bert(nn.Module):
    """BERT: 110 M parameters at 12 layers of width 768, with its head for masked words.

    Source: Devlin et al., BERT, NAACL 2019; DistilBERT: Sanh et al., arXiv 1910.01108; ELECTRA: Clark et al.,
    ICLR 2020; ALBERT: Lan et al., ICLR 2020.

    Args:
        layers: of the encoder.
        width: of each.
        words: in the vocabulary.
        embedded: width of the embeddings, projected to `width`; 0: the same.
        segments: embeddings of segments; 0: none.
        shared: whether all layers use one set of weights.
        pooler: whether the first token is read out by a layer of its own.
        head: "words", "discriminator" or "".
    """

    def __init__(
        self,
        layers: int = 12,
        width: int = 768,
        *,
        words: int = VOCABULARY,
        embedded: int = 0,
        segments: int = 2,
        shared: bool = False,
        pooler: bool = False,
        head: str = "words",
    ) -> None:
        super().__init__()
        embedded = embedded or width
        self.embeddings = Embeddings(embedded, words, segments=segments)
        self.project = nn.Linear(embedded, width) if embedded != width else nn.Identity()
        made = [EncoderLayer(width, width // 64, 4 * width) for _ in range(1 if shared else layers)]
        self.layers = nn.ModuleList(made)
        self.repeats = layers if shared else 1
        self.pooler = nn.Sequential(nn.Linear(width, width), nn.Tanh()) if pooler else None
        self.head: nn.Module = nn.Identity()
        if head == "words":
            self.head = MaskedWords(width, self.embeddings.words, embedded)
        elif head == "discriminator":
            self.head = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    @override
    def forward(self, ids: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.project(self.embeddings(ids))
        for _ in range(self.repeats):
            for layer in self.layers:
                x = layer(x)
        y: Tensor = self.head(x)
        return y if self.pooler is None else (y, self.pooler(x[:, 0]))


class _Scale(nn.Module):
    """MobileBERT's norm: a scale and a shift for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + self.bias


class MobileBertLayer(nn.Module):
    """A bottleneck of `inner` channels with attention and four feed-forward parts."""

    def __init__(self, width: int = 512, inner: int = 128, heads: int = 4, parts: int = 4) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Linear(width, inner), _Scale(inner))
        self.ask = nn.Sequential(nn.Linear(width, inner), _Scale(inner))
        self.heads = heads
        self.query, self.key = nn.Linear(inner, inner), nn.Linear(inner, inner)
        self.value, self.out = nn.Linear(width, inner), nn.Linear(inner, inner)
        self.norm = _Scale(inner)
        self.parts = nn.ModuleList(FeedForward(inner, 4 * inner, "relu") for _ in range(parts))
        self.norms = nn.ModuleList(_Scale(inner) for _ in range(parts))
        self.leave, self.last = nn.Linear(inner, width), _Scale(width)

    @override
    def forward(self, x: Tensor) -> Tensor:
        inside, asked = self.enter(x), self.ask(x)
        split = [
            t.unflatten(2, (self.heads, -1)).transpose(1, 2)
            for t in (self.query(asked), self.key(asked), self.value(x))
        ]
        mixed = functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)
        inside = self.norm(inside + self.out(mixed))
        for part, norm in zip(self.parts, self.norms, strict=True):
            inside = norm(inside + part(inside))
        y: Tensor = self.last(x + self.leave(inside))
        return y


class MobileBert(nn.Module):
    """MobileBERT; 24.6 M parameters without a head.

    Source: Sun et al., MobileBERT, ACL 2020.
    """

    def __init__(self, layers: int = 24, width: int = 512, embedded: int = 128, *, head: bool = True) -> None:
        super().__init__()
        self.words = nn.Embedding(VOCABULARY, embedded)
        self.positions, self.segments = nn.Embedding(512, width), nn.Embedding(2, width)
        self.enter, self.norm = nn.Linear(3 * embedded, width), _Scale(width)
        self.layers = nn.Sequential(*(MobileBertLayer(width) for _ in range(layers)))
        self.head = MobileBertWords(width, self.words) if head else nn.Identity()

    @override
    def forward(self, ids: Tensor) -> Tensor:
        words = self.words(ids)
        beside = [functional.pad(words[:, 1:], (0, 0, 0, 1)), functional.pad(words[:, :-1], (0, 0, 1, 0))]
        x = self.enter(torch.cat([beside[0], words, beside[1]], 2))
        x = x + self.positions(torch.arange(ids.shape[1], device=ids.device)) + self.segments(ids * 0)
        y: Tensor = self.head(self.layers(self.norm(x)))
        return y


class MobileBertWords(nn.Module):
    """Scores of words from a table that is wider than the embeddings."""

    def __init__(self, width: int, words: nn.Embedding) -> None:
        super().__init__()
        self.dense, self.norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.words = words
        self.rest = nn.Parameter(torch.zeros(width - words.embedding_dim, words.num_embeddings))
        self.bias = nn.Parameter(torch.zeros(words.num_embeddings))

    @override
    def forward(self, x: Tensor) -> Tensor:
        table = torch.cat([self.words.weight.t(), self.rest], 0)
        y: Tensor = self.norm(functional.relu(self.dense(x))) @ table + self.bias
        return y


class NomicLayer(nn.Module):
    """Attention with rotary positions and a gated feed-forward part, normalised after; no biases."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads, bias=False)
        self.feed = GatedFeedForward(width, hidden)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    @override
    def forward(self, x: Tensor, turn: Tensor) -> Tensor:
        ask = self.attention
        query, key = (rotated(ask.split(layer(x)), turn) for layer in (ask.query, ask.key))
        x = self.norm1(x + ask.attend(query, key, ask.split(ask.value(x))))
        y: Tensor = self.norm2(x + self.feed(x))
        return y


def rotated(x: Tensor, turn: Tensor) -> Tensor:
    """Rotary positions: halves of (N, heads, T, d) turned by cosines and sines (2, T, d).

    Source: Su et al., RoFormer, arXiv 2104.09864.
    """
    first, second = x.chunk(2, -1)
    return x * turn[0] + torch.cat([-second, first], -1) * turn[1]


class NomicEmbed(nn.Module):
    """nomic-embed-text v1.5; 137 M parameters; the mean over the tokens, normalised.

    Source: Nussbaum et al., Nomic Embed, arXiv 2402.01613; nomic-ai/nomic-embed-text-v1.5, config.json.
    """

    def __init__(self, layers: int = 12, width: int = 768, heads: int = 12, tokens: int = 2048) -> None:
        super().__init__()
        self.words, self.segments = nn.Embedding(30528, width), nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(NomicLayer(width, heads, 4 * width) for _ in range(layers))
        self.turn: Tensor
        self.register_buffer("turn", torch.zeros(2, tokens, width // heads), persistent=False)

    @override
    def forward(self, ids: Tensor) -> Tensor:
        x = self.norm(self.words(ids) + self.segments(ids * 0))
        for layer in self.layers:
            x = layer(x, self.turn[:, : ids.shape[1]])
        y: Tensor = functional.normalize(x.mean(1), dim=1)
        return y
