"""A study over networks and a chip family, to the end, with the cost model that knows its arrays."""

from __future__ import annotations

from pathlib import Path

import pytest

import codesign as cd
from codesign.study_file import read_study
from hw_models.errors import InputError
from search_spaces.catalogue import load_space
from search_spaces.testing.plain_cnn import PlainCnn


@pytest.mark.parametrize("family", ["systolic", "vector", "soc"])
def test_a_study_over_a_family(family: str, tmp_path: Path) -> None:
    space = PlainCnn() * load_space(family)
    storage = str(tmp_path / family)
    objectives = ["latency_ms", "energy_mj", "area_mm2"]
    study = cd.Study(space=space, objectives=objectives, model="tiled", seed=1, storage=storage)
    study.run(n_trials=4)
    done = [trial.evaluation for trial in study.trials]
    assert [e.problem for e in done] == [""] * 4
    for one in done:
        assert (one.cost.latency.value or 0.0) > 0
        assert (one.cost.energy.value or 0.0) > 0
        assert (one.cost.area.value or 0.0) > 0
        assert (one.cost.price.value or 0.0) > 0
        assert one.chip.startswith(family)
    assert len(study.front.to_frame()) >= 1


def test_a_study_file_may_name_a_family(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    text = (
        "space: search_spaces.testing.plain_cnn:PlainCnn\nchips: [vector]\n"
        "objectives: [latency_ms, area_mm2]\nmodel: tiled\nn_trials: 3\n"
    )
    file.write_text(text)
    study = cd.Study.from_config(read_study(file), storage=tmp_path / "run")
    study.run(n_trials=2)
    again = cd.Study.resume(tmp_path / "run")
    again.run(n_trials=3)
    assert [t.evaluation.candidate for t in again.trials][:2] == [
        t.evaluation.candidate for t in study.trials
    ]
    file.write_text(text.replace("[vector]", "[vector, l4]"))
    with pytest.raises(InputError, match="chips: vector, l4 given; expected one chip family alone, or chips"):
        cd.Study.from_config(read_study(file))
