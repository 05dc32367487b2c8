"""Study files: what is right is read, what is wrong is answered with file, line and fix, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from codesign.config import CustomObjective, StudyConfig, joint_space
from codesign.study_file import read_study
from hw_models.errors import FileError, InputError

GOOD = """\
question: Which one?
space: timm_zoo
chips: [jetson_agx_orin_64, "jetson_orin_n*", l4]
precisions: [fp16, int8]
objectives: [error_pct, latency_ms]
constraints: {latency_ms: "<= 33", power_w: "<= 15"}
rate_hz: 30
n_trials: 40
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "study.yaml"
    file.write_text(text)
    return file


def said(folder: Path, text: str) -> list[str]:
    """Messages about a bad file, without its folder."""
    with pytest.raises(FileError) as error:
        read_study(written(folder, text))
    return str(error.value).replace(f"{folder}/", "").splitlines()


def test_a_good_file(tmp_path: Path) -> None:
    config = read_study(written(tmp_path, GOOD))
    assert config.constraints == {"latency_ms": "<= 33", "power_w": "<= 15"}
    assert config.rate_hz == 30.0
    assert config.sampler == "nsga2"
    assert "jetson_orin_nx_16" in config.chips
    assert not any("*" in c for c in config.chips)
    space = joint_space(config)
    assert space.precisions == ("fp16", "int8")
    assert "l4" in space.knobs["chip"]


def test_one_earlier_run_needs_no_list(tmp_path: Path) -> None:
    assert read_study(written(tmp_path, GOOD + "known: runs/a\n")).known == ("runs/a",)
    assert read_study(written(tmp_path, GOOD + "known: [runs/a, runs/b]\n")).known == ("runs/a", "runs/b")


def test_it_survives_being_written(tmp_path: Path) -> None:
    config = read_study(written(tmp_path, GOOD))
    assert read_study(written(tmp_path, config.to_yaml())) == config
    own = StudyConfig(chips=("l4",), objectives=("latency_ms", CustomObjective(name="layers", goal="max")))
    assert read_study(written(tmp_path, own.to_yaml())) == own


def test_a_chip_file_is_found_beside_the_study(tmp_path: Path) -> None:
    from hw_models.spec.load import chip_files

    (tmp_path / "mine.yaml").write_text(chip_files()["l4"].read_text().replace("name: l4\n", "name: mine\n"))
    config = read_study(written(tmp_path, GOOD.replace("l4]", "mine.yaml]")))
    assert config.chips[-1] == str(tmp_path / "mine.yaml")
    assert "mine" in joint_space(config).knobs["chip"]


def test_misspelt_settings(tmp_path: Path) -> None:
    messages = said(
        tmp_path, GOOD.replace("objectives:", "objektives:").replace("rate_hz: 30", "rate_hz: fast")
    )
    assert messages[0].startswith(
        "study.yaml:5: objektives: unknown setting; did you mean 'objectives'?; known: format,"
    )
    assert messages[1].startswith(
        "study.yaml:7: rate_hz: 'fast' given; expected images per second that the application needs"
    )
    assert len(messages) == 2  # no second message that `objectives` is missing
    missing = said(tmp_path, "chips: [l4]\n")
    assert missing == ["study.yaml:1: objectives: is missing; expected quantities to minimise or maximise"]


def test_misspelt_names_all_at_once(tmp_path: Path) -> None:
    text = """\
space: timm_zo
chips:
  - jetson_agx_orin_46
  - "*zzz*"
  - nothere.yaml
precisions: [int88]
objectives: [latency]
constraints:
  latency_ms: "33"
  powr_w: "<= 15"
sampler: nsga3
model: roofine
lowering: compild
"""
    expected = [
        "study.yaml:1: space: unknown space 'timm_zo'; did you mean 'timm_zoo'?",
        "study.yaml:3: chips.0: unknown chip 'jetson_agx_orin_46'; did you mean 'jetson_agx_orin_64'",
        "study.yaml:4: chips.1: no chip matches '*zzz*'",
        "study.yaml:5: chips.2:",
        "study.yaml:6: precisions.0: unknown precision 'int88'; did you mean 'int8'",
        "study.yaml:7: objectives.0: unknown objective 'latency'; did you mean 'latency_ms'",
        "study.yaml:9: constraints.latency_ms: constraint on 'latency_ms': '33' given, expected '<= 10' "
        "or '>= 10'",
        "study.yaml:10: constraints.powr_w: unknown objective 'powr_w'; did you mean 'power_w'",
        "study.yaml:11: sampler: unknown sampler 'nsga3'; did you mean 'nsga2'",
        "study.yaml:12: model: unknown cost model 'roofine'; did you mean 'roofline'",
        "study.yaml:13: lowering: unknown lowering 'compild'; did you mean 'compiled'",
    ]
    for got, want in zip(said(tmp_path, text), expected, strict=True):
        assert got.startswith(want)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "study.yaml:1: holds no settings"),
        ("- a\n", "study.yaml:1: holds no settings"),
        ("space: [\n", "study.yaml:2: is not YAML here"),
        ("chips: []\nobjectives: [latency_ms]\n", "study.yaml:1: chips: is missing or empty"),
        ("chips: [l4]\nobjectives: []\n", "study.yaml:2: objectives: is empty"),
        ("format: 3\n" + GOOD, "study.yaml:1: format: format 3 given; this release reads format 1"),
        (GOOD.replace('"<= 33"', "33"), "study.yaml:6: constraints.latency_ms: 33 given; expected quantity:"),
        (GOOD.replace("40", "0"), "study.yaml:8: n_trials: 0 given; expected trials in all"),
    ],
)  # fmt: skip
def test_other_mistakes(tmp_path: Path, text: str, message: str) -> None:
    assert said(tmp_path, text)[0].startswith(message)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be read: No such file or directory; expected a study file"):
        read_study(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"question: \xe9\n")
    with pytest.raises(FileError, match="is not UTF-8 text"):
        read_study(tmp_path / "latin.yaml")


def test_what_was_made_in_python_stays_there() -> None:
    config = StudyConfig(space="python:mine", chips=("l4",), objectives=("latency_ms",))
    with pytest.raises(InputError, match="mine was made in Python and cannot be made again from a file"):
        joint_space(config)


def test_differences_are_told_in_words() -> None:
    one = StudyConfig(chips=("l4",), objectives=("latency_ms",), fingerprint={"chip l4": "a", "chip b": "b"})
    other = one.model_copy(
        update={"seed": 3, "fingerprint": {"chip l4": "c"}, "n_trials": 9, "question": "?"}
    )
    assert one.differences(one) == []
    assert one.differences(other) == [
        "seed is 3 here and 0 there",
        "chip l4 has changed since",
        "chip b is only there",
    ]
