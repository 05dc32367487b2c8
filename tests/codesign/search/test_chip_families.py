"""A study over networks and a chip family, to the end, with the cost model that knows its arrays."""

from __future__ import annotations

from pathlib import Path

import pytest

import codesign as cd
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
