"""ResNet and ResNeXt of any depth, cardinality and stem, with or without squeeze-and-excitation.

Source: He et al., CVPR 2016; Xie et al., ResNeXt, CVPR 2017; He et al., Bag of Tricks, CVPR 2019 (stem
"C" and shortcut "D", which PaddleClas calls vc and vd); built of timm's blocks (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from torch import nn

LAYERS: Final = {
    18: (2, 2, 2, 2),
    26: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 12, 48, 3),
}
"""Blocks of each stage by depth."""

BASIC: Final = (18, 34)
"""Depths whose blocks have two 3x3 convolutions."""


def resnet_variant(
    depth: int, *, cardinality: int = 1, width: int = 64, variant: str = "", excite: bool = False,
    scales: int = 1, classes: int = 1000,
) -> nn.Module:  # fmt: skip
    """A residual network.

    Args:
        depth: 18, 26, 34, 50, 101, 152 or 200.
        cardinality: groups of the 3x3 convolutions.
        width: channels of a group in the first stage.
        variant: "" the original; "vc": three 3x3 convolutions as the stem; "vd": also pooled shortcuts.
        excite: whether each block has a squeeze-and-excitation.
        scales: groups that a Res2Net's block convolves one after the other; 1: no Res2Net.
        classes: of the data set.
    """
    from timm.models.res2net import Bottle2neck
    from timm.models.resnet import BasicBlock, Bottleneck, ResNet

    options: dict[str, Any] = {}
    if variant:
        options |= {"stem_type": "deep", "stem_width": 32, "avg_down": variant == "vd"}
    if excite:
        options |= {"block_args": {"attn_layer": "se"}}
    block: Any = BasicBlock if depth in BASIC else Bottleneck
    if scales > 1:
        block, options["block_args"] = Bottle2neck, {"scale": scales}
    options |= {"cardinality": cardinality, "base_width": width, "num_classes": classes}
    module: nn.Module = ResNet(block, LAYERS[depth], **options)
    return module
