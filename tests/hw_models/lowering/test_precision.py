"""Formats of tensors and arithmetic. Source of the cast rules: PyTorch, "Automatic Mixed Precision
package".
"""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.errors import UnknownNameError
from hw_models.lowering import SCHEMES, lower
from hw_models.workload import Precision

E = 4 * 8 * 8
"""Elements of a (1, 4, 8, 8) image."""


def test_the_image_is_cast_for_the_first_convolution(net, table):
    workload = net.done(net.conv(net.input(1, 4, 8, 8), 4))
    for lowering in ("compiled", "eager"):
        assert table(workload, lowering, "fp16") == [
            ("copy", "cast", 4 * E, 2 * E),
            ("pointwise", "conv", 2 * E, 2 * E),
        ]
    assert table(workload, "ideal", "fp16") == [("pointwise", "conv", 2 * E, 2 * E)]


def test_a_cast_is_free_inside_a_compiled_kernel_and_a_kernel_of_its_own_in_eager(net, table):
    x = net.linear(net.input(1, 8, 4), 8)
    y = net.linear(net.softmax(x), 4)
    e = 64
    workload = net.done(y)
    assert table(workload, "compiled", "fp16")[2:] == [
        ("softmax", "softmax+cast", 2 * e, 2 * e),
        ("gemm", "linear", 2 * e, e),
    ]
    assert table(workload, "eager", "fp16")[2:] == [
        ("softmax", "softmax", 2 * e, 4 * e),
        ("copy", "cast", 4 * e, 2 * e),
        ("gemm", "linear", 2 * e, e),
    ]


def test_a_power_casts_its_input_first_in_eager(net, table):
    x = net.conv(net.input(1, 4, 8, 8), 4)
    rows = table(net.done(net.pointwise("pow", x)), "eager", "fp16")
    assert rows[2:] == [("copy", "cast", 2 * E, 4 * E), ("elementwise", "pow", 4 * E, 4 * E)]


def test_a_parameter_in_fp32_makes_the_residual_stream_fp32(net, table):
    x = net.linear(net.input(1, 16, 8), 8)
    scaled = net.op_scale(x, net.weight(8))
    out = net.linear(net.pointwise("add", scaled, x), 8)
    rows = table(net.done(out), "eager", "fp16")
    t = 16 * 8
    assert [row for row in rows if row[1] in ("mul", "add")] == [
        ("elementwise", "mul", 2 * t, 4 * t),
        ("elementwise", "add", 6 * t, 4 * t),
    ]


def test_layer_norm_stays_narrow(net, table):
    """Inferred from measured throughput: timm's "fast norm"."""
    x = net.linear(net.input(1, 16, 8), 8)
    assert table(net.done(net.layer_norm(x)), "eager", "fp16")[-1] == ("norm", "layer_norm", 256, 256)


def test_math_of_kernels(net):
    workload = net.done(net.softmax(net.linear(net.input(1, 8, 4), 8)))
    expected = {
        "fp32": (Precision.FP32, Precision.FP32),
        "tf32": (Precision.TF32, Precision.FP32),
        "fp16": (Precision.FP16, Precision.FP32),
        "bf16": (Precision.BF16, Precision.FP32),
        "int8": (Precision.INT8, Precision.FP16),
        "w8a16": (Precision.W8A16, Precision.FP16),
    }
    for precision, (math, vector) in expected.items():
        kernels = lower([workload], precision=precision)
        assert set(kernels.math.tolist()) == {math}
        assert kernels.vector_math[kernels.index[-1]] == vector


@pytest.mark.parametrize(
    ("precision", "weights", "activations"),
    [
        ("fp32", 4, 4),
        ("tf32", 4, 4),
        ("int8", 1, 1),
        ("fp8", 1, 1),
        ("w8a16", 1, 2),
        ("w4a16", 0.5, 2),
        ("int4", 0.5, 0.5),
    ],
)
def test_bytes_of_uniform_schemes(net, precision, weights, activations):
    kernels = lower([net.done(net.linear(net.input(1, 16, 8), 32))], precision=precision)
    assert kernels.weight_bytes[0] == kernels.weights_bytes[0] == 8 * 32 * weights
    assert (kernels.read_bytes[0], kernels.write_bytes[0]) == (16 * 8 * activations, 16 * 32 * activations)


def test_integers_keep_their_format(net):
    from hw_models.workload import TensorKind

    index = net.b.tensor((1, 16), Precision.INT64, TensorKind.INPUT, batched=True)
    net.shape[index] = (1, 16)
    out = net.gather((1, 16, 8), index, net.weight(100, 8))
    kernels = lower([net.done(out)], precision="int8")
    assert kernels.read_bytes[0] == 16 * 8


def test_every_scheme_is_named_in_the_error(net):
    with pytest.raises(UnknownNameError, match="unknown precision 'int9'; did you mean 'int8'") as error:
        lower([net.done(net.input(1, 4))], precision="int9")
    assert all(name in str(error.value) for name in SCHEMES)


def test_storage_bits_cover_every_format():
    for scheme in SCHEMES.values():
        assert len(scheme.bits) == 3 + len(Precision)
        assert np.all(scheme.bits > 0)
