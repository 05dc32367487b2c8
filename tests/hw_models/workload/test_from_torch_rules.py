"""Loop dimensions, MACs and attributes of single operators, against closed forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from hw_models.workload import vector_cost
from hw_models.workload.from_torch import trace
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.workload.graph import Op


class Call(nn.Module):
    """A module that is one call."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Tensor) -> Any:
        return self.function(*args)


def only(function: Any, *shapes: tuple[int, ...]) -> Op:
    """The one operator that is no view."""
    module = function if isinstance(function, nn.Module) else Call(function)
    found = [op for op in trace(module, inputs=list(shapes), cache=False).ops if op.kind != OpKind.VIEW]
    assert len(found) == 1, [op.attrs for op in found]
    return found[0]


IMAGE = (1, 8, 12, 10)


@pytest.mark.parametrize(
    ("module", "shape", "dims"),
    [
        (nn.Conv2d(8, 16, 3), IMAGE, (1, 1, 16, 8, 10, 8, 3, 3)),
        (nn.Conv2d(8, 16, 3, stride=2, padding=1), IMAGE, (1, 1, 16, 8, 6, 5, 3, 3)),
        (nn.Conv2d(8, 16, (1, 5), padding="same"), IMAGE, (1, 1, 16, 8, 12, 10, 1, 5)),
        (nn.Conv2d(8, 16, 3, padding=2, dilation=2), IMAGE, (1, 1, 16, 8, 12, 10, 3, 3)),
        (nn.Conv2d(8, 8, 3, groups=8, padding=1), IMAGE, (1, 8, 1, 1, 12, 10, 3, 3)),
        (nn.Conv2d(8, 16, 1, groups=4), IMAGE, (1, 4, 4, 2, 12, 10, 1, 1)),
        (nn.ConvTranspose2d(8, 16, 2, stride=2), IMAGE, (1, 1, 16, 8, 12, 10, 2, 2)),
        (nn.ConvTranspose2d(8, 16, 2, stride=2, groups=2), IMAGE, (1, 2, 8, 4, 12, 10, 2, 2)),
        (nn.Conv1d(8, 16, 3, padding=1), (1, 8, 20), (1, 1, 16, 8, 1, 20, 1, 3)),
        (nn.Conv3d(8, 16, 3, padding=1), (1, 8, 4, 6, 5), (1, 1, 16, 8, 24, 5, 9, 3)),
    ],
    ids=[
        "plain",
        "stride",
        "same",
        "dilated",
        "depthwise",
        "grouped",
        "transposed",
        "transposed-grouped",
        "1d",
        "3d",
    ],
)
def test_convolution(module: nn.Module, shape: tuple[int, ...], dims: tuple[int, ...]) -> None:
    op = only(module, shape)
    assert op.kind == OpKind.CONV
    assert op.dims == dims
    assert op.attrs["bias"] is True
    assert op.attrs["weights"] == [1, 2]
    assert op.attrs["transposed"] is isinstance(module, nn.ConvTranspose2d)
    assert op.attrs["stride"][-1] == module.stride[-1]
    assert op.attrs["dilation"][-1] == module.dilation[-1]


@pytest.mark.parametrize(
    ("function", "shapes", "dims", "batch_dim"),
    [
        (nn.Linear(32, 64), [(1, 5, 7, 32)], (1, 35, 64, 32), 1),
        (torch.matmul, [(1, 4, 6, 8), (1, 4, 8, 5)], (4, 6, 5, 8), 0),
        (torch.matmul, [(1, 6, 8), (8, 5)], (1, 6, 5, 8), 1),
        (torch.bmm, [(3, 6, 8), (3, 8, 5)], (3, 6, 5, 8), 0),
        (torch.mm, [(6, 8), (8, 5)], (1, 6, 5, 8), 1),
        (lambda x: x @ torch.ones(8), [(1, 6, 8)], (1, 6, 1, 8), 1),
        (lambda x: torch.ones(5, 6) @ x, [(1, 6, 8)], (1, 5, 8, 6), 0),
        (lambda x: torch.addmm(torch.ones(5), x, torch.ones(8, 5)), [(6, 8)], (1, 6, 5, 8), 1),
    ],
    ids=["linear", "heads", "one-right", "bmm", "mm", "vector", "one-left", "addmm"],
)
def test_matrix_product(function: Any, shapes: list[Any], dims: tuple[int, ...], batch_dim: int) -> None:
    op = only(function, *shapes)
    assert op.kind == OpKind.GEMM
    assert op.dims[:4] == dims
    w = trace(function if isinstance(function, nn.Module) else Call(function), inputs=shapes, cache=False)
    index = next(o.index for o in w.ops if o.kind == OpKind.GEMM)
    assert int(w.op_batch_dim[index]) == batch_dim


def test_einsum_has_the_macs_of_its_contraction() -> None:
    w = trace(Call(lambda q, k: torch.einsum("bhid,bhjd->bhij", q, k)), inputs=[(2, 3, 5, 8), (2, 3, 7, 8)])
    assert w.macs == 2 * 3 * 5 * 7 * 8


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("fused", [False, True], ids=["math", "fused"])
def test_attention_is_one_operator_with_its_closed_form(*, masked: bool, fused: bool) -> None:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        mask = torch.zeros(5, 9) if masked else None
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    backends = torch.nn.attention.SDPBackend
    with torch.nn.attention.sdpa_kernel(backends.FLASH_ATTENTION if fused else backends.MATH):
        op = only(attend, (2, 3, 5, 16), (2, 3, 9, 16), (2, 3, 9, 8))
    assert op.kind == OpKind.ATTENTION
    assert op.loop == {"batch": 2, "heads": 3, "lq": 5, "lk": 9, "d": 16, "dv": 8}
    # q k^T and the product with v (Vaswani et al., 2017, eq. 1)
    assert op.macs == 2 * 3 * 5 * 9 * 16 + 2 * 3 * 5 * 9 * 8
    assert op.attrs["mask"] is masked
    assert op.attrs["causal"] is False
    assert op.attrs["rank"] == 4
    # one softmax per row of the map, and an addition per element where there is a mask
    assert op.vector_ops == pytest.approx(2 * 3 * 5 * 9 * (vector_cost.SOFTMAX + masked))


def test_causal_attention_and_shared_key_heads_say_so() -> None:
    causal = only(lambda q: functional.scaled_dot_product_attention(q, q, q, is_causal=True), (1, 2, 6, 8))
    assert causal.attrs["causal"] is True
    shape, kv = (1, 8, 6, 16), (1, 2, 6, 16)
    grouped = only(
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, enable_gqa=True), shape, kv, kv
    )
    assert (grouped.loop["heads"], grouped.attrs["kv_heads"]) == (8, 2)
    assert grouped.macs == 2 * 8 * 6 * 6 * 16


def test_multihead_attention_module_is_seen_through() -> None:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    w = trace(layer, (1, 10, 32), cache=False)
    closed = 10 * 32 * 96 + 2 * 10 * 10 * 32 + 10 * 32 * 32 + 2 * 10 * 32 * 64
    assert w.macs == closed
    assert sum(op.kind == OpKind.ATTENTION for op in w.ops) == 1


@pytest.mark.parametrize(
    ("function", "kind", "fn", "dims"),
    [
        (nn.BatchNorm2d(8), OpKind.NORM, "batch_norm", (8, 120)),
        (nn.GroupNorm(2, 8), OpKind.NORM, "group_norm", (2, 480)),
        (nn.InstanceNorm2d(8), OpKind.NORM, "instance_norm", (8, 120)),
        (nn.LayerNorm(10), OpKind.NORM, "layer_norm", (96, 10)),
        (nn.RMSNorm(10), OpKind.NORM, "rms_norm", (96, 10)),
        (nn.Softmax(dim=1), OpKind.SOFTMAX, "softmax", (120, 8)),
        (nn.MaxPool2d(3, 2, 1), OpKind.POOL, "max_pool", (1, 8, 6, 5, 3, 3)),
        (nn.AvgPool2d(2), OpKind.POOL, "avg_pool", (1, 8, 6, 5, 2, 2)),
        (nn.AdaptiveAvgPool2d((3, 5)), OpKind.POOL, "avg_pool", (1, 8, 3, 5, 4, 2)),
        (nn.AdaptiveAvgPool2d(1), OpKind.REDUCE, "mean", (8, 120)),
        (lambda x: x.mean((2, 3)), OpKind.REDUCE, "mean", (8, 120)),
        (lambda x: x.amax(-1), OpKind.REDUCE, "amax", (96, 10)),
        (lambda x: x.sum(), OpKind.REDUCE, "sum", (1, 960)),
        (lambda x: functional.interpolate(x, scale_factor=2), OpKind.RESIZE, "resize", (1, 8, 24, 20, 1)),
        (
            lambda x: functional.interpolate(x, (6, 5), mode="bilinear"),
            OpKind.RESIZE,
            "resize",
            (1, 8, 6, 5, 4),
        ),
        (lambda x: x.topk(3, 1), OpKind.REDUCE, "topk", (120, 8)),
        (lambda x: x.sort(dim=2, stable=True), OpKind.REDUCE, "sort", (80, 12)),
        (lambda x: x.median(), OpKind.REDUCE, "median", (1, 960)),
        (lambda x: x.median(-1), OpKind.REDUCE, "median", (96, 10)),
        (lambda x: x.argmax(1), OpKind.REDUCE, "argmax", (120, 8)),
        (lambda x: x.norm(dim=1), OpKind.REDUCE, "linalg_vector_norm", (120, 8)),
        (lambda x: x.std((2, 3)), OpKind.REDUCE, "std", (8, 120)),
        (lambda x: x.max(1), OpKind.REDUCE, "max", (120, 8)),
        (lambda x: torch.max(x, torch.ones(10)), OpKind.ELEMENTWISE, "maximum", (960,)),
        (lambda x: x.unfold(2, 3, 1).clone(), OpKind.LAYOUT, "copy", (2400,)),
        (nn.Unfold(3), OpKind.LAYOUT, "unfold", (5760,)),
        (lambda x: torch.stack([x, x]), OpKind.LAYOUT, "cat", (1920,)),
        (lambda x: x.repeat(2, 1, 1, 1), OpKind.LAYOUT, "repeat", (1920,)),
        (lambda x: x.flip(1), OpKind.LAYOUT, "flip", (960,)),
        (lambda x: x.gather(1, torch.zeros(1, 2, 12, 10, dtype=torch.long)), OpKind.GATHER, "index", (240,)),
        (
            lambda x: torch.grid_sampler(x, torch.zeros(1, 4, 5, 2), 0, 0, False),
            OpKind.RESIZE,
            "grid_sample",
            (1, 8, 4, 5, 4),
        ),
        (lambda x: x.cumsum(2), OpKind.SCAN, "cumsum", (12, 80)),
        (lambda x: x.half(), OpKind.LAYOUT, "cast", (960,)),
        (lambda x: x.clone(), OpKind.LAYOUT, "copy", (960,)),
        (lambda x: functional.pad(x, (1, 1)), OpKind.LAYOUT, "pad", (1152,)),
        (lambda x: torch.roll(x, 1, 2), OpKind.LAYOUT, "roll", (960,)),
        (nn.PixelShuffle(2), OpKind.LAYOUT, "pixel_shuffle", (960,)),
        (nn.GELU(), OpKind.ELEMENTWISE, "gelu", (960,)),
        (nn.SiLU(inplace=True), OpKind.ELEMENTWISE, "silu", (960,)),
    ],
)
def test_the_rest(function: Any, kind: OpKind, fn: str, dims: tuple[int, ...]) -> None:
    op = only(function, IMAGE)
    assert op.kind == kind
    assert op.attrs["fn"] == fn
    assert op.dims == (*dims, *(1,) * (8 - len(dims)))
    assert op.macs == 0
    assert op.modelled


def test_reductions_name_their_axes() -> None:
    spatial = only(lambda x: x.mean((2, 3)), IMAGE)
    assert (spatial.attrs["axes"], spatial.attrs["spatial_mean"]) == ([2, 3], True)
    channels_last = only(lambda x: x.mean((1, 2)), IMAGE)
    assert channels_last.attrs["spatial_mean"] is True
    channel = only(lambda x: x.mean(1), IMAGE)
    assert (channel.attrs["axes"], channel.attrs["spatial_mean"]) == ([1], False)
    pooled = only(nn.AdaptiveAvgPool2d(1), IMAGE)
    assert (pooled.attrs["axes"], pooled.attrs["spatial_mean"]) == ([2, 3], True)


def test_vector_costs_are_composed_as_documented() -> None:
    relu, gelu, div = (only(f, IMAGE) for f in (nn.ReLU(), nn.GELU(), lambda x: x / 3))
    assert relu.vector_ops == 960
    assert gelu.vector_ops == 960 * (vector_cost.ERF + 4)
    assert div.vector_ops == 960  # by a number known beforehand: a multiplication
    assert only(nn.GELU(approximate="tanh"), IMAGE).vector_ops == 960 * vector_cost.GELU_TANH
    assert only(lambda x: x**2, IMAGE).vector_ops == 960
    assert only(lambda x, y: x / y, IMAGE, IMAGE).vector_ops == 960 * vector_cost.DIV


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("layer", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers(layer: type[nn.RNNBase], gates: int, *, bidirectional: bool) -> None:
    steps, batch, features, hidden = 7, 2, 5, 6
    net = layer(features, hidden, num_layers=2, bidirectional=bidirectional, batch_first=True)
    w = trace(net, (batch, steps, features), cache=False)
    ways = 2 if bidirectional else 1
    first = steps * batch * gates * hidden * (features + hidden)
    second = steps * batch * gates * hidden * (ways * hidden + hidden)
    assert w.macs == ways * (first + second)
    assert w.params == sum(p.numel() for p in net.parameters())
    scans = [op for op in w.ops if op.kind == OpKind.SCAN]
    assert [op.loop for op in scans] == [{"steps": steps, "width": batch * hidden}] * (2 * ways)
    sequential = [op for op in w.ops if op.attrs.get("sequential")]
    assert [op.loop["batch"] for op in sequential] == [steps] * (2 * ways)
    assert w.shape(w.outputs[0]) == (batch, steps, ways * hidden)
    assert w.at_batch(3 * batch).macs == 3 * w.macs


def test_lstm_with_projection_and_cells() -> None:
    w = trace(nn.LSTM(5, 8, proj_size=3, batch_first=True), (1, 4, 5), cache=False)
    assert w.macs == 4 * (32 * 5 + 32 * 3 + 8 * 3)

    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = nn.LSTMCell(5, 6)

        def forward(self, x: Tensor) -> Tensor:
            h, c = self.cell(x)
            return self.cell(x, (h, c))[0]

    assert trace(Cell(), (1, 5), cache=False).macs == 2 * 24 * (5 + 6)


def test_bilinear_layer_and_weight_norm() -> None:
    w = trace(nn.Bilinear(4, 5, 6), [(3, 4), (3, 5)], cache=False)
    assert w.macs == 3 * 4 * 5 * 6
    assert all(w.op_modelled)
    norm, linear = trace(nn.utils.parametrizations.weight_norm(nn.Linear(8, 4)), (1, 8), cache=False).ops
    assert (norm.kind, norm.loop, norm.attrs["weights"]) == (OpKind.NORM, {"rows": 4, "width": 8}, [0, 1])
    assert linear.attrs["weights"] == [1, 2]
    assert linear.inputs[1] == norm.outputs[0]


def test_fourier_transform() -> None:
    w = trace(Call(lambda x: torch.fft.irfft2(torch.fft.rfft2(x) * 2)), (1, 8, 16), cache=False)
    assert all(w.op_modelled)
    transforms = [op for op in w.ops if op.attrs["fn"] == "fft"]
    # two and a half operations per real element and halving (Frigo and Johnson)
    assert transforms[0].vector_ops == 2.5 * 128 * 7
    (mul,) = (op for op in w.ops if op.attrs["fn"] == "mul")
    assert mul.vector_ops == 6 * 8 * 9


def test_operator_without_a_rule_is_a_row_and_is_not_counted() -> None:
    library = torch.library.Library("codesign_test", "DEF")
    library.define("mystery(Tensor x) -> Tensor")
    library.impl("mystery", torch.empty_like, "Meta")

    def net(x: Tensor) -> Tensor:
        return torch.ops.codesign_test.mystery(x * 2)

    w = trace(Call(net), (1, 30), cache=False)
    mul, mystery = w.ops
    assert mystery.kind == OpKind.UNKNOWN
    assert mystery.target == "codesign_test.mystery"
    assert not mystery.modelled
    assert (mystery.macs, mystery.vector_ops) == (0, 0)
    assert mul.modelled
    assert w.unmodelled_share() == {"output_elements": 0.5, "bytes": 0.5}
    frame = w.to_frame()
    assert frame["vector_ops"].isna().tolist() == [False, True]
    assert frame["macs"].isna().tolist() == [False, True]


def test_pointwise_operator_without_a_cost_is_marked() -> None:
    op = only(torch.special.i0e, (1, 30))
    assert op.kind == OpKind.ELEMENTWISE
    assert op.attrs["cost_assumed"] is True
    assert op.vector_ops == 30 * vector_cost.SPECIAL
