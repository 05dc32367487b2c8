"""What ONNX Runtime, TFLite and ArmNN run: kernels of a library, one after the other."""

import pytest

from hw_models.cost.arrays import KernelClass
from hw_models.lowering import lower, lowered
from hw_models.workload import OpKind


def labels(net) -> list[str]:
    return [label.split()[-1] for label in lowered(net, lowering="folded").labels]


def test_a_convolution_takes_its_norm_the_residual_sum_and_the_activation_along(new_net):
    net = new_net()
    x = net.input(1, 16, 8, 8)
    y = net.pointwise("relu", net.pointwise("add", net.bn(net.conv(x, 16, 3)), x))
    assert labels(net.done(y)) == ["conv+batch_norm+add+relu"]


def test_an_activation_that_is_arithmetic_is_a_kernel(new_net):
    net = new_net()
    y = net.pointwise("gelu", net.bn(net.conv(net.input(1, 16, 8, 8), 16, 3)))
    assert labels(net.done(y)) == ["conv+batch_norm", "gelu"]


def test_what_somebody_else_reads_is_not_merged(new_net):
    net = new_net()
    conv = net.conv(net.input(1, 16, 8, 8), 16, 3)
    y = net.pointwise("mul", net.pointwise("relu", conv), conv)
    assert labels(net.done(y)) == ["conv", "relu", "mul"]


def test_a_folded_norm_costs_nothing(new_net):
    net = new_net()
    plain = net.done(net.conv(net.input(1, 16, 8, 8), 16, 3))
    other = new_net()
    normed = other.done(other.bn(other.conv(other.input(1, 16, 8, 8), 16, 3)))
    alone, folded = (lower([w], lowering="folded", precision="fp32") for w in (plain, normed))
    assert folded.vector_ops.sum() == 0.0
    assert folded.weight_bytes.sum() == alone.weight_bytes.sum()


@pytest.mark.parametrize(("fn", "kernels"), [("permute", 1), ("reshape", 0)])
def test_a_permuted_view_is_copied_and_another_is_not(new_net, fn, kernels):
    net = new_net()
    x = net.conv(net.input(1, 16, 8, 8), 16, 3)
    y = net.op(OpKind.VIEW, (1024,), [x], (1, 8, 8, 16), attrs={"fn": fn})
    found = lower([net.done(net.pointwise("gelu", y))], lowering="folded", precision="fp32")
    assert (found.cls == KernelClass.COPY).sum() == kernels


def test_what_parameters_alone_give_is_a_parameter(new_net):
    net = new_net()
    x = net.input(1, 16, 8, 8)
    table = net.pointwise("exp", net.weight(1, 16, 8, 8))
    found = lower([net.done(net.pointwise("mul", x, table))], lowering="folded", precision="fp32")
    assert found.n_instances == 1
    assert found.weight_bytes.sum() == 4 * 1024
