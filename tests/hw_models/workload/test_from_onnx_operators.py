"""One operator at a time: kind, loop dimensions, function and counts against closed forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import onnx.parser
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw_models.errors import TraceError
from hw_models.workload import Op, OpKind, Precision, TensorKind, Workload, vector_cost
from hw_models.workload.from_onnx import read_onnx

Read = Callable[..., Workload]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads a model written in ONNX's text form: inputs, outputs, body."""

    def read_text(inputs: str, outputs: str, body: str, *, opset: int = 21, **options: object) -> Workload:
        text = f'<ir_version: 10, opset_import: ["" : {opset}, "com.microsoft" : 1, "mine" : 1]>\n'
        text += f"g ({inputs}) => ({outputs}) {{ {body} }}"
        path = tmp_path / "model.onnx"
        onnx.save(onnx.parser.parse_model(text), path)
        return read_onnx(path, **options)

    return read_text


def weight(name: str, *dims: int, kind: str = "float") -> str:
    """Text of a stored tensor of any size: a constant expression that is never evaluated."""
    sizes = ",".join(map(str, dims))
    value = f"<value = {kind}[1] {{0}}>"
    return f"{name}_n = Constant <value_ints = [{sizes}]> () {name} = ConstantOfShape {value} ({name}_n) "


def only(workload: Workload) -> Op:
    (op,) = workload.ops
    return op


@pytest.mark.parametrize(
    ("x", "y", "weights", "attributes", "loop", "macs"),
    [
        (
            "1,8,16,16",
            "1,12,16,16",
            (12, 8, 3, 3),
            "pads=[1,1,1,1]",
            (1, 1, 12, 8, 16, 16, 3, 3),
            12 * 8 * 9 * 256,
        ),
        (
            "2,8,16,16",
            "2,8,8,8",
            (8, 1, 5, 5),
            "group=8,pads=[2,2,2,2],strides=[2,2]",
            (2, 8, 1, 1, 8, 8, 5, 5),
            2 * 8 * 25 * 64,
        ),
        ("1,8,20", "1,4,18", (4, 8, 3), "", (1, 1, 4, 8, 1, 18, 1, 3), 4 * 8 * 3 * 18),
        ("1,2,4,8,8", "1,3,2,6,6", (3, 2, 3, 3, 3), "", (1, 1, 3, 2, 12, 6, 9, 3), 3 * 2 * 27 * 72),
    ],
    ids=["dense", "depthwise", "1d", "3d"],
)
def test_convolution(
    read: Read, x: str, y: str, weights: tuple[int, ...], attributes: str, loop: tuple[int, ...], macs: int
) -> None:
    body = weight("w", *weights) + (f"y = Conv<{attributes}>(x, w)" if attributes else "y = Conv(x, w)")
    op = only(read(f"float[{x}] x", f"float[{y}] y", body))
    assert (op.kind, op.dims, op.macs) == (OpKind.CONV, loop, macs)
    assert op.attrs["fn"] == "conv"
    assert op.attrs["weights"] == [1]
    assert op.attrs["rank"] == len(weights)


def test_transposed_convolution_counts_input_positions(read: Read) -> None:
    body = weight("w", 16, 8, 4, 4) + "y = ConvTranspose<strides=[2,2],pads=[1,1,1,1]>(x, w)"
    op = only(read("float[1,16,7,7] x", "float[1,8,14,14] y", body))
    assert op.dims == (1, 1, 8, 16, 7, 7, 4, 4)
    assert op.attrs["transposed"]
    assert op.attrs["stride"] == [2, 2]


@pytest.mark.parametrize(
    ("inputs", "body", "loop"),
    [
        (
            "float[5,32] x",
            weight("w", 10, 32) + weight("b", 10) + "y = Gemm<transB=1>(x, w, b)",
            (1, 5, 10, 32),
        ),
        ("float[2,7,32] x", weight("w", 32, 10) + "y = MatMul(x, w)", (1, 14, 10, 32)),
        ("float[2,4,7,8] x, float[2,4,8,9] z", "y = MatMul(x, z)", (8, 7, 9, 8)),
        ("float[2,4,7,8] x, float[4,8,9] z", "y = MatMul(x, z)", (8, 7, 9, 8)),
        ("float[7,8] x, float[8] z", "y = MatMul(x, z)", (1, 7, 1, 8)),
        ("float[2,3,7,8] x, float[2,3,9,8] z", 'y = Einsum<equation="bhqd,bhkd->bhqk">(x, z)', (6, 7, 9, 8)),
        (
            "float[2,3,7,8] x, float[2,3,9,8] z",
            'y = Einsum<equation="...qd,...kd->...qk">(x, z)',
            (6, 7, 9, 8),
        ),
        ("float[2,7,8] x", weight("w", 8, 5) + 'y = Einsum<equation="bij,jk">(x, w)', (1, 14, 5, 8)),
        ("uint8[4,16] x", weight("w", 16, 8, kind="uint8") + "y = MatMulInteger(x, w)", (1, 4, 8, 16)),
    ],
    ids=["gemm", "shared", "batched", "broadcast", "vector", "einsum", "ellipsis", "implicit", "integer"],
)
def test_matrix_product(read: Read, inputs: str, body: str, loop: tuple[int, ...]) -> None:
    op = only(read(inputs, "float y" if "Integer" not in body else "int32 y", body))
    assert op.kind == OpKind.GEMM
    assert op.dims[:4] == loop
    assert op.macs == loop[0] * loop[1] * loop[2] * loop[3]


def test_einsum_of_three_has_no_rule(read: Read) -> None:
    body = 'y = Einsum<equation="ij,jk,kl->il">(x, a, b)'
    op = only(read("float[2,3] x, float[3,4] a, float[4,5] b", "float[2,5] y", body))
    assert (op.kind, op.modelled) == (OpKind.UNKNOWN, False)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n=st.integers(1, 3),
    heads=st.integers(1, 4),
    lq=st.integers(1, 9),
    lk=st.integers(1, 9),
    d=st.integers(1, 8),
)
def test_attention_in_every_form(read: Read, n: int, heads: int, lq: int, lk: int, d: int) -> None:
    """One closed form: 2 x n x heads x lq x lk x d (Vaswani et al., 2017, eq. 1)."""
    macs = 2 * n * heads * lq * lk * d
    four = f"float[{n},{heads},{lq},{d}] q, float[{n},{heads},{lk},{d}] k, float[{n},{heads},{lk},{d}] v"
    three = f"float[{n},{lq},{heads * d}] q, float[{n},{lk},{heads * d}] k, float[{n},{lk},{heads * d}] v"
    contrib = f"y = com.microsoft.MultiHeadAttention<num_heads={heads}>(q, k, v)"
    standard = f"y = Attention<q_num_heads={heads},kv_num_heads={heads},is_causal=1>(q, k, v)"
    for op in (
        only(read(four, "float y", "y = Attention(q, k, v)", opset=23)),
        only(read(three, "float y", standard, opset=23)),
        only(read(three, "float y", contrib)),
    ):
        assert op.kind == OpKind.ATTENTION
        assert op.dims[:6] == (n, heads, lq, lk, d, d)
        assert op.macs == macs
    decomposed = "a = MatMul(q, t) b = Softmax(a) y = MatMul(b, v)"
    assert read(four.replace(f"{lk},{d}] k", f"{d},{lk}] t"), "float y", decomposed).macs == macs


def test_attention_with_projection_and_cache(read: Read) -> None:
    """ORT's fused form: a product of 3 x 64 columns, then attention over 5 cached and 10 new keys."""
    body = (
        weight("w", 64, 192)
        + weight("b", 192)
        + "y, p = com.microsoft.Attention<num_heads=4>(x, w, b, , past)"
    )
    projection, attention = read("float[1,10,64] x, float[2,1,4,5,16] past", "float y, float p", body).ops
    assert projection.macs == 10 * 64 * 192
    assert attention.dims[:6] == (1, 4, 10, 15, 16, 16)
    grouped = "y = com.microsoft.GroupQueryAttention<num_heads=4,kv_num_heads=2>(q, k, v)"
    op = only(read("float[1,10,64] q, float[1,10,32] k, float[1,10,32] v", "float y", grouped))
    assert op.dims[:6] == (1, 4, 10, 10, 16, 16)
    assert op.attrs["kv_heads"] == 2


COST, ELEMENT, NORM = vector_cost, OpKind.ELEMENTWISE, OpKind.NORM
S4, S8 = weight("s", 4), weight("s", 8)
ZERO, TWICE = "a = Constant<value_float=0.0>() ", "s = Constant<value_floats=[1.,1.,2.,2.]>() "


@pytest.mark.parametrize(
    ("body", "kind", "fn", "dims", "cost"),
    [
        ("y = Relu(x)", ELEMENT, "relu", (512,), 1),
        ("y = Add(x, x)", ELEMENT, "add", (512,), 1),
        ("y = Sum(x, x, x)", ELEMENT, "add", (512,), 2),
        ("y = Gelu(x)", ELEMENT, "gelu", (512,), vector_cost.ELEMENTWISE["gelu"]),
        ('y = Gelu<approximate="tanh">(x)', ELEMENT, "gelu", (512,), vector_cost.GELU_TANH),
        ("c = Constant<value_float=2.0>() y = Pow(x, c)", ELEMENT, "pow", (512,), 1),
        ("c = Constant<value_float=0.5>() y = Pow(x, c)", ELEMENT, "pow", (512,), vector_cost.SQRT),
        ("c = Constant<value_float=3.0>() y = Div(x, c)", ELEMENT, "div", (512,), 1),
        ("y = Div(x, x)", ELEMENT, "div", (512,), vector_cost.DIV),
        (ZERO + "b = Constant<value_float=6.0>() y = Clip(x, a, b)", ELEMENT, "relu6", (512,), 2),
        (ZERO + "y = Clip(x, a)", ELEMENT, "relu", (512,), 1),
        ("y = Softmax<axis=1>(x)", OpKind.SOFTMAX, "softmax", (64, 8), COST.SOFTMAX),
        (S4 + "y = LayerNormalization<axis=-1>(x, s)", NORM, "layer_norm", (128, 4), COST.LAYER_NORM),
        (S8 + "y = BatchNormalization(x, s, s, s, s)", NORM, "batch_norm", (16, 32), COST.BATCH_NORM),
        (S8 + "y = InstanceNormalization(x, s, s)", NORM, "instance_norm", (16, 32), COST.LAYER_NORM),
        (S8 + "y = GroupNormalization<num_groups=2>(x, s, s)", NORM, "group_norm", (4, 128), COST.LAYER_NORM),
        ("y = ReduceMean<keepdims=0>(x)", OpKind.REDUCE, "mean", (1, 512), 1),
        ("a = Constant<value_ints=[2,3]>() y = ReduceSum(x, a)", OpKind.REDUCE, "sum", (16, 32), 1),
        ("y = GlobalAveragePool(x)", OpKind.REDUCE, "mean", (16, 32), 1),
        ("y = ArgMax<axis=1>(x)", OpKind.REDUCE, "argmax", (64, 8), 1),
        ("y = MaxPool<kernel_shape=[2,2],strides=[2,2]>(x)", OpKind.POOL, "max_pool", (2, 8, 4, 2, 2, 2), 1),
        ("y = AveragePool<kernel_shape=[8,4]>(x)", OpKind.REDUCE, "mean", (16, 32), 1),
        (TWICE + "y = Resize(x, , s)", OpKind.RESIZE, "resize", (2, 8, 16, 8, 1), 0),
        (TWICE + 'y = Resize<mode="linear">(x, , s)', OpKind.RESIZE, "resize", (2, 8, 16, 8, 4), 2),
        ("a = Constant<value_int=2>() y = CumSum(x, a)", OpKind.SCAN, "cumsum", (8, 64), 1),
        ("y = Transpose<perm=[0,2,3,1]>(x)", OpKind.LAYOUT, "permute", (512,), 0),
        ("y = Concat<axis=1>(x, x)", OpKind.LAYOUT, "cat", (1024,), 0),
        ("y = Cast<to=10>(x)", OpKind.LAYOUT, "cast", (512,), 1),
        ("p = Constant<value_ints=[0,0,1,1,0,0,1,1]>() y = Pad(x, p)", OpKind.LAYOUT, "pad", (960,), 0),
        ("y = DepthToSpace<blocksize=2>(x)", OpKind.LAYOUT, "pixel_shuffle", (512,), 0),
        ("s = Constant<value_ints=[2,-1]>() y = Reshape(x, s)", OpKind.VIEW, "view", (512,), 0),
        ("y = Flatten(x)", OpKind.VIEW, "view", (512,), 0),
        ("y = Identity(x)", OpKind.VIEW, "alias", (512,), 0),
        ("y = Dropout(x)", OpKind.VIEW, "alias", (512,), 0),
        ("i = Constant<value_int=1>() y = Gather<axis=1>(x, i)", OpKind.VIEW, "select", (64,), 0),
        ("i = Constant<value_ints=[1,3]>() y = Gather<axis=1>(x, i)", OpKind.GATHER, "index", (128,), 0),
        ("k = Constant<value_ints=[2]>() y, z = TopK<axis=1>(x, k)", OpKind.REDUCE, "topk", (64, 8), 6),
        ("y = mine.Swizzle(x)", OpKind.UNKNOWN, "Swizzle", (512,), 0),
    ],
)  # fmt: skip
def test_operator(read: Read, body: str, kind: OpKind, fn: str, dims: tuple[int, ...], cost: float) -> None:
    dtype = {"y = Cast<to=10>(x)": "float16", "y = ArgMax<axis=1>(x)": "int64"}.get(body, "float")
    shape = "[2,8,8,4]" if "mine" in body else ""
    op = only(read("float[2,8,8,4] x", f"{dtype}{shape} y", body))
    assert (op.kind, op.attrs["fn"], op.dims[: len(dims)]) == (kind, fn, dims)
    iterations = 1
    for d in dims:
        iterations *= d
    assert op.vector_ops == pytest.approx(cost * iterations)
    assert op.modelled == (kind != OpKind.UNKNOWN)


def test_function_names_are_those_of_the_cost_table() -> None:
    from hw_models.workload.onnx_reader.rules import reductions, vector

    assert {*vector._FUNCTIONS.values(), *vector._CONTRIB_FUNCTIONS.values()} <= set(vector_cost.ELEMENTWISE)
    assert {*reductions._REDUCTIONS.values()} <= set(vector_cost.REDUCE)


@pytest.mark.parametrize(("directions", "bidirectional"), [(1, "forward"), (2, "bidirectional")])
def test_lstm_is_products_and_a_scan(read: Read, directions: int, bidirectional: str) -> None:
    """Hochreiter and Schmidhuber, 1997: four gates of h on c inputs and h states, every step."""
    steps, batch, c, h = 7, 3, 10, 16
    body = (
        weight("w", directions, 4 * h, c) + weight("r", directions, 4 * h, h) + weight("b", directions, 8 * h)
    )
    body += f'y = LSTM<hidden_size={h},direction="{bidirectional}">(x, w, r, b)'
    workload = read(f"float[{steps},{batch},{c}] x", "float y", body)
    assert workload.macs == directions * steps * batch * 4 * h * (c + h)
    assert workload.params == directions * (4 * h * (c + h) + 8 * h)
    scans = [op for op in workload.ops if op.kind == OpKind.SCAN]
    assert [op.dims[:2] for op in scans] == [(steps, batch * h)] * directions
    assert all(op.attrs["fn"] == "lstm" for op in scans)
    assert workload.shape(workload.outputs[0]) == (steps, directions, batch, h)


def test_shape_arithmetic_is_evaluated_and_leaves_no_row(read: Read) -> None:
    body = (
        "s = Shape(x) a = Constant<value_ints=[0]>() b = Constant<value_ints=[1]>() n = Slice(s, a, b) "
        "m = Constant<value_ints=[-1]>() t = Concat<axis=0>(n, m) y = Reshape(x, t)"
    )
    workload = read("float[N,8,8,4] x", "float[N,256] y", body, shapes={"x": (2, 8, 8, 4)})
    assert only(workload).kind == OpKind.VIEW
    assert workload.shape(workload.outputs[0]) == (2, 256)


def test_weights_laid_out_anew_are_still_weights(read: Read) -> None:
    body = weight("w", 10, 32) + "t = Transpose<perm=[1,0]>(w) y = MatMul(x, t)"
    workload = read("float[4,32] x", "float[4,10] y", body)
    op = only(workload)
    assert (workload.params, op.attrs["weights"], op.macs) == (320, [1], 1280)


def test_quantised_network_keeps_its_formats(read: Read) -> None:
    """QDQ form: weights stay int8 in memory, activations pass through rows of quantise and de-quantise."""
    body = (
        weight("w", 8, 4, 3, 3, kind="int8")
        + "s = Constant<value_float=0.1>() z = Constant<value=int8 {0}>() "
        "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) "
        "f = DequantizeLinear(w, s, z) y = Conv(d, f)"
    )
    workload = read("float[1,4,6,6] x", "float y", body)
    quantise, dequantise, conv = workload.ops
    assert [op.attrs["fn"] for op in (quantise, dequantise, conv)] == ["quantize", "dequantize", "conv"]
    assert workload.tensor(quantise.outputs[0]).precision == Precision.INT8
    assert workload.tensor(conv.inputs[1]).precision == Precision.INT8
    assert workload.tensor(conv.inputs[1]).kind == TensorKind.WEIGHT
    assert workload.params == 8 * 4 * 9


def test_integer_convolution(read: Read) -> None:
    body = (
        weight("w", 8, 4, 3, 3, kind="int8")
        + "s = Constant<value_float=0.1>() z = Constant<value=int8 {0}>() "
        "u = Constant<value=uint8 {0}>() y = QLinearConv(x, s, u, w, s, z, s, u)"
    )
    op = only(read("uint8[1,4,6,6] x", "uint8 y", body))
    assert op.macs == 8 * 4 * 9 * 16
    assert len(op.inputs) == 2


def test_four_bit_weights(read: Read) -> None:
    body = weight("b", 64, 4, 16, kind="uint8") + weight("s", 256)
    body += "y = com.microsoft.MatMulNBits<K=128,N=64,bits=4,block_size=32>(x, b, s)"
    workload = read("float[1,5,128] x", "float y", body)
    op = only(workload)
    assert op.dims[:4] == (1, 5, 64, 128)
    assert workload.tensor(op.inputs[1]).bytes == 128 * 64 / 2


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        (
            weight("w", 4, 8, 3, 3)
            + 'y = com.microsoft.FusedConv<activation="Relu",kernel_shape=[3,3]>(x, w)',
            ["conv"],
        ),
        (weight("s", 4) + "y = com.microsoft.SkipLayerNormalization(x, x, s, s)", ["add", "layer_norm"]),
        ("y = com.microsoft.FastGelu(x)", ["gelu"]),
        ("y = com.microsoft.QuickGelu(x)", ["silu"]),
        ("y = com.microsoft.FusedMatMul<transB=1>(x, x)", ["matmul"]),
    ],
)
def test_operators_of_onnx_runtime(read: Read, body: str, kinds: list[str]) -> None:
    workload = read("float[1,8,6,4] x", "float y", body)
    assert [op.attrs["fn"] for op in workload.ops] == kinds
    assert workload.op_modelled.all()


def test_unknown_operator_between_known_ones(read: Read) -> None:
    """Its size comes from what the file states behind a ReLU; its share is shown, its work is not made up."""
    body = weight("w", 4, 4, 1, 1) + "a = Conv(x, w) b = mine.Swizzle(a) y = Relu(b)"
    workload = read("float[1,4,6,6] x", "float[1,4,6,6] y", body)
    assert [op.modelled for op in workload.ops] == [True, False, True]
    assert workload.unmodelled_share()["output_elements"] == pytest.approx(1 / 3)
    assert workload.macs == 4 * 4 * 36


def test_unknown_size_is_asked_for_and_accepted(read: Read) -> None:
    body = weight("w", 4, 4, 1, 1) + "a = mine.Swizzle(x) y = Conv(a, w)"
    with pytest.raises(
        TraceError, match=r"mine::Swizzle.*size of its output 'a' is not known.*--shape a="
    ) as error:
        read("float[1,4,6,6] x", "float y", body)
    assert "ONNX has no rule for it" in str(error.value)
    assert read("float[1,4,6,6] x", "float y", body, shapes={"a": (1, 4, 3, 3)}).macs == 16 * 9
    flat = read("float[1,4,6,6] x", "float y", "a = mine.Swizzle(x) y = Relu(a)", shapes={"a": (24,)})
    assert flat.shape(flat.outputs[0]) == (24,)


def test_size_that_depends_on_data_is_asked_for(read: Read) -> None:
    body = "i = NonZero(x) c = Cast<to=1>(i) y = Relu(c)"
    with pytest.raises(TraceError, match=r"NonZero.*it depends on data.*--shape i=2x<d1>"):
        read("float[4,6] x", "float y", body)
    workload = read("float[4,6] x", "float y", body, shapes={"i": (2, 24)})
    assert [op.modelled for op in workload.ops] == [False, True, True]


def test_suppression_is_bounded_by_what_it_may_select(read: Read) -> None:
    body = "m = Constant<value_ints=[20]>() i = NonMaxSuppression(b, s, m) y = Cast<to=1>(i)"
    workload = read("float[1,100,4] b, float[1,3,100] s", "float y", body)
    assert [op.modelled for op in workload.ops] == [False, True]
    assert workload.shape(workload.outputs[0]) == (60, 3)
    assert "most that it may select: 60 boxes" in workload.meta["notes"][0]


def test_lists_of_tensors_are_followed(read: Read) -> None:
    body = (
        "n = Constant<value_int=2>() i = Constant<value_int=1>() s = SplitToSequence<axis=1>(x, n) "
        "a = SequenceAt(s, i) b = Relu(a) t = SequenceConstruct(b, a) y = ConcatFromSequence<axis=1>(t)"
    )
    workload = read("float[2,6,4] x", "float y", body)
    assert [op.attrs["fn"] for op in workload.ops] == ["split", "relu", "cat"]
    assert workload.shape(workload.outputs[0]) == (2, 4, 4)


def test_quantised_operators_of_onnx_runtime(read: Read) -> None:
    body = (
        weight("w", 8, 6, kind="uint8") + "s = Constant<value_float=0.1>() z = Constant<value=uint8 {0}>() "
        "a = com.microsoft.QLinearAdd(x, s, z, x, s, z, s, z) "
        "c = com.microsoft.QLinearConcat<axis=1>(s, z, a, s, z, x, s, z) "
        "y = com.microsoft.QGemm<transB=1>(a, s, z, w, s, z, , s, z)"
    )
    workload = read("uint8[3,6] x", "uint8 y, uint8 c", body)
    assert [op.attrs["fn"] for op in workload.ops] == ["add", "cat", "linear"]
    assert [workload.tensor(op.outputs[0]).precision for op in workload.ops] == [Precision.UINT8] * 3
    assert workload.macs == 3 * 6 * 8


def test_loop_is_a_row_without_a_rule(read: Read) -> None:
    body = (
        "n = Constant<value_int=3>() c = Constant<value=bool {1}>() "
        "y = Loop(n, c, x) <body = b (int64 i, bool k, float[2,4] s) => (bool k2, float[2,4] s2) "
        "{ k2 = Identity(k) s2 = Relu(s) }>"
    )
    workload = read("float[2,4] x", "float[2,4] y", body)
    op = only(workload)
    assert (op.target, op.modelled) == ("Loop", False)
    assert "runs a body" in workload.meta["notes"][0]


@pytest.mark.parametrize(("flag", "fn"), [(1, "relu"), (0, "sigmoid")])
def test_branch_is_decided_by_an_input(read: Read, flag: int, fn: str) -> None:
    body = (
        "c = Cast<to=9>(flag) y = If(c) <then_branch = t () => (float[2,4] a) { a = Relu(x) }, "
        "else_branch = e () => (float[2,4] b) { b = Sigmoid(x) }>"
    )
    workload = read("float[2,4] x, int64 flag", "float[2,4] y", body, constants={"flag": flag})
    assert only(workload).attrs["fn"] == fn


def test_local_functions_are_written_out(tmp_path: Path) -> None:
    text = """<ir_version: 10, opset_import: ["" : 21, "mine" : 1]>
    g (float[2,4] x) => (float[2,4] y) { y = mine.twice(x) }
    <domain: "mine", opset_import: ["" : 21]> twice (a) => (b) { c = Relu(a) b = Sigmoid(c) }"""
    path = tmp_path / "model.onnx"
    onnx.save(onnx.parser.parse_model(text), path)
    assert [op.attrs["fn"] for op in read_onnx(path).ops] == ["relu", "sigmoid"]


def test_weights_in_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Only their shapes are needed."""
    x = onnx.helper.make_tensor_value_info("x", 1, [1, 32])
    y = onnx.helper.make_tensor_value_info("y", 1, [1, 10])
    w = onnx.TensorProto(name="w", data_type=1, dims=[32, 10], data_location=onnx.TensorProto.EXTERNAL)
    w.external_data.add(key="location", value="gone.bin")
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="/head/head.0/MatMul")
    path = tmp_path / "external.onnx"
    path.write_bytes(
        onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y], [w])).SerializeToString()
    )
    op = only(read_onnx(path))
    assert (op.macs, op.module) == (320, "head.0")


def test_same_file_same_workload(read: Read) -> None:
    body = weight("w", 4, 4, 3, 3) + "a = Conv(x, w) y = Relu(a)"
    first, second = (read("float[1,4,8,8] x", "float y", body).to_frame() for _ in range(2))
    assert first.equals(second)
