"""`codesign front` as a user runs it: thinned, under other demands, against another run; exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

STUDY = """\
space: search_spaces.testing.plain_cnn:PlainCnn
chips: {chips}
objectives: [latency_ms, energy_mj, params_m]
constraints: {{latency_ms: "<= 20"}}
rate_hz: 30
n_trials: 12
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, searched once: `both`, and `one` on the smaller chip alone."""
    from codesign.search.study import Study
    from codesign.study_file import read_study

    folder = tmp_path_factory.mktemp("runs")
    for name, chips in (("both", "[l4, jetson_agx_orin_64]"), ("one", "[jetson_agx_orin_64]")):
        file = folder / f"{name}.yaml"
        file.write_text(STUDY.format(chips=chips))
        Study.from_config(read_study(file), folder / name).run(12)
    return folder


@pytest.fixture
def codesign(capsys, monkeypatch, tmp_path, runs):
    """Run a command in this process beside the two runs; exit code, stdout, stderr."""
    from codesign.cli import main

    for name in ("both", "one"):
        shutil.copytree(runs / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["front", *args])
        out = capsys.readouterr()
        return int(left.value.code or 0), out.out, out.err

    return run


def test_membership_is_a_column_and_a_key(codesign) -> None:
    code, out, _ = codesign("both", "--json")
    points = json.loads(out)
    assert code == 0
    assert all(0 <= p["membership"] <= 1 and p["membership_error"] > 0 for p in points)
    assert {"id", "depth", "latency_ms", "feasible", "fidelity", "low", "high", "separable"} <= set(points[0])
    assert codesign("both", "--json")[1] == out
    assert "membership" in codesign("both")[1]


def test_thinned(codesign) -> None:
    every = json.loads(codesign("both", "--json")[1])
    code, out, _ = codesign("both", "--epsilon", "latency_ms=2x", "--epsilon", "energy_mj=100%", "--json")
    few = json.loads(out)
    assert code == 0
    assert 0 < len(few) < len(every)
    assert {p["id"] for p in few} < {p["id"] for p in every}
    # a point stays as likely as it was: it is held against all trials
    likely = {p["id"]: p["membership"] for p in every}
    assert all(p["membership"] == likely[p["id"]] for p in few)
    out = codesign("both", "--epsilon", "params_m=0.1")[1]
    assert f"stand for all {len(every)} of the front within latency_ms 0, energy_mj 0, params_m 0.1" in out


def test_other_demands(codesign) -> None:
    code, out, _ = codesign("both", "--objective", "latency_ms", "--json")
    (fastest,) = json.loads(out)
    bound = fastest["latency_ms"] * 2
    code, out, _ = codesign("both", "--constraint", f"latency_ms <= {bound}", "--json")
    assert code == 0
    assert all(p["latency_ms"] <= bound for p in json.loads(out))
    out = codesign("both", "--drop-constraint", "latency_ms", "--rate-hz", "60")[1]
    assert "judged anew under min latency_ms; min energy_mj; min params_m; throughput_ips >= 60" in out


def test_nothing_feasible_any_more(codesign) -> None:
    code, out, err = codesign("both", "--constraint", "latency_ms <= 1e-6", "--json")
    assert (code, json.loads(out)) == (3, [])
    assert "latency_ms <= 1e-06 rejects 12 trials" in err
    code, _, err = codesign("both", "--constraint", "latency_ms <= 1e-6", "--compare", "one")
    assert code == 3
    assert "nothing is feasible among 12 trials" in err


def test_against_another_run(codesign) -> None:
    code, out, _ = codesign("both", "--compare", "one")
    assert code == 0
    assert "coverage of the other" in out
    assert "hypervolume of both less that of one" in out
    held = json.loads(codesign("both", "--compare", "one", "--json")[1])
    assert [f["name"] for f in held["fronts"]] == ["both", "one"]
    assert held["hypervolume_difference"]["low"] <= held["hypervolume_difference"]["high"]
    assert {p["standing"] for p in held["points"]} <= {"beats", "beaten", "equal", "stands"}
    assert codesign("both", "--compare", "both")[0] == 2  # two names for one run


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--epsilon", "latency=5%"), "unknown objective of the front 'latency'; did you mean 'latency_ms'?"),
        (
            ("--epsilon", "latency_ms"),
            "--epsilon 'latency_ms' given, expected NAME=HOW, such as latency_ms=5%",
        ),
        (
            ("--epsilon", "latency_ms=fast"),
            "tolerance of 'latency_ms': 'fast' given, expected a number in ms",
        ),
        (("--constraint", "latency_ms"), "--constraint 'latency_ms' given, expected a name and a bound"),
        (("--constraint", "latncy_ms <= 4"), "unknown objective 'latncy_ms'; did you mean 'latency_ms'?"),
        (("--constraint", "latency_ms <= 4 s"), "unit 's' given, expected ms"),
        (("--drop-constraint", "area_mm2"), "unknown constraint to drop 'area_mm2'; bounds: latency_ms"),
        (("--objective", "energy"), "unknown objective 'energy'"),
        (("--objective", "latency_ms", "--objective", "latency_ms"), "objective 'latency_ms' given twice"),
        (("--rate-hz", "0"), "rate_hz=0.0 given, expected images per second above 0"),
        (("--compare", "nowhere"), "nowhere is no run folder"),
    ],
)
def test_wrong_input(codesign, args: tuple[str, ...], said: str) -> None:
    code, out, err = codesign("both", *args)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert said in err
