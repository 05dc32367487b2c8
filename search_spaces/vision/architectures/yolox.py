"""YOLOX: YOLOv5's body with a decoupled head and no anchors.

Source: Ge et al., YOLOX, arXiv 2107.08430, and the configurations of Megvii-BaseDetection/YOLOX (Apache-2.0).
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Final

from torch import nn

from search_spaces.vision.architectures.layers import Features
from search_spaces.vision.architectures.yolo_blocks import Conv, Csp, Focus, PyramidPool
from search_spaces.vision.architectures.yolo_heads import DecoupledHead, Detector, PathAggregation

SIZES: Final = {
    "nano": (0.33, 0.25), "tiny": (0.33, 0.375), "s": (0.33, 0.5), "s_wide": (0.33, 0.75), "m": (0.67, 0.75),
    "l": (1.0, 1.0), "x": (1.33, 1.25),
}  # fmt: skip
"""Depth and width."""


def yolox(size: str = "s", act: str = "silu") -> nn.Module:
    """YOLOX; 9.0 M parameters, 26.8 GFLOPs at 640 pixels for "s"; depthwise convolutions in "nano"."""
    depth, width = SIZES[size]
    depthwise = size == "nano"
    c = [int(b * width) for b in (64, 128, 256, 512, 1024)]
    conv3 = partial(_conv3, act=act, depthwise=depthwise)
    csp = partial(_csp, act=act, depthwise=depthwise)
    repeats = [max(round(n * depth), 1) for n in (3, 9, 9, 3)]
    stages: list[nn.Module] = [Focus(3, c[0], act)]
    for at, n in enumerate(repeats, start=1):
        pool = (
            [PyramidPool(c[at], c[at], act, windows=(5, 9, 13), chained=False)] if at == len(repeats) else []
        )
        block = csp(c[at], c[at], n, add=at < len(repeats))
        stages.append(nn.Sequential(conv3(c[at - 1], c[at], stride=2), *pool, block))
    n = repeats[0]
    pairs = list(itertools.pairwise(c[2:]))
    neck = PathAggregation(
        [Conv(coarse, fine, activation=act) for fine, coarse in reversed(pairs)],
        [csp(2 * fine, fine, n, add=False) for fine, _ in reversed(pairs)],
        [conv3(fine, fine, stride=2) for fine, _ in pairs],
        [csp(2 * fine, coarse, n, add=False) for fine, coarse in pairs],
    )
    head = DecoupledHead(c[2:], int(256 * width), 2, act=act, depthwise=depthwise)
    return Detector(Features(stages, c, (2, 3, 4)), neck, head)


def _conv3(c_in: int, c_out: int, *, act: str, depthwise: bool, stride: int = 1) -> nn.Module:
    if not depthwise:
        return Conv(c_in, c_out, 3, stride=stride, activation=act)
    separate = Conv(c_in, c_in, 3, stride=stride, groups=c_in, activation=act)
    return nn.Sequential(separate, Conv(c_in, c_out, activation=act))


def _csp(c_in: int, c_out: int, n: int, *, act: str, depthwise: bool, add: bool) -> nn.Module:
    block = Csp(c_in, c_out, n, add=add, act=act)
    if depthwise:
        for inner in block.inner:
            inner.second = _conv3(c_out // 2, c_out // 2, act=act, depthwise=True)
    return block
