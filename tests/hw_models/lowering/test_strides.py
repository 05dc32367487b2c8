"""Orders in memory against what PyTorch's documentation and source say of strides."""

from __future__ import annotations

from math import prod

import pytest

from hw_models.cost.arrays import KernelClass
from hw_models.lowering import lower
from hw_models.lowering.strides import _exchange, _viewed, as_channels_last, as_voted, as_written
from hw_models.workload.op import OpKind, TensorKind


def view(net, x, fn, *shape):
    made = net.tensor(shape, TensorKind.ACTIVATION, view_of=x)
    attrs = {"fn": fn}
    net.b.op(OpKind.VIEW, (prod(shape),), [x], [made], target=fn, batch_dim=0, attrs=attrs)
    return made


def block(net, x):
    """A block of ConvNeXt: depthwise convolution, norm and linear layer with channels innermost, back."""
    _, c, h, w = net.shape[x]
    y = view(net, net.conv(x, c, 7, groups=c), "permute", 1, h, w, c)
    y = net.linear(net.layer_norm(y), c)
    return net.pointwise("add", view(net, y, "permute", 1, c, h, w), x)


def test_channels_last_spreads_from_a_permuted_block(net):
    """The first block permutes; its sum is written as its first operand lies: later blocks need no copy."""
    x = net.conv(net.input(1, 3, 8, 6), 16, 3)
    workload = net.done(block(net, block(net, x)))
    orders = as_written(workload)
    convs = [o for o in range(len(workload)) if workload.op_kind[o] == OpKind.CONV]
    assert orders.channels_last == {convs[2]}
    norms = [o for o in range(len(workload)) if workload.op_kind[o] == OpKind.NORM]
    assert orders.copied == {norms[0]: {0: True}}
    assert len(orders.reordered) == 1  # the first sum reads both orders


def test_weights_with_channels_innermost_make_every_convolution_so(net):
    workload = net.done(net.conv(net.conv(net.input(1, 3, 8, 8), 8, 3), 8))
    assert len(as_channels_last(workload).channels_last) == 2
    assert not as_written(workload).channels_last
    assert lower([workload], lowering="eager_nhwc").layout.max() == 1
    assert lower([workload], lowering="eager").layout.max() == 0


@pytest.mark.parametrize(("groups", "voted"), [(1, True), (4, False), (64, True)])
def test_inductor_votes_against_grouped_convolutions(net, groups, voted):
    """1.358 for grouped, below 1 for all others, depthwise included."""
    workload = net.done(net.conv(net.input(1, 64, 8, 8), 64, 3, groups=groups))
    assert bool(as_voted(workload).channels_last) is voted


def test_heads_cut_from_one_projection_are_copied_for_a_product(net):
    """(batch, length, 3, heads, width) permuted: batch and heads do not lie at one stride."""
    qkv = view(net, net.linear(net.input(1, 10, 24), 72), "reshape", 1, 10, 3, 4, 6)
    q = view(net, view(net, qkv, "permute", 3, 1, 4, 10, 6), "select", 1, 4, 10, 6)
    attrs = {"fn": "matmul"}
    out = net.op(
        OpKind.GEMM, (4, 10, 10, 6), [q, view(net, q, "transpose", 1, 4, 6, 10)], (1, 4, 10, 10), attrs=attrs
    )
    workload = net.done(out)
    product = next(o for o in range(len(workload)) if workload.op_attrs[o].get("fn") == "matmul")
    assert as_written(workload).copied == {product: {0: False, 1: False}}
    kernels = lower([workload], lowering="eager")
    assert [KernelClass(int(c)) for c in kernels.cls[kernels.index]].count(KernelClass.COPY) >= 2


def test_a_linear_layer_over_transposed_tokens_is_a_batch_and_adds_its_bias_apart(net):
    x = net.layer_norm(net.input(1, 10, 24))
    turned = view(net, x, "transpose", 1, 24, 10)
    weight, bias = net.weight(7, 10), net.weight(7)
    made = net.op(
        OpKind.GEMM, (1, 24, 7, 10), [turned, weight, bias], (1, 24, 7), batch_dim=1, attrs={"fn": "linear"}
    )
    workload = net.done(made)
    kernels = lower([workload], lowering="eager", batch=3)
    last = kernels.index[-2:]
    assert [KernelClass(int(c)) for c in kernels.cls[last]] == [
        KernelClass.BATCHED_GEMM,
        KernelClass.ELEMENTWISE,
    ]
    assert kernels.dims[last[0], :4].tolist() == [3, 24, 7, 10]
    assert kernels.macs.sum() == 3 * 24 * 7 * 10


@pytest.mark.parametrize(
    ("source", "result", "axes"),
    [
        ((1, 56, 48, 96), (1, 96, 56, 48), (0, 3, 1, 2)),
        ((1, 56, 56, 96), (1, 96, 56, 56), (0, 3, 1, 2)),
        ((1, 197, 3, 12, 64), (3, 1, 12, 197, 64), (2, 0, 3, 1, 4)),
        ((4, 5), (4, 5), None),
    ],
)
def test_exchanged_axes_are_the_fewest_that_fit(source, result, axes):
    assert _exchange(source, result) == axes


@pytest.mark.parametrize(
    ("shape", "stride", "result", "expected"),
    [
        ((2, 3, 4), (12, 4, 1), (6, 4), (4, 1)),
        ((2, 3, 4), (12, 1, 3), (6, 4), None),
        ((2, 12), (24, 1), (2, 3, 4), (24, 4, 1)),
        ((2, 4, 3), (24, 6, 1), (8, 3), (6, 1)),
    ],
)
def test_views_are_those_that_torch_allows(shape, stride, result, expected):
    assert _viewed(shape, stride, result) == expected
