"""Light networks for road scenes: ENet, ERFNet, and lanes on ResNet-18."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from typing_extensions import override

from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.segmentation import resnet_stages

if TYPE_CHECKING:
    from torch import Tensor

CITYSCAPES: Final = 19


class Factored(nn.Module):
    """3x1 and 1x3 convolutions, then the same dilated, beside the identity."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvBnAct(channels, channels, (3, 1), norm=False),
            ConvBnAct(channels, channels, (1, 3)),
            ConvBnAct(channels, channels, (3, 1), dilation=dilation, norm=False),
            ConvBnAct(channels, channels, (1, 3), dilation=dilation, activation=None),
        )

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = (x + self.layers(x)).relu()
        return y


class Halved(nn.Module):
    """A strided 3x3 convolution beside the largest values, concatenated."""

    def __init__(self, c_in: int, out: int, *, norm: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, out - c_in, 3, 2, 1, bias=norm)
        self.pool = nn.MaxPool2d(2, 2)
        self.norm = nn.BatchNorm2d(out) if norm else nn.Identity()

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(torch.cat([self.conv(x), self.pool(x)], 1)).relu()
        return y


def _doubled(c_in: int, out: int) -> nn.Sequential:
    transposed = nn.ConvTranspose2d(c_in, out, 3, 2, 1, output_padding=1)
    return nn.Sequential(transposed, nn.BatchNorm2d(out), nn.ReLU())


def erfnet(classes: int = CITYSCAPES + 1) -> nn.Sequential:
    """ERFNet; 2.06 M parameters, 27 G MACs at 512x1024.

    Source: Romera et al., ERFNet, IEEE T-ITS 2018, table 1.
    """
    return nn.Sequential(
        Halved(3, 16),
        Halved(16, 64),
        *(Factored(64) for _ in range(5)),
        Halved(64, 128),
        *(Factored(128, dilation) for _ in range(2) for dilation in (2, 4, 8, 16)),
        _doubled(128, 64),
        Factored(64),
        Factored(64),
        _doubled(64, 16),
        Factored(16),
        Factored(16),
        nn.ConvTranspose2d(16, classes, 2, 2),
    )


class Bottleneck(nn.Module):
    """ENet's: a projection to a quarter, a convolution (dilated, 5x1 and 1x5, strided), an expansion."""

    def __init__(self, c_in: int, out: int, kind: str = "", dilation: int = 1) -> None:
        super().__init__()
        inside = c_in // 4
        first = ConvBnAct(c_in, inside, 1, activation="prelu")
        middle: nn.Module = ConvBnAct(inside, inside, 3, dilation=dilation, activation="prelu")
        self.shortcut: nn.Module = nn.Identity()
        if kind == "down":
            down = nn.Conv2d(c_in, inside, 2, 2, bias=False)
            first = nn.Sequential(down, nn.BatchNorm2d(inside), nn.PReLU())  # type: ignore[assignment]
            self.shortcut = nn.MaxPool2d(2, 2)
        elif kind == "split":
            middle = nn.Sequential(
                nn.Conv2d(inside, inside, (5, 1), padding=(2, 0), bias=False),
                ConvBnAct(inside, inside, (1, 5), activation="prelu"),
            )
        elif kind == "up":
            up = nn.ConvTranspose2d(inside, inside, 2, 2, bias=False)
            middle = nn.Sequential(up, nn.BatchNorm2d(inside), nn.PReLU())
            widened = nn.ConvTranspose2d(out, out, 2, 2, bias=False)
            self.shortcut = nn.Sequential(ConvBnAct(c_in, out, 1, activation=None), widened)
        self.branch = nn.Sequential(first, middle, ConvBnAct(inside, out, 1, activation=None))
        self.wider = out - c_in if kind == "down" else 0
        self.act = nn.PReLU()

    @override
    def forward(self, x: Tensor) -> Tensor:
        short = self.shortcut(x)
        if self.wider:
            short = nn.functional.pad(short, (0, 0, 0, 0, 0, self.wider))
        y: Tensor = self.act(short + self.branch(x))
        return y


ENET_CONTEXT: Final[tuple[tuple[str, int], ...]] = (
    ("", 1), ("", 2), ("split", 1), ("", 4), ("", 1), ("", 8), ("split", 1), ("", 16),
)  # fmt: skip


def enet(classes: int = CITYSCAPES) -> nn.Sequential:
    """ENet; 0.37 M parameters. Transposed convolutions stand for the unpooling, which few accelerators have.

    Source: Paszke et al., ENet, arXiv 1606.02147, table 1.
    """
    context: list[Any] = [Bottleneck(128, 128, *kind) for _ in range(2) for kind in ENET_CONTEXT]
    return nn.Sequential(
        Halved(3, 16),
        Bottleneck(16, 64, "down"),
        *(Bottleneck(64, 64) for _ in range(4)),
        Bottleneck(64, 128, "down"),
        *context,
        Bottleneck(128, 64, "up"),
        Bottleneck(64, 64),
        Bottleneck(64, 64),
        Bottleneck(64, 16, "up"),
        Bottleneck(16, 16),
        nn.ConvTranspose2d(16, classes, 3, 2, 1, output_padding=1),
    )


class Lanes(nn.Module):
    """Ultra Fast Lane Detection on ResNet-18: a column for each of 18 rows and four lanes (CULane).

    Source: Qin et al., Ultra Fast Structure-aware Deep Lane Detection, ECCV 2020.
    """

    def __init__(self, size: tuple[int, int] = (288, 800), columns: int = 201, rows: int = 18) -> None:
        super().__init__()
        self.backbone = nn.Sequential(*resnet_stages(18))
        self.narrow = nn.Conv2d(512, 8, 1)
        places = -(-size[0] // 32) * -(-size[1] // 32)
        self.last = nn.Sequential(nn.Linear(8 * places, 2048), nn.ReLU(), nn.Linear(2048, columns * rows * 4))

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.narrow(self.backbone(x)).flatten(1))
        return y
