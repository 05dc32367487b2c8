"""In which number format every operator computes and every tensor is stored, for one network-level precision.

A network-level precision is a `Scheme`. `fp16` and `bf16` mean automatic mixed precision where a framework
runs the network ("eager", "compiled"): contractions and attention compute and store narrow, exponentials,
powers, softmax and sums wide (FP32), everything else follows its widest input. Source: PyTorch, "Automatic
Mixed Precision package", op reference. LayerNorm and its like stay narrow ("fast norm" of timm: inferred
from measured throughput, not documented there). Every other precision is uniform: all activations have one
format. Norms, softmax and transcendental functions of the 8-bit schemes compute in FP16, as the vector
units of NPUs and GPUs do; their inputs and outputs are stored in 8 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.errors import UnknownNameError
from hw_models.workload.op import BITS, OpKind, Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Scheme:
    """One network-level precision.

    Attributes:
        name: as knobs and tables show it.
        math: format in which MACs run.
        activation: format of narrow activations.
        weight_bits: storage bits of one weight of a contraction.
        vector: format of the vector work on narrow tensors.
        special: format of norms, softmax and transcendental functions on narrow tensors.
        mixed: a framework runs it as automatic mixed precision.
    """

    name: str
    math: Precision
    activation: Precision
    weight_bits: int
    vector: Precision
    special: Precision
    mixed: bool = False

    @property
    def bits(self) -> NDArray[np.float64]:
        """Storage bits by `Format` code."""
        return _bits(self)


@lru_cache(maxsize=64)
def _bits(scheme: Scheme) -> NDArray[np.float64]:
    own = [float(BITS[p]) for p in Precision]
    return np.array([BITS[scheme.activation], 32.0, scheme.weight_bits, *own])


def _uniform(precision: Precision, special: Precision | None = None) -> Scheme:
    bits = BITS[precision]
    return Scheme(precision.label, precision, precision, bits, precision, special or precision)


def _weight_only(precision: Precision, weight_bits: int) -> Scheme:
    return Scheme(precision.label, precision, Precision.FP16, weight_bits, Precision.FP16, Precision.FP16)


SCHEMES: Final[dict[str, Scheme]] = {
    s.name: s
    for s in (
        _uniform(Precision.FP32),
        Scheme("tf32", Precision.TF32, Precision.FP32, 32, Precision.FP32, Precision.FP32),
        Scheme("fp16", Precision.FP16, Precision.FP16, 16, Precision.FP16, Precision.FP16, mixed=True),
        Scheme("bf16", Precision.BF16, Precision.BF16, 16, Precision.BF16, Precision.BF16, mixed=True),
        _uniform(Precision.FP8, Precision.FP16),
        _uniform(Precision.FP4, Precision.FP16),
        _uniform(Precision.INT16, Precision.FP16),
        _uniform(Precision.INT8, Precision.FP16),
        _uniform(Precision.INT4, Precision.FP16),
        _weight_only(Precision.W8A16, 8),
        _weight_only(Precision.W4A16, 4),
    )
}
"""Every precision at which a network can be lowered, by name."""


def scheme_of(precision: str) -> Scheme:
    """The scheme of that name.

    Raises:
        UnknownNameError: no such precision.
    """
    if precision not in SCHEMES:
        raise UnknownNameError("precision", precision, SCHEMES, f"choose one of {', '.join(SCHEMES)}")
    return SCHEMES[precision]


def own_math(attrs: Mapping[str, Any]) -> int:
    """Code of the scheme that an operator has for itself (`precision` among its attributes); -1: none.

    Raises:
        UnknownNameError: no such precision.
    """
    named = attrs.get("precision")
    return -1 if named is None else int(scheme_of(named).math)


def sparse_code(attrs: Mapping[str, Any]) -> int:
    """Pattern N:M of an operator's weights (`sparsity` among its attributes) as 256 N + M; 0: dense."""
    n, _, m = str(attrs.get("sparsity", "0:0")).partition(":")
    return 256 * int(n) + int(m)


CONTRACTIONS: Final = frozenset({OpKind.CONV, OpKind.GEMM, OpKind.ATTENTION})
"""Kinds that compute and store narrow under mixed precision."""

FLOATS: Final = frozenset({Precision.FP64, Precision.FP32, Precision.BF16, Precision.FP16})
"""Formats as read that a scheme replaces; integers, booleans, complex and already quantised tensors stay
as read.
"""

WIDE_AFTER_CAST: Final = frozenset(
    [
        "pow",
        "exp",
        "expm1",
        "log",
        "log1p",
        "log2",
        "log10",
        "rsqrt",
        "reciprocal",
        "softplus",
        "tan",
        "acos",
        "asin",
        "cosh",
        "sinh",
        "erfinv",
        "norm",
        "linalg_vector_norm",
        "frobenius_norm",
        "logsumexp",
    ]
)
"""Functions that mixed precision runs on inputs cast to FP32."""

WIDE_INSIDE: Final = frozenset(["softmax", "log_softmax", "sum", "prod", "cumsum", "cumprod", "nansum"])
"""Functions that mixed precision runs in FP32 but that convert as they read (no cast kernel)."""

TRANSCENDENTAL: Final = frozenset(
    [
        "cos",
        "sin",
        "rsqrt",
        "reciprocal",
        "exp2",
        "log2",
        "exp",
        "expm1",
        "log",
        "log1p",
        "log10",
        "tan",
        "acos",
        "asin",
        "atan",
        "atan2",
        "cosh",
        "sinh",
        "erfinv",
        "sqrt",
        "pow",
        "erf",
        "erfc",
        "sigmoid",
        "log_sigmoid",
        "logit",
        "logaddexp",
        "tanh",
        "silu",
        "mish",
        "softplus",
        "elu",
        "selu",
        "celu",
        "gelu",
        "glu",
    ]
)
"""Elementwise functions that an integer vector unit does not compute exactly; they take the scheme's
`special` format.
"""
