"""What cannot work is told in words, early, with the next step; nothing that was paid for is lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from codesign.objectives import Objective
from codesign.search.guards import HINT_AFTER, StudyWarning
from codesign.search.results import Run
from codesign.search.samplers import SAMPLERS
from codesign.search.study import Study
from codesign.study_file import read_study
from hw_models.errors import CodesignError, InputError, StorageError, UnknownNameError
from search_spaces.knobs import Choice, IntRange
from search_spaces.testing.plain_cnn import PlainCnn


@pytest.fixture
def small(toy, monkeypatch):
    """The toy space with so many depths only."""

    def shrink(depths: int) -> None:
        one = {
            "width": Choice((32,)),
            "boost": Choice((False,)),
            "gain": Choice((1,)),
            "chip": Choice(("chip01",)),
        }
        monkeypatch.setattr(toy, "KNOBS", {"depth": IntRange(1, depths), **one})
        monkeypatch.setattr(toy.Toy, "size", property(lambda _: depths))

    return shrink


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("depths", [1, 6, 13])
def test_spaces_smaller_than_a_round(toy, small, sampler: str, depths: int) -> None:
    small(depths)
    slow = toy.Slow(asked=[])
    study = toy.toy_study(sampler=sampler, evaluator=slow).run(50)
    assert study.exhausted
    assert sorted(int(c["depth"]) for c in slow.asked) == list(range(1, depths + 1))


@pytest.mark.parametrize(
    ("constraints", "status"), [({"latency_ms": "<= 0.0001"}, "infeasible"), ({"power_w": "<= 5"}, "unknown")]
)
def test_what_cannot_be_feasible_is_not_paid_for(toy, constraints: dict[str, str], status: str) -> None:
    slow = toy.Slow(asked=[])
    study = toy.toy_study(sampler="cost_aware", constraints=constraints, evaluator=slow).run(30)
    assert slow.asked == []
    assert getattr(study.summary(), status) == 30
    assert (
        study.summary()
        .why_nothing.splitlines()[1]
        .startswith(f"what rejects most: {next(iter(constraints))}")
    )


def test_a_search_that_finds_nothing_says_so_once(toy) -> None:
    study = toy.toy_study(constraints={"latency_ms": "<= 0.0001"}, sampler="random").run(HINT_AFTER - 1)
    with pytest.warns(StudyWarning) as said:
        study.run(HINT_AFTER + 20)
    assert len(said) == 1
    text = str(said[0].message)
    assert text.startswith(
        f"nothing is feasible among {HINT_AFTER} trials; what rejects most: latency_ms <= 0.0001 rejects "
        f"{HINT_AFTER} trials ({HINT_AFTER} of them alone): median demand "
    )
    assert "lever: " in text


@pytest.mark.parametrize("sampler", ["local", "cost_aware"])
def test_an_objective_that_is_nan_fails_its_trials_alone(toy, tmp_path: Path, sampler: str) -> None:
    def even(e) -> float:
        return float("nan") if int(e.candidate["depth"]) % 2 else float(e.candidate["width"])

    wanted = ["error_pct", Objective("size", "min", even)]
    study = toy.toy_study(tmp_path / "run", sampler=sampler, objectives=wanted).run(30)
    assert len(Run(tmp_path / "run").trials) == len(study.trials) == 30
    failed = [t for t in study.trials if t.verdict.status == "failed"]
    assert {int(t.candidate["depth"]) % 2 for t in failed} <= {1}
    assert all(
        "objective 'size' returned nan, expected a finite number" in t.verdict.reasons[0] for t in failed
    )


def test_all_failing_stops_with_the_first_reason_and_keeps_the_trials(toy, tmp_path: Path) -> None:
    def broken(_: object) -> float:
        raise ValueError("no such column")

    study = toy.toy_study(tmp_path / "run", objectives=[Objective("x", "min", broken)])
    with pytest.raises(CodesignError) as error:
        study.run(7)
    assert str(error.value) == (
        "all of the first 7 evaluations failed; the first: objective 'x' raised ValueError: no such column; "
        "mend it and start in another folder"
    )
    assert len(Run(tmp_path / "run").trials) == 7


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 4}, "seed is 4 here and 0 there"),
        ({"sampler": "local"}, "sampler is 'local' here and 'random' there"),
        (
            {"objectives": ["error_pct"]},
            "objectives is ['error_pct'] here and ['error_pct', 'latency_ms', 'ene",
        ),
        ({"constraints": {}}, "constraints is {} here and {'latency_ms': '<= 12.0'} there"),
    ],
)
def test_a_folder_of_another_study(toy, tmp_path: Path, other: dict[str, object], said: str) -> None:
    toy.toy_study(tmp_path / "run", sampler="random").run(2)
    with pytest.raises(StorageError) as error:
        toy.toy_study(tmp_path / "run", **{"sampler": "random", **other})
    assert str(error.value).startswith(f"{tmp_path / 'run'} holds another study: {said}")
    assert str(error.value).endswith("; ask for the same, or use another folder")


def test_a_folder_of_another_space(toy, small, tmp_path: Path) -> None:
    toy.toy_study(tmp_path / "run", sampler="random").run(2)
    small(4)
    with pytest.raises(
        StorageError, match="holds another study: space toy has changed since; ask for the same"
    ):
        toy.toy_study(tmp_path / "run", sampler="random")


def test_a_folder_that_cannot_be_made(toy, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file is a file, expected a run folder or a new name"):
        toy.toy_study(tmp_path / "file")
    with pytest.raises(
        StorageError, match="below cannot be made: Not a directory; expected a folder that can"
    ):
        toy.toy_study(tmp_path / "file" / "below").run(2)


def test_a_model_or_a_lowering_that_there_is_not() -> None:
    space = PlainCnn() * ["l4"]
    with pytest.raises(UnknownNameError, match="unknown cost model 'roofine'; did you mean 'roofline'"):
        Study(space, ["latency_ms"], model="roofine")
    with pytest.raises(UnknownNameError, match="unknown lowering 'compild'; did you mean 'compiled'"):
        Study(space, ["latency_ms"], lowering="compild")


def test_a_sampler_that_needs_costs_without_a_quality_to_pay_for() -> None:
    with pytest.raises(
        InputError, match=r"expected one objective of error_pct, top1_pct.*: it looks at costs"
    ):
        Study(PlainCnn() * ["l4"], ["latency_ms", "params_m"], sampler="cost_aware")


STUDY = """\
question: Which one?
space: search_spaces.testing.plain_cnn:PlainCnn
chips: [l4, jetson_agx_orin_64]
precisions: [fp16, int8]
objectives: [latency_ms, energy_mj]
constraints: {latency_ms: "<= 33", power_w: "<= 15"}
rate_hz: 30
seed: 3
sampler: local
model: roofline
lowering: ideal
n_trials: 4
storage: runs/x
"""
VALUES = (
    *(
        "",
        "null",
        "[]",
        "{}",
        "-1",
        "0",
        "1e999",
        ".nan",
        "true",
        "[[]]",
        "[{}]",
        "*x",
        "&x 1",
        "- a",
        "? x",
        "|",
    ),
    *("!!python/object:os.system x", "!!binary aGk=", "2001-01-01", "[l4, l4]", "[null]", "{latency_ms: 3}"),
    *(
        "{1: 2}",
        "os:system",
        "os.path:join",
        "os:",
        "json:JSONDecoder",
        "table:nope.yaml",
        '"python:mine"',
        '"*"',
    ),
    *('"["', "[systolic, l4]", "[/]", "custom:foo", '"<= nan"', "9" * 400, '"<= "', "codesign:Study"),
)
STRANGE = "\t:[]{}#&*!|>%@`\"',-? \x00\x1bé"


def mutated(rng: random.Random) -> str:
    """A study file with one to three mistakes."""
    lines = STUDY.splitlines()
    for _ in range(rng.randint(1, 3)):
        i = rng.randrange(len(lines))
        key, _, value = lines[i].partition(":")
        at = rng.randrange(len(lines[i]) or 1)
        lines[i] = rng.choice(
            [
                f"{key}: {rng.choice(VALUES)}",
                f"{key}: {rng.choice(VALUES)}",
                lines[i][:at] + rng.choice(STRANGE) + lines[i][at + 1 :],
                f"{key[: len(key) // 2]}x{key[len(key) // 2 :]}:{value}",
                " " * rng.randint(1, 4) + lines[i],
                lines[i][:at],
                f"{lines[i]}\n{rng.choice(lines)}",
            ]
        )
    return "\n".join(lines) + "\n"


def test_two_hundred_broken_study_files(tmp_path: Path) -> None:
    """Each is read, or refused by an error of ours that names the file."""
    said = []
    for seed in range(200):
        file = tmp_path / "study.yaml"
        file.write_text(mutated(random.Random(seed)), "utf-8")
        try:
            Study.from_config(read_study(file), tmp_path / "run")
        except CodesignError as error:
            said.append(str(error).strip())
    assert len(said) > 100
    assert all(said)
