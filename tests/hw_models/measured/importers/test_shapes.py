"""Loop dimensions from shapes, by hand; names of tools in the words of traces."""

from __future__ import annotations

import pytest

from hw_models.measured.importers.onnx_shapes import conv_dims, gemm_dims, loop_dims
from hw_models.measured.operator_names import operator_of
from hw_models.workload.op import OpKind


def test_convolutions() -> None:
    dense = conv_dims((2, 64, 56, 56), (128, 64, 3, 3), (2, 128, 28, 28))
    assert dense == {"n": 2, "g": 1, "k": 128, "c": 64, "oy": 28, "ox": 28, "fy": 3, "fx": 3}
    depthwise = conv_dims((1, 32, 8, 8), (64, 1, 5, 5), (1, 64, 8, 8))
    assert depthwise == {"n": 1, "g": 32, "k": 2, "c": 1, "oy": 8, "ox": 8, "fy": 5, "fx": 5}
    audio = conv_dims((1, 128, 3), (64, 128, 3), (1, 64, 2))
    assert audio == {"n": 1, "g": 1, "k": 64, "c": 128, "oy": 1, "ox": 2, "fy": 1, "fx": 3}
    assert conv_dims((1, 3, 8, 8, 8), (4, 3, 3, 3, 3), (1, 4, 6, 6, 6)) is None
    assert conv_dims((1, 10, 8, 8), (4, 3, 3, 3), (1, 4, 6, 6)) is None


def test_products() -> None:
    assert gemm_dims((197, 768), (768, 3072), (197, 3072)) == {"batch": 1, "m": 197, "k": 3072, "c": 768}
    shared = gemm_dims((4, 197, 768), (768, 3072), (4, 197, 3072))
    assert shared == {"batch": 1, "m": 788, "k": 3072, "c": 768}
    batched = gemm_dims((2, 12, 197, 64), (2, 12, 64, 197), (2, 12, 197, 197))
    assert batched == {"batch": 24, "m": 197, "k": 197, "c": 64}
    assert gemm_dims((), (3,), ()) is None


def test_operands_of_quantised_operators_stand_elsewhere() -> None:
    scalar: dict[str, list[int]] = {"float": []}
    x, w, y = {"uint8": [1, 3, 8, 8]}, {"int8": [4, 3, 3, 3]}, {"uint8": [1, 4, 6, 6]}
    text = loop_dims("QLinearConv", [x, scalar, scalar, w, scalar, scalar], [y])
    assert text == "n=1 g=1 k=4 c=3 oy=6 ox=6 fy=3 fx=3"
    assert loop_dims("Add", [{"float": [2, 3]}, {"float": [3]}], [{"float": [2, 3]}]) == "2x3 3 -> 2x3"
    assert loop_dims("Constant", [], []) is None


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (
            ("Conv", "CONV_2D", "aten::conv2d", "Convolution (NHWC, F32) IGEMM", "DepthwiseConv2D"),
            OpKind.CONV,
        ),
        (
            ("Gemm", "FULLY_CONNECTED", "FullyConnected", "aten::addmm", "Fully Connected (NC, F32)"),
            OpKind.GEMM,
        ),
        (("aten::scaled_dot_product_attention", "MultiHeadAttention"), OpKind.ATTENTION),
        (("Softmax", "aten::_softmax", "_softmax.out"), OpKind.SOFTMAX),
        (("LayerNormalization", "aten::batch_norm", "aten::native_layer_norm"), OpKind.NORM),
        (("MaxPool", "AvgPool", "GlobalAveragePool"), OpKind.POOL),
        (("ReduceMean", "MEAN", "mean.out"), OpKind.REDUCE),
        (("Convert", "ReorderOutput", "Transpose (ND, X32)", "Reformat", "Concat"), OpKind.LAYOUT),
        (("HardSwish (NC)", "Mul", "QuantizeLinear", "relu.out", "Clip"), OpKind.ELEMENTWISE),
        (("Reshape", "Unsqueeze", "aten::flatten"), OpKind.VIEW),
        (("LSTM",), OpKind.SCAN),
        (("layer", "MyCustomThing"), OpKind.UNKNOWN),
    ],
)
def test_names_of_tools_in_the_words_of_traces(names: tuple[str, ...], kind: OpKind) -> None:
    assert {name: operator_of(name) for name in names} == dict.fromkeys(names, kind.label)
