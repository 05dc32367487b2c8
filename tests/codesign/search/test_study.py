"""Studies: seeded, without repeats, resumable, and clear about what stands in the way."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import pytest

from codesign.evaluate import Evaluation
from codesign.objectives import Objective
from codesign.search.guards import StudyWarning
from codesign.search.results import Run
from codesign.search.samplers import SAMPLERS
from codesign.search.signals import Stopped
from codesign.search.study import Study
from hw_models.errors import CodesignError, InputError, StorageError, UnknownNameError
from search_spaces.testing.plain_cnn import PlainCnn

if TYPE_CHECKING:
    from codesign.front import Front


def as_text(front: Front) -> str:
    return front.to_frame().to_csv() + json.dumps(front.to_records())


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_same_seed_same_front_and_no_repeats(toy, sampler: str) -> None:
    slow = toy.Slow(asked=[])
    study = toy.toy_study(sampler=sampler, evaluator=slow).run(110)
    assert len(slow.asked) == len(set(slow.asked)) == len(study.trials) == 110
    assert all(c == study.space.canonical(c) for c in slow.asked)
    again = toy.toy_study(sampler=sampler).run(110)
    assert as_text(again.front) == as_text(study.front)
    other = toy.toy_study(sampler=sampler, seed=1).run(110)
    assert as_text(other.front) != as_text(study.front)


@pytest.mark.parametrize("sampler", ["nsga2", "local", "cost_aware"])
def test_in_pieces_as_in_one_go(toy, tmp_path: Path, sampler: str) -> None:
    whole = toy.toy_study(sampler=sampler).run(120)
    in_memory = toy.toy_study(sampler=sampler)
    for n in (1, 37, 50, 120):
        in_memory.run(n)
        toy.toy_study(tmp_path / "run", sampler=sampler).run(n)
    stored = Run(tmp_path / "run")
    assert as_text(in_memory.front) == as_text(whole.front) == as_text(stored.front)
    assert [t.candidate for t in stored.trials] == [t.candidate for t in whole.trials]


def test_a_guided_search_beats_random(toy) -> None:
    reference = {"error_pct": 60.0, "latency_ms": 12.0, "energy_mj": 12.0}
    found = {
        s: toy.toy_study(sampler=s, seed=2).run(300).front.hypervolume(reference)
        for s in ("random", "nsga2", "local")
    }
    assert min(found["nsga2"], found["local"]) > found["random"]


def test_the_run_folder(toy, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    study = toy.toy_study(folder, question="Which?").run(20)
    assert sorted(p.name for p in folder.iterdir()) == [
        ".lock",
        "config.yaml",
        "env.json",
        "journal.log",
        "trials.parquet",
    ]
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(folder / "trials.parquet")
    assert table.attrs == {"format": 1}
    pd.testing.assert_frame_equal(table, study.trials_frame(), check_dtype=False)
    assert json.loads((folder / "env.json").read_text())["packages"]["optuna"] == optuna.__version__
    assert (
        len((folder / "journal.log").read_text().splitlines()) == 2 + 20
    )  # study, its format, a line a trial


def test_the_real_optuna_study_is_reachable(toy, tmp_path: Path) -> None:
    for study in (toy.toy_study(tmp_path / "run").run(60), toy.toy_study().run(60)):
        real = study.optuna_study
        assert len(real.trials) == 60
        assert [d.name for d in real.directions] == ["MINIMIZE"] * 3
        told = {t.number for t in study.trials if t.verdict.status == "feasible"}
        states = {t.number: t.state.name for t in real.trials}
        assert all(states[n] == "COMPLETE" for n in told)
        first = real.trials[0]
        assert first.params["depth"] == study.trials[0].candidate["depth"]
        assert first.user_attrs["network"] == study.trials[0].evaluation.network
        infeasible = [t for t in real.trials if t.system_attrs.get("constraints:latency_ms", 0) > 0]
        assert {t.number for t in infeasible} == {
            t.number for t in study.trials if t.value("latency_ms") > 12
        }
    # what optuna-dashboard does with the file
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "run/journal.log"))
    )
    assert [s.study_name for s in storage.get_all_studies()] == ["codesign"]


def test_it_ends_by_itself_when_the_space_is_exhausted(toy, tmp_path: Path) -> None:
    calls = []

    def evaluator(candidates):
        calls.extend(candidates)
        return [Evaluation(c, facts={"params_m": float(c["depth"])}) for c in candidates]

    for sampler in (s for s in SAMPLERS if not SAMPLERS[s].needs_costs):
        calls.clear()
        options = {"evaluator": evaluator, "sampler": sampler, "storage": tmp_path / sampler}
        study = Study(PlainCnn(), ["params_m"], **options).run(1000)
        assert study.exhausted
        assert sorted(c.key for c in calls) == sorted(c.key for c in PlainCnn().candidates())
        assert Study(PlainCnn(), ["params_m"], **options).run(1000).exhausted
        assert len(calls) == 15


def test_another_study_in_the_same_folder_is_refused(toy, tmp_path: Path) -> None:
    toy.toy_study(tmp_path / "run").run(5)
    with pytest.raises(StorageError) as error:
        toy.toy_study(tmp_path / "run", seed=1, constraints={"latency_ms": "<= 9"})
    assert str(error.value) == (
        f"{tmp_path}/run holds another study: constraints is {{'latency_ms': '<= 9.0'}} here and "
        f"{{'latency_ms': '<= 12.0'}} "
        "there; seed is 1 here and 0 there; ask for the same, or use another folder"
    )
    with pytest.raises(StorageError, match="space plain_cnn is only here"):
        Study(PlainCnn(), ["error_pct", "latency_ms", "energy_mj"], {"latency_ms": "<= 12"},
              storage=tmp_path / "run", evaluator=toy.Slow())  # fmt: skip

    class Wider(toy.Toy):
        @property
        def knobs(self):
            return {**super().knobs, "depth": toy.IntRange(1, 11)}

    with pytest.raises(StorageError, match="space toy has changed since"):
        Study(Wider(), ["error_pct", "latency_ms", "energy_mj"], {"latency_ms": "<= 12"},
              storage=tmp_path / "run", evaluator=toy.Slow())  # fmt: skip


def test_folders_that_hold_something_else_are_refused(toy, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("")
    with pytest.raises(StorageError, match=r"notes has no config.yaml but other files \(todo.txt\)"):
        toy.toy_study(tmp_path / "notes")
    with pytest.raises(StorageError, match="is a file, expected a run folder"):
        toy.toy_study(tmp_path / "notes" / "todo.txt")
    with pytest.raises(StorageError, match="nowhere is no run folder"):
        Run(tmp_path / "nowhere")
    toy.toy_study(tmp_path / "run").run(2)
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace("format: 1", "format: 7"))
    for opened in (lambda: Run(tmp_path / "run"), lambda: toy.toy_study(tmp_path / "run")):
        with pytest.raises(StorageError, match=r"config\.yaml has format 7, this release reads format 1"):
            opened()


def test_two_writers_are_kept_apart(toy, tmp_path: Path) -> None:
    first = toy.toy_study(tmp_path / "run").run(3)
    second = toy.toy_study(tmp_path / "run")
    assert first.folder is not None
    with (
        first.folder.writing(),
        pytest.raises(StorageError, match=f"is being written by process {os.getpid()} on"),
    ):
        second.run(6)
    second.run(6)
    # the first object catches up with what the second has stored meanwhile
    assert len(first.run(8).trials) == 8
    assert as_text(first.front) == as_text(toy.toy_study().run(8).front)


def test_a_full_disk_loses_nothing(toy, tmp_path: Path, monkeypatch) -> None:
    written = 0

    def full(handle: int) -> None:
        nonlocal written
        written += 1
        if written > 12:
            raise OSError(errno.ENOSPC, "No space left on device")

    study = toy.toy_study(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError) as error:
            study.run(60)
    assert "no space left on the device; every trial before it is safe, free some space and resume" in str(
        error.value
    )
    assert 0 < len(study.trials) < 60
    study.run(60)
    assert (
        as_text(study.front) == as_text(toy.toy_study().run(60).front) == as_text(Run(tmp_path / "run").front)
    )


@pytest.mark.parametrize("ending", [b'{"op_code":4,"worker_id":"a","st', b"\x00\x00\x00", b"\n"])
def test_a_torn_last_line_is_repaired(toy, tmp_path: Path, ending: bytes) -> None:
    toy.toy_study(tmp_path / "run").run(7)
    journal = tmp_path / "run" / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + ending)
    assert len(Run(tmp_path / "run").trials) == 7
    study = toy.toy_study(tmp_path / "run")
    with pytest.warns(
        StudyWarning, match="the last line was cut off in the middle of a write and was removed"
    ):
        study.run(9)
    assert as_text(study.front) == as_text(toy.toy_study().run(9).front)


def test_a_journal_cut_anywhere_gives_the_same_front(toy, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    expected = as_text(toy.toy_study(folder).run(55).front)
    whole = (folder / "journal.log").read_bytes()
    for cut in range(1, len(whole), len(whole) // 4):
        (folder / "journal.log").write_bytes(whole[:cut])
        study = toy.toy_study(folder)
        if whole[:cut].endswith(b"\n"):
            study.run(55)
        else:
            with pytest.warns(StudyWarning, match="cut off"):
                study.run(55)
        assert as_text(study.front) == expected


def test_damage_in_the_middle_is_not_repaired(toy, tmp_path: Path) -> None:
    toy.toy_study(tmp_path / "run").run(5)
    journal = tmp_path / "run" / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[3] = b"garbage\n"
    journal.write_bytes(b"".join(lines))
    with pytest.raises(StorageError, match=r"journal\.log:4: the line is damaged though others follow it"):
        Run(tmp_path / "run")


def test_killed_at_any_time_and_resumed(toy, toy_program: list[str], tmp_path: Path) -> None:
    """kill -9 at five moments of one search; the sixth process ends it."""
    folder = tmp_path / "run"
    for after in (0.0, 0.05, 0.1, 0.23, 0.17):
        process = subprocess.Popen([*toy_program, str(folder), "200", "3", "nsga2", "0.004"])
        journal = folder / "journal.log"
        size = journal.stat().st_size if journal.exists() else 0
        while process.poll() is None and (not journal.exists() or journal.stat().st_size <= size):
            time.sleep(0.01)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.wait()
    stored = len(Run(folder).trials)
    assert 5 <= stored < 200
    study = toy.toy_study(folder, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *_, **__: None)  # a torn line is possible, not certain
        study.run(200)
    assert as_text(study.front) == as_text(toy.toy_study(seed=3).run(200).front)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_signal_stops_cleanly(toy, tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)

    def at_fifteen(progress) -> None:
        if progress.done == 15:
            os.kill(os.getpid(), number)

    study = toy.toy_study(tmp_path / "run")
    with pytest.raises(Stopped) as stop:
        study.run(40, progress=at_fifteen)
    folder = tmp_path / "run"
    said = f"stopped after 15 of 40 trials, all saved in {folder}; `codesign search resume {folder}` goes on"
    assert str(stop.value) == said
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    pd = pytest.importorskip("pandas")
    assert len(pd.read_parquet(folder / "trials.parquet")) == 15
    assert as_text(study.run(40).front) == as_text(toy.toy_study().run(40).front)


def test_objectives_that_raise_or_are_nan_fail_the_trial_not_the_search(toy) -> None:
    def picky(e: Evaluation) -> float:
        depth = int(e.candidate["depth"])
        return (
            {1: float("nan"), 2: 1 / 0 if depth == 2 else 0.0}.get(depth, float(depth))
            if depth < 3
            else float(depth)
        )

    study = toy.toy_study(objectives=[Objective("layers", "max", picky), "latency_ms"], constraints={}).run(
        100
    )
    failed = [t for t in study.trials if t.verdict.status == "failed"]
    assert {t.candidate["depth"] for t in failed} == {1, 2}
    summary = study.summary()
    assert summary.failed == len(failed)
    reasons = dict(summary.reasons)
    assert "objective 'layers' raised ZeroDivisionError: division by zero" in reasons
    assert len(study.front) > 0


def test_custom_objectives_are_remembered(toy, tmp_path: Path) -> None:
    layers = Objective("layers", "max", lambda e: float(e.candidate["depth"]), unit="1")
    study = toy.toy_study(tmp_path / "run", objectives=[layers, "latency_ms"]).run(30)
    run = Run(tmp_path / "run")
    assert [t.value("layers") for t in run.trials] == [t.value("layers") for t in study.trials]
    assert [t.number for t in run.front.members] == [t.number for t in study.front.members]
    with pytest.raises(InputError, match="'layers' was given in Python; go on there"):
        Study.resume(tmp_path / "run")


def test_all_failing_is_an_error(toy) -> None:
    def broken(candidates):
        return [Evaluation(c, state="failed", problem="no such file") for c in candidates]

    with pytest.raises(
        CodesignError, match="all of the first 50 evaluations failed; the first: no such file"
    ):
        toy.toy_study(evaluator=broken).run(200)


def test_an_evaluator_that_answers_wrongly(toy) -> None:
    with pytest.raises(InputError, match="expected one evaluation for each, in order"):
        toy.toy_study(evaluator=lambda _: []).run(5)


def test_nothing_feasible_says_why(toy) -> None:
    study = toy.toy_study(constraints={"latency_ms": "<= 0.01", "params_m": "<= 1000"}).run(50)
    summary = study.summary()
    assert summary.feasible == summary.n_front == 0
    worst = summary.rejections[0]
    values = sorted(t.value("latency_ms") for t in study.trials)
    assert worst.rejected == 50
    assert worst.median == pytest.approx((values[24] + values[25]) / 2)
    assert worst.nearest == values[0]
    said = summary.why_nothing
    assert said.startswith(
        "nothing is feasible among 50 trials\nwhat rejects most: latency_ms <= 0.01 rejects 50 trials"
    )
    assert "bound 0.01 ms" in said
    assert "; a smaller network or input" in said


def test_wrong_arguments(toy) -> None:
    for options, said in [
        ({"objectives": ["eror_pct"]}, "unknown objective 'eror_pct'; did you mean 'error_pct'"),
        ({"objectives": []}, "no objective given, expected at least one of error_pct"),
        ({"objectives": ["latency_ms", "latency_ms"]}, "objective 'latency_ms' given twice"),
        (
            {"constraints": {"latency_ms": "10"}},
            "constraint on 'latency_ms': '10' given, expected '<= 10' or '>= 10'",
        ),
        ({"sampler": "nsga"}, "unknown sampler 'nsga'; did you mean 'nsga2'"),
        ({"sampler": optuna.samplers.RandomSampler(seed=0)}, "it is made anew each round"),
        ({"seed": -1}, "seed: -1 given; expected same seed, same front"),
        ({"rate_hz": 0.0}, "rate_hz: 0.0 given; expected images per second"),
    ]:
        with pytest.raises(InputError) as error:
            toy.toy_study(**{"seed": 0, **options})
        assert said in str(error.value)
    with pytest.raises(InputError, match="n_trials=0 given, expected a positive integer"):
        toy.toy_study().run(0)
    with pytest.raises(InputError, match="the space 'plain_cnn' has no chips; multiply it by some"):
        Study(PlainCnn())


def test_ones_own_optuna_sampler(toy) -> None:
    def mine(seed: int) -> optuna.samplers.BaseSampler:
        return optuna.samplers.QMCSampler(seed=seed, warn_independent_sampling=False)

    study = toy.toy_study(sampler=mine).run(25)
    assert study.sampler.name == "custom:mine"
    assert as_text(study.front) == as_text(toy.toy_study(sampler=mine).run(25).front)


def test_trials_that_others_put_into_the_optuna_study_are_passed_over(toy, tmp_path: Path) -> None:
    toy.toy_study(tmp_path / "run").run(10)
    real = toy.toy_study(tmp_path / "run").optuna_study
    real.enqueue_trial({"depth": 3})
    real.add_trial(optuna.trial.create_trial(values=[1.0, 1.0, 1.0]))
    study = toy.toy_study(tmp_path / "run").run(20)
    assert as_text(study.front) == as_text(toy.toy_study().run(20).front)


def test_it_shows_itself(toy) -> None:
    study = toy.toy_study().run(20)
    assert repr(study).startswith("Study(toy, in memory, 20 trials: ")
    assert "<table" in study._repr_html_()


def test_names_that_do_not_exist(toy) -> None:
    with pytest.raises(UnknownNameError):
        toy.toy_study(constraints={"lateny_ms": "<= 3"})
