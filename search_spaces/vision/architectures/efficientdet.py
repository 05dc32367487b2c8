"""EfficientDet-Lite: a feature pyramid that is walked down and up several times.

Source: Tan et al., EfficientDet, CVPR 2020; google/automl, efficientdet/hparams_config.py (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

SIZES: Final = {0: (64, 3, 3), 1: (88, 4, 3), 2: (112, 5, 3), 3: (160, 6, 4), 4: (224, 7, 4)}
"""Channels and repeats of the pyramid, convolutions of each head."""
ANCHORS: Final = 9
LEVELS: Final = 5


def separable(c_in: int, c_out: int, *, norm: bool = True) -> nn.Module:
    """A depthwise 3x3 convolution and a 1x1 with a bias, normalised where `norm`."""
    layers: list[nn.Module] = [nn.Conv2d(c_in, c_in, 3, 1, 1, groups=c_in, bias=False)]
    layers.append(nn.Conv2d(c_in, c_out, 1))
    return nn.Sequential(*layers, *([nn.BatchNorm2d(c_out)] if norm else []))


class Walk(nn.Module):
    """Once down and once up the pyramid; maps finest first.

    Args:
        channels: of the maps read.
        width: of the maps written.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.down_in = nn.ModuleList(_to(c, width) for c in channels)
        self.up_in = nn.ModuleList(_to(c, width) for c in channels[1:-1])
        self.down = nn.ModuleList(separable(width, width) for _ in channels[:-1])
        self.up = nn.ModuleList(separable(width, width) for _ in channels[1:])

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        same = [fit(m) for fit, m in zip(self.down_in, maps, strict=True)]
        again = [fit(m) for fit, m in zip(self.up_in, maps[1:-1], strict=True)]
        middle = [same[-1]]
        for at in range(len(maps) - 2, -1, -1):
            finer = functional.interpolate(middle[0], size=same[at].shape[2:])
            middle.insert(0, self.down[at](functional.relu6(same[at] + finer)))
        out = [middle[0]]
        for at in range(1, len(maps)):
            total = middle[at] + functional.max_pool2d(out[-1], 3, 2, 1)
            if at < len(maps) - 1:
                total = total + again[at - 1]
            out.append(self.up[at - 1](functional.relu6(total)))
        return out


def _to(c_in: int, width: int) -> nn.Module:
    return nn.Identity() if c_in == width else ConvBnAct(c_in, width, 1, activation=None)


class Head(nn.Module):
    """Separable convolutions of one width and the prediction, the norms of each level their own.

    Args:
        width: channels read.
        depth: convolutions before the prediction.
        out: channels predicted.
        levels: maps that share them.
    """

    def __init__(self, width: int, depth: int, out: int, levels: int = LEVELS) -> None:
        super().__init__()
        self.convs = nn.ModuleList(separable(width, width, norm=False) for _ in range(depth))
        self.norms = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(width) for _ in range(levels)) for _ in range(depth)
        )
        self.last = separable(width, out, norm=False)

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        out = []
        for level, m in enumerate(maps):
            x = m
            for conv, norms in zip(self.convs, self.norms, strict=True):
                x = functional.relu6(norms.get_submodule(str(level))(conv(x)))
            out.append(self.last(x))
        return out


class OwnHeads(nn.Module):
    """A head of its own for each level, as compilers lay out shared weights."""

    def __init__(self, width: int, depth: int, out: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(Head(width, depth, out, 1) for _ in range(LEVELS))

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [y for head, m in zip(self.heads, maps, strict=True) for y in head([m])]


class EfficientDet(nn.Module):
    """EfficientDet-Lite; 3.2 M parameters, 0.97 G MACs at 320 pixels for size 0.

    Args:
        size: 0 to 4.
        classes: of the data set.
        shared: whether all levels share the weights of the heads, as trained.
    """

    def __init__(self, size: int = 0, classes: int = 90, *, shared: bool = True) -> None:
        super().__init__()
        import timm

        width, repeats, depth = SIZES[size]
        net: Any = timm.create_model(f"efficientnet_lite{size}", pretrained=False)
        self.stem = nn.Sequential(net.conv_stem, net.bn1)
        self.stages = net.blocks
        fine, middle, deep = (_width(net.blocks[at]) for at in (2, 4, 6))
        self.coarser = nn.Sequential(ConvBnAct(deep, width, 1, activation=None), nn.MaxPool2d(3, 2, 1))
        self.coarsest = nn.MaxPool2d(3, 2, 1)
        first = Walk((fine, middle, deep, width, width), width)
        self.walks = nn.Sequential(first, *(Walk((width,) * LEVELS, width) for _ in range(repeats - 1)))
        head = Head if shared else OwnHeads
        self.classes = head(width, depth, ANCHORS * classes)
        self.boxes = head(width, depth, ANCHORS * 4)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        x, maps = self.stem(x), []
        for at, stage in enumerate(self.stages):
            x = stage(x)
            maps += [x] if at in (2, 4, 6) else []
        maps.append(self.coarser(x))
        maps.append(self.coarsest(maps[-1]))
        walked = self.walks(maps)
        out: list[Tensor] = self.classes(walked) + self.boxes(walked)
        return out


def _width(stage: Any) -> int:
    """Channels that a stage of timm's EfficientNet writes."""
    width: int = [m for m in stage.modules() if isinstance(m, nn.Conv2d)][-1].out_channels
    return width
