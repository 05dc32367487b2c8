"""N:M weights: of M neighbours along the input channels the N largest stay."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from hw_models.errors import InputError
from hw_models.spec.supported import pattern_of

if TYPE_CHECKING:
    import torch
    from torch import nn


def mask_of(weight: torch.Tensor, pattern: str, *, transposed: bool = False) -> torch.Tensor:
    """Ones where a weight stays, zeros elsewhere, in the shape of the weight.

    Args:
        weight: (K, C, ...) of a convolution or (K, C) of a linear layer, C a multiple of M.
        pattern: "N:M".
        transposed: the input channels are the first axis.

    Raises:
        InputError: no such pattern, or channels that M does not divide.

    Source: Mishra et al., Accelerating Sparse Deep Neural Networks, arXiv 2104.08378 (the two largest of four
    neighbours along the summed dimension).
    """
    import torch

    n, m = pattern_of(pattern)
    axis = 0 if transposed else 1
    if weight.shape[axis] % m:
        msg = f"{weight.shape[axis]} input channels given, expected a multiple of {m} for {pattern} weights"
        raise InputError(msg)
    last = weight.detach().abs().movedim(axis, -1)
    blocks = last.reshape(*last.shape[:-1], -1, m)
    rank = blocks.argsort(dim=-1, descending=True, stable=True).argsort(dim=-1)
    kept = (rank < n).to(weight.dtype).reshape(last.shape).movedim(-1, axis)
    return torch.ones_like(weight) * kept


def divides(layer: Any, pattern: str) -> bool:
    """Whether the pattern cuts the input channels of a layer evenly, and it sums over channels at all."""
    m = pattern_of(pattern)[1]
    into = getattr(layer, "in_channels", getattr(layer, "in_features", 0))
    return getattr(layer, "groups", 1) == 1 and into > 0 and into % m == 0


def sparsify(module: nn.Module, paths: Sequence[str], pattern: str = "2:4") -> nn.Module:
    """A copy of a module with masked weights: zeros stay zero in any training that follows.

    A depthwise layer, and one whose input channels M does not divide, stays dense, as it does in the cost.
    `baked` makes the masks final.

    Args:
        module: the network.
        paths: of convolutions and linear layers.
        pattern: "N:M".

    Raises:
        InputError: a layer of another kind, or no such pattern.
    """
    from torch import nn
    from torch.nn.utils.parametrize import register_parametrization

    from search_spaces.compression.masks import Mask

    masked = deepcopy(module)
    for path in paths:
        layer = masked.get_submodule(path)
        if not isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)):
            msg = (
                f"'{path}' is a {type(layer).__name__}, expected a convolution or a linear layer for "
                f"{pattern} weights"
            )
            raise InputError(msg)
        if divides(layer, pattern):
            mask = mask_of(layer.weight, pattern, transposed=getattr(layer, "transposed", False))
            register_parametrization(layer, "weight", Mask(mask))
    return masked


def magnitude(module: nn.Module, paths: Sequence[str], share: float) -> nn.Module:
    """A copy of a module without the smallest weights, wherever in these layers they are; zeros stay zero.

    No shape changes and no cost model here counts a gain: what it tells is how much a network can spare.

    Args:
        module: the network.
        paths: of convolutions and linear layers, compared with each other.
        share: of the weights that goes, 0 to below 1.

    Raises:
        InputError: a share out of range, or no layer.

    Source: Han et al., Learning both Weights and Connections for Efficient Neural Networks, NIPS 2015.
    """
    import torch
    from torch.nn.utils.parametrize import register_parametrization

    from search_spaces.compression.masks import Mask

    if not 0 <= share < 1 or not paths:
        raise InputError(
            f"share {share!r} of {len(paths)} layers given, expected 0 to below 1 of at least one"
        )
    masked = deepcopy(module)
    layers = [masked.get_submodule(path) for path in paths]
    sizes = torch.cat([layer.weight.detach().abs().flatten() for layer in layers])  # type: ignore[operator]
    gone = round(share * len(sizes))
    least = sizes.sort().values[gone - 1] if gone else torch.tensor(-1.0)
    for layer in layers:
        weight: torch.Tensor = layer.weight  # type: ignore[assignment]
        register_parametrization(layer, "weight", Mask((weight.detach().abs() > least).to(weight.dtype)))
    return masked


def baked(module: nn.Module) -> nn.Module:
    """A copy of a module whose masks are final: plain weights, the masked ones zero."""
    from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

    from search_spaces.compression.masks import Mask

    plain = deepcopy(module)
    for layer in list(plain.modules()):
        if is_parametrized(layer, "weight") and isinstance(layer.parametrizations["weight"][0], Mask):  # type: ignore[index]
            remove_parametrizations(layer, "weight", leave_parametrized=True)
    return plain
