"""The two towers of CLIP and TinyCLIP alone, and ViTPose, which is such a tower with a head.

Source: Radford et al., CLIP, ICML 2021; Wu et al., TinyCLIP, ICCV 2023; Xu et al., ViTPose, NeurIPS 2022.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.language.transformer import EncoderLayer

if TYPE_CHECKING:
    from torch import Tensor

HEAD: Final = 64
"""Width of an attention head."""
WORDS: Final = 49408
JOINTS: Final = 17


class TextTower(nn.Module):
    """Text encoder; token ids (N, T), or their embeddings (N, T, width), to (N, `embedded`).

    Args:
        width: of every layer.
        layers: how many.
        tokens: T.
        embedded: width of the result.
        words: whether ids are given, so that the table of words is a part.
    """

    def __init__(
        self,
        width: int = 512,
        layers: int = 12,
        tokens: int = 77,
        embedded: int = 512,
        *,
        words: bool = False,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, width) if words else nn.Identity()
        self.order = nn.Parameter(torch.zeros(tokens, width))
        blocks = (EncoderLayer(width, width // HEAD, 4 * width, before=True) for _ in range(layers))
        self.layers = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, embedded, bias=False)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.norm(self.layers(self.words(x) + self.order))[:, -1])
        return y


def image_tower(patch: int = 16, width: int = 512, layers: int = 12, embedded: int = 512) -> nn.Module:
    """Vision transformer of CLIP at 224 pixels, projected to `embedded`."""
    from timm.models.vision_transformer import VisionTransformer

    shape: dict[str, Any] = {"patch_size": patch, "embed_dim": width, "depth": layers}
    how: dict[str, Any] = {"num_heads": width // HEAD, "pre_norm": True, "num_classes": embedded}
    module: nn.Module = VisionTransformer(**shape, **how)
    return module


class VitPose(nn.Module):
    """A vision transformer, two transposed convolutions and heat maps; 24.3 M parameters for "small".

    Args:
        arch: timm's name of the transformer.
        size: height and width of the image.
        width: of the transposed convolutions.
    """

    def __init__(
        self, arch: str = "vit_small_patch16_224", size: tuple[int, int] = (256, 192), width: int = 256
    ) -> None:
        super().__init__()
        import timm

        how: dict[str, Any] = {"num_classes": 0, "class_token": False, "global_pool": ""}
        net: Any = timm.create_model(arch, pretrained=False, img_size=size, **how)
        self.encoder, self.grid = net, (size[0] // 16, size[1] // 16)
        up: list[nn.Module] = []
        for c_in in (net.embed_dim, width):
            up += [nn.ConvTranspose2d(c_in, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.head = nn.Sequential(*up, nn.Conv2d(width, JOINTS, 1))

    @override
    def forward(self, x: Tensor) -> Tensor:
        tokens = self.encoder.forward_features(x)
        y: Tensor = self.head(tokens.transpose(1, 2).unflatten(2, self.grid))
        return y
