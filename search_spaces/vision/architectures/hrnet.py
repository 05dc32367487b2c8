"""HRNet with the heads for poses, faces and scenes, on timm's four branches.

Source: Wang et al., Deep High-Resolution Representation Learning for Visual Recognition, TPAMI 2020 (heads
for poses and faces); Yuan et al., Object-Contextual Representations, ECCV 2020 (OCR).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.segmentation import enlarged

if TYPE_CHECKING:
    from torch import Tensor


class Branches(nn.Module):
    """Maps at 1/4, 1/8, 1/16 and 1/32 of the image, of `width`, 2, 4 and 8 times as many channels.

    Args:
        width: channels of the finest map.
        only_finest: whether the last exchange makes the finest map alone.
    """

    def __init__(self, width: int, *, only_finest: bool = False) -> None:
        super().__init__()
        import timm

        net: Any = timm.create_model(f"hrnet_w{width}", pretrained=False)
        for unused in ("incre_modules", "downsamp_modules", "final_layer", "classifier", "global_pool"):
            if hasattr(net, unused):
                delattr(net, unused)
        if only_finest:
            last = net.stage4[-1]
            last.fuse_layers = last.fuse_layers[:1]
        self.net = net

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        net = self.net
        x = net.act2(net.bn2(net.conv2(net.act1(net.bn1(net.conv1(x))))))
        maps: list[Tensor] = net.stages(x)
        return maps


class HrnetPose(nn.Module):
    """Heat maps of body joints from the finest branch; 28.5 M parameters at width 32."""

    def __init__(self, width: int = 32, joints: int = 17) -> None:
        super().__init__()
        self.branches = Branches(width, only_finest=True)
        self.last = nn.Conv2d(width, joints, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.branches(x)[0])
        return y


class HrnetFace(nn.Module):
    """Heat maps of landmarks from all branches; 9.7 M parameters at width 18."""

    def __init__(self, width: int = 18, landmarks: int = 29) -> None:
        super().__init__()
        self.branches = Branches(width)
        channels = 15 * width
        self.head = nn.Sequential(ConvBnAct(channels, channels, 1), nn.Conv2d(channels, landmarks, 1))

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = self.branches(x)
        y: Tensor = self.head(torch.cat([maps[0], *(enlarged(m, maps[0]) for m in maps[1:])], 1))
        return y


class HrnetOcr(nn.Module):
    """Segmentation with object-contextual representations; 70.3 M parameters at width 48."""

    def __init__(self, width: int = 48, classes: int = 19, middle: int = 512, key: int = 256) -> None:
        super().__init__()
        self.branches = Branches(width)
        channels = 15 * width
        self.coarse = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, classes, 1),
        )
        self.pixels = ConvBnAct(channels, middle, 3)
        self.query = nn.Sequential(ConvBnAct(middle, key, 1), ConvBnAct(key, key, 1))
        self.key = nn.Sequential(ConvBnAct(middle, key, 1), ConvBnAct(key, key, 1))
        self.value = ConvBnAct(middle, key, 1)
        self.up = ConvBnAct(key, middle, 1)
        self.join = ConvBnAct(2 * middle, middle, 1)
        self.last = nn.Conv2d(middle, classes, 1)

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = self.branches(x)
        features = torch.cat([maps[0], *(enlarged(m, maps[0]) for m in maps[1:])], 1)
        shares = self.coarse(features).flatten(2).softmax(2)
        pixels = self.pixels(features)
        objects = (shares @ pixels.flatten(2).transpose(1, 2)).transpose(1, 2).unsqueeze(3)
        query = self.query(pixels).flatten(2).transpose(1, 2)
        weights = (query @ self.key(objects).flatten(2) * query.shape[-1] ** -0.5).softmax(2)
        context = weights @ self.value(objects).flatten(2).transpose(1, 2)
        context = self.up(context.transpose(1, 2).reshape(*context.shape[:1], -1, *pixels.shape[2:]))
        return enlarged(self.last(self.join(torch.cat([context, pixels], 1))), x)
