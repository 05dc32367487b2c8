"""Kernel lists as inductor makes them: golden cases by hand, sources named where they come from elsewhere."""

from __future__ import annotations

A = 4 * 8 * 8 * 4
"""Bytes of a (1, 4, 8, 8) image in FP32."""


def test_pointwise_work_between_convolutions_is_one_kernel(net, table):
    x = net.conv(net.input(1, 4, 8, 8), 4, 3)
    y = net.conv(net.pointwise("relu", net.bn(x)), 4)
    assert table(net.done(y), "compiled") == [
        ("conv", "conv", A, A),
        ("elementwise", "batch_norm+relu", A, A),
        ("pointwise", "conv", A, A),
    ]


def test_residual_joins_the_last_group(net, table):
    x = net.pointwise("relu", net.bn(net.conv(net.input(1, 4, 8, 8), 4, 3)))
    y = net.bn(net.conv(x, 4, 3))
    out = net.pointwise("relu", net.pointwise("add", y, x))
    assert table(net.done(out), "compiled") == [
        ("conv", "conv", A, A),
        ("elementwise", "batch_norm+relu", A, A),
        ("conv", "conv", A, A),
        ("elementwise", "batch_norm+add+relu", 2 * A, A),
    ]


def test_squeeze_and_excitation(net, table):
    """The mean ends the group that makes the image; the gate's sigmoid is computed as the product reads
    it.
    """
    x = net.pointwise("silu", net.bn(net.conv(net.input(1, 4, 8, 8), 4, 3, groups=4)))
    gate = net.conv(net.pointwise("relu", net.conv(net.mean(x), 2)), 4)
    out = net.conv(net.pointwise("mul", x, net.pointwise("sigmoid", gate)), 8)
    assert table(net.done(out), "compiled") == [
        ("depthwise", "conv", A, A),
        ("elementwise", "batch_norm+silu", A, A),
        ("reduce", "mean", A, 16),
        ("pointwise", "conv", 16, 8),
        ("elementwise", "relu", 8, 8),
        ("pointwise", "conv", 8, 16),
        ("elementwise", "sigmoid+mul", A + 16, A),
        ("pointwise", "conv", A, 2 * A),
    ]


def test_sums_of_rows_and_what_divides_by_them_are_one_kernel(net, table):
    t = 16 * 8 * 4
    x = net.pointwise("exp", net.linear(net.input(1, 16, 8), 8))
    out = net.linear(net.pointwise("div", x, net.row_sum(x)), 8)
    assert table(net.done(out), "compiled")[1] == ("reduce", "exp+sum+div", t, t)


def test_transformer_block_repeats_the_residual_sum(net, table):
    """x + a feeds a norm and the next sum: two reads are cheaper to repeat than to store.

    Source: PyTorch 2.9, torch/_inductor/config.py, realize_reads_threshold = 4.
    """
    t = 16 * 8 * 4
    x = net.input(1, 16, 8)
    a = net.linear(net.layer_norm(x), 8)
    first = net.pointwise("add", x, a)
    b = net.linear(net.layer_norm(first), 8)
    out = net.linear(net.layer_norm(net.pointwise("add", first, b)), 8)
    assert table(net.done(out), "compiled") == [
        ("norm", "layer_norm", t, t),
        ("gemm", "linear", t, t),
        ("norm", "add+layer_norm", 2 * t, t),
        ("gemm", "linear", t, t),
        ("norm", "add+layer_norm", 3 * t, t),
        ("gemm", "linear", t, t),
    ]


def test_norm_does_not_fuse_with_a_copy_in_another_order(net, table):
    """Window partition: the sums need rows in order, the copy computes the rest of the norm as it reads."""
    t, sums = 16 * 8 * 4, 16 * 4
    windows = net.layout("copy", (4, 4, 8), net.layer_norm(net.linear(net.input(1, 16, 8), 8)))
    assert table(net.done(net.linear(windows, 8)), "compiled")[1:3] == [
        ("norm", "layer_norm", t, sums),
        ("elementwise", "layer_norm+copy", t + sums, t),
    ]


def test_gate_halves_are_computed_where_they_are_read(net, table):
    """gelu of both halves is never stored: each reader computes its half (as in gMLP)."""
    half = 16 * 8 * 4
    x = net.pointwise("gelu", net.linear(net.input(1, 16, 8), 16))
    u, v = net.view(x, 1, 16, 8), net.view(x, 1, 16, 8)
    gate = net.linear(net.layer_norm(u), 8)
    rows = table(net.done(net.linear(net.pointwise("mul", gate, v), 4)), "compiled")
    assert rows[1] == ("norm", "gelu+layer_norm", half, half)
    assert rows[3] == ("elementwise", "gelu+mul", 2 * half, half)


def test_concatenation_is_one_kernel_with_what_surrounds_it(net, table):
    """Two branches end in a concatenation that a norm reads: nothing in between is stored."""
    x = net.input(1, 4, 8, 8)
    left = net.pointwise("relu", net.bn(net.conv(x, 4)))
    right = net.pointwise("relu", net.bn(net.conv(x, 4)))
    out = net.conv(net.cat(left, right), 4)
    assert table(net.done(out), "compiled") == [
        ("pointwise", "conv", A, A),
        ("pointwise", "conv", A, A),
        ("elementwise", "batch_norm+relu+cat", 2 * A, 2 * A),
        ("pointwise", "conv", 2 * A, A),
    ]


def test_long_concatenation_is_copied_piece_by_piece(net, table):
    """More than eight tensors: a producer that fuses writes its piece, library calls are copied together."""
    x = net.input(1, 4, 8, 8)
    branches = [net.conv(x, 4) for _ in range(8)] + [net.pool(x)]
    rows = table(net.done(net.conv(net.cat(*branches), 4)), "compiled")
    assert rows[8:] == [
        ("copy", "cat", 8 * A, 8 * A),
        ("pool", "max_pool+cat", A, A),
        ("pointwise", "conv", 9 * A, A),
    ]


def test_siblings_share_one_read(net, table):
    x = net.conv(net.input(1, 4, 8, 8), 4)
    left, right = net.pointwise("relu", x), net.pointwise("sigmoid", x)
    rows = table(net.done(net.conv(left, 4), net.conv(right, 4)), "compiled")
    assert rows[1] == ("elementwise", "relu+sigmoid", A, 2 * A)


def test_slices_read_their_elements_only(net, table):
    x = net.conv(net.input(1, 8, 8, 8), 8)
    rows = table(net.done(net.conv(net.view(x, 1, 4, 8, 8), 4)), "compiled")
    assert rows[1] == ("pointwise", "conv", A, A)


def test_dead_code_is_not_run(net, table):
    x = net.input(1, 4, 8, 8)
    net.conv(x, 64, 7)
    assert len(table(net.done(net.conv(x, 4)), "compiled")) == 1


def test_attention_of_five_dimensions_materialises_its_matrix(net, table):
    """Source: PyTorch, scaled_dot_product_attention: the fused kernels take four dimensions.

    The math path scales query and key first, and sets rows that are masked throughout to zero.
    """
    shape = (1, 2, 3, 16, 8)
    q, k, v = (net.view(net.linear(net.input(1, 96, 8), 8), *shape) for _ in range(3))
    t, matrix = 96 * 8 * 4, 6 * 16 * 16 * 4
    workload = net.done(net.attention(q, k, v))
    assert table(workload, "compiled")[3:] == [
        ("elementwise", "mul", t, t),
        ("elementwise", "mul", t, t),
        ("batched_gemm", "attention", 2 * t, matrix),
        ("softmax", "attention+eq+all+where", matrix, matrix),
        ("batched_gemm", "attention", t + matrix, t),
    ]
    assert table(workload, "ideal")[3:] == [("attention", "attention", 3 * t, t)]


def test_unknown_operator_stands_alone_and_shows_its_bytes(net, table):
    x = net.unknown(net.pointwise("relu", net.input(1, 4, 8, 8)))
    out = net.pointwise("relu", x)
    for lowering in ("ideal", "compiled", "eager"):
        assert ("unmodelled", "mystery", A, A) in table(net.done(out), lowering)
