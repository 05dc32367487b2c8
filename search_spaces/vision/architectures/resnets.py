"""Forms of ResNets and of EfficientNets for the EdgeTPU that torchvision and timm do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.widths import divisible

if TYPE_CHECKING:
    from torch import Tensor


def caffe_resnet(depth: int = 50) -> nn.Module:
    """ResNet as first published, and in Keras: a stage strides in its first 1x1 convolution, not in the 3x3.

    Source: He et al., Deep Residual Learning, CVPR 2016, table 1; 3.86 G MACs for 50 layers at 224 pixels.
    """
    from torchvision.models import get_model

    network: nn.Module = get_model(f"resnet{depth}", weights=None)
    for name, block in network.named_modules():
        if name.endswith(".0") and hasattr(block, "conv3") and block.stride == 2:
            block.conv1.stride, block.conv2.stride = (2, 2), (1, 1)
    return network


def edgetpu_efficientnet(size: str = "s") -> nn.Module:
    """EfficientNet-EdgeTPU as TensorFlow has it: a fused block strides in its last 1x1 convolution.

    Source: tensorflow/tpu, models/official/efficientnet/efficientnet_model.py,
    `MBConvBlockWithoutDepthwise` (Apache-2.0); timm's, which this is otherwise, strides in the 3x3.

    Args:
        size: "s", "m" or "l".
    """
    import timm

    network: nn.Module = timm.create_model(f"efficientnet_e{size}", pretrained=False)
    for block in network.modules():
        if type(block).__name__ == "EdgeResidual":
            last, first = block.get_submodule("conv_pwl"), block.get_submodule("conv_exp")
            vars(last)["stride"], vars(first)["stride"] = vars(first)["stride"], (1, 1)
    return network


OFA_DEPTHS: Final = (4, 4, 6, 4)
OFA_WIDTHS: Final = (256, 512, 1024, 2048)
OFA_EXPAND: Final = 0.35


class _OfaUnit(nn.Module):
    """Bottleneck whose shortcut averages before it projects, as in ResNet-D."""

    def __init__(self, c_in: int, out: int, stride: int) -> None:
        super().__init__()
        middle = divisible(out * OFA_EXPAND)
        self.branch = nn.Sequential(
            ConvBnAct(c_in, middle, 1),
            ConvBnAct(middle, middle, 3, stride=stride),
            ConvBnAct(middle, out, 1, activation=None),
        )
        self.shortcut: nn.Module = nn.Identity()
        if c_in != out:
            pool = nn.AvgPool2d(stride, stride, ceil_mode=True) if stride > 1 else nn.Identity()
            self.shortcut = nn.Sequential(pool, ConvBnAct(c_in, out, 1, activation=None))
        self.act = nn.ReLU()

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.shortcut(x) + self.branch(x))
        return y


class _Residual(nn.Module):
    """A convolution beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ConvBnAct(channels, channels, 3)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.conv(x)
        return y


def ofa_resnet50() -> nn.Sequential:
    """The largest ResNet-50 of Once-for-All: widest, deepest (4, 4, 6, 4) and with expansion 0.35.

    Source: mit-han-lab/once-for-all, ofa/imagenet_classification/elastic_nn/networks/ofa_resnets.py (MIT),
    after Cai et al., Once-for-All, ICLR 2020.
    """
    layers: list[nn.Module] = [
        ConvBnAct(3, 32, 3, stride=2),
        _Residual(32),
        ConvBnAct(32, 64, 3),
        nn.MaxPool2d(3, 2, 1),
    ]
    c_in = 64
    for stage, (depth, out) in enumerate(zip(OFA_DEPTHS, OFA_WIDTHS, strict=True)):
        for unit in range(depth):
            layers.append(_OfaUnit(c_in, out, 2 if stage and not unit else 1))
            c_in = out
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, 1000)]
    return nn.Sequential(*layers)


class SphereFace(nn.Module):
    """SphereFace with 20 layers, (N, 3, 112, 96) to (N, 512).

    Source: Liu et al., SphereFace, CVPR 2017, table 2.
    """

    def __init__(self, units: tuple[int, ...] = (1, 2, 4, 1), size: tuple[int, int] = (112, 96)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in, height, width = 3, *size
        for repeats, out in zip(units, (64, 128, 256, 512), strict=True):
            layers.append(ConvBnAct(c_in, out, 3, stride=2, activation="prelu", norm=False))
            layers += [_SphereUnit(out) for _ in range(repeats)]
            c_in, height, width = out, -(-height // 2), -(-width // 2)
        self.features = nn.Sequential(*layers)
        self.embed = nn.Linear(c_in * height * width, 512)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.embed(self.features(x).flatten(1))
        return y


class _SphereUnit(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvBnAct(channels, channels, 3, activation="prelu", norm=False),
            ConvBnAct(channels, channels, 3, activation="prelu", norm=False),
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def mobilenet_edge(width: float = 1.0) -> nn.Module:
    """MobileNet for the EdgeTPU at any width; 0.99 G MACs at width 1 and 224 pixels.

    Source: Xiong et al., MobileDets, arXiv 2004.14525; tensorflow/models, research/slim/nets/mobilenet.
    """
    from timm.models import efficientnet

    make: Any = efficientnet._gen_mobilenet_edgetpu
    network: nn.Module = make("mobilenet_edgetpu_100", channel_multiplier=width)
    return network


IR_UNITS: Final = {50: (3, 4, 14, 3), 100: (3, 13, 30, 3), 152: (3, 8, 36, 3)}


class FaceUnit(nn.Module):
    """Two normalised 3x3 convolutions, with squeeze-and-excitation, beside the identity or a projection."""

    def __init__(self, c_in: int, out: int, stride: int, *, excite: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(c_in),
            nn.Conv2d(c_in, out, 3, 1, 1, bias=False),
            nn.PReLU(out),
            nn.Conv2d(out, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        squeezed = out // 16
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(out, squeezed, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(squeezed, out, 1, bias=False),
            nn.Sigmoid(),
        )
        if not excite:
            self.gate = nn.Sequential()
        self.excite = excite
        self.shortcut: nn.Module = nn.MaxPool2d(1, stride)
        if c_in != out:
            self.shortcut = ConvBnAct(c_in, out, 1, stride=stride, activation=None)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        if self.excite:
            y = y * self.gate(y)
        summed: Tensor = self.shortcut(x) + y
        return summed


def face_resnet(depth: int = 100, *, excite: bool = True, side: int = 112) -> nn.Sequential:
    """IR(-SE) network for faces, (N, 3, side, side) to (N, 512); IR-SE-100 has 65.5 M parameters.

    Source: Deng et al., ArcFace, CVPR 2019; cavalleria/cavaface, backbone/resnet_irse.py (MIT).
    """
    layers: list[nn.Module] = [ConvBnAct(3, 64, 3, activation="prelu")]
    c_in = 64
    for units, out in zip(IR_UNITS[depth], (64, 128, 256, 512), strict=True):
        for unit in range(units):
            layers.append(FaceUnit(c_in, out, 1 if unit else 2, excite=excite))
            c_in = out
    places = (side // 16) ** 2
    layers += [nn.BatchNorm2d(c_in), nn.Flatten(), nn.Linear(c_in * places, 512), nn.BatchNorm1d(512)]
    return nn.Sequential(*layers)
