"""Results of the commonest operators on meta tensors, without torch's own shape functions.

Torch answers most operators on the meta device in Python, at 0.1 to 1 ms each, which is where a trace would
spend its time. For the cases below the shape, data type and strides of the result are known at once; a
function returns None for every other case, and torch is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor

Shortcut = Callable[[Sequence[Any]], Tensor | None]


def _same(args: Sequence[Any]) -> Tensor | None:
    """A function of one floating tensor: shape and strides are kept."""
    x = args[0]
    return torch.empty_like(x) if x.is_floating_point() else None


def _first(args: Sequence[Any]) -> Tensor | None:
    """In place, by a function of one tensor or with a number."""
    x: Tensor = args[0]
    return x if len(args) < 2 or not isinstance(args[1], Tensor) else None


def _arithmetic(args: Sequence[Any]) -> Tensor | None:
    """Two tensors of which the first has the shape of the result, or a tensor and a number."""
    x, y = args[0], args[1]
    if not isinstance(x, Tensor) or not x.is_floating_point():
        return None
    if not isinstance(y, Tensor):
        return torch.empty_like(x) if isinstance(y, int | float) else None
    if y.dtype != x.dtype:
        return None
    if x.shape == y.shape:
        return torch.empty_like(x) if x.stride() == y.stride() else None
    if y.dim() > x.dim() or not x.is_contiguous():
        return None
    fits = all(b in {1, a} for a, b in zip(reversed(x.shape), reversed(y.shape), strict=False))
    return torch.empty_like(x) if fits else None


def _linear(args: Sequence[Any]) -> Tensor | None:
    x: Tensor = args[0]
    weight: Tensor = args[1]
    if weight.dim() != 2 or not x.dim() or x.shape[-1] != weight.shape[1] or x.dtype != weight.dtype:
        return None
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _batch_norm(args: Sequence[Any]) -> Tensor | None:
    """With running statistics: a scale and a shift of each channel."""
    x, training = args[0], args[5]
    mean = args[3]
    fits = not training and mean is not None and x.dim() > 1 and mean.shape[0] == x.shape[1]
    return torch.empty_like(x) if fits else None


def _layer_norm(args: Sequence[Any]) -> Tensor | None:
    x, shape = args[0], args[1]
    if tuple(x.shape[-len(shape) :]) != tuple(shape):
        return None
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _softmax(args: Sequence[Any]) -> Tensor | None:
    x = args[0]
    if not x.is_floating_point() or (len(args) > 2 and args[2] is not None):
        return None
    return torch.empty_like(x, memory_format=torch.contiguous_format)


def _dropout(args: Sequence[Any]) -> Tensor | None:
    x: Tensor = args[0]
    return x if len(args) > 2 and not args[2] else None


def _attention(args: Sequence[Any]) -> Tensor | None:
    """Every fused kernel writes (batch, length, heads, width) and hands back its transpose."""
    q: Tensor = args[0]
    k, v = args[1], args[2]
    fits = q.shape[:2] == k.shape[:2] and k.shape[:-1] == v.shape[:-1] and q.shape[-1] == k.shape[-1]
    if q.dim() != 4 or not fits:
        return None
    batch, heads, length, _ = q.shape
    return q.new_empty((batch, length, heads, v.shape[-1])).transpose(1, 2)


_UNARY: Final = frozenset(
    {
        "abs",
        "clamp",
        "clamp_min",
        "elu",
        "exp",
        "gelu",
        "hardsigmoid",
        "hardswish",
        "hardtanh",
        "leaky_relu",
        "mish",
    }
    | {"neg", "relu", "relu6", "rsqrt", "sigmoid", "silu", "softplus", "sqrt", "square", "tanh"}
)

SHORTCUTS: Final[dict[str, Shortcut]] = {
    **dict.fromkeys(_UNARY, _same),
    **dict.fromkeys((f"{name}_" for name in _UNARY), _first),
    **dict.fromkeys(("add", "sub", "mul", "div"), _arithmetic),
    **dict.fromkeys(("add_", "sub_", "mul_", "div_"), _first),
    "linear": _linear,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "softmax": _softmax,
    "_softmax": _softmax,
    "dropout": _dropout,
    "scaled_dot_product_attention": _attention,
}
"""By operator name without overload."""
