"""Semantic segmentation: (N, 3, H, W) to a score for each class and pixel."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.mobilenets import mobilenet_v2_features

if TYPE_CHECKING:
    from torch import Tensor


def enlarged(x: Tensor, like: Tensor) -> Tensor:
    """A map bilinearly resized to the height and width of another."""
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class Unet(nn.Module):
    """U-Net; 31.0 M parameters at width 64.

    Source: Ronneberger et al., U-Net, MICCAI 2015; milesial/Pytorch-UNet.

    Args:
        classes: scores for each pixel.
        width: of the finest level; it doubles with each of the deeper ones.
        depth: levels below the finest one.
        channels: of the image.
        norm: whether convolutions are batch-normalised.
    """

    def __init__(
        self, classes: int = 2, width: int = 64, depth: int = 4, channels: int = 3, *, norm: bool = True
    ) -> None:
        super().__init__()
        widths = [width << level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            _double(c_in, c_out, norm=norm)
            for c_in, c_out in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)
        up = list(reversed(widths))
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(c, c // 2, 2, 2) for c in up[:-1])
        self.up = nn.ModuleList(_double(c, c // 2, norm=norm) for c in up[:-1])
        self.last = nn.Conv2d(width, classes, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            maps.append(x)
        for enlarge, block, beside in zip(self.enlarge, self.up, reversed(maps[:-1]), strict=True):
            x = block(torch.cat([beside, enlarge(x)], 1))
        y: Tensor = self.last(x)
        return y


def _double(c_in: int, c_out: int, *, norm: bool) -> nn.Sequential:
    return nn.Sequential(ConvBnAct(c_in, c_out, 3, norm=norm), ConvBnAct(c_out, c_out, 3, norm=norm))


def resnet_stages(depth: int, dilated: tuple[bool, bool, bool] = (False, False, False)) -> list[nn.Module]:
    """Stem and the four stages of torchvision's ResNet, no classifier; `dilated`: of the last three."""
    from torchvision.models import get_model

    options: dict[str, Any] = {} if not any(dilated) else {"replace_stride_with_dilation": list(dilated)}
    net = get_model(f"resnet{depth}", weights=None, **options)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    return [stem, net.layer1, net.layer2, net.layer3, net.layer4]


class PyramidPooling(nn.Module):
    """The map, and its means over grids of several sizes, concatenated."""

    def __init__(self, c_in: int, bins: tuple[int, ...] = (1, 2, 3, 6)) -> None:
        super().__init__()
        each = c_in // len(bins)
        self.pools = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(size), ConvBnAct(c_in, each, 1)) for size in bins
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, *(enlarged(pool(x), x) for pool in self.pools)], 1)


class PspNet(nn.Module):
    """PSPNet on a dilated ResNet-101 whose stem has three 3x3 convolutions; 65.7 M parameters, 21 classes.

    Source: Zhao et al., Pyramid Scene Parsing Network, CVPR 2017; hszhao/semseg, model/pspnet.py (MIT).
    """

    def __init__(self, classes: int = 21, depth: int = 101) -> None:
        super().__init__()
        _, *stages = resnet_stages(depth, (False, True, True))
        first = stages[0][0]  # type: ignore[index]
        first.conv1 = nn.Conv2d(128, 64, 1, bias=False)
        first.downsample[0] = nn.Conv2d(128, 256, 1, bias=False)
        stem = [ConvBnAct(3, 64, 3, stride=2), ConvBnAct(64, 64, 3), ConvBnAct(64, 128, 3)]
        self.backbone = nn.Sequential(*stem, nn.MaxPool2d(3, 2, 1), *stages)
        self.head = nn.Sequential(PyramidPooling(2048), ConvBnAct(4096, 512, 3), nn.Conv2d(512, classes, 1))

    @override
    def forward(self, x: Tensor) -> Tensor:
        return enlarged(self.head(self.backbone(x)), x)


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling: dilated convolutions and the mean, joined to `width` channels."""

    def __init__(self, c_in: int, width: int = 256, rates: tuple[int, ...] = (6, 12, 18)) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [ConvBnAct(c_in, width, 1), *(ConvBnAct(c_in, width, 3, dilation=rate) for rate in rates)]
        )
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvBnAct(c_in, width, 1))
        self.join = ConvBnAct((len(rates) + 2) * width, width, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = [branch(x) for branch in self.branches]
        y: Tensor = self.join(torch.cat([*maps, enlarged(self.mean(x), x)], 1))
        return y


LOW: Final = 3
"""Stage of MobileNet V2 after which maps are a quarter of the image (24 channels)."""


class DeeplabV3Plus(nn.Module):
    """DeepLabV3+ on MobileNet V2 at output stride 16; 5.8 M parameters, 21 classes.

    Source: Chen et al., Encoder-Decoder with Atrous Separable Convolution, ECCV 2018;
    jfzhang95/pytorch-deeplab-xception, modeling/deeplab.py (MIT).
    """

    def __init__(self, classes: int = 21) -> None:
        super().__init__()
        self.backbone = mobilenet_v2_features(taps=(LOW, -1), output_stride=16, head=False)
        low, deep = self.backbone.tapped
        self.aspp = Aspp(deep)
        self.low = ConvBnAct(low, 48, 1)
        self.last = nn.Sequential(
            ConvBnAct(48 + 256, 256, 3), ConvBnAct(256, 256, 3), nn.Conv2d(256, classes, 1)
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        low, deep = self.backbone(x)
        low = self.low(low)
        return enlarged(self.last(torch.cat([enlarged(self.aspp(deep), low), low], 1)), x)


class Gate(nn.Module):
    """Scales channels by a sigmoid of their means: BiSeNet's attention refinement."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.conv = nn.Conv2d(channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x * torch.sigmoid(self.norm(self.conv(self.pool(x))))
        return y


class BiSeNet(nn.Module):
    """BiSeNet on ResNet-18; 12.0 M parameters, 12 classes.

    Source: Yu et al., BiSeNet, ECCV 2018; ooooverflow/BiSeNet, model/build_BiSeNet.py.
    """

    def __init__(self, classes: int = 12) -> None:
        super().__init__()
        widths = (3, 64, 128, 256)
        self.spatial = nn.Sequential(*(ConvBnAct(a, b, 3, stride=2) for a, b in itertools.pairwise(widths)))
        stages = resnet_stages(18)
        self.context, self.deep = nn.Sequential(*stages[:4]), stages[4]
        self.refine, self.refine_deep = Gate(256), Gate(512)
        self.fuse = ConvBnAct(1024, classes, 3)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(classes, classes, 1), nn.ReLU(), nn.Conv2d(classes, classes, 1)
        )
        self.last = nn.Conv2d(classes, classes, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        spatial, middle = self.spatial(x), self.context(x)
        deep = self.deep(middle)
        deep_refined = self.refine_deep(deep) * deep.mean((2, 3), keepdim=True)
        context = [enlarged(m, spatial) for m in (self.refine(middle), deep_refined)]
        fused = self.fuse(torch.cat([spatial, *context], 1))
        fused = fused + fused * torch.sigmoid(self.weigh(fused))
        y: Tensor = self.last(enlarged(fused, x))
        return y
