"""Vela's estimates as reference figures: agreement on some networks, broken files, configurations."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hw_models.errors import FileError, InputError
from hw_models.validation.truth.ethos_u_vela import DATA, NETWORKS, SETS, configured, short_system
from hw_models.validation.truth.int8_networks import layers, workload_of

SHIPPED = DATA / "ethos_u_vela.csv"
SOME = ("mobilenet_v1_128_025", "resnet14_48_24", "ds_cnn_172", "unet_96_12", "plain_64_3", "autoencoder_256")


def subset(folder: Path) -> Path:
    frame = pd.read_csv(SHIPPED, comment="#")
    two = frame.accelerator.isin(["ethos-u55-256", "ethos-u85-512"])
    path = folder / "ethos_u_vela.csv"
    frame[two & frame.network.isin(SOME)].to_csv(path, index=False)
    (folder / NETWORKS).write_text((DATA / NETWORKS).read_text("utf-8"), encoding="utf-8")
    return path


def test_cycles_agree_on_networks_that_were_not_looked_at(tmp_path: Path) -> None:
    frame = SETS[0].predict(subset(tmp_path)).frame
    cycles = frame[frame.quantity == "latency_cycles"]
    error = (cycles.predicted / cycles.measured - 1).abs()
    assert len(cycles) == 3 * len(SOME)
    assert error.mean() < 0.10
    for _, part in cycles.groupby(["device", "mode"]):
        assert part.predicted.rank().corr(part.measured.rank()) > 0.9


def test_it_is_agreement_with_a_model() -> None:
    assert [(s.name, s.truth) for s in SETS] == [("ethos_u_vela", "model")]
    assert SETS[0].shipped == SHIPPED
    assert SHIPPED.read_text("utf-8").startswith("# what ethos-u-vela 5.2.0 (PyPI, Apache-2.0) estimates")


def test_rows_that_cannot_be_compared_are_counted(tmp_path: Path) -> None:
    path = subset(tmp_path)
    frame = pd.read_csv(path).head(2)
    frame.loc[0, "network"] = "unheard_of"
    frame.loc[1, "system_config"] = "Ethos_U55_Imaginary"
    frame.to_csv(path, index=False)
    points = SETS[0].predict(path)
    assert sum(points.skipped.values()) == 2
    assert any("ethos_u_networks.txt" in reason for reason in points.skipped)


def test_a_file_without_its_columns_or_networks(tmp_path: Path) -> None:
    path = tmp_path / "ethos_u_vela.csv"
    path.write_text("network,cycles\na,1\n")
    with pytest.raises(FileError, match="lacks accelerator"):
        SETS[0].predict(path)
    lonely = subset(tmp_path)
    (tmp_path / NETWORKS).unlink()
    with pytest.raises(FileError, match="missing; it holds the networks"):
        SETS[0].predict(lonely)


def test_configurations_from_files_and_put_together() -> None:
    stated = configured("ethos-u55-256", "Ethos_U55_High_End_Embedded", "Shared_Sram")
    assert stated is not None
    assert stated.name == "ethos_u55_256_high_end"
    mixed = configured("ethos-u85-1024", "Ethos_U85_SYS_Flash_Low", "Shared_Sram")
    assert mixed is not None
    assert mixed.main_engine.macs["int8"].value == 1024
    assert mixed.main_engine.clock is not None
    assert mixed.main_engine.clock.value == 200e6
    assert mixed.main_engine.peak["int8"].value == pytest.approx(2 * 1024 * 200e6)
    assert mixed.dram is not None
    assert mixed.dram.kind == "flash"
    assert configured("ethos-u99-1", "Ethos_U55_High_End_Embedded", "Shared_Sram") is None
    assert configured("ethos-u55-256", "Ethos_U55_High_End_Embedded", "Imaginary") is None


@pytest.mark.parametrize(
    ("system", "short"),
    [
        ("Ethos_U55_High_End_Embedded", "high_end"),
        ("Ethos_U55_Deep_Embedded", "deep_embedded"),
        ("Ethos_U65_Embedded", "embedded"),
        ("Ethos_U65_Client_Server", "client_server"),
        ("Ethos_U85_SYS_DRAM_Mid", "dram_mid"),
    ],
)
def test_names_of_systems(system: str, short: str) -> None:
    assert short_system(system) == short


def test_a_line_that_is_no_operator() -> None:
    with pytest.raises(InputError, match="line 1 of a network, 'conf 8 3x3'"):
        layers(["input 8x8x3", "conf 8 3x3"])
    with pytest.raises(InputError, match="`input` first"):
        layers(["conv 8 3x3"])
    with pytest.raises(InputError, match="are no 1x7"):
        layers(["input 4", "reshape 1x7"])


def test_shapes_by_hand() -> None:
    lines = ["input 49x10x1", "conv 64 10x4 /2", "pool avg 25x5 /25", "reshape 1x64", "fc 12"]
    given = layers(lines)
    assert [layer.shape for layer in given] == [
        (1, 49, 10, 1),
        (1, 25, 5, 64),
        (1, 1, 1, 64),
        (1, 64),
        (1, 12),
    ]
    macs = 25 * 5 * 64 * 40 + 64 * 12
    assert int(workload_of("net", lines).op_macs.sum()) == macs
