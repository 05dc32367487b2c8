"""Rules of convolutions, matrix products and attention: everything that counts MACs."""

from __future__ import annotations

from math import prod
from typing import Any, Final

from torch import Tensor

from hw_models.workload import vector_cost
from hw_models.workload.from_torch.rules import Call, Row, Rule, planes
from hw_models.workload.op import OpKind


def _spatial(value: Any, rank: int) -> list[int]:
    """A stride or dilation as one number per spatial axis."""
    values = [value] if isinstance(value, int) else list(value)
    return values * rank if len(values) == 1 else values


def _conv_row(call: Call, *, stride: Any, dilation: Any, padding: Any, groups: int, transposed: bool) -> Row:
    x, weight = call.ins[0], call.ins[1]
    rank = weight.dim() - 2
    n = x.shape[0] if x.dim() == weight.dim() else 1
    taps = tuple(weight.shape[2:])
    swept = tuple((x if transposed else call.outs[0]).shape[-rank:])
    c_in, c_out = x.shape[-rank - 1], call.outs[0].shape[-rank - 1]
    oy, ox = planes(swept)
    fy, fx = planes(taps)
    attrs: dict[str, Any] = {
        "fn": "conv",
        "stride": list(planes(_spatial(stride, rank))),
        "dilation": list(planes(_spatial(dilation, rank))),
        "padding": padding if isinstance(padding, str) else _spatial(padding, rank),
        "transposed": transposed,
        "bias": len(call.ins) > 2,
        "rank": x.dim(),
    }
    dims = (n, groups, c_out // groups, c_in // groups, oy, ox, fy, fx)
    # a weight that depends on the input (conditional convolution) carries the batch in its groups
    return Row(OpKind.CONV, dims, 1 if call.batched[1] else 0, 0.0, attrs)


def conv(call: Call) -> Row:
    """conv1d, conv2d, conv3d: (input, weight, bias, stride, padding, dilation, groups)."""
    return _conv_row(
        call,
        stride=call.arg(3, "stride", 1),
        padding=call.arg(4, "padding", 0),
        dilation=call.arg(5, "dilation", 1),
        groups=call.arg(6, "groups", 1),
        transposed=False,
    )


def conv_transpose(call: Call) -> Row:
    """conv_transpose*d: (input, weight, bias, stride, padding, output_padding, groups, dilation)."""
    return _conv_row(
        call,
        stride=call.arg(3, "stride", 1),
        padding=call.arg(4, "padding", 0),
        groups=call.arg(6, "groups", 1),
        dilation=call.arg(7, "dilation", 1),
        transposed=True,
    )


def convolution(call: Call) -> Row:
    """(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)."""
    return _conv_row(
        call,
        stride=call.args[3],
        padding=call.args[4],
        dilation=call.args[5],
        transposed=call.args[6],
        groups=call.args[8],
    )


def linear(call: Call) -> Row:
    """Rows (all leading dimensions) times weight (k, c)."""
    x, weight = call.ins[0], call.ins[1]
    c = x.shape[-1]
    m = x.numel() // c if c else 0
    k = weight.shape[0] if weight.dim() == 2 else 1
    attrs = {"fn": "linear", "rank": x.dim(), "bias": len(call.ins) > 2}
    return Row(OpKind.GEMM, (1, m, k, c), 1 if call.batched[0] else 2, 0.0, attrs)


def matmul(call: Call) -> Row:
    """Any matrix product of two operands, batched or not; the bias of addmm and its like stands first."""
    a, b = call.ins[-2], call.ins[-1]
    a_batched, b_batched = call.batched[-2], call.batched[-1]
    attrs = {"fn": "matmul", "rank": max(a.dim(), b.dim()), "bias": len(call.ins) > 2}
    rows = a.shape[-2] if a.dim() > 1 else 1
    columns = b.shape[-1] if b.dim() > 1 else 1
    c = a.shape[-1]
    if b.dim() <= 2:  # one right operand for all rows
        m = a.numel() // c if c else 0
        return Row(OpKind.GEMM, (1, m, columns, c), 1 if a_batched else 2, 0.0, attrs)
    if a.dim() <= 2 and not b_batched:
        return Row(OpKind.GEMM, (prod(b.shape[:-2]), rows, columns, c), 1, 0.0, attrs)
    batch = call.outs[0].numel() // (rows * columns) if rows * columns else 0
    return Row(OpKind.GEMM, (batch, rows, columns, c), 0, 0.0, attrs)


def vector_matmul(call: Call) -> Row:
    """dot, mv, outer and their like, by the sizes of operands and result."""
    a, b = call.ins[-2], call.ins[-1]
    attrs = {"fn": "matmul", "rank": a.dim(), "bias": len(call.ins) > 2}
    if call.fn in {"outer", "ger"}:
        return Row(OpKind.GEMM, (1, a.numel(), b.numel(), 1), 1 if call.batched[-2] else 2, 0.0, attrs)
    c = b.numel()
    return Row(OpKind.GEMM, (1, a.numel() // max(c, 1), 1, c), 1, 0.0, attrs)


def trilinear(call: Call) -> Row:
    """The product of nn.Bilinear: every pair of input features with every output feature."""
    left, weight = call.ins[0], call.ins[1]
    rows = left.numel() // left.shape[-1] if left.shape[-1] else 0
    k, *pair = weight.shape
    attrs = {"fn": "bilinear", "rank": left.dim(), "bias": False}
    return Row(OpKind.GEMM, (1, rows, k, prod(pair)), 1, 0.0, attrs)


def attention(call: Call) -> Row:
    """softmax(q k^T) v in one operator, whatever kernel runs it. Source: Vaswani et al., 2017, eq. 1."""
    q, k, v = call.ins[0], call.ins[1], call.ins[2]
    mask = call.arg(3, "attn_mask")
    heads = q.shape[-3] if q.dim() > 3 else 1
    batch = prod(q.shape[:-3]) if q.dim() > 3 else prod(q.shape[:-2])
    d, dv = q.shape[-1], v.shape[-1]
    masked = isinstance(mask, Tensor)
    attrs = {
        "fn": "attention",
        "mask": masked,
        "causal": bool(call.arg(5, "is_causal", default=False)),
        "rank": q.dim(),
        "kv_heads": k.shape[-3] if k.dim() > 3 else 1,
    }
    cost = (vector_cost.SOFTMAX + masked) / max(d * dv, 1)
    return Row(OpKind.ATTENTION, (batch, heads, q.shape[-2], k.shape[-2], d, dv), 0, cost, attrs)


def fused_attention(call: Call) -> Row:
    """The back ends of attention, for code that calls them directly or runs outside inference mode."""
    causal = any(a is True for a in (*call.args[3:], *call.kwargs.values()))
    plain = Call("attention", [], {}, call.ins, call.outs, call.batched)
    row = attention(plain)
    row.attrs.update(mask=len(call.ins) > 3, causal=causal)
    return row


RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), conv),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), conv_transpose),
    **dict.fromkeys(("convolution", "_convolution"), convolution),
    "linear": linear,
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm", "matmul"), matmul),
    **dict.fromkeys(("mv", "addmv", "dot", "vdot", "outer", "ger"), vector_matmul),
    "_trilinear": trilinear,
    "scaled_dot_product_attention": attention,
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_fused_attention_overrideable",
        ),
        fused_attention,
    ),
}
