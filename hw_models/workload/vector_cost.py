"""How many operations of the vector unit one element of an operator costs.

Convention: an add, multiply, compare, minimum or select is one operation. A reciprocal, reciprocal square
root, base-2 exponential or logarithm, sine or cosine is `SPECIAL` operations, because the vector unit of a
GPU delivers 16 of them a clock where it delivers 128 additions.
Source: NVIDIA CUDA C++ Programming Guide 12, table "Throughput of Native Arithmetic Instructions", compute
capability 8.6 to 9.0 (128 against 16 results per clock and multiprocessor). Everything else is composed from
these two figures.
"""

from __future__ import annotations

from typing import Final

SPECIAL: Final = 8.0
"""Vector operations of one special function (exp2, log2, 1/x, 1/sqrt(x), sin, cos)."""

EXP: Final = SPECIAL + 1
"""exp(x) = exp2(x log2 e)."""

LOG: Final = SPECIAL + 1
"""ln(x) = log2(x) ln 2."""

DIV: Final = SPECIAL + 1
"""x / y = x (1 / y)."""

SQRT: Final = SPECIAL + 1
"""sqrt(x) = x / sqrt(x)."""

POW: Final = LOG + EXP
"""x ** y = exp(y ln x) for a y that is not a small integer."""

SIGMOID: Final = EXP + 1 + SPECIAL
"""1 / (1 + exp(-x)); the sign is free in the factor of exp."""

TANH: Final = SIGMOID + 2
"""tanh(x) = 2 sigmoid(2 x) - 1."""

ERF: Final = SPECIAL + 2 + 10 + EXP + 3
"""Abramowitz and Stegun, 7.1.26: t = 1 / (1 + p x), five coefficients by Horner, exp(-x^2), sign."""

SOFTPLUS: Final = EXP + 1 + LOG + 2
"""ln(1 + exp(x)), with the switch to x where x is large."""

SOFTMAX: Final = 1 + 1 + EXP + 1 + 1
"""Per element: maximum, subtract, exp, sum, multiply by the reciprocal of the sum."""

BATCH_NORM: Final = 2.0
"""Per element with running statistics: one scale, one shift."""

LAYER_NORM: Final = 1 + 3 + 2 + 2
"""Per element with statistics of the input: sum, squared difference, normalise, scale and shift."""

RMS_NORM: Final = 2 + 1 + 1
"""Per element: sum of squares, normalise, scale."""


def _each(names: str, cost: float) -> dict[str, float]:
    return dict.fromkeys(names.split(), cost)


ELEMENTWISE: Final[dict[str, float]] = {
    **_each(
        "abs add bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor", 1
    ),
    **_each(
        "ceil clamp_max clamp_min conj copysign eq fill floor fmax fmin frac ge gt imag isfinite isinf", 1
    ),
    **_each("isnan le logical_and logical_not logical_or logical_xor lt masked_fill maximum minimum mul", 1),
    **_each(
        "multiply nan_to_num ne neg positive real relu round rsub sgn sign signbit square sub threshold", 1
    ),
    **_each("tril triu trunc where", 1),
    **_each("addcmul clamp dropout hardshrink hardtanh heaviside leaky_relu lerp prelu relu6 rrelu", 2),
    **_each("softshrink", 2),
    **_each("cos exp2 log2 reciprocal rsqrt sin", SPECIAL),
    **_each("exp expm1", EXP),
    **_each("log log1p log10", LOG),
    **_each("div divide floor_divide fmod remainder true_divide", DIV),
    **_each("acos angle asin atan atan2 cosh digamma erfinv lgamma polar sinh tan", 2 * SPECIAL + 4),
    "sqrt": SQRT,
    "pow": POW,
    "erf": ERF,
    "erfc": ERF + 1,
    "sigmoid": SIGMOID,
    "log_sigmoid": SOFTPLUS,
    "logit": DIV + LOG + 1,
    "logaddexp": SOFTPLUS + 2,
    "tanh": TANH,
    "silu": SIGMOID + 1,
    "mish": SOFTPLUS + TANH + 1,
    "softplus": SOFTPLUS,
    "elu": EXP + 3,
    "selu": EXP + 4,
    "celu": EXP + DIV + 3,
    "gelu": ERF + 4,
    "hardsigmoid": 4,
    "hardswish": 5,
    "glu": SIGMOID + 1,
    "softsign": DIV + 2,
    "tanhshrink": TANH + 1,
    "addcdiv": DIV + 2,
}
"""Vector operations per output element by function name."""

COMPLEX: Final[dict[str, float]] = {"mul": 6, "multiply": 6}
"""Real operations of one on complex numbers, where it is not two: a product is four products and two sums."""

FFT_REAL: Final = 2.5
FFT_COMPLEX: Final = 5.0
"""Operations per element and log2 of the length. Source: Frigo and Johnson, FFTW benchmark: 5 N log2(N)."""

GELU_TANH: Final = TANH + 8
"""0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). Source: Hendrycks and Gimpel, 2016, section 2."""

REDUCE: Final[dict[str, float]] = {
    **_each("all amax amin aminmax any argmax argmin count_nonzero max mean min nansum prod sum", 1),
    **_each("frobenius_norm linalg_vector_norm norm", 2),
    **_each("std std_mean var var_mean", 4),
    "logsumexp": EXP + 3,
}
"""Vector operations per input element by function name."""
