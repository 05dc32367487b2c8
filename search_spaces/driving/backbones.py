"""Backbones, written on a `GraphWriter`: an image (N, 3, H, W) to the maps of strides 8, 16 and 32.

The paths of the ResNets' layers are torchvision's, so that its weights fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from search_spaces.graph_writer import GraphWriter, Ref

Maps = tuple[Ref, Ref, Ref]


def conv_bn(
    w: GraphWriter,
    x: Ref,
    path: str,
    out: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    act: str = "",
) -> Ref:
    """Convolution, batch norm and, if named, an activation."""
    y = w.conv2d(x, f"{path}.conv", out, kernel, stride=stride, groups=groups)
    y = w.batch_norm(y, f"{path}.norm")
    return w.apply(act, y) if act else y


# -- ResNet ----------------------------------------------------------------------------------------

RESNETS: Final[Mapping[int, tuple[int, ...]]] = {
    18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3),
}  # fmt: skip
"""Blocks of each stage by number of layers. Source: He et al., Deep Residual Learning, CVPR 2016, table 1."""


def resnet(
    w: GraphWriter, x: Ref, path: str, *, layers: int = 50, width: float = 1.0, act: str = "relu"
) -> Maps:
    """ResNet in torchvision's form: the stride stands in the 3x3 convolution."""
    base = int(64 * width)
    x = w.conv2d(x, f"{path}.conv1", base, 7, stride=2)
    x = w.apply(act, w.batch_norm(x, f"{path}.bn1"))
    x = w.max_pool(x, 3, 2, 1)
    maps = []
    for stage, blocks in enumerate(RESNETS[layers]):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            x = _residual(
                w, x, f"{path}.layer{stage + 1}.{block}", base * 2**stage, stride, layers >= 50, act
            )
        maps.append(x)
    return maps[1], maps[2], maps[3]


def _residual(w: GraphWriter, x: Ref, path: str, width: int, stride: int, deep: bool, act: str) -> Ref:
    plan = (
        ((width, 1, 1), (width, 3, stride), (4 * width, 1, 1))
        if deep
        else ((width, 3, stride), (width, 3, 1))
    )
    y = x
    for at, (out, kernel, step) in enumerate(plan, start=1):
        y = w.batch_norm(w.conv2d(y, f"{path}.conv{at}", out, kernel, stride=step), f"{path}.bn{at}")
        if at < len(plan):
            y = w.apply(act, y)
    if w.shape(x) != w.shape(y):
        out = w.shape(y)[1]
        x = w.conv2d(x, f"{path}.downsample.0", out, 1, stride=stride)
        x = w.batch_norm(x, f"{path}.downsample.1")
    return w.apply(act, w.add(y, x))


# -- MobileNetV2 -----------------------------------------------------------------------------------

INVERTED: Final = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip
"""Expansion, channels, repeats, stride. Source: Sandler et al., MobileNetV2, CVPR 2018, table 2."""


def mobilenet_v2(w: GraphWriter, x: Ref, path: str, *, width: float = 1.0, act: str = "relu6") -> Maps:
    """MobileNetV2 without its last 1x1 convolution."""
    x = conv_bn(w, x, f"{path}.stem", _divisible(32 * width), 3, stride=2, act=act)
    ends = []
    for stage, (expansion, channels, repeats, stride) in enumerate(INVERTED):
        for block in range(repeats):
            here = f"{path}.stage{stage}.{block}"
            x = _inverted(w, x, here, _divisible(channels * width), expansion, 1 if block else stride, act)
        ends.append(x)
    return ends[2], ends[4], ends[6]


def _inverted(w: GraphWriter, x: Ref, path: str, out: int, expansion: int, stride: int, act: str) -> Ref:
    c_in = w.shape(x)[1]
    hidden = c_in * expansion
    y = conv_bn(w, x, f"{path}.expand", hidden, act=act) if expansion > 1 else x
    y = conv_bn(w, y, f"{path}.depthwise", hidden, 3, stride=stride, groups=hidden, act=act)
    y = conv_bn(w, y, f"{path}.project", out)
    return w.add(x, y) if stride == 1 and c_in == out else y


def _divisible(channels: float, by: int = 8) -> int:
    """Source: `_make_divisible` of tensorflow/models, research/slim/nets/mobilenet."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded


# -- CSPDarknet ------------------------------------------------------------------------------------


def csp_darknet(
    w: GraphWriter, x: Ref, path: str, *, width: float = 1.0, depth: float = 1.0, act: str = "silu"
) -> Maps:
    """CSPDarknet of YOLOX; its first layer, a 3x3 over 2x2 patches, in the equal form of a 6x6 with stride 2.

    Source: Ge et al., YOLOX, arXiv 2107.08430; Megvii-BaseDetection/YOLOX, models/darknet.py (Apache-2.0).
    """
    channels = [int(c * width) for c in (64, 128, 256, 512, 1024)]
    x = w.conv2d(x, f"{path}.stem.conv", channels[0], 6, stride=2, padding=2)
    x = w.apply(act, w.batch_norm(x, f"{path}.stem.norm"))
    maps = []
    for stage, (out, n) in enumerate(zip(channels[1:], (3, 9, 9, 3), strict=True), start=1):
        here = f"{path}.stage{stage}"
        x = conv_bn(w, x, f"{here}.down", out, 3, stride=2, act=act)
        last = stage == 4
        if last:
            x = _pyramid_pool(w, x, f"{here}.pool", out, act)
        x = csp(w, x, f"{here}.csp", out, repeats(n, depth), act, add=not last)
        maps.append(x)
    return maps[1], maps[2], maps[3]


def repeats(n: int, depth: float) -> int:
    """Blocks at a depth, at least one."""
    return max(round(n * depth), 1)


def csp(w: GraphWriter, x: Ref, path: str, out: int, n: int, act: str, *, add: bool) -> Ref:
    """Half the channels through `n` bottlenecks, beside their input where `add`.

    Source: Wang et al., CSPNet, CVPRW 2020.
    """
    half = out // 2
    y = conv_bn(w, x, f"{path}.first", half, act=act)
    rest = conv_bn(w, x, f"{path}.second", half, act=act)
    for block in range(n):
        here = f"{path}.inner.{block}"
        z = conv_bn(w, conv_bn(w, y, f"{here}.first", half, act=act), f"{here}.second", half, 3, act=act)
        y = w.add(y, z) if add else z
    return conv_bn(w, w.cat([y, rest], 1), f"{path}.last", out, act=act)


def _pyramid_pool(w: GraphWriter, x: Ref, path: str, out: int, act: str) -> Ref:
    """Maxima over windows of 5, 9 and 13 beside the map itself. Source: He et al., SPP, TPAMI 2015."""
    x = conv_bn(w, x, f"{path}.first", w.shape(x)[1] // 2, act=act)
    pooled = [w.max_pool(x, k, 1, k // 2) for k in (5, 9, 13)]
    return conv_bn(w, w.cat([x, *pooled], 1), f"{path}.last", out, act=act)


BACKBONES: Final[Mapping[str, Callable[..., Maps]]] = {
    "csp": csp_darknet,
    "mobilenet_v2": mobilenet_v2,
    **{f"resnet{layers}": partial(resnet, layers=layers) for layers in RESNETS},
}
"""By name; all take `width` and `act`, `csp` also `depth`."""
