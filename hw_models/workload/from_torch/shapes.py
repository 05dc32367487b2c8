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

META: Final = torch.device("meta")

Shortcut = Callable[[Sequence[Any]], Tensor | tuple[Tensor, ...] | None]


def _like(x: Tensor) -> Tensor:
    """A new tensor of the same shape, type and strides."""
    dense = x.is_contiguous() or x.untyped_storage().nbytes() == x.numel() * x.element_size()
    if not dense or (0 in x.stride() and not x.is_contiguous()):
        return torch.empty_like(x)
    return torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device=META)


def _plain(x: Tensor, shape: Sequence[int]) -> Tensor:
    """A new tensor of a shape in row-major order."""
    return torch.empty(shape, dtype=x.dtype, device=META)


def _same(args: Sequence[Any]) -> Tensor | None:
    """A function of one floating tensor: shape and strides are kept."""
    x = args[0]
    return _like(x) if x.is_floating_point() else None


def _first(args: Sequence[Any]) -> Tensor | None:
    """In place, by a function of one tensor, or with a number or a tensor that fits."""
    x: Tensor = args[0]
    y = args[1] if len(args) > 1 else None
    return x if not isinstance(y, Tensor) or (y.dtype == x.dtype and _fits(y, x)) else None


def _fits(y: Tensor, x: Tensor) -> bool:
    """Whether `y` broadcasts to the shape of `x`."""
    if y.dim() > x.dim():
        return False
    return all(b in {1, a} for a, b in zip(reversed(x.shape), reversed(y.shape), strict=False))


def _arithmetic(args: Sequence[Any]) -> Tensor | None:
    """Two tensors of which the first has the shape of the result, or a tensor and a number."""
    x, y = args[0], args[1]
    if not isinstance(x, Tensor) or not x.is_floating_point():
        return None
    if not isinstance(y, Tensor):
        return _like(x) if isinstance(y, int | float) else None
    if y.dtype != x.dtype:
        return None
    if x.shape == y.shape:
        return _like(x) if x.stride() == y.stride() else None
    return _plain(x, x.shape) if x.is_contiguous() and _fits(y, x) else None


def _linear(args: Sequence[Any]) -> Tensor | None:
    x: Tensor = args[0]
    weight: Tensor = args[1]
    if weight.dim() != 2 or not x.dim() or x.shape[-1] != weight.shape[1] or x.dtype != weight.dtype:
        return None
    return _plain(x, (*x.shape[:-1], weight.shape[0]))


def _each(value: Any, rank: int) -> Sequence[int]:
    """A convolution's option as one number per spatial axis."""
    if isinstance(value, int):
        return (value,) * rank
    return tuple(value) * (rank if len(value) == 1 else 1)


def _conv(args: Sequence[Any]) -> Tensor | None:
    """(input, weight, bias, stride, padding, dilation, groups), all of it in the plain memory format."""
    x: Tensor = args[0]
    weight: Tensor = args[1]
    options = [args[i] if i < len(args) else default for i, default in ((3, 1), (4, 0), (5, 1), (6, 1))]
    rank = weight.dim() - 2
    if x.dim() != rank + 2 or isinstance(options[1], str) or x.dtype != weight.dtype:
        return None
    if x.shape[1] != weight.shape[1] * options[3] or not (x.is_contiguous() and weight.is_contiguous()):
        return None
    stride, padding, dilation = (_each(o, rank) for o in options[:3])
    sizes = [
        (size + 2 * p - d * (taps - 1) - 1) // s + 1
        for size, taps, s, p, d in zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    ]
    return _plain(x, (x.shape[0], weight.shape[0], *sizes)) if min(sizes) > 0 else None


def _batch_norm(args: Sequence[Any]) -> Tensor | None:
    """With running statistics: a scale and a shift of each channel."""
    x, training = args[0], args[5]
    mean = args[3]
    fits = not training and mean is not None and x.dim() > 1 and mean.shape[0] == x.shape[1]
    return _like(x) if fits else None


def _layer_norm(args: Sequence[Any]) -> Tensor | None:
    x, shape = args[0], args[1]
    if tuple(x.shape[-len(shape) :]) != tuple(shape):
        return None
    return _plain(x, x.shape)


def _softmax(args: Sequence[Any]) -> Tensor | None:
    x = args[0]
    if not x.is_floating_point() or (len(args) > 2 and args[2] is not None):
        return None
    return _plain(x, x.shape)


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
    return _plain(q, (batch, length, heads, v.shape[-1])).transpose(1, 2)


def _recurrent(args: Sequence[Any]) -> tuple[Tensor, ...] | None:
    """(input, state, params, has_biases, layers, dropout, train, bidirectional, batch_first).

    The output and the last state. Torch would run the steps one by one.
    """
    x: Tensor = args[0]
    if x.dim() != 3 or isinstance(args[3], list | tuple):  # packed sequences
        return None
    states = args[1] if isinstance(args[1], list | tuple) else [args[1]]
    width = states[0].shape[2] * (2 if args[7] else 1)
    return _plain(x, (*x.shape[:2], width)), *(_plain(x, s.shape) for s in states)


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
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _conv),
    "linear": _linear,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "softmax": _softmax,
    "_softmax": _softmax,
    "dropout": _dropout,
    "scaled_dot_product_attention": _attention,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
}
"""By operator name without overload."""
