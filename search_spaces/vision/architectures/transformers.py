"""Vision transformers that timm does not have: CLIP with its text encoder, VideoMAE, BEiT as exported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.language.transformer import Attention, EncoderLayer, FeedForward

if TYPE_CHECKING:
    from torch import Tensor


class Clip(nn.Module):
    """CLIP ViT-B/16: an image and a text to their similarity; 149.6 M parameters.

    Source: Radford et al., Learning Transferable Visual Models From Natural Language Supervision, ICML 2021;
    openai/CLIP, clip/model.py (MIT). Its GELU is a sigmoid's approximation, of the same cost.
    """

    def __init__(self, patch: int = 16, width: int = 768, text_width: int = 512, embedded: int = 512) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch, bias=False)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(torch.zeros((224 // patch) ** 2 + 1, width))
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.image = nn.Sequential(
            *(EncoderLayer(width, width // 64, 4 * width, before=True) for _ in range(12))
        )
        self.words = nn.Embedding(49408, text_width)
        self.order = nn.Parameter(torch.zeros(77, text_width))
        text = [EncoderLayer(text_width, text_width // 64, 4 * text_width, before=True) for _ in range(12)]
        self.text, self.last = nn.Sequential(*text), nn.LayerNorm(text_width)
        self.project = nn.Linear(width, embedded, bias=False)
        self.project_text = nn.Linear(text_width, embedded, bias=False)
        self.scale = nn.Parameter(torch.zeros(()))

    @override
    def forward(self, image: Tensor, ids: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = self.before(torch.cat([self.first, x], 1) + self.places)
        x = self.project(self.after(self.image(x)[:, 0]))
        y = self.project_text(self.last(self.text(self.words(ids) + self.order))[:, -1])
        y = functional.normalize(x, dim=1) @ functional.normalize(y, dim=1).t() * self.scale.exp()
        return y


class VideoMae(nn.Module):
    """VideoMAE ViT-B: (N, 3, 16, 224, 224) to scores; 87.7 M parameters with its table of positions.

    Source: Tong et al., VideoMAE, NeurIPS 2022; MCG-NJU/VideoMAE, modeling_finetune.py.
    """

    def __init__(self, classes: int = 400, width: int = 768, frames: int = 16, side: int = 224) -> None:
        super().__init__()
        tokens = frames // 2 * (side // 16) ** 2
        self.patches = nn.Conv3d(3, width, (2, 16, 16), (2, 16, 16))
        self.places = nn.Parameter(torch.zeros(1, tokens, width))
        layers = [EncoderLayer(width, width // 64, 4 * width, before=True, key_bias=False) for _ in range(12)]
        self.layers = nn.Sequential(*layers)
        self.norm, self.last = nn.LayerNorm(width), nn.Linear(width, classes)

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places
        y: Tensor = self.last(self.norm(self.layers(x).mean(1)))
        return y


class BeitLayer(nn.Module):
    """Attention with a bias for each pair of places, both parts scaled."""

    def __init__(self, width: int, heads: int, tokens: int) -> None:
        super().__init__()
        self.attention, self.feed = Attention(width, heads, key_bias=False), FeedForward(width, 4 * width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.pairs = nn.Parameter(torch.zeros(1, heads, tokens, tokens))
        self.scale1, self.scale2 = nn.Parameter(torch.ones(width)), nn.Parameter(torch.ones(width))

    @override
    def forward(self, x: Tensor) -> Tensor:
        ask, normed = self.attention, self.norm1(x)
        query, key, value = (ask.split(layer(normed)) for layer in (ask.query, ask.key, ask.value))
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=self.pairs)
        x = x + self.scale1 * ask.out(mixed.transpose(1, 2).flatten(2))
        y: Tensor = x + self.scale2 * self.feed(self.norm2(x))
        return y


class Beit(nn.Module):
    """BEiT-B/16 as exported, the bias of each pair of places written out; 92.0 M parameters.

    Source: Bao et al., BEiT, ICLR 2022.
    """

    def __init__(self, classes: int = 1000, width: int = 768, side: int = 224, patch: int = 16) -> None:
        super().__init__()
        tokens = (side // patch) ** 2 + 1
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.layers = nn.Sequential(*(BeitLayer(width, width // 64, tokens) for _ in range(12)))
        self.norm, self.last = nn.LayerNorm(width), nn.Linear(width, classes)

    @override
    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.first, self.patches(x).flatten(2).transpose(1, 2)], 1)
        y: Tensor = self.last(self.norm(self.layers(x)[:, 1:].mean(1)))
        return y
