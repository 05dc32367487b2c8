"""Each source against hand arithmetic on rows that it published, and the traps that are known of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from hw_models.measured.devices import SHIPPED
from hw_models.measured.loaders import load
from hw_models.measured.published import mlperf_edge, qualcomm_aihub, ti_tidl_evm
from hw_models.measured.published.base import count_of, family_of, side_of

SMALL = (
    "qualcomm_aihub_latency",
    "qualcomm_aihub_llm",
    "hailo_fps",
    "rockchip_fps",
    "drobotics_rdkx5_latency",
    "vitis_ai_dpu_fps",
    "mlperf_edge_grid",
    "mlperf_edge_closed",
    "mlperf_tiny",
    "mlperf_mobile",
    "mlperf_automotive",
    "llmcompass_ops",
    "deepbench_gemm",
    "deepbench_conv",
    "deepbench_conv_inference",
    "hat_transformer_latency",
    "paddleclas_latency",
)
Rows = Callable[[str], pd.DataFrame]


@pytest.fixture(scope="module")
def rows() -> Rows:
    records = load(datasets=SMALL).records
    return lambda name: records[name].frame


def test_qualcomm_units_are_apart_and_float_is_fp16_on_the_npu_alone(rows: Rows) -> None:
    frame = rows("qualcomm_aihub_latency")
    assert set(frame["mode"].str.split("|").str[2].str.lower()) == {"npu", "gpu", "cpu"}
    floats = frame[frame["mode"].str.startswith("float|")]
    assert set(floats[floats["engine"] == "npu"]["precision"]) == {"fp16"}
    assert floats[floats["engine"] != "npu"]["precision"].isna().all(), "not stated, so not guessed"
    assert set(frame[frame["mode"].str.startswith("w8a8|")]["precision"]) == {"int8"}


def test_qualcomm_placement_adds_up_and_memory_is_a_range(rows: Rows) -> None:
    frame = rows("qualcomm_aihub_latency")
    placed = frame[["layers_npu", "layers_gpu", "layers_cpu"]].sum(axis=1)
    assert (placed == frame["layers"]).all()
    assert (frame["peak_memory_low_bytes"] <= frame["peak_memory_bytes"]).all()


def test_qualcomm_proxy_rows_with_a_twin_count_once(rows: Rows) -> None:
    count = rows("qualcomm_aihub_latency")["device"].value_counts()
    assert (count["SA7255P ADP"], count["QCS8275 (Proxy)"]) == (395, 29)


def test_qualcomm_language_models_prefill_a_piece_a_full_prompt_and_decode(rows: Rows) -> None:
    frame = rows("qualcomm_aihub_llm")
    one = frame[(frame["network"] == "baichuan2_7b")].set_index("mode")
    piece, full, decode = one.iloc[0], one.iloc[1], one.iloc[2]
    assert (piece["phase"], piece["mean_s"]) == ("prefill", pytest.approx(0.208048))
    assert np.isnan(piece["tokens"]), "the length of a piece is not stated"
    assert (full["phase"], full["tokens"], full["mean_s"]) == ("prefill", 4096, pytest.approx(6.657536))
    assert (decode["phase"], decode["throughput_per_s"]) == ("decode", 7.72)


def test_qualcomm_models_are_described() -> None:
    models = qualcomm_aihub.models(SHIPPED / "qualcomm_aihub_models.csv.gz")
    assert len(models) == 144
    assert models.loc["act", "params"] == pytest.approx(83.92e6)


def test_hailo_streams_at_two_batch_sizes_and_one_mac_is_two_operations(rows: Rows) -> None:
    frame = rows("hailo_fps")
    assert set(frame["scenario"]) == {"stream"}
    assert frame["mean_s"].isna().all(), "streamed frames per second are not one over a latency"
    both = frame[(frame["device"] == "hailo-15l") & (frame["network"] == "cas_vit_m")]
    assert both[["batch", "throughput_per_s"]].to_numpy().tolist() == [[1.0, 43.5], [8.0, 72.7]]
    assert both["macs"].iloc[0] == pytest.approx(10.89e9 / 2)


def test_hailo_release_taken_from_a_link_is_not_believed(rows: Rows) -> None:
    frame = rows("hailo_fps")
    slim = frame[frame["network"].isin(["inception_v1", "mobilenet_v1"])]
    assert len(slim) > 0
    assert slim["runtime_version"].isna().all()
    assert "zoo v1.13.0" not in set(frame["runtime_version"])


def test_one_thread_is_a_step_and_several_are_a_stream(rows: Rows) -> None:
    for name in ("vitis_ai_dpu_fps", "drobotics_rdkx5_latency"):
        frame = rows(name)
        one = frame["mode"].str.endswith("1thread")
        assert set(frame[one]["scenario"]) == {"step"}
        assert set(frame[~one]["scenario"]) == {"stream"}


def test_vitis_clock_is_the_stated_one_else_that_of_the_configuration(rows: Rows) -> None:
    frame = rows("vitis_ai_dpu_fps").drop_duplicates("device").set_index("device")
    assert frame.loc["ZCU102 (0432055-05)", "clock_hz"] == 281e6
    assert frame.loc["U50lv", "clock_hz"] == 165e6, "the column says 165, the configuration 275"
    assert frame.loc["Ultra96", "clock_hz"] == 287e6
    assert rows("vitis_ai_dpu_fps")["clock_hz"].notna().all()


def test_rockchip_side_is_known_where_the_input_is_a_square_image(rows: Rows) -> None:
    frame = rows("rockchip_fps").drop_duplicates("input_shape").set_index("input_shape")
    assert frame.loc["[1, 3, 640, 640]", "img_size"] == 640
    assert frame.loc["[1, 513, 513, 1]", "img_size"] == 513
    assert np.isnan(frame.loc["[1, 3, 48, 320]", "img_size"])
    assert np.isnan(frame.loc["[1, 20]", "img_size"])


def test_mlperf_energy_is_wall_power_times_mean_latency(rows: Rows) -> None:
    frame = rows("mlperf_edge_grid")
    row = frame[(frame["row"] == 565)].iloc[0]  # khadas-vim4, mobilenet-v3-large_224_0.75_float, OpenCL
    assert (row["engine"], row["img_size"], row["precision"]) == ("gpu", 224, "fp32")
    assert row["energy_j"] == pytest.approx(5.047 * 22.357132e-3)


def test_mlperf_board_is_believed_over_the_processor(rows: Rows) -> None:
    """ODROID rows of v2.0 carry the system name and the processor of a Jetson."""
    count = rows("mlperf_edge_grid")["device"].value_counts()
    assert count["odroid-n2+ (S922X)"] == 846
    assert count["jetson-agx-xavier"] == 564


def test_mlperf_offline_has_a_rate_and_no_time(rows: Rows) -> None:
    for name in ("mlperf_edge_grid", "mlperf_edge_closed", "mlperf_mobile"):
        frame = rows(name)
        offline = frame["scenario"] == "offline"
        assert offline.any()
        assert frame[offline]["throughput_per_s"].notna().all()
        assert frame[offline][["mean_s", "energy_j", "batch"]].isna().all(axis=None)
        assert frame[~offline]["throughput_per_s"].isna().all()


def test_mlperf_multistream_steps_are_eight_inputs(rows: Rows) -> None:
    frame = rows("mlperf_edge_closed")
    assert set(frame[frame["mode"].str.contains("MultiStream")]["batch"]) == {8.0}
    assert set(frame[frame["mode"].str.contains("SingleStream")]["batch"]) == {1.0}


def test_mlperf_a_card_is_the_device_and_a_gpu_inside_is_an_engine(rows: Rows) -> None:
    frame = rows("mlperf_edge_closed")
    assert not frame["device"].str.contains("Mali").any()
    mali = frame[frame["runtime"].str.contains("OpenCL")]
    assert set(mali["engine"]) == {"gpu"}
    assert set(mali["device"]) == {"odroid-n2+ (S922X)", "khadas-vim4 (A311D2)"}
    assert set(frame[frame["device"].str.contains("AI 100")]["engine"]) == {"npu"}
    assert set(frame[frame["mode"].str.contains("MaxQ")]["power_mode"]) == {"MaxQ"}


@pytest.mark.parametrize(
    ("network", "side", "precision"),
    [
        ("mobilenet-v1-0.25-128-non-quantized", 128, "fp32"),
        ("mobilenet-v2-1.4-224-quantized", 224, "int8"),
        ("mobilenet-v3-large_224_0.75_float", 224, "fp32"),
        ("mobilenet-v1-precision_uint8-0.5-160", 160, "int8"),
        ("efficientnet-int8-lite0", None, "int8"),
        ("ssd_resnet101_v1_fpn_640x640", 640, None),
        ("bert-99", None, None),
        ("resnet50", None, None),
    ],
)
def test_mlperf_names_tell_size_and_precision(network: str, side: int | None, precision: str | None) -> None:
    found = mlperf_edge._side(network)
    assert found == side if side else np.isnan(found)
    assert mlperf_edge._precision(network) == precision


def test_mlperf_tiny_in_si(rows: Rows) -> None:
    frame = rows("mlperf_tiny")
    row = frame[frame["row"] == 2].iloc[0]
    assert (row["throughput_per_s"], row["energy_j"]) == (548.697, pytest.approx(266.486e-6))
    assert {120e6, 280e6, 30.7e6, 1e9, 277.5e6} <= set(frame["clock_hz"])


def test_mlperf_automotive_in_si(rows: Rows) -> None:
    row = rows("mlperf_automotive").iloc[0]
    assert row["network"] == "mlperf_automotive/bevformer"
    assert (row["min_s"], row["mean_s"], row["p99_9_s"]) == pytest.approx(
        (0.413106797, 0.415466419, 0.436707098)
    )


def test_ti_tells_what_ran_inside_where_it_knows() -> None:
    raw = pd.DataFrame(
        {
            "branch": "b",
            "device": "am68a",
            "model": ["cl-tfl-x", "cl-ort-x"],
            "total_ms": [1.72, 2.54],
            "offload_ms": [1.7, 0.0],
            "runtime": ["tfl-py", "ort-cpp"],
        }
    ).astype({"branch": "str", "device": "str", "model": "str", "runtime": "str"})
    frame = ti_tidl_evm.to_records(raw)
    inside = frame[frame["component"] == "accelerator"]
    assert frame["mean_s"].tolist() == pytest.approx([1.72e-3, 2.54e-3, 1.7e-3])
    assert inside["mode"].tolist() == ["tfl-py|b|accelerator"]


def test_llmcompass_rates_and_times_are_one_quantity(rows: Rows) -> None:
    frame = rows("llmcompass_ops")
    product = frame[frame["row"] == 2].iloc[0]  # 64 x 12288 x 12288 in 0.19 ms, published as 101.7 Tflop/s
    assert 2 * 64 * 12288 * 12288 / product["mean_s"] == pytest.approx(101.7124e12, rel=1e-3)
    gelu = frame[(frame["function"] == "gelu")].iloc[-1]
    assert gelu["mean_s"] == pytest.approx(536870912 / 390.32758080867535e9)


def test_deepbench_width_comes_first(rows: Rows) -> None:
    """The output of DeepSpeech's first layer is the input of its second: 341 wide, 79 high."""
    shapes = rows("deepbench_conv")["shape"]
    assert shapes.iloc[0].startswith("n=4 g=1 k=32 c=1 oy=79 ox=341 fy=5 fx=20 stride_y=2 stride_x=2")
    assert shapes.str.contains("c=32 .* in_y=79 in_x=341").any()


def test_deepbench_precisions_are_those_of_the_multiplication(rows: Rows) -> None:
    frame = rows("deepbench_gemm").drop_duplicates("mode").set_index("mode")
    half_in = frame.loc["train|16 bit inputs, 32 bit multiplication, 32 bit addition"]
    assert (half_in["precision"], half_in["storage"]) == ("fp32", "fp16")
    tensor = frame.loc["train|16 bit inputs, 16 bit multiplication, 32 bit addition"]
    assert tensor["precision"] == "fp16"
    assert pd.isna(tensor["storage"])
    assert frame.loc["inference|Int8 inputs 32 bit math", "precision"] == "int8"


def test_deepbench_backward_passes_are_training(rows: Rows) -> None:
    frame = rows("deepbench_conv")
    assert set(frame[frame["phase"] == "infer"]["function"]) == {"conv_forward"}
    assert set(frame[frame["phase"] == "train"]["function"]) == {
        "conv_backward_input",
        "conv_backward_weight",
    }


def test_hat_networks_are_known_by_their_averages(rows: Rows) -> None:
    frame = rows("hat_transformer_latency")
    first = frame[frame["row"] == 2].set_index("component")
    assert first.loc["encoder", "network"] == "hat/iwslt14deen/640-6-1962.67-6"
    assert first.loc["decoder", "mean_s"] == pytest.approx(0.12455)
    assert first.loc["decoder", "std_s"] == pytest.approx(0.443987e-3)


def test_paddleclas_columns_are_devices(rows: Rows) -> None:
    frame = rows("paddleclas_latency")
    v100 = frame[frame["device"] == "V100"]
    assert set(v100["batch"]) == {1.0, 4.0, 8.0}
    assert set(frame[frame["device"] == "Snapdragon 855 CPU"]["threads"]) == {1.0, 2.0, 4.0}


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (("yolov8s_seg", "yolo11n", "yolov5m_6.1"), "yolo"),
        (
            ("resnet_v1_50", "tf_resnet50", "resnet50_pruned_0_3_pt", "ResNet50_vd", "cl-ort-resnet18-v1"),
            "resnet",
        ),
        (("mobilenet_v2_1.4", "MobileNetV3_large_x1_0", "mobilenet-v1-0.25-128-quantized"), "mobilenet"),
        (("3d-unet-99",), "unet"),
    ],
)
def test_near_twins_are_one_family(names: tuple[str, ...], family: str) -> None:
    assert {family_of(name) for name in names} == {family}


def test_counts_and_sides() -> None:
    assert count_of("83.92M") == pytest.approx(83.92e6)
    assert count_of("1.24B") == pytest.approx(1.24e9)
    assert np.isnan(count_of("a few"))
    assert (side_of("224x224"), side_of("640×640"), side_of("384x384x3")) == (224, 640, 384)
    assert np.isnan(side_of("2048x1024"))
