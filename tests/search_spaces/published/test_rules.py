"""Rules from the names of a data set to networks: what they read from a name, and what they refuse."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd
import pytest

from hw_models.errors import UnknownNameError
from hw_models.workload.named import NamedNetwork
from search_spaces.published.catalogue import published_network
from search_spaces.published.deployed import renamed
from search_spaces.published.families import ours, value_of

REFERENCE = (
    Path(os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[4] / "shared" / "reference"))
    / "measured"
)


def network(dataset: str, name: str, **said: object) -> NamedNetwork:
    return NamedNetwork(dataset, name, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mobilenet-v1-0.25-128-non-quantized", "mobilenet-v1-precision_uint8-0.25-128"),
        ("mobilenet-v2-0.5-96-quantized", "mobilenet-v2-precision_float-0.5-96"),
        ("mobilenet-v3-large_224_1.0_float", "mobilenet-v3-precision_uint8-large-224"),
        (
            "mobilenet-v3-small-minimalistic_224_1.0_float",
            "mobilenet-v3-precision_float-small-minimalistic-224",
        ),
    ],
)
def test_the_grid_is_read_in_any_order_and_precision_changes_nothing(one: str, other: str) -> None:
    first, second = (published_network(network("mlperf_edge_grid", name)) for name in (one, other))
    assert (first.macs, first.params) == (second.macs, second.params)


def test_widths_and_sizes_that_no_row_has_follow_the_same_rule() -> None:
    narrow, wide = (
        published_network(network("mlperf_edge_grid", f"mobilenet-v1-{width}-160-quantized"))
        for width in ("0.3", "0.6")
    )
    assert narrow.params < wide.params
    assert narrow.macs < wide.macs


def test_more_pixels_cost_macs_and_no_parameters() -> None:
    small, large = (
        published_network(network("mlperf_edge_grid", f"mobilenet-v2-1.0-{side}-quantized"))
        for side in (96, 192)
    )
    assert small.params == large.params
    assert large.macs == pytest.approx(4 * small.macs, rel=0.05)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("mlperf_edge_grid", "bert-99_obert_large_95sparse_qat"),
        ("mlperf_edge_closed", "obert-large-pruned95_quant-none-vnni-bert-99"),
        ("mlperf_edge_closed", "rnnt"),
        ("hailo_fps", "linknet_mbv1_ss_dpm_128"),
        ("rockchip_fps", "mobilesam/mobilesam_decoder"),
        ("drobotics_rdkx5_latency", "VargConvNet"),
        ("ti_tidl_evm_latency", "ss-ort-nonesuch"),
        ("paddleclas_latency", "RedNet26"),
    ],
)
def test_networks_that_are_not_rebuilt_are_refused(dataset: str, name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"docs/published_networks\.md"):
        published_network(network(dataset, name))


def test_deployed_form_is_the_one_with_the_stated_parameters() -> None:
    merged = published_network(network("hailo_fps", "repvgg_a1", input_shape="224x224x3", params=12.79e6))
    branched = published_network(network("hailo_fps", "repvgg_a1", input_shape="224x224x3", params=14.09e6))
    assert round(merged.params / 1e6, 2) == 12.79
    assert round(branched.params / 1e6, 2) == 14.09


def test_a_list_without_sizes_gives_them_away_by_its_macs() -> None:
    at_300 = published_network(network("paddleclas_latency", "EfficientNetB3", params=12.3e6, macs=1.88e9))
    at_224 = published_network(network("paddleclas_latency", "EfficientNetB3"))
    assert at_300.macs == pytest.approx(at_224.macs * (300 / 224) ** 2, rel=0.1)


def test_ti_names_carry_task_runtime_and_framework() -> None:
    plain = published_network(network("hailo_fps", "mobilenet_v1", input_shape="224x224x3"))
    ti = published_network(network("ti_tidl_evm_latency", "cl-tfl-mobilenet_v1_1.0_224"))
    assert ti.macs == plain.macs


def test_gray_images_have_one_channel() -> None:
    gray = published_network(network("hailo_fps", "espcn_x4", input_shape="78x120x1"))
    first = next(iter(gray.ops))
    assert gray.params == 1664 + 18464 + (32 * 9 + 1) * 16
    assert first.loop["c"] == 1


def test_values_of_groups() -> None:
    assert (value_of("50"), value_of("0.25"), value_of("1_4"), value_of("a1")) == (50, 0.25, 1.4, "a1")


def test_groups_fill_the_target_or_are_options() -> None:
    match = re.fullmatch(r"net_v(?P<version>\d)_(?P<width>\d\.\d)", "net_v2_0.5")
    assert match is not None
    assert ours("nets:net_v{version}", classes=3)(match) == ("nets:net_v2", {"classes": 3, "width": 0.5}, ())


def test_renaming_takes_the_first_rule_that_fits_a_whole_name() -> None:
    rules = ((r"a(\d)", r"b\1"), (r"a.*", "c"))
    assert [renamed(name, rules) for name in ("a1", "a1x", "x")] == ["b1", "c", "x"]


@pytest.mark.parametrize(
    ("dataset", "share"),
    [("mlperf_tiny", 0.95), ("ti_tidl_evm_latency", 0.75)],
)
def test_most_rows_of_the_small_tables_can_be_rebuilt(dataset: str, share: float) -> None:
    file = REFERENCE / f"{dataset}.csv.gz"
    if not file.is_file():
        pytest.skip("no reference figures beside the checkout; set CODESIGN_REFERENCE")
    frame = pd.read_csv(file)
    column = "task" if dataset == "mlperf_tiny" else "model"
    prefix = "mlperf_tiny/" if dataset == "mlperf_tiny" else ""
    rows = frame[column].value_counts()
    built = sum(n for name, n in rows.items() if _is_built(dataset, f"{prefix}{name}"))
    assert built >= share * rows.sum()


def _is_built(dataset: str, name: str) -> bool:
    try:
        return published_network(network(dataset, name)).macs > 0
    except UnknownNameError:
        return False
