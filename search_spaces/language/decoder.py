"""Decoder-only language models as a space: Llama, Qwen and SmolLM are candidates of it.

A layer normalises by the root mean square, attends with rotary positions and grouped key heads, and feeds
forward through a gate. Prefill reads a whole prompt, says the next token and leaves the KV cache; decode
reads one token with the cache of those before it. What is fast on a chip in one phase may be slow in the
other, so the phase is a property of the space, not a knob.

Source: Vaswani et al., NeurIPS 2017; Touvron et al., LLaMA, arXiv 2302.13971; Ainslie et al., GQA, EMNLP
2023; Su et al., RoFormer, arXiv 2104.09864.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
from typing_extensions import override

from hw_models.errors import InputError
from search_spaces.candidate import Candidate
from search_spaces.graph_writer import GraphWriter
from search_spaces.knobs import Bool, Choice, IntRange, Knob
from search_spaces.repetition import Block, repeated
from search_spaces.written_space import WrittenSpace, as_in_domains

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.workload.graph import Workload
    from search_spaces.graph_writer import Ref

Phase = Literal["prefill", "decode"]

ROTARY_BASE: Final = 500_000.0
"""Source: Dubey et al., The Llama 3 Herd of Models, arXiv 2407.21783, table 3. Of no weight to cost."""

HEADS: Final = (4, 6, 8, 9, 12, 14, 15, 16, 20, 24, 28, 32, 40)
KV_HEADS: Final = (1, 2, 3, 4, 5, 8, 16)

KNOBS: Final[Mapping[str, Knob]] = {
    "layers": IntRange(2, 48, 2),
    "width": Choice(
        (256, 384, 512, 576, 768, 896, 960, 1024, 1280, 1536, 2048, 2560, 3072, 4096), ordered=True
    ),
    "heads": Choice(HEADS, ordered=True),
    "kv_heads": Choice(KV_HEADS, ordered=True),
    "head_dim": Choice((32, 64, 96, 128), ordered=True),
    "ffn": Choice(
        (512, 1024, 1536, 2048, 2560, 3072, 4096, 4864, 5632, 6144, 8192, 8960, 11008, 14336), ordered=True
    ),
    "vocabulary": Choice((32_000, 49_152, 128_256, 151_936), ordered=True),
    "tied": Bool(),
    "qkv": Choice(("plain", "bias", "norm")),
    "context": Choice(tuple(2**n for n in range(8, 18)), ordered=True),
}


def _published(layers: int, width: int, heads: int, kv_heads: int, ffn: int, **others: Any) -> Candidate:
    plain: dict[str, Any] = {
        "head_dim": 64,
        "vocabulary": 128_256,
        "tied": True,
        "qkv": "plain",
        "context": 2048,
    }
    own = {"layers": layers, "width": width, "heads": heads, "kv_heads": kv_heads, "ffn": ffn}
    return Candidate({**plain, **own, **others})


PUBLISHED: Final[Mapping[str, Candidate]] = {
    "llama_3_2_1b": _published(16, 2048, 32, 8, 8192),
    "llama_3_2_3b": _published(28, 3072, 24, 8, 8192, head_dim=128),
    "tinyllama_1_1b": _published(22, 2048, 32, 4, 5632, vocabulary=32_000, tied=False),
    "smollm2_135m": _published(30, 576, 9, 3, 1536, vocabulary=49_152),
    "smollm2_360m": _published(32, 960, 15, 5, 2560, vocabulary=49_152),
    "qwen2_5_0_5b": _published(24, 896, 14, 2, 4864, vocabulary=151_936, qkv="bias"),
    "qwen2_5_1_5b": _published(28, 1536, 12, 2, 8960, head_dim=128, vocabulary=151_936, qkv="bias"),
    "qwen3_0_6b": _published(28, 1024, 16, 8, 3072, head_dim=128, vocabulary=151_936, qkv="norm"),
    "qwen3_1_7b": _published(28, 2048, 16, 8, 6144, head_dim=128, vocabulary=151_936, qkv="norm"),
}
"""Published models, at a context of 2,048 tokens. Source: config.json of meta-llama/Llama-3.2-*,
TinyLlama/TinyLlama-1.1B, HuggingFaceTB/SmolLM2-*, Qwen/Qwen2.5-* and Qwen/Qwen3-* on huggingface.co."""


class Shape(NamedTuple):
    """A candidate's numbers; `qkv`: whether queries, keys and values have a bias, or the first two a norm."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocabulary: int
    tied: bool
    qkv: str
    context: int


@dataclass(frozen=True)
class Decoder(WrittenSpace):
    """Decoder-only language models.

    Args:
        phase: "decode": one token after `context - 1` others; "prefill": a prompt of `context` tokens.
    """

    phase: Phase = "decode"

    name: ClassVar[str] = "decoder"

    def __post_init__(self) -> None:
        if self.phase not in {"prefill", "decode"}:
            msg = f"phase {self.phase!r} given, expected 'prefill' or 'decode'"
            raise InputError(msg)

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return KNOBS

    @property
    @override
    def known(self) -> Mapping[str, Candidate]:
        return PUBLISHED

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        """Key heads are the most of the domain that divide the heads and are no more than were asked for."""
        here = as_in_domains(self, candidate)
        return here.replace(kv_heads=_dividing(int(here["heads"]), int(here["kv_heads"])))

    @property
    @override
    def size(self) -> int:
        pairs = sum(heads % kv == 0 for heads in HEADS for kv in KV_HEADS)
        return pairs * prod(len(k) for n, k in KNOBS.items() if n not in {"heads", "kv_heads"})

    @override
    def candidates(self) -> Iterator[Candidate]:
        for values in product(*KNOBS.values()):
            drawn = dict(zip(KNOBS, values, strict=True))
            if int(drawn["heads"]) % int(drawn["kv_heads"]) == 0:
                yield Candidate(drawn)

    @override
    def label(self, candidate: Candidate) -> str:
        s = self.shape(candidate)
        tied = "" if s.tied else "-untied"
        return (
            f"{s.layers}x{s.width}-h{s.heads}/{s.kv_heads}x{s.head_dim}-f{s.ffn}-v{s.vocabulary}{tied}"
            f"-{s.qkv}-{self.phase}{s.context}"
        )

    def shape(self, candidate: Candidate) -> Shape:
        """The candidate's numbers."""
        here: dict[str, Any] = dict(self.canonical(candidate))
        return Shape(**here)

    def of_phase(self, phase: Phase) -> Decoder:
        """The same models in the other phase."""
        return replace(self, phase=phase)

    def parameters(self, candidate: Candidate) -> int:
        """Trained numbers; a tied embedding counts once."""
        s = self.shape(candidate)
        queries, keys = s.heads * s.head_dim, s.kv_heads * s.head_dim
        extra = {"plain": 0, "bias": queries + 2 * keys, "norm": 2 * s.head_dim}[s.qkv]
        layer = 2 * s.width * (queries + keys) + 3 * s.width * s.ffn + 2 * s.width + extra
        return s.layers * layer + s.width + (1 if s.tied else 2) * s.vocabulary * s.width

    def kv_bytes_per_token(self, candidate: Candidate, bits: int = 16) -> float:
        """Bytes that every token adds to the KV cache: a key and a value of every layer and key head."""
        s = self.shape(candidate)
        return 2 * s.layers * s.kv_heads * s.head_dim * bits / 8

    def kv_cache_bytes(self, candidate: Candidate, bits: int = 16) -> float:
        """Bytes of the KV cache when the context is full."""
        return self.kv_bytes_per_token(candidate, bits) * self.shape(candidate).context

    @override
    def write(self, w: GraphWriter, candidate: Candidate) -> list[Ref]:
        """The model in its phase.

        Prefill: token ids (N, T) to the scores of the next token (N, 1, vocabulary) and, of each layer, keys
        and values (N, kv_heads, T, head_dim). Decode: a token id (N, 1) and, of each layer, keys and values
        (N, kv_heads, T, head_dim) whose last place is free, to the scores; that place is written.
        """
        shape = self.shape(candidate)
        return self._write(w, shape, shape.layers)[0]

    @override
    def workload(self, candidate: Candidate) -> Workload:
        """As written in full; layers after the second are copies of it."""
        shape = self.shape(candidate)
        writer = GraphWriter(f"{self.name}-{self.label(candidate)}", steps=False)
        outputs, second = self._write(writer, shape, 2)
        return repeated(writer.finish(outputs), second, shape.layers - 2)

    def _write(self, w: GraphWriter, s: Shape, layers: int) -> tuple[list[Ref], Block]:
        """The outputs of a model of so many layers, and the last of them."""
        return (_prefill if self.phase == "prefill" else _decode)(w, s, layers)


@dataclass(frozen=True)
class DecoderPrefill(Decoder):
    """The same models as they read a prompt."""

    phase: Phase = "prefill"

    name: ClassVar[str] = "decoder_prefill"


@cache
def _dividing(heads: int, asked: int) -> int:
    return max(kv for kv in KV_HEADS if kv <= asked and heads % kv == 0)


def _prefill(w: GraphWriter, s: Shape, layers: int) -> tuple[list[Ref], Block]:
    ids = w.token_ids((1, s.context))
    table = w.parameter("embed.weight", (s.vocabulary, s.width))
    x = w.embedding(ids, table)
    kept: list[Ref] = []
    for at in range(layers):
        path, read, start = f"layers.{at}", x, w.mark
        query, key, value = _project(w, w.rms_norm(x, f"{path}.norm1"), path, s)
        kept += [key, value]
        x = _rest(w, x, w.attend(query, key, value, causal=True), path, s)
    block = Block(path, start, w.mark, (read, x))
    last = w.narrow(x, 1, s.context - 1, 1)
    return [_scores(w, last, table, s), *kept], block


def _decode(w: GraphWriter, s: Shape, layers: int) -> tuple[list[Ref], Block]:
    ids = w.token_ids((1, 1))
    kept = (1, s.kv_heads, s.context, s.head_dim)
    caches = [(w.input(kept), w.input(kept)) for _ in range(s.layers)]
    table = w.parameter("embed.weight", (s.vocabulary, s.width))
    x = w.embedding(ids, table)
    for at in range(layers):
        path, read, start = f"layers.{at}", x, w.mark
        query, *new = _project(w, w.rms_norm(x, f"{path}.norm1"), path, s)
        pairs = zip(caches[at], new, strict=True)
        written = [w.overwrite(w.narrow(old, 2, s.context - 1, 1), fresh) for old, fresh in pairs]
        key, value = (w.rejoined(*pair) for pair in zip(caches[at], written, strict=True))
        x = _rest(w, x, w.attend(query, key, value), path, s)
    block = Block(path, start, w.mark, (read, x), dict.fromkeys(caches[at], 2))
    return [_scores(w, x, table, s)], block


def _project(w: GraphWriter, x: Ref, path: str, s: Shape) -> tuple[Ref, Ref, Ref]:
    """Queries, keys and values by head, the first two turned to their places."""
    tokens = w.shape(x)[1]
    split = []
    for name, heads in (("query", s.heads), ("key", s.kv_heads), ("value", s.kv_heads)):
        flat = w.linear(x, f"{path}.{name}", heads * s.head_dim, bias=s.qkv == "bias")
        by_head = w.reshape(flat, -1, tokens, heads, s.head_dim)
        if s.qkv == "norm" and name != "value":
            by_head = w.rms_norm(by_head, f"{path}.{name}_norm")
        split.append(w.transpose(by_head, 1, 2))
    query, key, value = split
    return _rotated(w, query, s), _rotated(w, key, s), value


def _rotated(w: GraphWriter, x: Ref, s: Shape) -> Ref:
    """Halves of (1, heads, T, d) turned by cosines and sines of the last T places of the context."""
    tokens, d = w.shape(x)[2:]
    how = (s.context - tokens, tokens, d, ROTARY_BASE)
    first, second = w.chunk(x, 2, 3)
    turned = w.cat([w.apply("neg", second), first], 3)
    straight = w.mul(x, w.constant("rotary_cos", (tokens, d), _rotary, np.cos, *how))
    return w.add(straight, w.mul(turned, w.constant("rotary_sin", (tokens, d), _rotary, np.sin, *how)))


def _rotary(
    turn: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    first: int,
    count: int,
    width: int,
    base: float,
) -> NDArray[np.float32]:
    """(count, width) cosines or sines of places from `first`. Source: Su et al., arXiv 2104.09864."""
    frequency = base ** (-np.arange(0, width, 2) / width)
    angle = np.outer(np.arange(first, first + count), frequency)
    return turn(np.concatenate([angle, angle], 1)).astype(np.float32)


def _rest(w: GraphWriter, x: Ref, mixed: Ref, path: str, s: Shape) -> Ref:
    """From the heads' results to the layer's."""
    tokens = w.shape(x)[1]
    # torch leaves the results of heads that share a key head in the order of heads, the others by token
    in_order = tokens == 1 or s.heads == s.kv_heads
    reshape = w.reshape if in_order else w.reshape_copy
    joined = reshape(w.transpose(mixed, 1, 2), -1, tokens, s.heads * s.head_dim)
    x = w.add(x, w.linear(joined, f"{path}.out", s.width, bias=False))
    normed = w.rms_norm(x, f"{path}.norm2")
    gate = w.apply("silu", w.linear(normed, f"{path}.gate", s.ffn, bias=False))
    gated = w.mul(gate, w.linear(normed, f"{path}.up", s.ffn, bias=False))
    return w.add(x, w.linear(gated, f"{path}.down", s.width, bias=False))


def _scores(w: GraphWriter, x: Ref, table: Ref, s: Shape) -> Ref:
    x = w.rms_norm(x, "norm")
    return w.linear_by(x, table) if s.tied else w.linear(x, "head", s.vocabulary, bias=False)
