"""Necks, written on a `GraphWriter`: maps of strides 8, 16 and 32 to as many or more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from search_spaces.driving.backbones import conv_bn, csp, repeats

if TYPE_CHECKING:
    from search_spaces.graph_writer import GraphWriter, Ref


def upsampled(w: GraphWriter, x: Ref, like: Ref) -> Ref:
    """To the height and width of another map."""
    height, width = w.shape(like)[2:]
    return w.resize(x, (height, width))


def fpn(w: GraphWriter, maps: Sequence[Ref], path: str, channels: int, levels: int) -> list[Ref]:
    """Feature pyramid; levels above the third are strided convolutions of the coarsest.

    Source: Lin et al., Feature Pyramid Networks, CVPR 2017; torchvision, ops/feature_pyramid_network.py.
    """
    sides = [w.conv2d(m, f"{path}.inner.{at}", channels, 1, bias=True) for at, m in enumerate(maps)]
    for at in range(len(sides) - 2, -1, -1):
        sides[at] = w.add(sides[at], upsampled(w, sides[at + 1], sides[at]))
    outs = [w.conv2d(s, f"{path}.layer.{at}", channels, 3, bias=True) for at, s in enumerate(sides)]
    while len(outs) < levels:
        x = outs[-1] if len(outs) == len(maps) else w.apply("relu", outs[-1])
        outs.append(w.conv2d(x, f"{path}.extra.{len(outs)}", channels, 3, stride=2, bias=True))
    return outs


def pafpn(w: GraphWriter, maps: Sequence[Ref], path: str, channels: int, levels: int) -> list[Ref]:
    """A feature pyramid and a second way, from fine to coarse.

    Source: Liu et al., Path Aggregation Network, CVPR 2018; mmdetection, necks/pafpn.py.
    """
    outs = fpn(w, maps, path, channels, levels)
    for at in range(1, len(maps)):
        down = w.conv2d(outs[at - 1], f"{path}.down.{at}", channels, 3, stride=2, bias=True)
        outs[at] = w.conv2d(w.add(outs[at], down), f"{path}.again.{at}", channels, 3, bias=True)
    return outs


def bifpn(
    w: GraphWriter, maps: Sequence[Ref], path: str, channels: int, levels: int, *, depth: int, act: str
) -> list[Ref]:
    """Both ways `depth` times over with depthwise convolutions; maps are summed without weights.

    Source: Tan et al., EfficientDet, CVPR 2020; the sum is that of EfficientDet-Lite (google/automl,
    efficientdet/hparams_config.py).
    """
    outs = [conv_bn(w, m, f"{path}.enter.{at}", channels) for at, m in enumerate(maps)]
    while len(outs) < levels:
        x = outs[-1] if len(outs) > len(maps) else conv_bn(w, maps[-1], f"{path}.extra", channels)
        outs.append(w.max_pool(x, 3, 2, 1))
    for turn in range(depth):
        outs = _both_ways(w, outs, f"{path}.{turn}", channels, act)
    return outs


def _both_ways(w: GraphWriter, maps: Sequence[Ref], path: str, channels: int, act: str) -> list[Ref]:
    down = list(maps)
    for at in range(len(maps) - 2, -1, -1):
        summed = w.add(maps[at], upsampled(w, down[at + 1], maps[at]))
        down[at] = _separate(w, summed, f"{path}.down.{at}", channels, act)
    outs = [down[0]]
    for at in range(1, len(maps)):
        summed = w.add(maps[at], w.max_pool(outs[-1], 3, 2, 1))
        if at < len(maps) - 1:
            summed = w.add(summed, down[at])
        outs.append(_separate(w, summed, f"{path}.up.{at}", channels, act))
    return outs


def _separate(w: GraphWriter, x: Ref, path: str, channels: int, act: str) -> Ref:
    x = w.conv2d(w.apply(act, x), f"{path}.depthwise", channels, 3, groups=channels)
    return conv_bn(w, x, f"{path}.pointwise", channels)


def csp_pafpn(
    w: GraphWriter, maps: Sequence[Ref], path: str, channels: int, *, depth: float, act: str
) -> list[Ref]:
    """Both ways with CSP blocks; `channels` at stride 8, twice and four times as many at 16 and 32.

    Source: Ge et al., YOLOX, arXiv 2107.08430; Megvii-BaseDetection/YOLOX, models/yolo_pafpn.py (Apache-2.0).
    """
    n = repeats(3, depth)
    fine, middle, coarse = maps
    kept = conv_bn(w, coarse, f"{path}.lateral", 2 * channels, act=act)
    x = w.cat([upsampled(w, kept, middle), middle], 1)
    x = csp(w, x, f"{path}.top.0", 2 * channels, n, act, add=False)
    again = conv_bn(w, x, f"{path}.reduce", channels, act=act)
    x = w.cat([upsampled(w, again, fine), fine], 1)
    out = csp(w, x, f"{path}.top.1", channels, n, act, add=False)
    outs = [out]
    for at, side in enumerate((again, kept)):
        down = conv_bn(w, outs[-1], f"{path}.down.{at}", w.shape(outs[-1])[1], 3, stride=2, act=act)
        joined = w.cat([down, side], 1)
        outs.append(csp(w, joined, f"{path}.bottom.{at}", 2 ** (at + 1) * channels, n, act, add=False))
    return outs
