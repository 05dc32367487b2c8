"""What was paid is shown: `search status`, the report."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from codesign.cli import build_app
from codesign.quality.base import Rating
from codesign.report.gather import gather
from codesign.search.results import Run
from codesign.search.stages.stage import Ladder, Stage
from hw_models.cost.base import Estimate


class Rated:
    """The toy's error, and so much more of it at a cheap stage."""

    def __init__(self, toy: Any, more: float) -> None:
        self.toy, self.more = toy, more

    def rate(self, network: Any, precision: str) -> Rating:  # noqa: ARG002 - the protocol
        error = self.toy.measure(network).error.value + self.more
        return Rating(Estimate(error, error, error, "x", "%"))


def staged_run(toy, folder) -> Run:
    stages = (Stage("short", Rated(toy, 10), 0.125), Stage("full", Rated(toy, 0), 1.0))
    options = {"constraints": {}, "objectives": ["error_pct", "latency_ms"], "sampler": "local"}
    toy.toy_study(folder, stages=Ladder(stages, settle=0), **options).run(20)
    return Run(folder)


def test_status_tells_what_each_stage_did(toy, tmp_path) -> None:
    staged_run(toy, tmp_path / "run")
    told = json.loads(
        CliRunner().invoke(build_app(), ["search", "status", str(tmp_path / "run"), "--json"]).stdout
    )
    assert told["paid_trainings"] == 0.125 * 20 + 10
    assert told["stopped"] == 10
    assert told["feasible"] == 10
    assert told["stages"] == [
        {"stage": "short", "rated": 20, "failed": 0, "stopped": 10, "paid": 2.5},
        {"stage": "full", "rated": 10, "failed": 0, "stopped": 0, "paid": 10.0},
    ]
    plain = CliRunner().invoke(build_app(), ["search", "status", str(tmp_path / "run")]).stdout
    assert "20 trials: 10 feasible" in plain
    assert "10 stopped early, 12.5 full trainings paid" in plain
    assert "stages; paid in full trainings" in plain


def test_the_report_tells_it_too(toy, tmp_path) -> None:
    run = staged_run(toy, tmp_path / "run")
    report = gather(run)
    assert dict(report.facts)["full trainings paid"] == "12.5 (short 2.5 for 20, full 10 for 10)"
    meanings = {row[1].text: row[3].text for row in report.fidelity.rows}
    assert meanings["full"] == "stage of a study, charged 1"
    plain = gather(toy.toy_study().run(5))
    assert dict(plain.facts)["full trainings paid"] == "none charged: no stages"
