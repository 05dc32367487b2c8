"""Mappings as YAML: what is written is read back, what is wrong is answered with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_models.cost.tiled.loopnest.mapping import LoopNest
from hw_models.cost.tiled.loopnest.mapping_file import dump_loopnest, load_loopnest, loopnest_of
from hw_models.cost.tiled.loopnest.yaml_file import YamlFile
from hw_models.errors import FileError, InputError

GOOD = """\
schema_version: 1
spatial:
  rows: [[c, 4]]
  columns: [[k, 2], [ox, 2]]
temporal:
  - [ox, 4]
  - [c, 2]
  - [k, 4]
levels:
  output: [1, 2, 3]
  weight: [0, 3]
  input: [2, 3]
"""

loops = st.lists(st.tuples(st.sampled_from("nkc"), st.integers(1, 9)), max_size=5).map(tuple)


@given(
    spatial=st.dictionaries(st.sampled_from(["D1", "rows"]), loops), temporal=loops, deep=st.integers(1, 3)
)
def test_what_is_written_is_read_back(
    spatial: dict[str, tuple[tuple[str, int], ...]], temporal: tuple[tuple[str, int], ...], deep: int
) -> None:
    levels = {"weight": (0,) * deep + (len(temporal),)}
    for nest in (LoopNest(spatial, temporal), LoopNest(spatial, temporal, levels)):
        assert loopnest_of(YamlFile.parse(dump_loopnest(nest), "nest.yaml")) == nest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "weight: [0, 3]",
            "wieght: [0, 3]",
            "n.yaml:11: levels.wieght: unknown field; did you mean 'weight'?",
        ),
        ("[c, 2]\n", "[c, two]\n", "n.yaml:7: temporal.1: is ['c', 'two']; expected a loop such as [ox, 56]"),
        (
            "weight: [0, 3]",
            "weight: [3, 0]",
            "levels.weight: [3, 0]; expected counts that never fall and end with 3",
        ),
        ("schema_version: 1", "schema_version: 2", "n.yaml:1: schema_version: is 2; expected 1"),
        ("schema_version: 1", "temporal: []", "n.yaml:1: temporal: stands twice, in lines 1 and 5"),
        ("spatial:\n", "spatial: [\n", "is not YAML"),
    ],
)
def test_a_wrong_file_is_answered_with_its_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "n.yaml"
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(FileError) as caught:
        load_loopnest(file)
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.yaml: No such file"):
        load_loopnest(tmp_path / "none.yaml")


def test_a_mapping_that_leaves_levels_open_says_so() -> None:
    with pytest.raises(InputError, match="does not say which memory keeps which loops of 'weight'"):
        LoopNest({}, (("k", 2),)).cuts("weight")
