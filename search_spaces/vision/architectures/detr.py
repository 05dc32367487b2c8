"""DETR: a ResNet, a transformer over its last map, and a box for each of 100 queries.

Source: Carion et al., End-to-End Object Detection with Transformers, ECCV 2020; facebookresearch/detr, models
(Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from typing_extensions import override

from search_spaces.language.transformer import Attention, FeedForward
from search_spaces.vision.architectures.segmentation import resnet_stages

if TYPE_CHECKING:
    from torch import Tensor


class Encoder(nn.Module):
    """Attention with positions in queries and keys, and a feed-forward part."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention, self.feed = Attention(width, heads), FeedForward(width, hidden, "relu")
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    @override
    def forward(self, x: Tensor, where: Tensor) -> Tensor:
        placed = x + where
        x = self.norm1(x + self.attention(placed, placed, x))
        y: Tensor = self.norm2(x + self.feed(x))
        return y


class Decoder(nn.Module):
    """Queries attend to each other and to the image."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.own, self.image = Attention(width, heads), Attention(width, heads)
        self.feed = FeedForward(width, hidden, "relu")
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    @override
    def forward(self, x: Tensor, queries: Tensor, image: Tensor, where: Tensor) -> Tensor:
        placed = x + queries
        x = self.norm1(x + self.own(placed, placed, x))
        x = self.norm2(x + self.image(x + queries, image + where, image))
        y: Tensor = self.norm3(x + self.feed(x))
        return y


class Detr(nn.Module):
    """DETR; 41.5 M parameters on ResNet-50, 60.5 M on ResNet-101.

    Args:
        depth: of the ResNet.
        dilated: whether its last stage is dilated instead of strided ("DC5").
        size: height and width of the image, which fix the table of positions.
        classes: and one for "no object".
        width: of the transformer.
        heads: of each attention.
        layers: of the encoder and of the decoder.
        queries: boxes that are predicted.
    """

    def __init__(
        self,
        depth: int = 50,
        *,
        dilated: bool = False,
        size: tuple[int, int] = (480, 480),
        classes: int = 92,
        width: int = 256,
        heads: int = 8,
        layers: int = 6,
        queries: int = 100,
    ) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*resnet_stages(depth, (False, False, dilated)))
        self.project = nn.Conv2d(2048, width, 1)
        stride = 16 if dilated else 32
        places = -(-size[0] // stride) * -(-size[1] // stride)
        self.register_buffer("where", torch.zeros(1, places, width), persistent=False)
        self.queries = nn.Embedding(queries, width)
        self.encoder = nn.ModuleList(Encoder(width, heads, 8 * width) for _ in range(layers))
        self.decoder = nn.ModuleList(Decoder(width, heads, 8 * width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.classes = nn.Linear(width, classes)
        box = [nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 4)]
        self.boxes = nn.Sequential(*box, nn.Sigmoid())

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        image = self.project(self.backbone(x)).flatten(2).transpose(1, 2)
        for layer in self.encoder:
            image = layer(image, self.where)
        queries = self.queries.weight[None]
        found = torch.zeros_like(queries)
        for layer in self.decoder:
            found = layer(found, queries, image, self.where)
        found = self.norm(found)
        return self.classes(found), self.boxes(found)
