"""Calibration of a chip on networks whose times are known by construction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from hw_models.calibration.calibrate import calibrate
from hw_models.calibration.file import SUFFIX, as_text, read_calibration, write_calibration
from hw_models.cost.estimate import estimate, estimate_many
from hw_models.errors import CodesignError, FileError, InputError, StorageError
from hw_models.measured.records import Records
from hw_models.spec.load import load_chip
from hw_models.workload.graph import Workload

if TYPE_CHECKING:
    from hw_models.calibration.setting import Calibration
    from hw_models.spec.accelerator import Accelerator

Networks = dict[str, Workload]
Measured = Callable[..., pd.DataFrame]


def predicted(networks: Networks, chip: Accelerator, made: Calibration, names: list[str]) -> np.ndarray:
    grid = estimate_many(
        [networks[k] for k in names], [chip], model="calibrated", batch=64, calibrations=[made]
    )
    return grid.quantities["latency"].value[:, 0]


def test_ten_networks_find_a_scale_that_is_off(
    networks: Networks, chip: Accelerator, measured: Measured
) -> None:
    truth = measured(scale=1.5)
    made = calibrate(chip, truth[:10], workloads=networks)
    rest = truth[10:]
    error = predicted(networks, chip, made, list(rest["network"])) / rest["mean_s"].to_numpy() - 1
    assert np.abs(error).mean() < 0.05
    assert made.settings[0].score["law_mape"] == pytest.approx(1 / 3, abs=0.03)


def test_five_networks_leave_a_right_scale_alone(
    networks: Networks, chip: Accelerator, measured: Measured
) -> None:
    made = calibrate(chip, measured()[:5], workloads=networks)
    s = made.settings[0].scalars
    assert np.abs(np.log([s.compute, s.bandwidth, s.fixed])).max() < 0.03
    assert made.settings[0].width is None  # too few to say how sure: the law's interval stands


def test_a_measured_network_and_its_siblings_are_known(
    networks: Networks, chip: Accelerator, measured: Measured
) -> None:
    truth = measured(own=lambda name: 1.6 if "_3_" in name and int(name.split("_")[1]) < 100 else 1.0)
    seen = truth[truth["network"] != "chain_64_3_8"]
    made = calibrate(chip, seen, workloads=networks)
    real = truth.set_index("network")["mean_s"]
    for name, within in (("chain_64_3_16", 0.06), ("chain_64_3_8", 0.2)):
        (found,) = predicted(networks, chip, made, [name])
        assert found == pytest.approx(real[name], rel=within)


def test_the_interval_holds_and_the_score_is_of_families_left_out(
    networks: Networks, chip: Accelerator, measured: Measured
) -> None:
    setting = calibrate(chip, measured(scale=1.3), workloads=networks).settings[0]
    assert setting.score["mape"] < 0.05 < setting.score["law_mape"]
    assert 0.8 <= setting.score["coverage_90"] <= 1.0
    sizes = [row["networks"] for row in setting.curve]
    errors = [row["mape"] for row in setting.curve]
    assert sizes == [0, 5, 10, 20]
    assert errors[0] > 3 * errors[2] > 0


def test_file_is_found_beside_the_chip_and_says_the_same(
    networks: Networks, chip: Accelerator, chip_file: Path, measured: Measured
) -> None:
    made = calibrate(chip, measured(scale=1.4), workloads=networks)
    path = chip_file.with_name(f"my_gpu{SUFFIX}")
    write_calibration(made, path)
    first = path.read_bytes()
    assert as_text(read_calibration(path)).encode() == first
    write_calibration(calibrate(chip, measured(scale=1.4), workloads=networks), path)
    assert path.read_bytes() == first
    net = networks["chain_64_3_8"]
    cost = estimate(net, chip, model="calibrated", batch=64)
    assert cost.latency.fidelity == "calibrated"
    assert cost.latency.value == pytest.approx(predicted(networks, chip, made, [net.name])[0], rel=1e-3)
    parts = cost.to_frame()["time_us"].sum() * 1e-6 + cost.detail.start_s
    assert parts == pytest.approx(cost.latency.value, rel=1e-9)
    text = str(cost.explain())
    assert "torch 2.9.1, fp16, compiled: 36 networks" in text
    assert "scalars of the chip" in text


def test_another_way_of_running_is_not_calibrated_and_says_so(
    networks: Networks, chip: Accelerator, measured: Measured
) -> None:
    made = calibrate(chip, measured(), workloads=networks)
    cost = estimate(networks["chain_64_3_8"], chip, model="calibrated", lowering="eager", calibration=made)
    assert cost.latency.fidelity == "roofline"
    assert "its calibration is of other ways of running: torch 2.9.1, fp16, compiled" in cost.warnings[-1]


def test_a_chip_whose_figures_changed_is_refused(
    networks: Networks, chip: Accelerator, chip_file: Path, measured: Measured
) -> None:
    write_calibration(calibrate(chip, measured(), workloads=networks), chip_file.with_name(f"my_gpu{SUFFIX}"))
    chip_file.write_text(chip_file.read_text("utf-8").replace("696 GB/s", "348 GB/s"), encoding="utf-8")
    changed = load_chip(chip_file)
    assert changed.dram.bandwidth.value == 348e9
    with pytest.raises(InputError, match="made for other figures of my_gpu than my_gpu has now"):
        estimate(networks["chain_64_3_8"], changed, model="calibrated")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("calibration_format: 1", "calibration_format: 9"), "calibration_format 9 is not supported"),
        (("calibration_format: 1", "format: 1"), "is no calibration"),
        (("compute_efficiency:", "compute:"), "'compute_efficiency' is missing"),
        (("network,family", "network,tribe"), "other columns than this release writes"),
        (("fp16", "fp16\n  n: 3\n  law: x"), "is not YAML"),
        (("residual,compute", "residual,compute,"), "is malformed"),
    ],
)
def test_a_file_that_is_wrong_is_refused(
    networks: Networks,
    chip: Accelerator,
    measured: Measured,
    tmp_path: Path,
    change: tuple[str, str],
    said: str,
) -> None:
    path = tmp_path / f"x{SUFFIX}"
    write_calibration(calibrate(chip, measured(n=12), workloads=networks), path)
    text = path.read_text("utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(FileError, match=said):
        read_calibration(path)


def test_an_interrupted_write_leaves_the_old_file(
    networks: Networks, chip: Accelerator, measured: Measured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"x{SUFFIX}"
    path.write_text("old", encoding="utf-8")
    made = calibrate(chip, measured(n=6), workloads=networks)

    def broken(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(StorageError, match="No space left"):
        write_calibration(made, path)
    assert path.read_text("utf-8") == "old"
    assert [p.name for p in tmp_path.glob("*.yaml*")] == [path.name] or (tmp_path / "my_gpu.yaml").exists()


def test_rows_that_cannot_be_used_are_counted_by_reason(
    networks: Networks, chip: Accelerator, measured: Measured
) -> None:
    truth = measured()
    bad = truth.copy()
    bad.loc[0, "mean_s"] = -1.0
    bad.loc[1, "device"] = "another"
    bad.loc[2, "phase"] = "train"
    bad.loc[3, "network"] = "nobody_knows"
    bad.loc[4, "precision"] = "int4"
    glued = bad.loc[[5]].assign(mean_s=bad.loc[5, "mean_s"] * 3)
    repeat = bad.loc[[6]].assign(mean_s=bad.loc[6, "mean_s"] * 1.02)
    twice = bad.loc[[7]]
    records = Records.from_frame(pd.concat([bad, glued, repeat, twice], ignore_index=True))
    made = calibrate(chip, records, workloads=networks)
    told = " ".join(made.set_aside)
    for reason in (
        "of another device, another",
        "is no inference",
        "cannot be had",
        "no peak",
        "two runs glued",
        "exact duplicate",
    ):
        assert reason in told
    assert made.set_aside["of another device, another"] == 1
    (setting,) = made.settings
    assert len(setting) == 36 - 6  # the repeat is no further point
    assert setting.floor > 0


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        (lambda f: f[:0], "the records are empty"),
        (lambda f: f[:1], "fewer than 2 networks"),
        (lambda f: f.assign(network="nobody_knows"), "cannot be had"),
        (lambda f: f.assign(device="another"), "the records are of 'another', not of my_gpu"),
        (lambda f: f.assign(scenario="stream"), "its steps overlap"),
    ],
)
def test_nothing_to_calibrate_on_is_said(
    networks: Networks,
    chip: Accelerator,
    measured: Measured,
    cut: Callable[[pd.DataFrame], pd.DataFrame],
    said: str,
) -> None:
    with pytest.raises(CodesignError, match=said):
        calibrate(chip, cut(measured(n=4)), workloads=networks)


def test_a_model_without_calibrations_refuses_one(
    networks: Networks, chip: Accelerator, measured: Measured
) -> None:
    made = calibrate(chip, measured(n=6), workloads=networks)
    with pytest.raises(InputError, match="model 'roofline' goes by no calibration"):
        estimate(networks["chain_64_3_8"], chip, calibration=made)
