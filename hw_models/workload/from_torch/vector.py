"""Rules of elementwise functions, norms and softmax: the work of the vector unit."""

from __future__ import annotations

from math import prod
from typing import Any, Final

from torch import Tensor

from hw_models.workload import vector_cost
from hw_models.workload.from_torch.rules import Call, Row, Rule
from hw_models.workload.op import OpKind

_CANONICAL: Final = {
    "true_divide": "div",
    "rsub": "sub",
    "clamp_min": "clamp",
    "clamp_max": "clamp",
    "multiply": "mul",
}


def elementwise(call: Call) -> Row:
    """One result per output element; the cost of the function from `vector_cost`."""
    out = call.outs[0]
    cost = vector_cost.ELEMENTWISE[call.fn] * (vector_cost.COMPLEX.get(call.fn, 2) if out.is_complex() else 1)
    return Row(
        OpKind.ELEMENTWISE,
        (out.numel(),),
        0,
        cost,
        {"fn": _CANONICAL.get(call.fn, call.fn), "rank": out.dim()},
    )


def gelu(call: Call) -> Row:
    """Exact (erf) or tanh form."""
    row = elementwise(call)
    if call.kwargs.get("approximate", "none") == "tanh":
        row.attrs["approximate"] = "tanh"
        return row._replace(cost=vector_cost.GELU_TANH)
    return row


def power(call: Call) -> Row:
    """X ** y; a small whole exponent is repeated multiplication, a half is a square root."""
    row = elementwise(call)
    exponent = call.arg(1)
    if isinstance(exponent, Tensor):
        return row
    row.attrs["exponent"] = exponent
    whole = float(exponent).is_integer() and 1 <= abs(exponent) <= 4
    if whole:
        return row._replace(
            cost=max(abs(float(exponent)) - 1, 1.0) + (vector_cost.SPECIAL if exponent < 0 else 0)
        )
    return row._replace(cost=vector_cost.SQRT) if abs(exponent) == 0.5 else row


def division(call: Call) -> Row:
    """A quotient; by a number known beforehand it is a multiplication."""
    row = elementwise(call)
    return row if len(call.ins) > 1 and call.ins[-1].numel() > 1 else row._replace(cost=1.0)


def assumed_elementwise(call: Call) -> Row:
    """A function that torch tags as pointwise and our tables lack: one special function, and it says so."""
    out = call.outs[0]
    attrs = {"fn": call.fn, "rank": out.dim(), "cost_assumed": True}
    return Row(OpKind.ELEMENTWISE, (out.numel(),), 0, vector_cost.SPECIAL, attrs)


def _norm_row(call: Call, rows: int, cost: float, **attrs: Any) -> Row:
    x = call.ins[0]
    width = x.numel() // rows if rows else 0
    return Row(OpKind.NORM, (rows, width), 0, cost, {"rank": x.dim(), **attrs})


def batch_norm(call: Call) -> Row:
    """(input, weight, bias, mean, var, training, ...); running statistics make it a scale and a shift."""
    x = call.ins[0]
    training = (
        bool(call.arg(5)) if call.fn == "batch_norm" else call.fn == "native_batch_norm" and bool(call.arg(5))
    )
    rows = x.shape[0] * x.shape[1]
    cost = vector_cost.LAYER_NORM if training else vector_cost.BATCH_NORM
    return _norm_row(call, rows, cost, fn="batch_norm", statistics="input" if training else "running")


def layer_norm(call: Call) -> Row:
    """Statistics over the trailing dimensions named in `normalized_shape`."""
    x = call.ins[0]
    width = prod(call.args[1])
    return _norm_row(
        call, x.numel() // max(width, 1), vector_cost.LAYER_NORM, fn="layer_norm", affine=len(call.ins) > 1
    )


def rms_norm(call: Call) -> Row:
    """Root mean square over the trailing dimensions."""
    x = call.ins[0]
    width = prod(call.args[1])
    return _norm_row(
        call, x.numel() // max(width, 1), vector_cost.RMS_NORM, fn="rms_norm", affine=len(call.ins) > 1
    )


def group_norm(call: Call) -> Row:
    """(input, groups, ...), or the native form (input, weight, bias, N, C, HxW, groups, eps)."""
    groups = call.args[6] if call.fn == "native_group_norm" else call.args[1]
    rows = call.ins[0].shape[0] * groups
    return _norm_row(
        call, rows, vector_cost.LAYER_NORM, fn="group_norm", groups=groups, affine=len(call.ins) > 1
    )


def instance_norm(call: Call) -> Row:
    """Statistics per image and channel."""
    x = call.ins[0]
    return _norm_row(
        call, x.shape[0] * x.shape[1], vector_cost.LAYER_NORM, fn="instance_norm", affine=len(call.ins) > 1
    )


def weight_norm(call: Call) -> Row:
    """(v, g, dim): g v / |v|, a norm of the weight itself. Source: Salimans and Kingma, 2016."""
    v, axis = call.ins[0], call.arg(2, "dim", 0)
    return _norm_row(call, v.shape[axis], vector_cost.RMS_NORM, fn="weight_norm")


def softmax(call: Call) -> Row:
    """Softmax along one dimension."""
    x = call.ins[0]
    axis = int(call.args[1]) % max(x.dim(), 1)
    width = x.shape[axis] if x.dim() else 1
    attrs = {"fn": "log_softmax" if "log" in call.fn else "softmax", "axes": [axis], "rank": x.dim()}
    return Row(OpKind.SOFTMAX, (x.numel() // max(width, 1), width), 0, vector_cost.SOFTMAX, attrs)


RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(vector_cost.ELEMENTWISE, elementwise),
    **dict.fromkeys(("divide", "multiply"), elementwise),
    "gelu": gelu,
    "pow": power,
    "div": division,
    "true_divide": division,
    **dict.fromkeys(
        (
            "batch_norm",
            "native_batch_norm",
            "_native_batch_norm_legit_no_training",
            "_batch_norm_no_update",
            "cudnn_batch_norm",
        ),
        batch_norm,
    ),
    **dict.fromkeys(("layer_norm", "native_layer_norm"), layer_norm),
    **dict.fromkeys(("rms_norm", "_fused_rms_norm"), rms_norm),
    **dict.fromkeys(("group_norm", "native_group_norm"), group_norm),
    "instance_norm": instance_norm,
    "_weight_norm_interface": weight_norm,
    **dict.fromkeys(("softmax", "_softmax", "_safe_softmax", "log_softmax", "_log_softmax"), softmax),
}
