"""Operators measured alone: shapes by hand, and against the physics of the devices they ran on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hw_models.cost.arrays import GEOMETRY
from hw_models.errors import CodesignError, InputError
from hw_models.measured.loaders import Measured, load
from hw_models.measured.operators import operators
from hw_models.measured.published import vidur
from hw_models.workload.op import LOOP_DIMS, OpKind

SETS = (
    "neusight_gemm",
    "neusight_conv",
    "neusight_vector",
    "vidur_llm_ops",
    "llmcompass_ops",
    "deepbench_gemm",
)


@pytest.fixture(scope="module")
def measured() -> Measured:
    return load(datasets=SETS)


def table(*rows: tuple[str | None, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["operator", "shape"]).astype("str")


def test_equal_shapes_are_one_operator_and_rows_without_one_have_none() -> None:
    found = operators(
        table(
            ("gemm", "batch=1 m=2 k=3 c=4"),
            ("softmax", "rows=5 width=6"),
            ("gemm", "batch=1 m=2 k=3 c=4"),
            (None, None),
        )
    )
    assert found.index.tolist() == [0, 1, 0, -1]
    assert found.kind.tolist() == [OpKind.GEMM, OpKind.SOFTMAX]
    assert found.dims[0].tolist() == [1, 2, 3, 4, 1, 1, 1, 1]
    assert found.macs.tolist() == [24, 0]


def test_a_convolution_has_its_geometry_and_an_addition_its_operands() -> None:
    conv = "n=1 g=1 k=8 c=4 oy=5 ox=6 fy=3 fx=3 stride_y=2 stride_x=1 pad_y=1 pad_x=0 in_y=10 in_x=8"
    found = operators(
        table(("conv", conv), ("elementwise", "elements=7 reads=2"), ("elementwise", "elements=7"))
    )
    geometry = dict(zip(GEOMETRY, found.geometry[0].tolist(), strict=True))
    assert (geometry["stride_y"], geometry["pad_y"], geometry["in_y"], geometry["in_x"]) == (2, 1, 10, 8)
    assert (geometry["dilation_y"], geometry["transposed"]) == (1, 0)
    assert found.reads.tolist() == [1, 2, 1]
    assert found.macs[0] == 8 * 4 * 5 * 6 * 9


@pytest.mark.parametrize(
    ("operator", "shape", "message"),
    [
        ("matmul", "m=1", "operator 'matmul' given, expected one of conv, gemm"),
        ("gemm", "m=1 k=2", "given for a gemm, expected 'batch=# m=# k=# c=#'"),
        ("gemm", "batch=1 m=1 k=2 c=3 q=4", "given for a gemm, expected"),
        ("gemm", "64x64x64", "given, expected a form such as 'batch=1 m=64 k=64 c=64'"),
    ],
)
def test_a_shape_in_another_notation_is_refused(operator: str, shape: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("=", "=").replace("(", r"\(")):
        operators(table((operator, shape)))


def test_every_published_shape_is_in_the_notation(measured: Measured) -> None:
    for name, records in measured.records.items():
        found = operators(records.frame)
        assert (found.index >= 0).all(), name
        assert (found.dims >= 1).all(), name


def test_a_layer_of_llama_2_70b_on_eight_gpus_by_hand() -> None:
    sizes = {"n_head": 64, "n_kv_head": 8, "n_embd": 8192, "n_expanded_embd": 28672, "vocab_size": 32768}
    ops = list(vidur.OPERATORS)
    raw = pd.DataFrame({"op": ops, **sizes, "tokens": 16, "tp": 8, "latency_ms": 1.0})
    raw = raw.assign(device="a100", model="m", use_gated_mlp="True").astype(
        {"op": "str", "device": "str", "model": "str", "use_gated_mlp": "str"}
    )
    shapes = dict(zip(ops, vidur.to_records(raw)["shape"], strict=True))
    assert shapes["attn_pre_proj"] == "batch=1 m=16 k=1280 c=8192"  # (8 + 2) heads of 128
    assert shapes["attn_post_proj"] == "batch=1 m=16 k=8192 c=1024"
    assert shapes["mlp_up_proj"] == "batch=1 m=16 k=7168 c=8192"  # gate and up
    assert shapes["mlp_down_proj"] == "batch=1 m=16 k=8192 c=3584"
    assert shapes["mlp_act"] == f"elements={16 * 3584} reads=2"
    assert shapes["input_layernorm"] == "rows=16 width=8192"
    assert shapes["add"] == f"elements={16 * 8192} reads=2"


def test_neusight_products_by_hand(measured: Measured) -> None:
    """Attention of BERT, 128 tokens of 64: scores first, (128 x 64) by (64 x 128), as m=128 n=64 k=128."""
    frame = measured.records["neusight_gemm"].frame
    assert frame["shape"].iloc[:2].tolist() == ["batch=384 m=128 k=128 c=64", "batch=384 m=128 k=64 c=128"]


@pytest.mark.parametrize("name", ["neusight_gemm", "vidur_llm_ops", "llmcompass_ops", "deepbench_gemm"])
def test_no_product_is_faster_than_the_peak_of_its_device(measured: Measured, name: str) -> None:
    """Shapes read in the wrong order would break it: public peaks at rated clock, 10 % for boost above it.

    MI100 is left out: its FP32 peak in the table is that of the vector units, and it has matrix units.
    """
    frame = measured.records[name].frame
    found = operators(frame)
    time_s = frame["mean_s"].fillna(frame["p50_s"])
    rate = pd.Series(2 * found.macs[found.index] / time_s.to_numpy(), frame.index)
    seen = 0
    for (device, precision), rows in rate[rate > 0].groupby([frame["device"], frame["precision"]]):
        try:
            key = measured.devices.key(name, "device", str(device))
        except CodesignError:
            continue
        peak = measured.devices.accelerator(key).main_engine.peak.get(str(precision))
        if peak is not None and key != "mi100":
            seen += 1
            assert rows.max() <= 1.1 * peak.value, (device, precision)
            assert rows.max() >= 0.1 * peak.value, (device, precision)
    assert seen >= 1


def test_vector_operators_stay_below_the_bandwidth_of_their_device(measured: Measured) -> None:
    """Of tensors far larger than any cache: 4 bytes an element, read once per operand and written once."""
    frame = measured.records["neusight_vector"].frame
    found = operators(frame)
    elements = found.dims[found.index, 0] * found.dims[found.index, 1]
    moved = pd.Series(4.0 * elements * (1 + found.reads[found.index]), frame.index)
    rate = (moved / frame["mean_s"])[moved > 2e9]
    for device, rows in rate.groupby(frame["device"]):
        key = measured.devices.key("neusight_vector", "device", str(device))
        dram = measured.devices.accelerator(key).dram
        assert dram is not None
        assert dram.bandwidth is not None
        assert 0.5 * dram.bandwidth.value <= rows.max() <= dram.bandwidth.value, device


def test_the_loop_dimensions_are_those_of_traces() -> None:
    assert LOOP_DIMS[OpKind.GEMM] == ("batch", "m", "k", "c")
    assert np.isclose(
        operators(table(("attention", "batch=1 heads=2 lq=3 lk=4 d=5 dv=6"))).macs[0], 2 * 3 * 4 * 11
    )
