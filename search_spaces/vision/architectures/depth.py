"""Depth from one image: MiDaS and Depth Anything.

Source: Ranftl et al., Towards Robust Monocular Depth Estimation, TPAMI 2022 (MiDaS 2.1 small); Ranftl et al.,
Vision Transformers for Dense Prediction, ICCV 2021 (DPT); Yang et al., Depth Anything, CVPR 2024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from torch import nn
from torch.nn import functional
from typing_extensions import override

if TYPE_CHECKING:
    from torch import Tensor

MIDAS_WIDTHS: Final = (64, 128, 256, 512)
"""Channels of the decoder at 1/4 to 1/32 of the image."""


class Residual(nn.Module):
    """Two activated 3x3 convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(2))

    @override
    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in self.convs:
            y = conv(y.relu())
        return x + y


class Fusion(nn.Module):
    """A coarse map, with a finer one added where there is one, at the size of the next."""

    def __init__(self, channels: int, out: int, *, joined: bool = True) -> None:
        super().__init__()
        self.beside = Residual(channels) if joined else None
        self.refine = Residual(channels)
        self.project = nn.Conv2d(channels, out, 1)

    @override
    def forward(self, x: Tensor, fine: Tensor | None = None, size: tuple[int, int] | None = None) -> Tensor:
        if fine is not None and self.beside is not None:
            x = x + self.beside(fine)
        x = self.refine(x)
        where: dict[str, Any] = {"size": size} if size else {"scale_factor": 2.0}
        y: Tensor = self.project(functional.interpolate(x, mode="bilinear", align_corners=True, **where))
        return y


class MidasSmall(nn.Module):
    """MiDaS 2.1 small on EfficientNet-Lite3; 16.6 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        import timm

        net: Any = timm.create_model("tf_efficientnet_lite3", pretrained=False, features_only=True)
        self.backbone = net
        channels = net.feature_info.channels()[1:]
        self.reduce = nn.ModuleList(
            nn.Conv2d(c, w, 3, 1, 1, bias=False) for c, w in zip(channels, MIDAS_WIDTHS, strict=True)
        )
        narrower = (MIDAS_WIDTHS[0], *MIDAS_WIDTHS[:-1])
        self.fuse = nn.ModuleList(
            Fusion(w, out, joined=w != MIDAS_WIDTHS[-1])
            for w, out in zip(MIDAS_WIDTHS, narrower, strict=True)
        )
        self.last = _head(MIDAS_WIDTHS[0], 32)

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = [reduce(m) for reduce, m in zip(self.reduce, self.backbone(x)[1:], strict=True)]
        y = self.fuse[3](maps[3])
        for level in (2, 1, 0):
            y = self.fuse[level](y, maps[level])
        depth: Tensor = self.last(y)
        return depth


def _head(channels: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels // 2, 3, 1, 1),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Conv2d(channels // 2, hidden, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(hidden, 1, 1),
        nn.ReLU(),
    )


class DepthAnything(nn.Module):
    """Depth Anything small: DINOv2 ViT-S/14 and a DPT head; 24.8 M parameters.

    Args:
        arch: timm's name of the encoder.
        width: channels of the decoder.
        widths: channels at 1/4 to 1/32 of the image, relative to patches of 16 pixels.
        layers: whose tokens are read.
        size: height and width of the image.
    """

    def __init__(
        self,
        arch: str = "vit_small_patch14_dinov2",
        width: int = 64,
        widths: tuple[int, int, int, int] = (48, 96, 192, 384),
        layers: tuple[int, ...] = (8, 9, 10, 11),
        size: tuple[int, int] = (518, 518),
    ) -> None:
        super().__init__()
        import timm

        net: Any = timm.create_model(arch, pretrained=False, img_size=size, num_classes=0)
        self.encoder, self.layers, self.size = net, layers, size
        self.grid = (size[0] // 14, size[1] // 14)
        tokens = net.embed_dim
        self.project = nn.ModuleList(nn.Conv2d(tokens, w, 1) for w in widths)
        self.resize = nn.ModuleList(
            [
                nn.ConvTranspose2d(widths[0], widths[0], 4, 4),
                nn.ConvTranspose2d(widths[1], widths[1], 2, 2),
                nn.Identity(),
                nn.Conv2d(widths[3], widths[3], 3, 2, 1),
            ]
        )
        self.reduce = nn.ModuleList(nn.Conv2d(w, width, 3, 1, 1, bias=False) for w in widths)
        self.fuse = nn.ModuleList(Fusion(width, width) for _ in widths)
        self.first = nn.Conv2d(width, width // 2, 3, 1, 1)
        self.last = nn.Sequential(
            nn.Conv2d(width // 2, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 1, 1), nn.ReLU()
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        read = self.encoder.forward_intermediates(
            x, indices=list(self.layers), norm=True, intermediates_only=True
        )
        maps = [
            reduce(resize(project(m)))
            for m, project, resize, reduce in zip(read, self.project, self.resize, self.reduce, strict=True)
        ]
        sizes = [m.shape[-2:] for m in maps]
        y = self.fuse[3](maps[3], None, tuple(sizes[2]))
        for level in (2, 1):
            y = self.fuse[level](y, maps[level], tuple(sizes[level - 1]))
        y = self.first(self.fuse[0](y, maps[0]))
        y = functional.interpolate(y, size=self.size, mode="bilinear", align_corners=True)
        depth: Tensor = self.last(y)
        return depth
