"""The packaged chips: all load, none is doubtful, and the figures are those of their sources."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from hw_models.spec.check import check_file
from hw_models.spec.lint import lint
from hw_models.spec.load import PACKAGED, list_chips, load_chip
from hw_models.spec.show import chip_report, numbers

FIGURES = Path(__file__).parents[2] / "golden" / "chips.csv"


@pytest.mark.parametrize("name", list_chips())
def test_every_chip_is_sound(name: str) -> None:
    chip = load_chip(name)
    assert chip.name == name == (PACKAGED / f"{name}.yaml").stem
    assert [str(finding) for finding in lint(chip)] == []
    assert chip.title
    assert chip.vendor
    assert chip.device_class != "other"
    assert chip.left_out, "every file says what it does not model"
    assert {number.source for _, number in numbers(chip)} <= set(chip.sources)
    for text in chip.sources.values():
        assert any(
            word in text for word in ("confidence", "arithmetic", "vendor's own", "unverified", "derived")
        ), text


def test_there_are_enough_of_every_class() -> None:
    chips = [load_chip(name) for name in list_chips()]
    costable = Counter(chip.device_class for chip in chips if chip.costable)
    assert len(chips) >= 80
    for kind in (
        "gpu",
        "datacenter",
        "cpu",
        "mobile_soc",
        "edge_module",
        "edge_npu",
        "fpga_npu",
        "automotive_soc",
        "mcu_npu",
        "npu_ip",
    ):
        assert costable[kind] >= 2, kind
    assert {chip.device_class for chip in chips if not chip.costable} >= {"research", "laptop_npu"}


def figures() -> list[dict[str, str]]:
    with FIGURES.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("row", figures(), ids=lambda row: f"{row['case']}:{row['quantity']}")
def test_golden_figures(row: dict[str, str]) -> None:
    found = dict(numbers(load_chip(row["case"])))[row["quantity"]]
    assert found.value == pytest.approx(float(row["value"]), rel=float(row["tolerance"]))


def test_conflicts_are_shown() -> None:
    conflicting = [chip for chip in map(load_chip, list_chips()) if chip.conflicts]
    assert len(conflicting) >= 10
    report = chip_report(load_chip("cloud_ai_100"))
    bandwidth = next(row for row in report.rows if row["field"] == "memory.dram.bandwidth")
    assert (bandwidth["value"], bandwidth["range"]) == ("136.5 GB/s", "136.5 GB/s .. 273 GB/s")
    assert "273 GB/s in embodied-schemas" in report.to_dict()["conflicts"]["memory.dram.bandwidth"]


def test_unverified_figures_say_so() -> None:
    for name in ("gtx1080ti", "i9_10940x", "galaxy_s24"):
        assert "unverified" in load_chip(name).sources["devices"]


def test_a_sparse_peak_never_stands_for_a_dense_one() -> None:
    for chip in map(load_chip, list_chips()):
        for engine in chip.engines:
            for precision, sparse in engine.sparse_peak.items():
                assert precision not in engine.peak or engine.peak[precision].value < sparse.value


def test_the_page_on_chips_counts_right() -> None:
    page = (Path(__file__).parents[3] / "docs" / "chips.md").read_text(encoding="utf-8")
    table = page[page.index("| class | costable |") :].splitlines()[2:]
    said = {
        cells[1]: (int(cells[2]), int(cells[3]))
        for cells in ([c.strip() for c in row.split("|")] for row in table)
    }
    chips = [load_chip(name) for name in list_chips()]
    counted = {
        kind: (
            sum(c.costable for c in chips if c.device_class == kind),
            sum(not c.costable for c in chips if c.device_class == kind),
        )
        for kind in {c.device_class for c in chips}
    }
    assert said == counted


def test_the_page_s_example_is_a_sound_chip(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "chips.md").read_text(encoding="utf-8")
    file = tmp_path / "toy_npu.yaml"
    file.write_text(page.split("```yaml\n", 1)[1].split("```", 1)[0], encoding="utf-8")
    assert check_file(file).remarks == ()
