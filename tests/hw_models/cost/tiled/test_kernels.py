"""Kernels as contractions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.cost.tiled.kernels import Contractions
from hw_models.lowering import lower
from hw_models.workload.op import OpKind


def contractions(network, precision="int8"):
    kernels = lower([network.finish()], lowering="ideal", precision=precision)
    return kernels, Contractions.of(kernels)


def test_a_strided_convolution_keeps_its_geometry(net):
    kernels, work = contractions(net().conv(8, 3, 17, 3, stride=2))
    p = work.problems
    assert p.dims.tolist() == [[1, 1, 8, 3, 9, 9, 3, 3]]
    assert (p.stride.tolist(), p.pad.tolist(), p.in_size.tolist()) == ([[2, 2]], [[1, 1]], [[17, 17]])
    assert work.once.tolist() == [[3 * 17 * 17 + 8 * 27, 8 * 81]]
    assert work.sum(p.macs).tolist() == kernels.macs.tolist()


def test_a_depthwise_convolution_is_groups_of_one(net):
    _, work = contractions(net().conv(8, 8, 10, 3, groups=8))
    assert work.problems.dims.tolist() == [[1, 8, 1, 1, 10, 10, 3, 3]]


def test_attention_is_two_products_whose_second_operands_were_computed(net):
    kernels, work = contractions(net().attention(3, 20, 8))
    assert work.problems.dims.tolist() == [[1, 3, 20, 8, 1, 20, 1, 1], [1, 3, 8, 20, 1, 20, 1, 1]]
    assert work.problems.weight_is_activation.all()
    assert work.row.tolist() == [0, 0]
    assert work.sum(work.problems.macs)[0] == kernels.macs[0]
    assert work.between_bytes.tolist() == [3 * 20 * 20], "the scores"


@pytest.mark.parametrize(
    ("precision", "weight", "activation"),
    [("int8", 8, 8), ("fp16", 16, 16), ("w8a16", 8, 16), ("w4a16", 4, 16)],
)
def test_bits_as_stored(net, precision, weight, activation):
    p = contractions(net().gemm(4, 8, 16), precision)[1].problems
    bits = (p.weight_bits[0], p.input_bits[0], p.output_bits[0])
    assert bits == (weight, activation, activation)


def test_a_computed_operand_has_the_width_of_activations(net):
    p = contractions(net().attention(1, 4, 8), "w4a16")[1].problems
    assert p.weight_bits.tolist() == [16, 16]


def test_equal_contractions_are_one_row_where_they_move_the_same(net):
    network = net().conv(8, 8, 10)
    for _ in range(3):
        network.conv(8, 8, 10)
    kernels, work = contractions(network)
    assert kernels.n_distinct == 2, "the first one reads what comes from outside, the others what is there"
    assert len(work.problems) == 2
    assert work.problems.dims[0].tolist() == work.problems.dims[1].tolist()


@pytest.mark.parametrize(("taps", "stride", "parts"), [(4, 2, 1), (2, 2, 1), (3, 2, 4), (5, 3, 4), (2, 3, 1)])
def test_a_transposed_convolution_is_its_phases(net, taps, stride, parts):
    """Exactly its MACs, its weights once and, where taps reach every output, its output once."""
    n = net()
    x, w = n._read((1, 6, 7, 9)), n._weight((6, 8, taps, taps))
    out = (1, 8, (7 - 1) * stride + taps, (9 - 1) * stride + taps)
    attrs = {"weights": 1, "stride": [stride] * 2, "padding": [0, 0], "dilation": [1, 1], "transposed": True}
    n._op(OpKind.CONV, (1, 1, 8, 6, 7, 9, taps, taps), (x, w), out, batch_dim=0, attrs=attrs)
    kernels, work = contractions(n)
    p = work.problems
    assert len(p) == parts
    assert p.macs.sum() == kernels.macs[0]
    assert p.weight_elements.sum() == 6 * 8 * taps * taps
    assert (p.stride == 1).all()
    assert (p.in_size == [7, 9]).all()


def test_kernels_without_macs_are_no_contractions(net):
    kernels, work = contractions(net().rows(OpKind.SOFTMAX, 8, 100))
    assert len(work) == len(work.problems) == 0
    assert work.sum(np.zeros((0, 3))).shape == (kernels.n_distinct, 3)
