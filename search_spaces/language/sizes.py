"""Sizes of published speech and translation networks.

Source: openai/whisper, model cards (MIT); Helsinki-NLP/opus-mt, config.json of each pair.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Size(NamedTuple):
    """Layers of the encoder and of the decoder, width, heads, frequency bands."""

    encoder: int
    decoder: int
    width: int
    heads: int
    bands: int = 80
    words: int = 51865


WHISPER: Final = {
    "tiny": Size(4, 4, 384, 6),
    "base": Size(6, 6, 512, 8),
    "small": Size(12, 12, 768, 12),
    "medium": Size(24, 24, 1024, 16),
    "large_v3": Size(32, 32, 1280, 20, 128, 51866),
    "large_v3_turbo": Size(32, 4, 1280, 20, 128, 51866),
}
MARIAN: Final = Size(6, 6, 512, 8, 0, 65001)

AUDIO_TOKENS: Final = 1500
"""30 s of speech after the strided convolution."""
