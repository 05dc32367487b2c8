"""Single-shot detectors with anchors: SSD, SSDLite and RetinaNet; raw maps out, boxes are selected outside.

Source: Liu et al., SSD, ECCV 2016; Lin et al., Focal Loss (RetinaNet), ICCV 2017; the configurations of
tensorflow/models, research/object_detection, and of mlcommons/inference (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct, Features
from search_spaces.vision.architectures.mobilenets import mobilenet_v1_features, mobilenet_v2_features

if TYPE_CHECKING:
    from torch import Tensor

COCO: Final = 91
"""Numbers of COCO's classes with the background, gaps included."""
BOX: Final = 4

EXTRAS: Final = ((256, 512), (128, 256), (128, 256), (64, 128))
"""Channels inside and out of the layers that SSD adds to a MobileNet, each halving the map."""

Conv = Callable[..., nn.Module]


def _separable(c_in: int, c_out: int, *, stride: int = 1) -> nn.Module:
    depthwise = ConvBnAct(c_in, c_in, 3, stride=stride, groups=c_in, activation="relu6")
    return nn.Sequential(depthwise, ConvBnAct(c_in, c_out, 1, activation="relu6"))


class Predictor(nn.Module):
    """Boxes and classes of each anchor from one map; `lite`: a depthwise convolution in front of a 1x1."""

    def __init__(
        self, c_in: int, anchors: int, classes: int, kernel: int, *, lite: bool = False, stride: int = 1
    ) -> None:
        super().__init__()

        def one(out: int) -> nn.Module:
            if not lite:
                return nn.Conv2d(c_in, out, kernel, stride, kernel // 2)
            depthwise = ConvBnAct(c_in, c_in, 3, groups=c_in, activation="relu6")
            return nn.Sequential(depthwise, nn.Conv2d(c_in, out, 1))

        self.boxes, self.classes = one(anchors * BOX), one(anchors * classes)

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.boxes(x), self.classes(x)


class Ssd(nn.Module):
    """A backbone, layers that halve its last map again and again, and a predictor on every map.

    Args:
        backbone: its maps, finest first.
        extras: layers on the coarsest map, one after the other.
        predictors: one for each map of both.
    """

    def __init__(
        self, backbone: nn.Module, extras: Sequence[nn.Module], predictors: Sequence[nn.Module]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.extras, self.predictors = nn.ModuleList(extras), nn.ModuleList(predictors)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        maps = list(self.backbone(x))
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        return [y for predict, m in zip(self.predictors, maps, strict=True) for y in predict(m)]


class Expansion(nn.Module):
    """MobileNet V2 up to its last map, with the expansion inside its 14th block as the finer map."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        features = mobilenet_v2_features(width)
        self.before = nn.Sequential(*features.stages[:14])
        block = features.stages[14]
        self.expand, *rest = block.get_submodule("layers").children()
        self.inside = nn.Sequential(*rest)
        self.after = nn.Sequential(*features.stages[15:])
        self.channels = (features.channels[13] * 6, features.channels[-1])

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.expand(self.before(x))
        return [fine, self.after(self.inside(fine))]


def ssd_mobilenet(version: int = 1, *, lite: bool = False, classes: int = COCO, kernel: int = 1) -> nn.Module:
    """SSD on MobileNet V1 (6.8 M parameters, 1.2 G MACs at 300 pixels) or V2 (with `lite`: 4.5 M, 0.8 G).

    Args:
        version: of the MobileNet.
        lite: whether the layers on top are separable.
        classes: and one for the background.
        kernel: of the predictors.
    """
    if version == 1:
        features = mobilenet_v1_features(taps=(11, 13))
        backbone, channels = features, list(features.tapped)
    else:
        backbone = Expansion()  # type: ignore[assignment]
        channels = list(backbone.channels)
    down: Conv = _separable if lite else partial(ConvBnAct, kernel=3, activation="relu6")
    extras: list[nn.Module] = []
    for inside, out in EXTRAS:
        first = ConvBnAct(channels[-1], inside, 1, activation="relu6")
        extras.append(nn.Sequential(first, down(inside, out, stride=2)))
        channels.append(out)
    anchors = (3, *[6] * (len(channels) - 1))
    predictors = [Predictor(c, n, classes, kernel, lite=lite) for c, n in zip(channels, anchors, strict=True)]
    return Ssd(backbone, extras, predictors)


R34_EXTRAS: Final = ((256, 512, 2), (256, 512, 2), (128, 256, 2), (128, 256, 1), (128, 256, 1))
R34_ANCHORS: Final = (4, 6, 6, 6, 4, 4)
R34_STRIDES: Final = (3, 3, 2, 2, 2, 2)
"""Layers added to ResNet-34 (inside, out, stride), anchors and strides of predictors; mlcommons/inference,
vision/classification_and_detection/python/models/ssd_r34.py."""


def ssd_resnet34(classes: int = 81) -> nn.Module:
    """MLPerf's SSD on ResNet-34 without its last stage; about 216 G MACs at 1200 pixels."""
    from torchvision.models import get_model

    net: Any = get_model("resnet34", weights=None)
    net.layer3[0].conv1.stride = net.layer3[0].downsample[0].stride = (1, 1)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    backbone = Features([nn.Sequential(stem, net.layer1, net.layer2, net.layer3)], (256,), (0,))
    extras, channels = [], [256]
    for inside, out, stride in R34_EXTRAS:
        first = ConvBnAct(channels[-1], inside, 1, norm=False)
        extras.append(nn.Sequential(first, ConvBnAct(inside, out, 3, stride=stride, norm=False)))
        channels.append(out)
    rows = zip(channels, R34_ANCHORS, R34_STRIDES, strict=True)
    return Ssd(backbone, extras, [Predictor(c, n, classes, 3, stride=s) for c, n, s in rows])


class Pyramid(nn.Module):
    """Feature pyramid of a backbone's maps, with two coarser ones; finest first.

    Args:
        channels: of the backbone's maps.
        width: of the results.
        lite: separable convolutions.
    """

    def __init__(self, channels: Sequence[int], width: int, *, lite: bool = False) -> None:
        super().__init__()
        conv = partial(_conv3, lite=lite)
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(conv(width, width) for _ in channels)
        self.coarser = nn.ModuleList([conv(width, width, stride=2), conv(width, width, stride=2)])

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        sums = [lateral(m) for lateral, m in zip(self.laterals, maps, strict=True)]
        for at in range(len(sums) - 2, -1, -1):
            sums[at] = sums[at] + functional.interpolate(sums[at + 1], size=sums[at].shape[2:])
        out = [smooth(s) for smooth, s in zip(self.smooth, sums, strict=True)]
        for conv in self.coarser:
            out.append(conv(out[-1]))
        return out


def _conv3(c_in: int, c_out: int, *, lite: bool, stride: int = 1) -> nn.Module:
    if lite:
        return _separable(c_in, c_out, stride=stride)
    return nn.Conv2d(c_in, c_out, 3, stride, 1)


class RetinaHead(nn.Module):
    """Convolutions for boxes and for classes, the same on every map."""

    def __init__(
        self,
        width: int,
        anchors: int,
        classes: int,
        *,
        depth: int = 4,
        lite: bool = False,
        norm: bool = False,
    ) -> None:
        super().__init__()

        def branch(out: int) -> nn.Module:
            layers = []
            for _ in range(depth):
                layers += [_separable(width, width) if lite else ConvBnAct(width, width, 3, norm=norm)]
            return nn.Sequential(*layers, _conv3(width, out, lite=False))

        self.boxes, self.classes = branch(anchors * BOX), branch(anchors * classes)

    @override
    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        return [y for m in maps for y in (self.boxes(m), self.classes(m))]


class Retina(nn.Module):
    """Backbone, feature pyramid and shared heads."""

    def __init__(self, backbone: nn.Module, pyramid: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.pyramid, self.head = backbone, pyramid, head

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        out: list[Tensor] = self.head(self.pyramid(self.backbone(x)))
        return out


def retinanet(backbone: str = "resnext50_32x4d", classes: int = 264, anchors: int = 9) -> nn.Module:
    """RetinaNet on a ResNet of torchvision; MLPerf's has 264 classes of OpenImages at 800 pixels."""
    from torchvision.models import get_model

    net = get_model(backbone, weights=None)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1)
    last = net.fc.in_features
    channels = (last // 8, last // 4, last // 2, last)
    features = Features([stem, net.layer2, net.layer3, net.layer4], channels, (1, 2, 3))
    head = RetinaHead(256, anchors, classes)
    return Retina(features, Pyramid(channels[1:], 256), head)


def ssd_fpn(backbone: str = "resnet50", *, lite: bool = False, classes: int = COCO) -> nn.Module:
    """TensorFlow's SSD with a feature pyramid, six anchors; `lite`: half as wide and separable.

    Args:
        backbone: "mobilenet_v1", "mobilenet_v2" or a ResNet of torchvision.
        lite: whether it is the "fpnlite" variant.
        classes: of the data set.
    """
    width = 128 if lite else 256
    if backbone.startswith("resnet"):
        return retinanet(backbone, classes, 6)
    if backbone == "mobilenet_v1":
        features = mobilenet_v1_features(taps=(5, 11, 13))
    else:
        features = mobilenet_v2_features(taps=(6, 13, 18))
    head = RetinaHead(width, 6, classes, lite=lite, norm=True)
    return Retina(features, Pyramid(features.tapped, width, lite=lite), head)
