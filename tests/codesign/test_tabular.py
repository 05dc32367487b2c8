"""Studies on tables: costs are free, quality is paid for, what is unknown stays unknown, a run is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from codesign.cli import main
from codesign.config import joint_space
from codesign.search.study import Study
from codesign.study_file import read_study
from codesign.tabular import TableEvaluator, rated_by
from hw_models.errors import FileError, InputError, StorageError
from search_spaces.candidate import Candidate
from search_spaces.tabular.described import read_table
from search_spaces.testing.plain_cnn import PlainCnn

ROWS = """depth,width,top1,raspi4,params,score
2,16,60.0,10,1e6,3
2,32,62.5,12,1.5e6,4
3,16,66.0,14,2e6,1
3,32,,15,2.5e6,2
4,16,70.0,18,3e6,9
4,32,71.0,,4e6,7
"""
DESCRIPTION = """table: nets.csv
knobs: [depth, width]
quality: {column: top1, data_set: CIFAR-10, source: "somebody, 2024"}
costs:
  latency_ms: raspi4
  params_m: {column: params, scale: 1.0e-6}
  score: score
"""
STUDY = """space: table:nets.yaml
objectives: [error_pct, latency_ms, {name: score, goal: max}]
constraints: {params_m: "<= 3"}
sampler: local
n_trials: 6
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.csv").write_text(ROWS)
    (tmp_path / "nets.yaml").write_text(DESCRIPTION)
    (tmp_path / "study.yaml").write_text(f"{STUDY}storage: {tmp_path / 'run'}\n")
    return tmp_path


def test_rows_are_evaluations_in_si_units(folder: Path) -> None:
    table = read_table(folder / "nets.yaml")
    evaluator = TableEvaluator(table)
    first, *_, last = evaluator(list(table.candidates()))
    assert first.cost.latency.value == 0.010
    assert first.cost.latency.fidelity == "published"
    assert (first.error.value, first.facts) == (40.0, {"params_m": 1.0, "score": 3.0})
    assert first.cost.energy.value is None
    assert last.cost.latency.value is None
    assert first.notes == ("error on CIFAR-10 (somebody, 2024)",)
    (free,) = evaluator.free([Candidate(depth=2, width=16)])
    assert free.error.value is None
    assert free.cost == first.cost


@pytest.mark.parametrize("sampler", ["local", "nsga2", "cost_aware"])
def test_a_study_finds_the_front_of_a_table_and_leaves_out_what_is_unknown(
    folder: Path, sampler: str
) -> None:
    table = read_table(folder / "nets.yaml")
    study = Study(table, ["error_pct", "latency_ms"], sampler=sampler).run(20)
    assert len(study.trials) == 6  # no row twice
    found = study.front.to_frame().sort_values("latency_ms")
    assert found["latency_ms"].tolist() == pytest.approx([10, 12, 14, 18])
    assert found["error_pct"].tolist() == [40.0, 37.5, 34.0, 30.0]
    assert sum(t.verdict.status == "unknown" for t in study.trials) == 2


def test_a_study_file_names_a_table_and_the_command_line_resumes_it(folder: Path) -> None:
    for command in (
        ["run", str(folder / "study.yaml"), "--n-trials", "3"],
        ["resume", str(folder / "run"), "--n-trials", "6"],
    ):
        with pytest.raises(SystemExit) as left:
            main(["search", *command])
        assert not left.value.code
    again = Study.resume(folder / "run")
    assert len(again.trials) == 6
    assert {t.evaluation.facts["score"] for t in again.front.members} <= {1, 3, 4, 9}
    (folder / "nets.csv").write_text(ROWS.replace("60.0", "61.0"))
    with pytest.raises(StorageError, match="space nets has changed since"):
        Study.resume(folder / "run")


def test_chips_beside_a_table_are_refused_with_their_line(folder: Path) -> None:
    (folder / "study.yaml").write_text(f"{STUDY}chips: [l4]\n")
    with pytest.raises(FileError, match=r"study.yaml:6: chips: l4 given beside 'table:.*expected no chips"):
        read_study(folder / "study.yaml")
    (folder / "study.yaml").write_text(STUDY.replace("nets.yaml", "nest.yaml"))
    with pytest.raises(FileError, match=r"study.yaml:1: space: .*nest.yaml: cannot be read"):
        read_study(folder / "study.yaml")


def test_a_table_rates_networks_that_are_built(folder: Path) -> None:
    text = "space: search_spaces.testing.plain_cnn:PlainCnn\nchips: [l4]\nquality: table:nets.yaml\n"
    (folder / "study.yaml").write_text(f"{text}objectives: [error_pct, latency_ms]\nprecisions: [fp16]\n")
    config = read_study(folder / "study.yaml")
    assert joint_space(config).size == 15
    study = Study.from_config(config).run(15)
    known = {t.evaluation.error.value for t in study.trials} - {None}
    assert known == {40.0, 37.5, 34.0, 30.0, 29.0}
    assert sum(t.verdict.status == "unknown" for t in study.trials) == 10


def test_a_table_that_does_not_rate_the_space_is_told_with_its_line(folder: Path) -> None:
    text = "space: cell\nchips: [l4]\nobjectives: [error_pct]\nquality: "
    (folder / "study.yaml").write_text(f"{text}table:nets.yaml\n")
    with pytest.raises(FileError, match=r"study.yaml:4: quality: unknown knob of .*nets.csv 'op_0_1'"):
        read_study(folder / "study.yaml")
    (folder / "study.yaml").write_text(f"{text}nets.yaml\n")
    with pytest.raises(
        FileError, match=r"study.yaml:4: quality: 'nets.yaml' given as quality, expected table:"
    ):
        read_study(folder / "study.yaml")


def test_descriptions_that_do_not_fit_are_refused(folder: Path) -> None:
    (folder / "nets.yaml").write_text(DESCRIPTION.replace("score: score", "error_pct: score"))
    with pytest.raises(FileError, match=r"costs.error_pct: is a quality; expected it under `quality:`"):
        TableEvaluator(read_table(folder / "nets.yaml"))
    without = "\n".join(x for x in DESCRIPTION.splitlines() if "quality" not in x)
    (folder / "nets.yaml").write_text(without)
    with pytest.raises(InputError, match="describes no quality, expected `quality: "):
        rated_by(read_table(folder / "nets.yaml"), PlainCnn())
    (row,) = TableEvaluator(read_table(folder / "nets.yaml"))([Candidate(depth=2, width=16)])
    assert row.error.value is None
