"""RepVGG as deployed: one 3x3 convolution and an activation a block.

Source: Ding et al., RepVGG, CVPR 2021, tables 2 and 3; DingXiaoH/RepVGG (MIT).
"""

from __future__ import annotations

from typing import Final

from torch import nn

SIZES: Final = {
    "a0": ((2, 4, 14, 1), (0.75, 0.75, 0.75, 2.5)),
    "a1": ((2, 4, 14, 1), (1.0, 1.0, 1.0, 2.5)),
    "a2": ((2, 4, 14, 1), (1.5, 1.5, 1.5, 2.75)),
    "b0": ((4, 6, 16, 1), (1.0, 1.0, 1.0, 2.5)),
    "b1": ((4, 6, 16, 1), (2.0, 2.0, 2.0, 4.0)),
    "b2": ((4, 6, 16, 1), (2.5, 2.5, 2.5, 5.0)),
    "b3": ((4, 6, 16, 1), (3.0, 3.0, 3.0, 5.0)),
}
"""Blocks of each stage, and factors on their widths."""
WIDTHS: Final = (64, 128, 256, 512)


def repvgg(size: str = "a0", classes: int = 1000, groups: int = 1) -> nn.Module:
    """RepVGG; 8.3 M parameters for A0. `groups`: of every second block ("g2", "g4")."""
    blocks, factors = SIZES[size]
    c_in = min(64, int(64 * factors[0]))
    layers: list[nn.Module] = [nn.Conv2d(3, c_in, 3, 2, 1), nn.ReLU()]
    at = 0
    for n, factor, width in zip(blocks, factors, WIDTHS, strict=True):
        out = int(width * factor)
        for block in range(n):
            at += 1
            grouped = groups if at % 2 == 0 else 1
            layers += [nn.Conv2d(c_in, out, 3, 2 if block == 0 else 1, 1, groups=grouped), nn.ReLU()]
            c_in = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, classes))
