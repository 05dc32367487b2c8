"""`codesign search`, `front` and `spaces` as a user runs them: output, exit codes, nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

STUDY = """\
space: search_spaces.testing.plain_cnn:PlainCnn
chips: [l4, jetson_agx_orin_64]
objectives: [latency_ms, energy_mj, params_m]
constraints: {latency_ms: "<= 20"}
rate_hz: 30
n_trials: 12
"""


@pytest.fixture
def codesign(capsys, monkeypatch, tmp_path):
    """Run a command in this process; exit code, stdout, stderr."""
    from codesign.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "study.yaml").write_text(STUDY)

    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(list(args))
        out = capsys.readouterr()
        return int(left.value.code or 0), out.out, out.err

    return run


def test_run_status_front_resume(codesign, tmp_path: Path) -> None:
    code, out, _ = codesign("search", "run", "study.yaml")
    assert code == 0
    assert "12 trials: " in out
    assert "saved in runs/study" in out
    code, out, _ = codesign("search", "status", "runs/study", "--json")
    assert code == 0
    status = json.loads(out)
    assert (status["n_trials"], status["n_wanted"], status["infeasible"]) == (12, 12, 0)
    code, out, _ = codesign("front", "runs/study", "--json")
    front = json.loads(out)
    assert code == 0
    assert front
    for point in front:
        assert {"id", "depth", "width", "chip", "precision", "latency_ms", "energy_mj", "params_m"} <= set(
            point
        )
        assert point["feasible"] is True
        assert point["fidelity"]["latency_ms"] in {"prior", "roofline"}
    code, out, _ = codesign("search", "resume", "runs/study", "--n-trials", "20", "--json")
    assert code == 0
    assert json.loads(out)
    assert json.loads(codesign("search", "status", "runs/study", "--json")[1])["n_trials"] == 20


def test_nothing_feasible_is_exit_code_3(codesign, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.replace("<= 20", "<= 0.0001"))
    for args in (
        ("search", "run", "study.yaml"),
        ("search", "status", "runs/study"),
        ("front", "runs/study"),
        ("front", "runs/study", "--json"),
    ):
        code, out, err = codesign(*args)
        assert code == 3, args
        assert "nothing is feasible among 12 trials" in err
        assert "latency_ms <= 0.0001 rejects 12 trials" in err
        assert "median demand" in err
        assert "bound 0.0001 ms" in err
        assert "ms in 2 trials); a smaller network or input" in err
    assert json.loads(out) == []


def test_wrong_input_is_exit_code_2(codesign, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.replace("params_m]", "parms_m]"))
    code, out, err = codesign("search", "run", "study.yaml")
    assert (code, out) == (2, "")
    assert err.startswith(
        "error: study.yaml:3: objectives.2: unknown objective 'parms_m'; did you mean 'params_m'?"
    )
    assert not (tmp_path / "runs").exists()
    for args, said in [
        (("front", "nowhere"), "nowhere is no run folder (no config.yaml)"),
        (("search", "resume", "nowhere"), "nowhere is no run folder"),
        (("search", "status", "nowhere"), "nowhere is no run folder"),
        (("spaces", "show", "timmzoo"), "unknown space 'timmzoo'; did you mean 'timm_zoo'"),
    ]:
        code, _, err = codesign(*args)
        assert code == 2
        assert said in err


def test_another_study_in_the_folder(codesign, tmp_path: Path) -> None:
    assert codesign("search", "run", "study.yaml")[0] == 0
    (tmp_path / "study.yaml").write_text(STUDY + "seed: 4\n")
    code, _, err = codesign("search", "run", "study.yaml")
    assert code == 2
    assert "runs/study holds another study: seed is 4 here and 0 there" in err


def test_what_is_left_out_and_what_was_repaired_is_said(codesign, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY.replace("[l4,", "[l4, hailo_8,"))
    code, _, err = codesign("search", "run", "study.yaml")
    assert code == 0
    assert "note: hailo_8 cannot be costed and is left out: memory.host.bandwidth: " in err
    with (tmp_path / "runs" / "study" / "journal.log").open("a") as journal:
        journal.write('{"op_co')
    code, out, err = codesign("search", "resume", "runs/study", "--json")
    assert (code, bool(json.loads(out))) == (0, True)
    assert "note: runs/study/journal.log: the last line was cut off in the middle of a write" in err


def test_runs_beside_a_misspelt_one_are_named(codesign) -> None:
    assert codesign("search", "run", "study.yaml", "--n-trials", "3", "--storage", "runs/first")[0] == 0
    assert "runs beside it: first" in codesign("front", "runs/frist")[2]


def test_spaces(codesign) -> None:
    code, out, _ = codesign("spaces", "list", "--json")
    assert code == 0
    kinds = {row["space"]: row["of"] for row in json.loads(out)}
    assert {name for name, of in kinds.items() if of == "chips"} == {"soc", "systolic", "vector"}
    assert {name: kinds.get(name) for name in ("decoder", "timm_zoo")} == {
        "decoder": "networks",
        "timm_zoo": "networks",
    }
    code, out, _ = codesign("spaces", "show", "timm_zoo", "--json")
    shown = json.loads(out)
    assert "resnet50" in shown["knobs"]["arch"]
    # 1,193 published pairs of 900 architectures; 13 of one size are made for timm's own unit tests
    assert (shown["size"], len(shown["knobs"]["arch"]), len(shown["left_out"])) == (1180, 887, 13)
    code, out, _ = codesign("spaces", "show", "search_spaces.testing.plain_cnn:PlainCnn")
    assert "2, 3, 4, 5, 6" in out


def test_ctrl_c_says_what_is_saved(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\nfrom search_spaces.testing.plain_cnn import PlainCnn\n"
        "class Slow(PlainCnn):\n    def workload(self, c):\n        time.sleep(0.15)\n        return "
        "super().workload(c)\n"
    )
    (tmp_path / "study.yaml").write_text(
        STUDY.replace("search_spaces.testing.plain_cnn:PlainCnn", "slow:Slow").replace("12", "70")
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "codesign", "search", "run", "study.yaml"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    journal = tmp_path / "runs" / "study" / "journal.log"
    until = time.monotonic() + 60
    while time.monotonic() < until and (not journal.exists() or journal.read_bytes().count(b"\n") < 4):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "all saved in runs/study; `codesign search resume runs/study` goes on" in err
    assert "Traceback" not in err
    assert (tmp_path / "runs" / "study" / "trials.parquet").is_file()
