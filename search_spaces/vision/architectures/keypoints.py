"""Body joints from a RegNet: CenterPose for many people, MSPN for one.

Source: Zhou et al., Objects as Points, arXiv 1904.07850; tensorboy/centerpose (MIT); Li et al., Rethinking on
Multi-Stage Networks for Human Pose Estimation, arXiv 1901.00148; open-mmlab/mmpose (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from torch import Tensor

WIDTH: Final = 256
HEADS: Final = (1, 2, 34, 2, 17, 2)
"""Centres, sizes, joints, and offsets and heat maps of joints."""
JOINTS: Final = 17


def features(arch: str) -> Any:
    """Maps of strides 4, 8, 16 and 32 of a network of timm, with their channels in `feature_info`."""
    import timm

    return timm.create_model(arch, pretrained=False, features_only=True, out_indices=(1, 2, 3, 4))


class CenterPose(nn.Module):
    """Three transposed convolutions and six small heads; 12.3 M parameters on RegNetX-800MF."""

    def __init__(self, arch: str = "regnetx_008") -> None:
        super().__init__()
        self.backbone = features(arch)
        layers: list[nn.Module] = []
        c_in = self.backbone.feature_info.channels()[-1]
        for _ in range(3):
            layers += [nn.ConvTranspose2d(c_in, WIDTH, 4, 2, 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU()]
            c_in = WIDTH
        self.up = nn.Sequential(*layers)
        self.heads = nn.ModuleList(
            nn.Sequential(ConvBnAct(WIDTH, 64, 3, norm=False), nn.Conv2d(64, out, 1)) for out in HEADS
        )

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        wide = self.up(self.backbone(x)[-1])
        return [head(wide) for head in self.heads]


class Mspn(nn.Module):
    """One stage of MSPN: maps added from coarse to fine, then heat maps; 7.2 M parameters on RegNetX."""

    def __init__(self, arch: str = "regnetx_008") -> None:
        super().__init__()
        self.backbone = features(arch)
        channels = self.backbone.feature_info.channels()
        self.laterals = nn.ModuleList(ConvBnAct(c, WIDTH, 1, activation=None) for c in channels)
        self.up = nn.ModuleList(ConvBnAct(WIDTH, WIDTH, 1, activation=None) for _ in channels[1:])
        self.head = nn.Sequential(ConvBnAct(WIDTH, WIDTH, 1), ConvBnAct(WIDTH, JOINTS, 3, activation=None))

    @override
    def forward(self, x: Tensor) -> Tensor:
        maps = [lateral(m) for lateral, m in zip(self.laterals, self.backbone(x), strict=True)]
        y = functional.relu(maps[-1])
        for up, finer in zip(self.up, reversed(maps[:-1]), strict=True):
            y = functional.relu(finer + up(functional.interpolate(y, size=finer.shape[2:], mode="bilinear")))
        heat: Tensor = self.head(y)
        return heat
