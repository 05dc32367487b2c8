"""Quantisation in floating point: every value takes the place on the grid that an integer would have.

Source: Nagel et al., A White Paper on Neural Network Quantization, arXiv 2106.08295, section 2; ranges and
grids are those of ONNX Runtime's static quantisation: activations over the smallest and largest value seen
and zero, weights symmetric.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.func import functional_call
from typing_extensions import override

from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.quality.compression.formats import Format
    from codesign.quality.compression.network import Network

Ranges = Mapping[str, tuple[float, float]]
"""Smallest and largest value that each layer reads."""


def ranges_of(network: Network, batches: Iterable[torch.Tensor]) -> dict[str, tuple[float, float]]:
    """What each layer reads over some images, zero included.

    Raises:
        InputError: no image, or values that are not finite.
    """
    found: dict[str, tuple[float, float]] = {}

    def watch(path: str) -> Any:
        def hook(_: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            low, high = (float(v) for v in torch.aminmax(args[0]))
            before = found.get(path, (0.0, 0.0))
            if not all(map(math.isfinite, (low, high, *before))):
                low, high = math.nan, math.nan
            found[path] = (min(before[0], low), max(before[1], high)) if math.isfinite(low) else (low, high)

        return hook

    handles = [network.layer(p).register_forward_pre_hook(watch(p)) for p in network.layers]
    try:
        with torch.no_grad():
            for x in batches:
                network.module(x)
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise InputError("no image to calibrate with given, expected some")
    bad = next((p for p, r in found.items() if not all(map(math.isfinite, r))), None)
    if bad is not None:
        raise InputError(f"what '{bad}' reads is not finite ({found[bad][0]:g} to {found[bad][1]:g})")
    return found


def quantised(network: Network, formats: Mapping[str, Format | None], ranges: Ranges) -> nn.Module:
    """A copy of a network with layers in their formats; those without one stay in floating point.

    Args:
        network: with norms folded.
        formats: of layers, by path.
        ranges: from `ranges_of`.

    Raises:
        UnknownNameError: a layer that the network does not have.
    """
    network.check(formats)
    copied = deepcopy(network.module)
    for path, form in formats.items():
        if form is not None:
            copied.set_submodule(path, Quantised(copied.get_submodule(path), form, ranges[path]))
    return copied


class Quantised(nn.Module):
    """A layer that reads and holds values on a grid.

    Gradients pass the rounding as if it were not there, so that training goes on with it (QAT).
    Source: Bengio et al., Estimating or Propagating Gradients Through Stochastic Neurons, arXiv 1308.3432.
    """

    def __init__(self, layer: nn.Module, form: Format, seen: tuple[float, float]) -> None:
        super().__init__()
        self.layer = layer
        self.form = form
        steps = 2 ** (form.activation_bits or 8) - 1
        low, high = seen
        self.scale = max((high - low) / steps, 1e-30)
        self.zero = round(-low / self.scale)
        self.top = steps

    @override
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As the layer, of quantised input."""
        if self.form.activation_bits is not None:
            x = torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero, 0, self.top)
        weight = on_weight_grid(self.layer, self.form)
        found: torch.Tensor = functional_call(self.layer, {"weight": weight}, (x,))
        return found


def on_weight_grid(layer: Any, form: Format) -> torch.Tensor:
    """Weights of a layer, each on the nearest place of its grid; its gradient is that of the weights."""
    weight: torch.Tensor = layer.weight
    axis = 1 if getattr(layer, "transposed", False) else 0
    bottom, top = _grid(form.weight_bits)
    with torch.no_grad():
        largest = weight.abs()
        others = [i for i in range(weight.ndim) if i != axis]
        largest = largest.amax(dim=others, keepdim=True) if form.per_channel else largest.max()
        scale = (2 * largest / (top - bottom)).clamp_min(1e-30)
        moved = torch.clamp(torch.round(weight / scale), bottom, top) * scale - weight
    return weight + moved


def _grid(bits: int) -> tuple[int, int]:
    """The lowest and the highest integer of weights.

    Source: `onnxruntime.quantization.quant_utils`, ONNX_INT_TYPE_SYMMETRIC_RANGE: 8 and 16 bits without the
    lowest one, fewer bits with it, and twice the largest weight spread over all of them.
    """
    top = int(2 ** (bits - 1) - 1)
    return (-top if bits >= 8 else -top - 1), top
