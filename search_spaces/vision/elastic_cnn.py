"""Inverted residuals in the manner of MobileNetV3; depth, width, kernel and excitation of every stage free.

Source: Howard et al., Searching for MobileNetV3, ICCV 2019, table 1; knobs after Cai et al., Once-for-All,
ICLR 2020, section 4.1, with the expansions that MobileNetV3 itself uses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from typing_extensions import override

from search_spaces.candidate import Candidate
from search_spaces.knobs import Bool, Choice, IntRange, Knob
from search_spaces.vision.elastic import ElasticSpace
from search_spaces.vision.widths import divisible

if TYPE_CHECKING:
    from torch import nn

    from search_spaces.closed_form import OpWriter
    from search_spaces.knobs import Scalar


class Stage(NamedTuple):
    """A stage of table 1.

    Attributes:
        widths: channels that may be chosen: the published ones times 0.5, 0.75, 1 and 1.25, rounded.
        stride: of the first block.
        swish: whether its activation is the later stages' ("hardswish" as published) or always ReLU.
    """

    widths: tuple[int, ...]
    stride: int
    swish: bool


STAGES: Final = (
    Stage((16, 24, 32), 2, swish=False),
    Stage((24, 32, 40, 48), 2, swish=False),
    Stage((40, 64, 80, 104), 2, swish=True),
    Stage((56, 88, 112, 144), 1, swish=True),
    Stage((80, 120, 160, 200), 2, swish=True),
)
DEPTHS: Final = IntRange(1, 4)
KERNELS: Final = Choice((3, 5, 7), ordered=True)
EXPANSIONS: Final = Choice((2.3, 2.5, 3.0, 4.0, 6.0), ordered=True)
STEM: Final = 16
"""Channels of the stem and of the first block, which has no expansion."""
HEAD: Final = 6
"""Channels of the last convolution over those of the last stage; table 1: 960 over 160."""
SQUEEZE: Final = 4
"""Channels of a block over those its excitation squeezes them to; ICCV 2019, section 5.3."""


class Bottleneck(NamedTuple):
    """One inverted residual: `c_in` channels expanded to `hidden`, filtered, projected to `c_out`."""

    c_in: int
    hidden: int
    c_out: int
    kernel: int
    stride: int
    excite: bool
    activation: str


def _knobs() -> dict[str, Knob]:
    knobs: dict[str, Knob] = {
        "resolution": IntRange(128, 288, 32),
        "activation": Choice(("hardswish", "relu")),
        "features": Choice((640, 960, 1280), ordered=True),
    }
    for at, stage in enumerate(STAGES, 1):
        knobs |= {
            f"depth_{at}": DEPTHS,
            f"width_{at}": Choice(stage.widths, ordered=True),
            f"kernel_{at}": KERNELS,
            f"excite_{at}": Bool(),
        }
        knobs |= {f"expand_{at}_{block}": EXPANSIONS for block in range(1, DEPTHS.high + 1)}
    return knobs


KNOBS: Final = _knobs()


@dataclass(frozen=True)
class ElasticCnn(ElasticSpace):
    """MobileNetV3-like networks; input (N, 3, resolution, resolution), output (N, n_classes).

    `depth_s`, `width_s`, `kernel_s` and `excite_s` (squeeze-and-excitation) hold for stage s of five,
    `expand_s_b` for block b of it; `activation` for stages 3 to 5, stem and head; `features` is the width
    before the classifier. An expansion whose channels round to those of a smaller one becomes that one.
    """

    name: str = "elastic_cnn"
    n_classes: int = 1000

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return KNOBS

    @property
    @override
    def known(self) -> Mapping[str, Candidate]:
        widths = {0.75: (24, 32, 64, 88, 120), 1.0: (24, 40, 80, 112, 160)}
        return {
            "mobilenetv3_large_100": _large(widths[1.0]),
            "mobilenetv3_large_075": _large(widths[0.75]),
            "tf_mobilenetv3_large_minimal_100": _large(widths[1.0], minimal=True),
        }

    @property
    @override
    def size(self) -> int:
        ways = Counter({STEM: len(KNOBS["resolution"]) * len(KNOBS["activation"]) * len(KNOBS["features"])})
        for stage in STAGES:
            after: Counter[int] = Counter()
            for width in stage.widths:
                inner = len({divisible(width * float(e)) for e in EXPANSIONS})
                depths = sum(inner ** (int(depth) - 1) for depth in DEPTHS)
                for c_in, count in ways.items():
                    first = len({divisible(c_in * float(e)) for e in EXPANSIONS})
                    after[width] += count * first * depths * len(KERNELS) * 2
            ways = after
        return sum(ways.values())

    @override
    def reduced(self, whole: Candidate) -> Mapping[str, Scalar]:
        counts = dict(whole)
        c_in = STEM
        for at in range(1, len(STAGES) + 1):
            for block in range(1, DEPTHS.high + 1):
                name = f"expand_{at}_{block}"
                if block > int(whole[f"depth_{at}"]):
                    del counts[name]
                    continue
                counts[name] = _FIRST_ALIKE[c_in, whole[name]]
                c_in = int(whole[f"width_{at}"])
        return counts

    @override
    def sizes(self, here: Candidate) -> str:
        depths, widths = (
            ".".join(str(here[f"{knob}_{at}"]) for at in range(1, len(STAGES) + 1))
            for knob in ("depth", "width")
        )
        return f"{here['resolution']}-d{depths}-w{widths}"

    @override
    def build(self, candidate: Candidate) -> nn.Module:
        from search_spaces.vision.architectures.layers import ConvBnAct, Features
        from search_spaces.vision.architectures.mobilenets import Block, Classifier, InvertedResidual

        here = self.canonical(candidate)
        activation, blocks = str(here["activation"]), _bottlenecks(here)
        last = blocks[-1].c_out
        stages: list[nn.Module] = [ConvBnAct(3, STEM, 3, stride=2, activation=activation)]
        for b in blocks:
            block = Block(b.kernel, 0, b.c_out, b.stride, excite=b.excite, activation=b.activation)
            stages.append(InvertedResidual(b.c_in, b.hidden, b.c_out, block))
        stages.append(ConvBnAct(last, HEAD * last, 1, activation=activation))
        widths = (STEM, *(b.c_out for b in blocks), HEAD * last)
        features = Features(stages, widths, (-1,))
        return Classifier(features, self.n_classes, int(here["features"]), activation)

    @override
    def written(self, w: OpWriter, here: Candidate) -> int:
        activation, blocks = str(here["activation"]), _bottlenecks(here)
        side = int(here["resolution"])
        x = w.conv_bn_act(w.input((1, 3, side, side)), "features.stages.0", STEM, 3, activation, stride=2)
        for at, block in enumerate(blocks, 1):
            x = write_bottleneck(w, x, f"features.stages.{at}", block)
        path = f"features.stages.{len(blocks) + 1}"
        x = w.conv_bn_act(x, path, HEAD * blocks[-1].c_out, 1, activation)
        x = w.global_avg_pool(x, "pool")
        x = w.view("flatten", x, "", w.shape(x)[:2])
        x = w.elementwise(activation, "hidden.1", w.linear(x, "hidden.0", int(here["features"])))
        return w.linear(x, "classifier", self.n_classes)

    def shared_parts(self, candidate: Candidate) -> Mapping[str, str]:
        """Module path -> its name in every network: block b of stage s is one part, wherever it stands."""
        here = self.canonical(candidate)
        found, n = {"features.stages.1": "first"}, 2
        for at in range(1, len(STAGES) + 1):
            layers = ("expand", "depthwise", *(("excite",) if here[f"excite_{at}"] else ()), "project")
            for block in range(1, int(here[f"depth_{at}"]) + 1):
                path = f"features.stages.{n}.layers"
                found |= {f"{path}.{i}": f"stages.{at}.{block}.{layer}" for i, layer in enumerate(layers)}
                n += 1
        return {**found, f"features.stages.{n}": "head"}


def write_bottleneck(w: OpWriter, x: int, path: str, block: Bottleneck) -> int:
    """Write the rows of `architectures.mobilenets.InvertedResidual`; the tensor that it returns."""
    at, y, hidden = 0, x, block.hidden
    if hidden != block.c_in:
        y, at = w.conv_bn_act(x, f"{path}.layers.0", hidden, 1, block.activation), 1
    layer = f"{path}.layers.{at}"
    y = w.conv_bn_act(y, layer, hidden, block.kernel, block.activation, stride=block.stride, groups=hidden)
    if block.excite:
        at += 1
        y = _excited(w, y, f"{path}.layers.{at}", divisible(hidden / SQUEEZE))
    y = w.conv_bn_act(y, f"{path}.layers.{at + 1}", block.c_out, 1, None)
    return w.elementwise("add", path, x, y) if block.stride == 1 and block.c_in == block.c_out else y


def _excited(w: OpWriter, x: int, path: str, squeezed: int) -> int:
    """The rows of `architectures.mobilenets.SqueezeExcite`."""
    y = w.conv2d(w.global_avg_pool(x, f"{path}.pool"), f"{path}.reduce.conv", squeezed, 1, bias=True)
    y = w.elementwise("relu", f"{path}.reduce.act", y)
    y = w.conv2d(y, f"{path}.expand.conv", w.shape(x)[1], 1, bias=True)
    return w.elementwise("mul", path, x, w.elementwise("hardsigmoid", f"{path}.expand.act", y))


def _bottlenecks(here: Candidate) -> list[Bottleneck]:
    """Every block of a canonical candidate, in order."""
    found = [Bottleneck(STEM, STEM, STEM, 3, 1, excite=False, activation="relu")]
    for at, stage in enumerate(STAGES, 1):
        width, kernel = int(here[f"width_{at}"]), int(here[f"kernel_{at}"])
        activation = str(here["activation"]) if stage.swish else "relu"
        for block in range(1, int(here[f"depth_{at}"]) + 1):
            c_in = found[-1].c_out
            hidden = divisible(c_in * float(here[f"expand_{at}_{block}"]))
            stride = stage.stride if block == 1 else 1
            excite = bool(here[f"excite_{at}"])
            found.append(Bottleneck(c_in, hidden, width, kernel, stride, excite, activation))
    return found


def _alike() -> dict[tuple[int, Scalar], Scalar]:
    """(channels, expansion) -> the smallest expansion that gives as many hidden channels."""
    inputs = {STEM, *(width for stage in STAGES for width in stage.widths)}
    found: dict[tuple[int, Scalar], Scalar] = {}
    for c_in in inputs:
        hidden = {e: divisible(c_in * float(e)) for e in EXPANSIONS}
        found |= {(c_in, e): next(f for f in EXPANSIONS if hidden[f] == hidden[e]) for e in EXPANSIONS}
    return found


_FIRST_ALIKE: Final = _alike()


def _large(widths: Sequence[int], *, minimal: bool = False) -> Candidate:
    """MobileNetV3-Large at these widths of its stages; ICCV 2019, table 1.

    Args:
        widths: of the stages.
        minimal: TensorFlow's "minimalistic" form for accelerators: 3x3 and ReLU alone, no excitation.
    """
    depths, kernels = (2, 3, 4, 2, 3), (3,) * 5 if minimal else (3, 5, 3, 3, 5)
    activation, excited = ("relu", ()) if minimal else ("hardswish", (2, 4, 5))
    expansions = ((4.0, 3.0), (3.0,) * 3, (6.0, 2.5, 2.3, 2.3), (6.0,) * 2, (6.0,) * 3)
    values: dict[str, Scalar] = {"resolution": 224, "activation": activation, "features": 1280}
    for at in range(1, len(STAGES) + 1):
        values |= {f"depth_{at}": depths[at - 1], f"width_{at}": widths[at - 1]}
        values |= {f"kernel_{at}": kernels[at - 1], f"excite_{at}": at in excited}
        values |= {f"expand_{at}_{b}": e for b, e in enumerate(expansions[at - 1], 1)}
    return ElasticCnn().canonical(Candidate(values))
