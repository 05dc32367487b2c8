"""The report of a real study: what it answers, counts, leaves open and cites."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from codesign.cli import build_app
from codesign.report import write_report
from codesign.report.gather import gather
from codesign.search.results import Run
from hw_models.errors import InputError, StorageError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codesign.report.content import Report, Table
    from codesign.search.study import Study


@pytest.fixture(scope="session")
def content(run: Study) -> Report:
    return gather(run)


def column(t: Table, title: str) -> list[str]:
    at = [name.split(" (")[0] for name in t.titles].index(title)
    return [row[at].text for row in t.rows]


def test_the_answer_names_network_chip_figures_and_doubt(content: Report, run: Study) -> None:
    pick = run.front.knee().evaluation
    assert content.question == "Which toy on which chip?"
    assert content.answer.startswith(f"{pick.network} at {pick.precision} on {pick.chip}: top-1 accuracy ")
    for part in ("latency ", " ms (", "energy per inference ", "rated power 15.0 W", "It is the knee"):
        assert part in content.answer
    assert [c.label for c in content.cards] == [
        "Top-1 accuracy",
        "Latency",
        "Energy per inference",
        "Power at 30 images/s without idling",
        "Rated power",
    ]


def test_the_table_has_every_point_of_the_front_and_marks_the_chosen(content: Report, run: Study) -> None:
    table = content.front_table
    assert table is not None
    assert column(table, "Trial") == [str(t.number) for t in run.front.members]
    likely = run.front.membership()
    assert column(table, "Likely") == [f"{likely.of(t.number):.0%}" for t in run.front.members]
    (marked,) = table.marked
    assert table.rows[marked][0].text == str(run.front.knee().number)


def test_an_int8_accuracy_is_a_class_figure_with_its_range_note_and_source(content: Report) -> None:
    table = content.front_table
    assert table is not None
    at = table.titles.index("Top-1 accuracy [%]")
    ranged = {row[3].text: (row[at].under != "", "a class figure" in row[at].note) for row in table.rows}
    assert ranged["int8"] == (True, True)
    assert all(told == (False, False) for precision, told in ranged.items() if precision != "int8")
    assert all("is not modelled" in row[1].note for row in table.rows if row[3].text == "int8")
    assert any("never taken as no loss" in gap for gap in content.gaps)
    sources = [row[3].text for row in content.sources.rows if row[1].text == "loss of accuracy"]
    assert len(sources) == 1
    assert "hailo_model_zoo" in sources[0]


def test_limits_count_what_they_rejected_and_what_nobody_can_tell(content: Report, run: Study) -> None:
    rated = next(row for row in content.constraints.rows if row[0].text == "Rated power ≤ 15 W")
    chips = [t.evaluation.chip for t in run.trials]
    assert [c.text for c in rated[1:4]] == [str(chips.count("rtx4090"))] * 2 + [str(chips.count("rk3588"))]


def test_every_chip_of_the_catalogue_has_a_verdict(content: Report) -> None:
    table = content.chips_table
    assert table is not None
    verdict = dict(zip(column(table, "Chip"), column(table, "Verdict"), strict=True))
    assert verdict["jetson_agx_orin_64@15W"] == "meets every limit"
    assert verdict["rtx4090"] == "Rated power is 450, bound <= 15"
    assert verdict["rk3588"] == "Rated power is unknown"
    assert len(verdict) > 40


def test_every_kernel_of_the_chosen_point_is_listed(content: Report, run: Study) -> None:
    assert content.pick is not None
    share = sum(float(str(row[8].key)) for row in content.pick.kernels.rows)
    assert share == pytest.approx(1.0)
    titles = [title for title, _ in content.pick.explained]
    assert "Latency change when one figure grows by 1 %" in titles
    idle = [row[1].text for _, t in content.pick.explained for row in t.rows if row[0].text == "idle"]
    assert any("J [" in text for text in idle)


def test_what_is_not_modelled_is_said(content: Report) -> None:
    text = " ".join(content.gaps)
    for part in (
        "between two images",
        "0.00% of its bytes",
        "functional safety",
    ):
        assert part in text


def test_every_number_has_a_source(content: Report) -> None:
    assert all(row[3].text not in {"", "–"} for row in content.sources.rows)
    about = set(column(content.sources, "About"))
    assert {"limits and objectives", "jetson_tx2", "jetson_agx_orin_64@15W"} <= about
    assert "made up for the tests" in " ".join(column(content.sources, "Source"))
    assert "power mode cap" in column(content.sources, "Number")


def test_seed_settings_and_versions_are_there(content: Report) -> None:
    assert dict(content.facts)["seed"] == "0"
    assert any("torch" in row[0].text for row in content.environment.rows)
    assert any(line.startswith("codesign report ") for line in content.reproduce)
    assert "rate_hz: 30.0" in content.reproduce


def test_a_whole_space_is_not_an_unfinished_search(content: Report, run: Study) -> None:
    assert run.exhausted
    assert dict(content.facts)["trials"] == str(len(run.trials))
    assert not any("planned" in w for w in content.warnings)


def test_another_point_can_be_picked(run: Study) -> None:
    last = run.front.members[-1]
    report = gather(run, pick=last.number)
    assert report.pick is not None
    assert report.pick.title.startswith(last.evaluation.network)
    with pytest.raises(UnknownNameError, match="unknown point of the front '9999'"):
        gather(run, pick=9999)


def test_the_file_is_complete_and_hostile_names_are_text(run: Study, tmp_path: Path) -> None:
    path = write_report(run, tmp_path / "deep" / "report.html")
    html = path.read_text("utf-8")
    assert path.stat().st_size < 6e6
    assert "<img" not in re.sub(r"<script[^>]*>.*?</script>", "", html, flags=re.DOTALL)
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    for figure in ("plot-front", "plot-roofline", "plot-breakdown", "plot-chips"):
        assert html.count(f'id="{figure}"') == 1
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_a_run_whose_space_cannot_be_made_again_is_shown_without_detail(
    run: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.folder is not None
    stored = Run(run.folder.path)
    gone = stored.config.model_copy(update={"space": "nowhere:space"})
    monkeypatch.setattr(stored, "config", gone)
    report = gather(stored)
    assert report.pick is None
    assert report.front_table is not None
    assert any("shown without detail" in w and "nowhere" in w for w in report.warnings)


def test_nothing_feasible_is_explained_with_the_lever(make: Callable[..., Study]) -> None:
    report = gather(make(None, {"latency_ms": "<= 0.001"}).run(4))
    assert report.answer.startswith(
        "Nothing is feasible among 4 trials; what rejects most: latency_ms <= 0.001"
    )
    assert "a smaller network" in report.answer
    assert report.front_table is None
    assert report.cards == ()


def test_an_empty_study_is_refused_with_the_next_step(make: Callable[..., Study], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no trials yet, expected at least one"):
        write_report(make(None, {}), tmp_path / "report.html")


def test_no_run_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        write_report(tmp_path)


def test_a_file_that_cannot_be_written_says_so(run: Study, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(StorageError, match=r"taken cannot be written: .*give another file with --out"):
        write_report(run, tmp_path / "taken")
    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_the_command_writes_the_report_of_a_run(run: Study, tmp_path: Path) -> None:
    assert run.folder is not None
    out = tmp_path / "r.html"
    result = CliRunner().invoke(build_app(), ["report", str(run.folder.path), "--out", str(out)])
    assert (result.exit_code, out.is_file()) == (0, True), result.output
    assert result.stdout.startswith(f"wrote {out} (5.")
