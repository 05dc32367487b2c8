"""The names that notebooks and scripts rely on, used as the documentation uses them."""

from __future__ import annotations

from pathlib import Path

import pytest

import codesign as cd


def test_every_public_name_is_there_and_nothing_of_later() -> None:
    for name in cd.__all__:
        assert getattr(cd, name) is not None
    readers = {"trace", "read_onnx", "list_chips", "load_chip", "list_spaces", "load_space"}
    assert (
        readers | {"estimate", "estimate_many", "compare", "Study", "validate"}
        <= set(cd.__all__)
        == set(dir(cd))
    )
    for later in ("export",):
        with pytest.raises(AttributeError, match=f"module 'codesign' has no attribute '{later}'"):
            getattr(cd, later)


def test_a_joint_search_as_documented(tmp_path: Path) -> None:
    chips = [cd.load_chip("rtx4090"), cd.load_chip("jetson_agx_orin_64", mode="15W")]
    space = cd.load_space("search_spaces.testing.plain_cnn:PlainCnn")
    study = cd.Study(
        space=space * chips,
        objectives=["params_m", "latency_ms"],
        constraints={"latency_ms": "<= 10"},
        seed=0,
        storage=tmp_path / "run",
    )
    study.run(n_trials=30)
    front = study.front
    assert {"depth", "width", "chip", "precision", "latency_ms"} <= set(front.to_frame().columns)
    assert front.knee().feasible
    assert cd.Front.of(front, study.demands) == front
    assert [t.number for t in cd.Run(tmp_path / "run").front.members] == [t.number for t in front.members]
    resumed = cd.Study.resume(tmp_path / "run").run(n_trials=35)
    assert len(resumed.trials) == 35
