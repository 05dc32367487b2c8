"""Layers that most convolutional architectures share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from torch import nn
from typing_extensions import override

if TYPE_CHECKING:
    from torch import Tensor

ACTIVATIONS: Final[dict[str, type[nn.Module]]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky": nn.LeakyReLU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "gelu": nn.GELU,
    "prelu": nn.PReLU,
    "sigmoid": nn.Sigmoid,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
}


def activation_of(name: str | None, channels: int = 1) -> nn.Module:
    """The activation of that name, nothing for None; `channels`: those that PReLU has a slope for."""
    if name is None:
        return nn.Identity()
    return nn.PReLU(channels) if name == "prelu" else ACTIVATIONS[name]()


class ConvBnAct(nn.Module):
    """Convolution, batch norm, activation; (N, c_in, H, W) to (N, c_out, H / stride, W / stride).

    Args:
        c_in: channels read.
        c_out: channels written.
        kernel: side of the kernel, or its height and width; padded so that stride 1 keeps the size.
        stride: of the convolution.
        groups: of the convolution.
        dilation: of the convolution.
        activation: name in `ACTIVATIONS`; None: linear.
        norm: whether there is a batch norm; without one the convolution has a bias.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel: int | tuple[int, int] = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        activation: str | None = "relu",
        norm: bool = True,
    ) -> None:
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (dilation * (sides[0] - 1) // 2, dilation * (sides[1] - 1) // 2)
        self.conv = nn.Conv2d(c_in, c_out, sides, stride, padding, dilation, groups, bias=not norm)
        self.norm = nn.BatchNorm2d(c_out) if norm else nn.Identity()
        self.act = activation_of(activation, c_out)

    @override
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.norm(self.conv(x)))
        return y


class Features(nn.Module):
    """Stages run one after the other; the maps after the stages that are asked for, finest first.

    Attributes:
        channels: of every stage's result.
    """

    def __init__(self, stages: Iterable[nn.Module], channels: Iterable[int], taps: Iterable[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.channels = tuple(channels)
        self.taps = tuple(sorted(t % len(self.stages) for t in taps))

    @property
    def tapped(self) -> tuple[int, ...]:
        """Channels of the maps that are returned."""
        return tuple(self.channels[t] for t in self.taps)

    @override
    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for at, stage in enumerate(self.stages):
            x = stage(x)
            if at in self.taps:
                maps.append(x)
        return maps
