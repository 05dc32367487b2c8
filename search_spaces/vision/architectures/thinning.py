"""A network with all its widths scaled: what is known of a pruned network whose channels are not published.

Source of the rule: channels are removed evenly, the same share everywhere, until the MACs are those that the
publisher states. A published pruning is uneven; this one has its MACs and its layers, not its widths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor, nn

CONVOLUTIONS: Final = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED: Final = (nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS: Final = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
STEPS: Final = 12
"""Halvings of the search for a width; it ends within 0.02 % of a width."""

EVEN: Final = 4
"""Widths are multiples of it, so that a map can be split in two or shuffled to twice the size."""

ALMOST: Final = 0.002
"""Relative difference of MACs at which the search stops."""


def thinned(
    make: Callable[[], nn.Module], shape: tuple[int, ...], macs: float, keep: tuple[str, ...] = ()
) -> nn.Module:
    """A network whose widths are scaled by one factor, so that it has so many MACs.

    Args:
        make: makes the whole network on the meta device.
        shape: of its input.
        macs: multiply-accumulates to reach.
        keep: ends of the paths of layers that keep their output channels, beside the last linear one.
    """
    low, high = 0.0, 1.0
    module, found = _scaled(make(), shape, 1.0, keep)
    for _ in range(STEPS):
        if abs(found / macs - 1) <= ALMOST:
            break
        middle = (low + high) / 2
        module, found = _scaled(make(), shape, middle, keep)
        low, high = (low, middle) if found > macs else (middle, high)
    return module


def _scaled(
    module: nn.Module, shape: tuple[int, ...], width: float, keep: tuple[str, ...]
) -> tuple[nn.Module, int]:
    """The network with its channels scaled, in place, and its MACs."""
    counted = [0]
    with _adapting(module, width, keep, counted), torch.no_grad():
        module.eval()(torch.empty(shape, device="meta"))
    return module, counted[0]


@contextmanager
def _adapting(module: nn.Module, width: float, keep: tuple[str, ...], counted: list[int]) -> Iterator[None]:
    """While this lasts, each layer takes what it is fed and makes a share of the channels it made."""
    children = dict(module.named_modules())
    last = next((c for c in reversed(children.values()) if isinstance(c, nn.Linear)), None)

    def before(layer: nn.Module, given: tuple[Any, ...]) -> None:
        _fit(layer, given[0], 1.0 if id(layer) in kept else width)

    def after(layer: nn.Module, given: tuple[Any, ...], result: Tensor) -> None:
        counted[0] += _macs(layer, given[0], result)

    kept = {id(c) for path, c in children.items() if c is last or (keep and path.endswith(keep))}
    handles = [
        handle
        for layer in children.values()
        if isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED, *NORMS, nn.Linear, nn.PReLU))
        for handle in (layer.register_forward_pre_hook(before), layer.register_forward_hook(after))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _fit(layer: nn.Module, given: Tensor, width: float) -> None:
    """Make a layer for the channels it is given; its own are scaled by the width, to multiples of `EVEN`."""
    if isinstance(layer, NORMS):
        _resize(layer, ("weight", "bias", "running_mean", "running_var"), (given.shape[1],))
        layer.num_features = given.shape[1]
    elif isinstance(layer, nn.PReLU) and layer.num_parameters > 1:
        _resize(layer, ("weight",), (given.shape[1],))
    elif isinstance(layer, nn.Linear):
        layer.in_features, layer.out_features = given.shape[-1], _share(layer.out_features, width)
        _resize(layer, ("weight",), (layer.out_features, layer.in_features))
        _resize(layer, ("bias",), (layer.out_features,))
    elif isinstance(layer, (*CONVOLUTIONS, *TRANSPOSED)):
        channels, depthwise = given.shape[1], layer.groups == layer.in_channels > 1
        multiple = layer.out_channels // layer.in_channels
        layer.groups = channels if depthwise else layer.groups
        layer.in_channels = channels
        layer.out_channels = channels * multiple if depthwise else _share(layer.out_channels, width)
        ends = (layer.out_channels, channels // layer.groups)
        if isinstance(layer, TRANSPOSED):
            ends = (channels, layer.out_channels // layer.groups)
        _resize(layer, ("weight",), (*ends, *layer.kernel_size))
        _resize(layer, ("bias",), (layer.out_channels,))


def _share(channels: int, width: float) -> int:
    return channels if width == 1 else max(EVEN, EVEN * round(channels * width / EVEN))


def _resize(layer: nn.Module, names: tuple[str, ...], shape: tuple[int, ...]) -> None:
    for name in names:
        old = getattr(layer, name, None)
        if old is None or tuple(old.shape) == shape:
            continue
        new = torch.empty(shape, device="meta")
        setattr(layer, name, nn.Parameter(new) if isinstance(old, nn.Parameter) else new)


def _macs(layer: nn.Module, given: Tensor, result: Tensor) -> int:
    if isinstance(layer, CONVOLUTIONS):
        return result.numel() * layer.weight[0].numel()
    if isinstance(layer, TRANSPOSED):
        return given.numel() * layer.weight[0].numel()
    return result.numel() * layer.in_features if isinstance(layer, nn.Linear) else 0
