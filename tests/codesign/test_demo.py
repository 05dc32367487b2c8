"""The demonstration: who is offered, what it prints, how it goes on, that its front is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from codesign.cli import build_app
from codesign.cli.demo import NOTHING_FEASIBLE
from codesign.demo import (
    NOT_MOUNTABLE,
    POWER_W,
    QUESTION,
    Demonstration,
    demo_config,
    offer,
    remove_run,
    run_demo,
)
from codesign.evaluate import rated_power
from hw_models.errors import StorageError
from hw_models.spec.load import load_chip

if TYPE_CHECKING:
    from click.testing import Result

TRIALS = 10


def invoke(*args: str) -> Result:
    return CliRunner().invoke(build_app(), ["demo", *args])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    folder = tmp_path_factory.mktemp("runs") / "demo"
    return run_demo(folder, offer().chips, n_trials=TRIALS)


@pytest.fixture(scope="module")
def folder(done: Demonstration) -> Path:
    return done.report.parent


def test_only_chips_that_are_known_to_stay_within_the_limit_are_offered() -> None:
    offered = offer()
    assert len(offered.chips) >= 2
    for label in offered.chips:
        rating = rated_power(load_chip(label))
        assert rating is not None
        assert rating.value <= POWER_W


def test_the_others_are_left_out_with_their_reason() -> None:
    left_out = offer().left_out
    assert left_out["rtx4090"] == "rated at 450 W"
    assert left_out["rk3588"] == "its rated power is unknown, and unknown meets no limit"
    assert left_out["nvdla_2048"] == NOT_MOUNTABLE["npu_ip"]
    assert left_out["jetson_agx_orin_64@30W"] == "rated at 30 W"


def test_unknown_ratings_are_let_in_only_when_asked() -> None:
    wider = offer(allow_unknown=True)
    assert "rk3588" in wider.chips
    assert "rtx4090" not in wider.chips
    assert demo_config(wider.chips, allow_unknown=True).allow_unknown
    assert not demo_config(wider.chips).allow_unknown


def test_limits_are_data(done: Demonstration) -> None:
    config = done.study.config
    assert config.question == QUESTION
    assert {n: float(b.removeprefix("<=")) for n, b in config.constraints.items()} == {
        "latency_ms": 33.3,
        "power_w": 15.0,
        "rated_power_w": 15.0,
    }
    assert config.rate_hz == 30


def test_every_point_of_the_front_is_within_its_limits_and_beaten_by_none(done: Demonstration) -> None:
    front = done.study.front
    assert len(front)
    for t in front.members:
        for c in done.study.constraints:
            value = t.quantity(c.of).value
            assert value is not None
            assert c.excess(value) <= 0
    values = [[r[n] for n in ("error_pct", "latency_ms", "energy_mj")] for r in front.to_records()]
    for mine in values:
        assert not any(all(a <= b for a, b in zip(v, mine, strict=True)) and v != mine for v in values)


def test_the_same_seed_gives_the_same_trials(done: Demonstration, tmp_path: Path) -> None:
    again = run_demo(tmp_path / "demo", offer().chips, n_trials=TRIALS)
    assert [t.evaluation for t in again.study.trials] == [t.evaluation for t in done.study.trials]


def test_a_run_is_gone_on_with_and_then_reused(folder: Path, done: Demonstration) -> None:
    more = run_demo(folder, offer().chips, n_trials=TRIALS + 2)
    assert (len(more.study.trials), more.reused) == (TRIALS + 2, False)
    assert [t.number for t in more.study.trials[:TRIALS]] == [t.number for t in done.study.trials[:TRIALS]]
    written = more.report.stat().st_mtime_ns
    again = run_demo(folder, offer().chips, n_trials=TRIALS)
    assert (len(again.study.trials), again.reused) == (TRIALS + 2, True)
    assert again.report.stat().st_mtime_ns == written


def test_the_command_tells_the_question_the_front_the_answer_and_the_next_step(folder: Path) -> None:
    result = invoke("--out", str(folder), "--trials", str(TRIALS))
    assert result.exit_code == 0, result.output
    assert result.output.startswith(QUESTION)
    for part in (
        "candidates are there already",
        "on the front",
        "latency ms",
        "Answer. ",
        "jetson_agx_orin_64@15W",
        str(folder / "report.html"),
        f"codesign front {folder} --json",
        "not modelled",
    ):
        assert part in result.output


def test_the_command_prints_json(folder: Path) -> None:
    result = invoke("--out", str(folder), "--trials", str(TRIALS), "--json")
    told = json.loads(result.stdout)
    assert set(told) == {"question", "answer", "pick", "front", "trials", "report"}
    assert told["pick"] in [p["id"] for p in told["front"]]
    assert Path(told["report"]).is_file()


def test_another_study_in_the_folder_is_refused_with_the_way_out(folder: Path) -> None:
    with pytest.raises(StorageError, match=r"`codesign demo --fresh` starts over"):
        run_demo(folder, offer().chips, n_trials=TRIALS, seed=1)


def test_fresh_deletes_a_run_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x", "utf-8")
    with pytest.raises(StorageError):
        remove_run(tmp_path)
    assert (tmp_path / "precious.txt").exists()
    remove_run(tmp_path / "not there")


def test_nothing_feasible_is_an_exit_code_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codesign.demo.LATENCY_MS", 1e-6)
    result = invoke("--out", str(tmp_path / "demo"), "--trials", "2")
    assert result.exit_code == NOTHING_FEASIBLE, result.output
    assert "Nothing is feasible among 2 trials" in result.output
    assert (tmp_path / "demo" / "report.html").is_file()


def test_ctrl_c_says_what_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from codesign.search.signals import Stopped

    def stop(*_: object, **__: object) -> Demonstration:
        raise Stopped(
            "stopped after 3 of 10 trials, all saved in runs/demo; `codesign search resume runs/demo` goes on"
        )

    monkeypatch.setattr("codesign.demo.run_demo", stop)
    result = invoke("--out", str(tmp_path))
    assert result.exit_code == 130
    assert "goes on, and so does `codesign demo`" in result.output
