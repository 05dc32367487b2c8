"""Residual networks with every stage's depth, width and bottleneck free.

Source: He et al., Deep Residual Learning, CVPR 2016, table 1; Zagoruyko and Komodakis, Wide Residual
Networks, BMVC 2016; He et al., Bag of Tricks, CVPR 2019, section 4.2; knobs after Cai et al., Once-for-All,
ICLR 2020.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from typing_extensions import override

from search_spaces.candidate import Candidate
from search_spaces.knobs import Choice, IntRange, Knob
from search_spaces.vision.elastic import ElasticSpace
from search_spaces.vision.widths import divisible

if TYPE_CHECKING:
    from torch import nn

    from search_spaces.closed_form import OpWriter
    from search_spaces.knobs import Scalar

Layer = tuple[int, int, int]
"""Channels, kernel and stride of a convolution."""

WIDTHS: Final = (64, 128, 256, 512)
"""Channels of the stages at width 1, of a bottleneck before its last 1x1; table 1."""
EXPANSION: Final = 4
"""Channels of a bottleneck's result over those of table 1's 3x3."""
STEMS: Final[Mapping[str, tuple[Layer, ...]]] = {
    "conv7": ((64, 7, 2),),
    "deep": ((32, 3, 2), (32, 3, 1), (64, 3, 1)),
}
_DEPTHS: Final = ((1, 2, 3, 4), (1, 2, 3, 4, 6, 8), (1, 2, 3, 4, 6, 9, 12, 18, 23, 36), (1, 2, 3, 4))


class Unit(NamedTuple):
    """One residual unit.

    Attributes:
        c_in, c_out: channels read and written.
        middle: channels of the bottleneck; 0: two 3x3 convolutions instead.
        stride: of the unit.
        averages: whether a shortcut that strides averages and then projects (ResNet-D).
    """

    c_in: int
    c_out: int
    middle: int
    stride: int
    averages: bool

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The convolutions of the branch."""
        if not self.middle:
            return (self.c_out, 3, self.stride), (self.c_out, 3, 1)
        return (self.middle, 1, 1), (self.middle, 3, self.stride), (self.c_out, 1, 1)

    @property
    def projects(self) -> bool:
        """Whether the shortcut is a convolution."""
        return self.stride > 1 or self.c_in != self.c_out


def _knobs() -> dict[str, Knob]:
    knobs: dict[str, Knob] = {
        "resolution": IntRange(128, 320, 32),
        "block": Choice(("basic", "bottleneck")),
        "stem": Choice(tuple(STEMS)),
        "shortcut": Choice(("conv", "average")),
    }
    for at, depths in enumerate(_DEPTHS, 1):
        knobs |= {
            f"depth_{at}": Choice(depths, ordered=True),
            f"width_{at}": Choice((0.5, 0.75, 1.0, 1.25), ordered=True),
            f"ratio_{at}": Choice((0.125, 0.1875, 0.25, 0.375, 0.5), ordered=True),
        }
    return knobs


KNOBS: Final = _knobs()


@dataclass(frozen=True)
class ElasticResnet(ElasticSpace):
    """ResNet-like networks; input (N, 3, resolution, resolution), output (N, n_classes).

    `depth_s` counts the units of stage s of four, `width_s` multiplies its published channels, `ratio_s` is
    the width of its bottlenecks over that of their result (as published 0.25; it does not apply to basic
    blocks). `stem` and `shortcut` are those of ResNet ("conv7", "conv") or of ResNet-D ("deep", "average").
    """

    name: str = "elastic_resnet"
    n_classes: int = 1000

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return KNOBS

    @property
    @override
    def known(self) -> Mapping[str, Candidate]:
        return _known()

    @property
    @override
    def size(self) -> int:
        def ways(*names: str) -> int:
            return math.prod(len(KNOBS[name]) for name in names)

        stages = range(1, len(WIDTHS) + 1)
        free = ways(
            "resolution", "stem", "shortcut", *(f"{k}_{s}" for k in ("depth", "width") for s in stages)
        )
        return free * (1 + ways(*(f"ratio_{s}" for s in stages)))

    @override
    def reduced(self, whole: Candidate) -> Mapping[str, Scalar]:
        basic = whole["block"] == "basic"
        return {k: v for k, v in whole.items() if not (basic and k.startswith("ratio_"))}

    @override
    def sizes(self, here: Candidate) -> str:
        depths = ".".join(str(here[f"depth_{at}"]) for at in range(1, len(WIDTHS) + 1))
        return f"{here['resolution']}-{here['block']}-d{depths}"

    @override
    def build(self, candidate: Candidate) -> nn.Module:
        from search_spaces.vision.architectures.residual import residual_network

        here = self.canonical(candidate)
        return residual_network(STEMS[str(here["stem"])], list(_stages(here)), self.n_classes)

    @override
    def written(self, w: OpWriter, here: Candidate) -> int:
        side = int(here["resolution"])
        x = w.input((1, 3, side, side))
        for at, (out, kernel, stride) in enumerate(STEMS[str(here["stem"])]):
            x = w.conv_bn_act(x, f"stem.{at}", out, kernel, "relu", stride=stride)
        x = w.pool2d("max_pool", x, "pool", 3, 2, 1)
        for stage, units in enumerate(_stages(here)):
            for at, unit in enumerate(units):
                x = _written(w, x, f"stages.{stage}.{at}", unit)
        x = w.global_avg_pool(x, "mean")
        x = w.view("flatten", x, "flat", w.shape(x)[:2])
        return w.linear(x, "classifier", self.n_classes)

    def shared_parts(self, candidate: Candidate) -> Mapping[str, str]:  # noqa: ARG002
        """No part is called otherwise than its path: unit b of stage s is `stages.s.b` in every network."""
        return {}


def _written(w: OpWriter, x: int, path: str, unit: Unit) -> int:
    """The rows of `architectures.residual.ResidualUnit`."""
    y, last = x, len(unit.layers) - 1
    for at, (out, kernel, stride) in enumerate(unit.layers):
        activation = None if at == last else "relu"
        y = w.conv_bn_act(y, f"{path}.branch.{at}", out, kernel, activation, stride=stride)
    shortcut = x
    if unit.projects:
        stride = unit.stride
        if unit.averages and stride > 1:
            shortcut, stride = w.pool2d("avg_pool", x, f"{path}.shortcut.0", stride, stride), 1
        shortcut = w.conv_bn_act(shortcut, f"{path}.shortcut.1", unit.c_out, 1, None, stride=stride)
    return w.elementwise("relu", f"{path}.act", w.elementwise("add", path, y, shortcut))


def _stages(here: Candidate) -> Iterator[list[Unit]]:
    """The units of each stage of a canonical candidate."""
    basic, averages = here["block"] == "basic", here["shortcut"] == "average"
    c_in = STEMS[str(here["stem"])][-1][0]
    for at, base in enumerate(WIDTHS, 1):
        out = int(base * float(here[f"width_{at}"])) * (1 if basic else EXPANSION)
        middle = 0 if basic else divisible(out * float(here[f"ratio_{at}"]))
        units = []
        for block in range(int(here[f"depth_{at}"])):
            stride = 2 if at > 1 and not block else 1
            units.append(Unit(c_in, out, middle, stride, averages))
            c_in = out
        yield units


_PUBLISHED: Final[tuple[tuple[str, str, tuple[int, int, int, int], float, bool], ...]] = (
    ("resnet18", "basic", (2, 2, 2, 2), 0.25, False),
    ("resnet34", "basic", (3, 4, 6, 3), 0.25, False),
    ("resnet26", "bottleneck", (2, 2, 2, 2), 0.25, False),
    ("resnet50", "bottleneck", (3, 4, 6, 3), 0.25, False),
    ("resnet101", "bottleneck", (3, 4, 23, 3), 0.25, False),
    ("resnet152", "bottleneck", (3, 8, 36, 3), 0.25, False),
    ("resnet50d", "bottleneck", (3, 4, 6, 3), 0.25, True),
    ("wide_resnet50_2", "bottleneck", (3, 4, 6, 3), 0.5, False),
)
"""Name, block, depths, ratio, whether it is a ResNet-D."""


def _known() -> dict[str, Candidate]:
    found = {}
    for name, block, depths, ratio, is_d in _PUBLISHED:
        stem, shortcut = ("deep", "average") if is_d else ("conv7", "conv")
        values: dict[str, Scalar] = {"resolution": 224, "block": block, "stem": stem, "shortcut": shortcut}
        for at, depth in enumerate(depths, 1):
            values |= {f"depth_{at}": depth, f"width_{at}": 1.0, f"ratio_{at}": ratio}
        found[name] = ElasticResnet().canonical(Candidate(values))
    return found
