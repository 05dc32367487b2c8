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


def repvgg_stages(size: str, groups: int = 1, last: int = 0) -> tuple[list[nn.Module], list[int]]:
    """First convolution and four stages, with the channels of each.

    Args:
        size: key of `SIZES`.
        groups: of every second block.
        last: channels of the last stage; 0: as published.
    """
    blocks, factors = SIZES[size]
    c_in = min(64, int(64 * factors[0]))
    stages: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, c_in, 3, 2, 1), nn.ReLU())]
    widths = [c_in, *(int(width * factor) for width, factor in zip(WIDTHS, factors, strict=True))]
    widths[-1] = last or widths[-1]
    done = 0
    for n, c_from, out in zip(blocks, widths[:-1], widths[1:], strict=True):
        layers: list[nn.Module] = []
        for at in range(n):
            done += 1
            c_in, stride = (c_from, 2) if at == 0 else (out, 1)
            grouped = 1 if done % 2 else groups
            layers += [nn.Conv2d(c_in, out, 3, stride, 1, groups=grouped), nn.ReLU()]
        stages.append(nn.Sequential(*layers))
    return stages, widths


def repvgg(size: str = "a0", classes: int = 1000, groups: int = 1) -> nn.Module:
    """RepVGG; 8.3 M parameters for A0. `groups`: of every second block ("g2", "g4")."""
    stages, widths = repvgg_stages(size.lower(), groups)
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))
