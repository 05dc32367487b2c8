"""Many networks in one table: de-duplication, batches, memory of earlier answers, mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.errors import InputError, UnknownNameError
from hw_models.lowering import LOWERINGS, lower


def chain(new_net, *widths):
    net = new_net("-".join(map(str, widths)))
    x = net.input(1, widths[0], 8, 8)
    for width in widths[1:]:
        x = net.pointwise("relu", net.bn(net.conv(x, width, 3)))
    return net.done(x)


def test_equal_kernels_are_one_row(new_net):
    kernels = lower([chain(new_net, 4, 4, 4, 4, 4)], lowering="ideal", precision="int8")
    assert kernels.n_instances == 4
    assert kernels.n_distinct == 2, "the first one reads the image, which no kernel wrote"
    assert np.isnan(kernels.reuse_bytes[0])


def test_a_table_of_two_networks_is_the_two_tables(new_net, totals):
    one, two = chain(new_net, 3, 8, 8), chain(new_net, 3, 8, 16)
    both, first, second = lower([one, two]), lower([one]), lower([two])
    assert both.n_instances == first.n_instances + second.n_instances
    assert both.n_distinct < first.n_distinct + second.n_distinct
    assert both.labels == first.labels + second.labels
    split = both.network_ptr[1]
    for field in (
        "cls",
        "dims",
        "macs",
        "read_bytes",
        "write_bytes",
        "weight_bytes",
        "vector_ops",
        "reuse_bytes",
    ):
        column = getattr(both, field)[both.index]
        np.testing.assert_array_equal(column[:split], getattr(first, field)[first.index])
        np.testing.assert_array_equal(column[split:], getattr(second, field)[second.index])
    sums, parts = totals(both), [totals(first), totals(second)]
    assert all(sums[k] == sum(p[k] for p in parts) for k in sums)


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_batch_is_the_network_at_that_batch(new_net, lowering, precision):
    net = new_net()
    x = net.pointwise("relu", net.bn(net.conv(net.input(1, 4, 8, 8), 8, 3, 2)))
    x = net.cat(x, net.pool(net.conv(x, 8)))
    gate = net.pointwise("sigmoid", net.conv(net.mean(x), 16))
    workload = net.done(net.conv(net.pointwise("mul", x, gate), 4))
    scaled = lower([workload], lowering=lowering, precision=precision, batch=6)
    built = lower([workload.at_batch(6)], lowering=lowering, precision=precision)
    for field in (
        "cls",
        "dims",
        "macs",
        "vector_ops",
        "read_bytes",
        "write_bytes",
        "weight_bytes",
        "reuse_bytes",
    ):
        left, right = getattr(scaled, field), getattr(built, field)
        np.testing.assert_allclose(left[scaled.index], right[built.index], rtol=1e-12)
    np.testing.assert_allclose(scaled.peak_activation_bytes, built.peak_activation_bytes)
    assert scaled.batch.tolist() == built.batch.tolist() == [6]


def test_one_batch_each(new_net):
    one, two = chain(new_net, 3, 8), chain(new_net, 3, 16)
    kernels = lower([one, two], batch=[2, 5])
    assert kernels.batch.tolist() == [2, 5]
    assert kernels.macs.sum() == 2 * one.macs + 5 * two.macs


def test_reuse_distance_counts_what_lies_between(new_net):
    """The skip was read by the second kernel; the third one's traffic and itself lie between."""
    net = new_net()
    a = 4 * 8 * 8
    x = net.conv(net.input(1, 4, 8, 8), 4)
    y = net.conv(net.conv(x, 4), 4)
    kernels = lower([net.done(net.pool(net.cat(x, y)))], lowering="compiled", precision="int8")
    weights = 16
    reuse = kernels.reuse_bytes[kernels.index]
    assert np.isnan(reuse[0])
    assert reuse[1] == a
    assert reuse[2] == a
    skip, direct = (2 * a + weights) + a, a
    assert reuse[3] == (skip + direct) / 2


def test_operators_of_every_kernel(new_net):
    workload = chain(new_net, 3, 8, 8)
    kernels = lower([workload], lowering="ideal", precision="int8")
    lists = [kernels.op_index[a:b].tolist() for a, b in zip(kernels.op_ptr, kernels.op_ptr[1:], strict=False)]
    assert lists == [[0, 1, 2], [3, 4, 5]]
    assert kernels.labels[1].endswith("conv+batch_norm+relu")


def test_same_input_same_arrays(new_net):
    workload, twin = chain(new_net, 3, 8, 8), chain(new_net, 3, 8, 8)
    first, again, other = lower([workload]), lower([workload]), lower([twin])
    for field in ("cls", "dims", "macs", "read_bytes", "index", "op_index", "reuse_bytes"):
        np.testing.assert_array_equal(getattr(first, field), getattr(again, field))
        np.testing.assert_array_equal(getattr(first, field), getattr(other, field))


def test_no_networks():
    kernels = lower([])
    assert (kernels.n_networks, kernels.n_instances, kernels.n_distinct) == (0, 0, 0)


def test_unknown_lowering(new_net):
    with pytest.raises(
        UnknownNameError, match="unknown lowering 'compild'; did you mean 'compiled'"
    ) as error:
        lower([chain(new_net, 3, 8)], lowering="compild")
    assert "ideal, eager, compiled" in str(error.value)


@pytest.mark.parametrize(
    ("batch", "message"),
    [(0, "batch 0 given, expected at least 1"), ([1, 2], "2 batches given for 1 networks")],
)
def test_batches_that_cannot_be(new_net, batch, message):
    with pytest.raises(InputError, match=message):
        lower([chain(new_net, 3, 8)], batch=batch)
