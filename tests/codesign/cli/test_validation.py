"""`codesign validate`: what it prints, and how it answers wrong input."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from codesign.cli import build_app
from hw_models.errors import CodesignError, FileError
from hw_models.measured.devices import SHIPPED
from hw_models.measured.loaders import load
from hw_models.validation import validate
from search_spaces.published.catalogue import published_network

SMALL = ("resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224")
DEVICE = (
    "key,device,vendor,kind,process_nm,fp32_tflops,fp16_tflops,int8_tops,memory,mem_bw_gb_s,external_dram,"
    "l2_or_sram_mb,units,clock_mhz,tdp_w,confidence,note\n"
    "zeta9,Zeta 9,Nobody,gpu,,20,80,,16GB GDDR6,600,yes,24,48,2100,250,C,invented\n"
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with the published rows of three small networks, on an invented device."""
    rows = pd.read_csv(SHIPPED / "timm_throughput.csv.gz", dtype=str)
    mine = rows[(rows["mode"] == "infer") & (rows["torch"] == "2.4.0") & (rows["device"] == "rtx4090")]
    mine = mine[
        mine["model"].isin(SMALL)
        & (mine["img_size"] == "224")
        & (mine["compiled"] == "1")
        & (mine["layout"] == "nchw")
    ]
    mine.assign(device="zeta9").to_csv(tmp_path / "timm_throughput.csv", index=False)
    (tmp_path / "devices.csv").write_text(DEVICE)
    return tmp_path


def test_json_is_a_list_of_the_contracts_rows(data: Path) -> None:
    result = CliRunner().invoke(
        build_app(), ["validate", "--data", str(data), "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0
    (row,) = json.loads(result.stdout)
    assert row["device"] == "zeta9"
    assert row["mode"] == "infer|amp|nchw|torch2.4.0|compiled"
    assert (row["n"], row["n_skipped"]) == (3, 0)
    assert row["naive_mape_scaled"] > 0
    assert row["truth"] == "silicon"


def test_the_table_has_the_naive_predictor_beside_ours(data: Path) -> None:
    args = ["validate", "--data", str(data), "--max-rows", "2"]
    result = CliRunner(env={"COLUMNS": "220"}).invoke(build_app(), args, catch_exceptions=False)
    assert result.exit_code == 0
    assert "tau (naive)" in result.stdout
    assert "zeta9" in result.stdout
    assert "1  left out: at most 2 rows of a device and mode were asked for" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--data", "nowhere"], "'nowhere' does not exist; expected a directory"),
        (["--dataset", "timm"], "unknown data set 'timm'"),
        (["--device", "rtx4091"], "unknown device 'rtx4091'; did you mean 'rtx4090'"),
    ],
    ids=["no directory", "no data set", "no device"],
)
def test_wrong_input_is_one_message(args: list[str], message: str) -> None:
    with pytest.raises(CodesignError, match=message.replace("(", r"\(")):
        CliRunner().invoke(build_app(), ["validate", *args], catch_exceptions=False)


def test_a_broken_file_is_named(data: Path) -> None:
    (data / "timm_throughput.csv").write_text("device,mode\nzeta9,infer\n")
    with pytest.raises(FileError, match=r"timm_throughput\.csv:1: samples_per_s: column is missing"):
        CliRunner().invoke(build_app(), ["validate", "--data", str(data)], catch_exceptions=False)


N_FAMILIES = 40
MODES = {
    "rtx4090": "infer|amp|nchw|torch2.9.1|compiled",
    "rtx3090": "infer|amp|nchw|torch2.4.0|eager",
    "i9_10940x": "infer|fp32|nchw|torch2.4.0|compiled",
}


@pytest.mark.slow
def test_forty_families_are_predicted_better_than_by_any_naive_predictor(tmp_path: Path) -> None:
    """The smallest network of each of forty families, one mode of each device; the benchmark takes all."""
    rows = load(datasets=["timm_throughput"]).records["timm_throughput"].frame
    rows = rows[rows["mode"] == rows["device"].map(MODES)].dropna(subset=["macs"])
    pair = rows["network"] + "@" + rows["img_size"].astype(str)
    everywhere = rows.assign(pair=pair)[rows.groupby(pair)["device"].transform("nunique") == len(MODES)]
    smallest = everywhere.sort_values(["macs", "pair"]).drop_duplicates("family").sort_values("family")
    chosen = smallest["pair"].iloc[:: len(smallest) // N_FAMILIES].iloc[:N_FAMILIES]
    lines = everywhere.loc[everywhere["pair"].isin(chosen), "row"].astype(int) - 2
    published = pd.read_csv(SHIPPED / "timm_throughput.csv.gz", dtype=str)
    published.iloc[lines].to_csv(tmp_path / "timm_throughput.csv", index=False)
    scores = validate(tmp_path, resolver=published_network).scores
    found = {score.device: score for score in scores if score.split == "fitted"}
    assert set(found) == set(MODES)
    for score in found.values():
        assert score.n == N_FAMILIES
        assert score.kendall_tau is not None
        assert score.mape_scaled is not None
        assert score.coverage_90 is not None
        assert score.kendall_tau > (score.naive_kendall_tau or 0)
        assert score.mape_scaled < (score.naive_mape_scaled or 1)
        assert score.coverage_90 >= 0.75
