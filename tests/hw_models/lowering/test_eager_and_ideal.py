"""The other two choices: one kernel per operator, and everything merged that can merge."""

from __future__ import annotations

import numpy as np

from hw_models.lowering import lower, lowered

A = 4 * 8 * 8 * 4
"""Bytes of a (1, 4, 8, 8) image in FP32."""


def block(net):
    x = net.pointwise("relu", net.bn(net.conv(net.input(1, 4, 8, 8), 4, 3)))
    y = net.bn(net.conv(x, 4, 3))
    return net.done(net.pointwise("relu", net.pointwise("add", y, x)))


def test_eager_runs_every_operator(net, table):
    assert table(block(net), "eager") == [
        ("conv", "conv", A, A),
        ("norm", "batch_norm", A, A),
        ("elementwise", "relu", A, A),
        ("conv", "conv", A, A),
        ("norm", "batch_norm", A, A),
        ("elementwise", "add", 2 * A, A),
        ("elementwise", "relu", A, A),
    ]


def test_eager_views_are_free(net, table):
    x = net.view(net.conv(net.input(1, 4, 8, 8), 4), 1, 64, 4)
    assert [row[1] for row in table(net.done(net.linear(x, 4)), "eager")] == ["conv", "linear"]


def test_ideal_runs_a_convolution_with_all_that_follows(net, table):
    """The skip is what the second convolution reads anyway: it comes from outside once."""
    assert table(block(net), "ideal") == [
        ("conv", "conv+batch_norm+relu", A, A),
        ("conv", "conv+batch_norm+add+relu", A, A),
    ]


def test_ideal_folds_batch_norm_into_weights(net):
    kernels = lower([block(net)], lowering="ideal", precision="fp32")
    taps = 4 * 4 * 9 * 4
    np.testing.assert_array_equal(kernels.weight_bytes[kernels.index], [taps, taps])
    np.testing.assert_array_equal(kernels.vector_ops[kernels.index], [4 * 64, 2 * 4 * 64])


def test_compiled_reads_batch_norm_parameters(net):
    kernels = lower([block(net)], lowering="compiled", precision="fp32")
    np.testing.assert_array_equal(kernels.weight_bytes[kernels.index], [4 * 4 * 9 * 4, 4 * 4 * 4] * 2)
    np.testing.assert_array_equal(kernels.vector_ops[kernels.index], [0, 3 * 256, 0, 4 * 256])


def test_ideal_norm_with_statistics_of_the_input_is_not_folded(net):
    x = net.linear(net.input(1, 16, 8), 8)
    kernels = lower([net.done(net.layer_norm(x))], lowering="ideal", precision="fp32")
    assert kernels.n_instances == 1
    assert kernels.vector_ops[0] == 8 * 16 * 8


def test_ideal_concatenation_is_placement(net, table):
    x = net.input(1, 4, 8, 8)
    out = net.conv(net.cat(net.conv(x, 4), net.conv(x, 4)), 4)
    assert table(net.done(out), "ideal") == [
        ("pointwise", "conv", A, A),
        ("pointwise", "conv", A, A),
        ("pointwise", "conv", 2 * A, A),
    ]


def test_ideal_merges_into_the_last_producer_only(net, table):
    """Both convolutions could take the sum; the later one can read the other's result, not the other way
    round.
    """
    x = net.input(1, 4, 8, 8)
    out = net.pointwise("add", net.conv(x, 4), net.conv(x, 4))
    assert table(net.done(out), "ideal") == [("pointwise", "conv", A, A), ("pointwise", "conv+add", 2 * A, A)]


def test_ideal_does_not_merge_a_window_or_another_size(net, table):
    x = net.pool(net.conv(net.input(1, 4, 8, 8), 4), 2, 2)
    assert [row[1] for row in table(net.done(net.pointwise("relu", x)), "ideal")] == ["conv", "max_pool+relu"]


def test_dead_operators_are_counted(net):
    x = net.input(1, 4, 8, 8)
    net.pointwise("relu", net.conv(x, 8))
    assert lowered(net.done(net.conv(x, 4))).dead_ops == 2
