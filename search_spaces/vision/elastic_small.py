"""Inverted residuals for small images (16 to 64 pixels): signs, digits, crops that a detector hands on.

Source: blocks after Sandler et al., MobileNetV2, CVPR 2018, section 3; knobs after Cai et al., Once-for-All,
ICLR 2020, section 4.1; three stages at strides 2, 4 and 8 as He et al., Deep Residual Learning, CVPR 2016,
section 4.2, have for images of 32 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from search_spaces.knobs import Choice, IntRange, Knob
from search_spaces.vision.elastic import ElasticSpace
from search_spaces.vision.elastic_cnn import Bottleneck, write_bottleneck

if TYPE_CHECKING:
    from torch import nn

    from search_spaces.candidate import Candidate
    from search_spaces.closed_form import OpWriter
    from search_spaces.knobs import Scalar

STAGES: Final = (((16, 24, 32), 1), ((24, 32, 48), 2), ((40, 64, 96), 2))
"""Channels that may be chosen, and stride of the first block."""
DEPTHS: Final = IntRange(1, 3)
KERNELS: Final = Choice((3, 5, 7), ordered=True)
EXPANSIONS: Final = Choice((2, 3, 4, 6), ordered=True)
RESOLUTIONS: Final = IntRange(16, 64, 8)
STEM: Final = 16
"""Channels of the first convolution, which has stride 2."""
HEAD: Final = 3
"""Channels of the last convolution over those of the last stage."""


def _knobs() -> dict[str, Knob]:
    knobs: dict[str, Knob] = {"resolution": RESOLUTIONS}
    for at, (widths, _) in enumerate(STAGES, 1):
        knobs |= {
            f"depth_{at}": DEPTHS,
            f"width_{at}": Choice(widths, ordered=True),
            f"kernel_{at}": KERNELS,
            f"expand_{at}": EXPANSIONS,
        }
    return knobs


KNOBS: Final = _knobs()


@dataclass(frozen=True)
class ElasticSmall(ElasticSpace):
    """MobileNetV2-like networks; input (N, 3, resolution, resolution), output (N, n_classes).

    `depth_s`, `width_s`, `kernel_s` and `expand_s` (hidden channels over those read) hold for stage s of
    three; every activation is a ReLU, which int8 loses least with.
    """

    name: str = "elastic_small"
    n_classes: int = 43

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return KNOBS

    @override
    def reduced(self, whole: Candidate) -> Mapping[str, Scalar]:
        return dict(whole)

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

        blocks = list(_blocks(self.canonical(candidate)).values())
        last = blocks[-1].c_out
        layers: list[nn.Module] = [ConvBnAct(3, STEM, 3, stride=2)]
        for b in blocks:
            block = Block(b.kernel, 0, b.c_out, b.stride, activation=b.activation)
            layers.append(InvertedResidual(b.c_in, b.hidden, b.c_out, block))
        layers.append(ConvBnAct(last, HEAD * last, 1))
        features = Features(layers, (STEM, *(b.c_out for b in blocks), HEAD * last), (-1,))
        return Classifier(features, self.n_classes)

    @override
    def written(self, w: OpWriter, here: Candidate) -> int:
        side, blocks = int(here["resolution"]), list(_blocks(here).values())
        x = w.conv_bn_act(w.input((1, 3, side, side)), "features.stages.0", STEM, 3, "relu", stride=2)
        for at, block in enumerate(blocks, 1):
            x = write_bottleneck(w, x, f"features.stages.{at}", block)
        path = f"features.stages.{len(blocks) + 1}"
        x = w.global_avg_pool(w.conv_bn_act(x, path, HEAD * blocks[-1].c_out, 1, "relu"), "pool")
        return w.linear(w.view("flatten", x, "", w.shape(x)[:2]), "classifier", self.n_classes)

    def shared_parts(self, candidate: Candidate) -> Mapping[str, str]:
        """Module path -> its name in every network: block b of stage s is one part, wherever it stands."""
        blocks = list(_blocks(self.canonical(candidate)))
        found = {f"features.stages.{at}": f"stages.{s}.{b}" for at, (s, b) in enumerate(blocks, 1)}
        return {**found, f"features.stages.{len(blocks) + 1}": "head"}


def _blocks(here: Candidate) -> dict[tuple[int, int], Bottleneck]:
    """(stage, block), both counted from 1, in order."""
    found: dict[tuple[int, int], Bottleneck] = {}
    c_in = STEM
    for at, (_, stride) in enumerate(STAGES, 1):
        width, kernel, expand = (int(here[f"{knob}_{at}"]) for knob in ("width", "kernel", "expand"))
        for block in range(1, int(here[f"depth_{at}"]) + 1):
            step = stride if block == 1 else 1
            found[at, block] = Bottleneck(
                c_in, expand * c_in, width, kernel, step, excite=False, activation="relu"
            )
            c_in = width
    return found
