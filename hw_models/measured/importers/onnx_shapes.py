"""Loop dimensions of an ONNX operator from the types and shapes of its operands, as profiles have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Final

Typed = Sequence[Mapping[str, Sequence[int]]]
"""Operands as ONNX Runtime writes them: [{"float": [1, 3, 224, 224]}, ...]."""

PRECISIONS: Final = {
    "double": "fp64",
    "float": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "int64": "int64",
    "int32": "int32",
    "int16": "int16",
    "int8": "int8",
    "uint8": "uint8",
    "bool": "bool",
}

_WEIGHT_AT: Final = {"Conv": 1, "FusedConv": 1, "NhwcFusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
_SECOND_AT: Final = {
    "Gemm": 1,
    "FusedGemm": 1,
    "MatMul": 1,
    "FusedMatMul": 1,
    "MatMulInteger": 1,
    "QLinearMatMul": 3,
}


def precision_of(operands: Typed) -> str | None:
    """Precision of the first operand, None where there is none or its type has no such name."""
    return PRECISIONS.get(next(iter(operands[0]))) if operands and operands[0] else None


def loop_dims(kind: str, inputs: Typed, outputs: Typed) -> str | None:
    """Loop dimensions of convolutions and matrix products, shapes of all else; None where there are none.

    A blocked layout shows channels padded to its block, which is what the kernel computes.
    """
    shapes = [tuple(next(iter(t.values()), ())) for t in inputs]
    outs = [tuple(next(iter(t.values()), ())) for t in outputs]
    dims: dict[str, int] | None = None
    if kind in _WEIGHT_AT and len(shapes) > _WEIGHT_AT[kind] and outs:
        dims = conv_dims(shapes[0], shapes[_WEIGHT_AT[kind]], outs[0])
    elif kind in _SECOND_AT and len(shapes) > _SECOND_AT[kind] and outs:
        dims = gemm_dims(shapes[0], shapes[_SECOND_AT[kind]], outs[0])
    if dims is not None:
        return " ".join(f"{name}={size}" for name, size in dims.items())
    if not inputs and not outputs:
        return None
    return f"{_written(shapes)} -> {_written(outs)}"


def conv_dims(x: Sequence[int], weight: Sequence[int], y: Sequence[int]) -> dict[str, int] | None:
    """Dimensions as `hw_models.workload.op.LOOP_DIMS` names them, for (N, C, H, W) and (K, C / g, fy, fx).

    Along one dimension it is a row of height 1; along three it is None.
    """
    if len(x) == len(weight) == len(y) == 3:
        return conv_dims((*x[:2], 1, x[2]), (*weight[:2], 1, weight[2]), (*y[:2], 1, y[2]))
    if len(x) != 4 or len(weight) != 4 or len(y) != 4 or weight[1] < 1 or x[1] % weight[1]:
        return None
    groups = x[1] // weight[1]
    if weight[0] % groups:
        return None
    return {
        "n": y[0],
        "g": groups,
        "k": weight[0] // groups,
        "c": weight[1],
        "oy": y[2],
        "ox": y[3],
        "fy": weight[2],
        "fx": weight[3],
    }


def gemm_dims(a: Sequence[int], b: Sequence[int], y: Sequence[int]) -> dict[str, int] | None:
    """Dimensions of (..., m, c) x (..., c, k); a second operand of two dimensions is shared by all rows."""
    if not a or not b or not y or not prod(y):
        return None
    k = y[-1]
    batch = prod(y[:-2]) if len(b) > 2 else 1
    m = prod(y) // (k * batch)
    c, rest = divmod(prod(a), batch * m)
    return None if rest else {"batch": batch, "m": m, "k": k, "c": c}


def _written(shapes: Sequence[Sequence[int]]) -> str:
    return " ".join("x".join(map(str, s)) or "scalar" for s in shapes if s) or "scalar"
