"""MobileNet V1, V2 and V3 at any width multiplier, with the intermediate maps that detectors read.

Source: Howard et al., MobileNets, arXiv 1704.04861; Sandler et al., MobileNetV2, CVPR 2018; Howard et al.,
Searching for MobileNetV3, ICCV 2019; widths, rounding and heads as in tensorflow/models,
research/slim/nets/mobilenet (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct, Features, activation_of
from search_spaces.vision.widths import divisible

if TYPE_CHECKING:
    from torch import Tensor

TF_CLASSES: Final = 1001
"""ImageNet classes and one for the background, as TensorFlow's slim networks count them."""


class Block(NamedTuple):
    """One row of a table of inverted residuals.

    Attributes:
        kernel: of the depthwise convolution.
        hidden: channels it works on at width 1; 0: `expand` times the input instead.
        out: channels of the result at width 1.
        excite: whether a squeeze-and-excitation follows the depthwise convolution.
        activation: "relu6", "relu" or "hardswish".
    """

    kernel: int
    hidden: int
    out: int
    stride: int
    expand: int = 0
    excite: bool = False
    activation: str = "relu6"
    dilation: int = 1


class SqueezeExcite(nn.Module):
    """Scales channels by what a small network makes of their means; (N, C, H, W) in and out."""

    def __init__(self, channels: int, squeezed: int, gate: str = "hardsigmoid") -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = ConvBnAct(channels, squeezed, 1, activation="relu", norm=False)
        self.expand = ConvBnAct(squeezed, channels, 1, activation=gate, norm=False)

    @override
    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = x * self.expand(self.reduce(self.pool(x)))
        return scaled


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, maybe excitation, linear projection; a residual where it fits."""

    def __init__(self, c_in: int, hidden: int, c_out: int, block: Block) -> None:
        super().__init__()
        act = block.activation
        layers: list[nn.Module] = []
        if hidden != c_in or block.hidden:
            layers.append(ConvBnAct(c_in, hidden, 1, activation=act))
        depthwise = partial(ConvBnAct, groups=hidden, dilation=block.dilation, activation=act)
        layers.append(depthwise(hidden, hidden, block.kernel, stride=block.stride))
        if block.excite:
            layers.append(SqueezeExcite(hidden, divisible(hidden / 4)))
        layers.append(ConvBnAct(hidden, c_out, 1, activation=None))
        self.layers = nn.Sequential(*layers)
        self.adds = block.stride == 1 and c_in == c_out

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.adds else y


class Classifier(nn.Module):
    """The last map of features, averaged and classified; (N, 3, H, W) in, (N, classes) out."""

    def __init__(
        self, features: Features, classes: int, hidden: int = 0, activation: str = "hardswish"
    ) -> None:
        super().__init__()
        self.features = features
        channels = features.channels[-1]
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.hidden = (
            nn.Sequential(nn.Linear(channels, hidden), activation_of(activation)) if hidden else nn.Identity()
        )
        self.classifier = nn.Linear(hidden or channels, classes)

    @override
    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.hidden(self.pool(self.features(x)[-1]).flatten(1)))
        return logits


V1: Final = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels and stride of the separable convolutions; arXiv 1704.04861, table 1."""

V2: Final = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, repeats, stride; CVPR 2018, table 2."""

V3_LARGE: Final = (
    (3, 16, 16, 1, 0, "relu"), (3, 64, 24, 2, 0, "relu"), (3, 72, 24, 1, 0, "relu"),
    (5, 72, 40, 2, 1, "relu"), (5, 120, 40, 1, 1, "relu"), (5, 120, 40, 1, 1, "relu"),
    (3, 240, 80, 2, 0, "hardswish"),
    (3, 200, 80, 1, 0, "hardswish"), (3, 184, 80, 1, 0, "hardswish"), (3, 184, 80, 1, 0, "hardswish"),
    (3, 480, 112, 1, 1, "hardswish"), (3, 672, 112, 1, 1, "hardswish"), (5, 672, 160, 2, 1, "hardswish"),
    (5, 960, 160, 1, 1, "hardswish"), (5, 960, 160, 1, 1, "hardswish"),
)  # fmt: skip
"""Kernel, hidden, channels, stride, excitation, activation; ICCV 2019, table 1."""

V3_SMALL: Final = (
    (3, 16, 16, 2, 1, "relu"), (3, 72, 24, 2, 0, "relu"), (3, 88, 24, 1, 0, "relu"),
    (5, 96, 40, 2, 1, "hardswish"), (5, 240, 40, 1, 1, "hardswish"), (5, 240, 40, 1, 1, "hardswish"),
    (5, 120, 48, 1, 1, "hardswish"), (5, 144, 48, 1, 1, "hardswish"), (5, 288, 96, 2, 1, "hardswish"),
    (5, 576, 96, 1, 1, "hardswish"), (5, 576, 96, 1, 1, "hardswish"),
)  # fmt: skip
"""The same of table 2."""


def mobilenet_v1_features(width: float = 1.0, taps: Iterable[int] = (-1,), *, channels: int = 3) -> Features:
    """Stem and 13 separable convolutions (stages 0 to 13); `channels`: of the image."""
    out = max(8, int(32 * width))
    stages: list[nn.Module] = [ConvBnAct(channels, out, 3, stride=2, activation="relu6")]
    widths = [out]
    for base, stride in V1:
        c_in, out = out, max(8, int(base * width))
        depthwise = ConvBnAct(c_in, c_in, 3, stride=stride, groups=c_in, activation="relu6")
        stages.append(nn.Sequential(depthwise, ConvBnAct(c_in, out, 1, activation="relu6")))
        widths.append(out)
    return Features(stages, widths, taps)


def mobilenet_v1(width: float = 1.0, classes: int = TF_CLASSES, *, channels: int = 3) -> Classifier:
    """MobileNet V1; 4.24 M parameters and 569 M MACs at width 1 and 224 pixels."""
    return Classifier(mobilenet_v1_features(width, channels=channels), classes)


def mobilenet_v2_features(
    width: float = 1.0, taps: Iterable[int] = (-1,), *, output_stride: int = 32, head: bool = True
) -> Features:
    """Stem, 17 inverted residuals and, with `head`, the last 1x1 convolution (stage 18).

    Args:
        width: of every layer; the last convolution never gets narrower than 1280.
        taps: stages whose maps are returned.
        output_stride: 16 or 8 keep the last stages finer and dilate them instead, as DeepLab does.
        head: whether the 1x1 convolution before the classifier is a part.
    """
    out = divisible(32 * width)
    stages: list[nn.Module] = [ConvBnAct(3, out, 3, stride=2, activation="relu6")]
    widths, reached, dilation = [out], 2, 1
    for expand, base, repeats, stride in V2:
        for at in range(repeats):
            c_in, out, step, dilated = out, divisible(base * width), stride if at == 0 else 1, dilation
            if reached * step > output_stride:
                dilation, step = dilation * step, 1
            reached *= step
            block = Block(3, 0, base, step, expand, dilation=dilated)
            stages.append(InvertedResidual(c_in, c_in * expand, out, block))
            widths.append(out)
    if head:
        last = divisible(1280 * max(1.0, width))
        stages.append(ConvBnAct(out, last, 1, activation="relu6"))
        widths.append(last)
    return Features(stages, widths, taps)


def mobilenet_v2(width: float = 1.0, classes: int = TF_CLASSES) -> Classifier:
    """MobileNet V2; 3.5 M parameters and 300 M MACs at width 1 and 224 pixels."""
    return Classifier(mobilenet_v2_features(width), classes)


def mobilenet_v3_features(
    size: str, width: float = 1.0, taps: Iterable[int] = (-1,), *, minimalistic: bool = False
) -> Features:
    """Stem, 15 (large) or 11 (small) inverted residuals and the last 1x1 convolution.

    Args:
        size: "large" or "small".
        width: of every layer.
        taps: stages whose maps are returned.
        minimalistic: 3x3 kernels and ReLU alone, no excitation.
    """
    table = V3_LARGE if size == "large" else V3_SMALL
    swish = "relu" if minimalistic else "hardswish"
    out = divisible(16 * width)
    stages: list[nn.Module] = [ConvBnAct(3, out, 3, stride=2, activation=swish)]
    widths = [out]
    for at, (kernel, hidden, base, stride, excite, activation) in enumerate(table):
        plain = at == 0 and hidden == base
        block = Block(
            3 if minimalistic else kernel,
            0 if plain else hidden,
            base,
            stride,
            excite=bool(excite) and not minimalistic,
            activation="relu" if minimalistic else activation,
        )
        c_in, out = out, divisible(base * width)
        inside = c_in if plain else divisible(hidden * c_in / _in_width(table, at))
        stages.append(InvertedResidual(c_in, inside, out, block))
        widths.append(out)
    last = 6 * out
    stages.append(ConvBnAct(out, last, 1, activation=swish))
    return Features(stages, [*widths, last], taps)


def _in_width(table: tuple[tuple[int, int, int, int, int, str], ...], at: int) -> int:
    """Channels that a block of the table reads at width 1."""
    return table[at - 1][2] if at else 16


def mobilenet_v3(
    size: str, width: float = 1.0, classes: int = TF_CLASSES, *, minimalistic: bool = False, hidden: int = 0
) -> Classifier:
    """MobileNet V3 "large" (5.5 M parameters, 217 M MACs at 224 pixels) or "small" (2.5 M, 57 M).

    Args:
        size: "large" or "small".
        width: of every layer but the last one.
        classes: of the data set.
        minimalistic: 3x3 kernels and ReLU alone, no excitation.
        hidden: of the layer before the classifier, at any width; 0: as published.
    """
    features = mobilenet_v3_features(size, width, minimalistic=minimalistic)
    published = divisible({"large": 1280, "small": 1024}[size] * max(1.0, width))
    return Classifier(features, classes, hidden or published)
