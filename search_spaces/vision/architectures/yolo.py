"""YOLOv5, v8, v10, v11 and v12: one backbone of five levels, one path aggregation, a head of the time.

The depth, width and widest layer of each size are those of the published model tables; channels are rounded
up to multiples of 8, repeats to the nearest integer of at least 1.

Source: Jocher et al., YOLOv5 (releases 2.0 to 6.1), YOLOv8, YOLO11; Wang et al., YOLOv10, NeurIPS 2024; Tian
et al., YOLOv12, 2025.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import Features
from search_spaces.vision.architectures.yolo_blocks import (
    AreaCsp,
    Bottleneck,
    CompactInverted,
    Conv,
    Csp,
    EarlyCsp,
    Focus,
    PartialAttention,
    PyramidPool,
    SplitCsp,
    separate_down,
)
from search_spaces.vision.architectures.yolo_heads import (
    TASKS,
    AnchorHead,
    Detector,
    PathAggregation,
    SplitHead,
)

if TYPE_CHECKING:
    from torch import Tensor

Make = Callable[[int, int], nn.Module]

CLS_HIDDEN: Final = 1280
IMAGENET_CLASSES: Final = 1000


@dataclass(frozen=True, slots=True)
class Scale:
    """One size of a family.

    Attributes:
        depth: factor on repeats.
        width: factor on channels.
        widest: no layer has more channels than this times `width`.
    """

    depth: float
    width: float
    widest: int = 1024

    def channels(self, base: int) -> int:
        """Channels of a layer that has `base` at width 1."""
        return math.ceil(min(base, self.widest) * self.width / 8) * 8

    def repeats(self, base: int) -> int:
        """Repeats of a block that has `base` at depth 1."""
        return max(round(base * self.depth), 1) if base > 1 else base


V5: Final = {"n": (0.33, 0.25), "s": (0.33, 0.5), "m": (0.67, 0.75), "l": (1.0, 1.0), "x": (1.33, 1.25)}
V8: Final = {
    "n": (0.33, 0.25, 1024), "s": (0.33, 0.5, 1024), "m": (0.67, 0.75, 768), "l": (1.0, 1.0, 512),
    "x": (1.0, 1.25, 512),
}  # fmt: skip
V10: Final = {**V8, "b": (0.67, 1.0, 512)}
V11: Final = {
    "n": (0.5, 0.25, 1024), "s": (0.5, 0.5, 1024), "m": (0.5, 1.0, 512), "l": (1.0, 1.0, 512),
    "x": (1.0, 1.5, 512),
}  # fmt: skip


class ImageClassifier(nn.Module):
    """The coarsest map of a backbone through a 1x1 convolution, a mean and a linear layer."""

    def __init__(self, backbone: Features, classes: int = IMAGENET_CLASSES) -> None:
        super().__init__()
        self.backbone = backbone
        self.conv = Conv(backbone.channels[-1], CLS_HIDDEN)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(CLS_HIDDEN, classes)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(self.pool(self.conv(self.backbone(x)[-1])).flatten(1))
        return y


def _split_csp(scale: Scale, repeats: int, *, add: bool, act: str = "silu") -> Make:
    """YOLOv8's block."""
    inner = partial(Bottleneck, kernels=(3, 3), act=act, add=add)
    return lambda c_in, c_out: SplitCsp(c_in, c_out, scale.repeats(repeats), inner, act=act)


def _neck(
    fine: Sequence[int], tops: Sequence[Make], downs: Sequence[Make], bottoms: Sequence[Make]
) -> nn.Module:
    """Path aggregation without lateral convolutions, whose results have the channels that they read.

    Args:
        fine: channels of the maps, finest first.
        tops: coarsest first.
        downs: finest first.
        bottoms: finest first.
    """
    p3, p4, p5 = fine
    up = [tops[0](p5 + p4, p4), tops[1](p4 + p3, p3)]
    down = [downs[0](p3, p3), downs[1](p4, p4)]
    back = [bottoms[0](p3 + p4, p4), bottoms[1](p4 + p5, p5)]
    return PathAggregation([nn.Identity(), nn.Identity()], up, down, back)


def _down(c_in: int, c_out: int, act: str = "silu") -> nn.Module:
    return Conv(c_in, c_out, 3, stride=2, activation=act)


def _head(channels: Sequence[int], task: str, scale: Scale, *, light: bool, act: str = "silu") -> nn.Module:
    return SplitHead(channels, TASKS[task], scale.channels(256), light=light, act=act)


def yolov8(size: str = "n", task: str = "detect", act: str = "silu") -> nn.Module:
    """YOLOv8; `task`: detect, seg, pose, obb or cls. 3.2 M parameters, 8.7 GFLOPs at 640 pixels for "n"."""
    depth, width, widest = V8[size]
    scale = Scale(depth, width, 1024 if task == "cls" else widest)
    c = [scale.channels(b) for b in (64, 128, 256, 512, 1024)]
    stages: list[nn.Module] = [Conv(3, c[0], 3, stride=2, activation=act)]
    for at, repeats in enumerate((3, 6, 6, 3), start=1):
        block = _split_csp(scale, repeats, add=True, act=act)(c[at], c[at])
        stages.append(nn.Sequential(_down(c[at - 1], c[at], act), block))
    if task == "cls":
        return ImageClassifier(Features(stages, c, [4]))
    stages[4].append(PyramidPool(c[4], c[4], act))  # type: ignore[operator]
    block3 = _split_csp(scale, 3, add=False, act=act)
    down = partial(_down, act=act)
    neck = _neck(c[2:], [block3] * 2, [down] * 2, [block3] * 2)
    return Detector(Features(stages, c, (2, 3, 4)), neck, _head(c[2:], task, scale, light=False, act=act))


def yolov10(size: str = "n") -> nn.Module:
    """YOLOv10 with the head that needs no box selection; 2.3 M parameters, 6.7 GFLOPs at 640 for "n"."""
    scale = Scale(*V10[size])
    c = [scale.channels(b) for b in (64, 128, 256, 512, 1024)]
    compact = {"n": "", "s": "5", "m": "5d", "b": "5td", "l": "5td", "x": "45td"}[size]
    large = size in ("n", "s")

    def cib(repeats: int) -> Make:
        inner = partial(CompactInverted, large=large)
        return lambda c_in, c_out: SplitCsp(c_in, c_out, scale.repeats(repeats), inner)

    def block(where: str, repeats: int, *, add: bool) -> Make:
        return cib(repeats) if where in compact else _split_csp(scale, repeats, add=add)

    downs: tuple[Make, ...] = (_down, _down, separate_down, separate_down)
    stages: list[nn.Module] = [Conv(3, c[0], 3, stride=2)]
    for at, repeats in enumerate((3, 6, 6, 3), start=1):
        made = block(str(at + 1), repeats, add=True)(c[at], c[at])
        stages.append(nn.Sequential(downs[at - 1](c[at - 1], c[at]), made))
    stages[4].extend([PyramidPool(c[4], c[4]), PartialAttention(c[4])])  # type: ignore[operator]
    tops = [block("t", 3, add=False), _split_csp(scale, 3, add=False)]
    neck = _neck(c[2:], tops, [_down, separate_down], [block("d", 3, add=False), cib(3)])
    return Detector(Features(stages, c, (2, 3, 4)), neck, _head(c[2:], "detect", scale, light=True))


def _nested(scale: Scale, size: str, *, deep: bool, add: bool = True, ratio: float = 0.5) -> Make:
    """YOLO11's block; its larger sizes nest a CSP everywhere."""

    def inner(c_in: int, c_out: int) -> nn.Module:
        if deep or size in ("m", "l", "x"):
            return Csp(c_in, c_out, 2, kernels=(3, 3), add=add)
        return Bottleneck(c_in, c_out, (3, 3), "silu", add=add, ratio=0.5)

    return lambda c_in, c_out: SplitCsp(c_in, c_out, scale.repeats(2), inner, ratio)


def yolo11(size: str = "n", task: str = "detect") -> nn.Module:
    """YOLO11; `task`: detect, seg, pose, obb or cls. 2.6 M parameters, 6.5 GFLOPs at 640 pixels for "n"."""
    scale = Scale(*V11[size])
    c = [scale.channels(b) for b in (64, 256, 512, 512, 1024)]
    before = [c[0], scale.channels(128), scale.channels(256), c[3], c[4]]
    stages: list[nn.Module] = [Conv(3, c[0], 3, stride=2)]
    for at in range(1, 5):
        make = _nested(scale, size, deep=at > 2, ratio=0.25 if at < 3 else 0.5)
        stages.append(nn.Sequential(_down(c[at - 1], before[at]), make(before[at], c[at])))
    attention = PartialAttention(c[4], scale.repeats(2))
    if task == "cls":
        stages[4].append(attention)  # type: ignore[operator]
        return ImageClassifier(Features(stages, c, [4]))
    stages[4].extend([PyramidPool(c[4], c[4]), attention])  # type: ignore[operator]
    shallow, deep = _nested(scale, size, deep=False), _nested(scale, size, deep=True)
    return _with_wide_p3(stages, c, scale, (shallow, shallow, shallow, deep), task)


def yolov12(size: str = "n") -> nn.Module:
    """YOLOv12, with area attention; 2.6 M parameters, 6.5 GFLOPs at 640 pixels for "n"."""
    scale = Scale(*V11[size])
    c = [scale.channels(b) for b in (64, 256, 512, 512, 1024)]
    before = [c[0], scale.channels(128), scale.channels(256), c[3], c[4]]
    large = size in ("l", "x")

    def area(repeats: int, areas: int) -> Make:
        n, mlp = scale.repeats(repeats), 1.2 if large else 2.0
        return lambda c_in, c_out: AreaCsp(c_in, c_out, n, areas, mlp=mlp, scaled=large)

    makes = [_nested(scale, size, deep=False, ratio=0.25)] * 2 + [area(4, 4), area(4, 1)]
    stages: list[nn.Module] = [Conv(3, c[0], 3, stride=2)]
    for at, make in enumerate(makes, start=1):
        stages.append(nn.Sequential(_down(c[at - 1], before[at]), make(before[at], c[at])))
    plain = area(2, 0)
    return _with_wide_p3(stages, c, scale, (plain, plain, plain, _nested(scale, size, deep=True)), "detect")


def _with_wide_p3(
    stages: Sequence[nn.Module], c: Sequence[int], scale: Scale, blocks: Sequence[Make], task: str
) -> nn.Module:
    """The neck that reads 512 base channels at stride 8 and writes 256; `blocks`: two up, two down."""
    out = scale.channels(256)
    up = [blocks[0](c[4] + c[3], c[3]), blocks[1](c[3] + c[2], out)]
    downs = [_down(out, out), _down(c[3], c[3])]
    back = [blocks[2](out + c[3], c[3]), blocks[3](c[3] + c[4], c[4])]
    neck = PathAggregation([nn.Identity(), nn.Identity()], up, downs, back)
    head = _head((out, c[3], c[4]), task, scale, light=True)
    return Detector(Features(stages, c, (2, 3, 4)), neck, head)


def yolov5(
    size: str = "n", task: str = "detect", act: str = "silu", *, release: int = 6, split_head: bool = False,
    levels: int = 5, small_pools: bool = False,
) -> nn.Module:  # fmt: skip
    """YOLOv5.

    Args:
        size: n, s, m, l or x.
        task: detect or seg.
        act: activation; the first releases had "leaky".
        release: 6 and later start with a 6x6 convolution; 2 and 3 have the early CSP and a focus layer.
        split_head: with the head of YOLOv8 ("yolov5nu").
        levels: halvings; 6 for the variants for 1280 pixels ("yolov5m6").
        small_pools: six chained poolings of 3 in the pyramid pooling, which is how the published totals of
            Hailo's variants "wo_spp" come out.
    """
    scale = Scale(*V5[size])
    early, focus = release < 4, release < 6
    windows = (3,) * 6 if small_pools else (5, 9, 13) if focus else (5, 5, 5)
    c = [
        scale.channels(b)
        for b in ((64, 128, 256, 512, 1024) if levels == 5 else (64, 128, 256, 512, 768, 1024))
    ]
    block = EarlyCsp if early else Csp
    repeats = ((3, 9, 9) if focus else (3, 6, 9)) + (3,) * (levels - 4)
    stages: list[nn.Module] = [Focus(3, c[0], act) if focus else Conv(3, c[0], 6, stride=2, activation=act)]
    for at, n in enumerate(repeats, start=1):
        layers = [_down(c[at - 1], c[at], act)]
        layers.append(block(c[at], c[at], scale.repeats(n), add=at < levels - 1 or not focus, act=act))
        if at == levels - 1:
            pool = PyramidPool(c[at], c[at], act, windows=windows, chained=small_pools or not focus)
            layers.insert(1 if focus else 2, pool)
        stages.append(nn.Sequential(*layers))
    maps = c[2:]
    n = scale.repeats(3)
    pairs = list(itertools.pairwise(maps))
    neck = PathAggregation(
        [Conv(coarse, fine, activation=act) for fine, coarse in reversed(pairs)],
        [block(2 * fine, fine, n, add=False, act=act) for fine, _ in reversed(pairs)],
        [_down(fine, fine, act) for fine, _ in pairs],
        [block(2 * fine, coarse, n, add=False, act=act) for fine, coarse in pairs],
    )
    features = Features(stages, c, range(2, levels))
    if split_head:
        return Detector(features, neck, _head(maps, task, scale, light=False, act=act))
    return Detector(features, neck, AnchorHead(maps, TASKS[task], hidden=scale.channels(256), act=act))
