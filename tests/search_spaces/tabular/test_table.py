import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.knobs import Choice
from search_spaces.tabular.table import TableSpace
from search_spaces.testing.conformance import problems


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame({"width": [8, 16, 8, 16], "kind": ["a", "a", "b", "b"], "ms": [1.0, 2.0, 3.0, None]})


@pytest.fixture
def written(rows: pd.DataFrame, tmp_path: Path) -> Path:
    rows.to_csv(tmp_path / "nets.csv", index=False)
    return tmp_path / "nets.csv"


def test_a_file_becomes_a_space_that_conforms(written: Path) -> None:
    space = TableSpace.from_file(written, ["width", "kind"])
    assert problems(space) == []
    assert space.name == "nets"
    assert space.size == 4
    assert space.knobs["width"] == Choice((8, 16), ordered=True)
    assert space.knobs["kind"] == Choice(("a", "b"))


def test_values_are_looked_up_and_an_empty_cell_is_unknown(written: Path) -> None:
    space = TableSpace.from_file(written, ["width", "kind"])
    found = space.look_up([Candidate(width=16, kind="a"), Candidate(width=16, kind="b")], "ms")
    assert found[0] == 2.0
    assert np.isnan(found[1])
    with pytest.raises(UnknownNameError, match="'sm'"):
        space.look_up([], "sm")


def test_a_combination_without_a_row_is_no_candidate(rows: pd.DataFrame) -> None:
    space = TableSpace(
        "holes", {"width": Choice((8, 16), ordered=True), "kind": Choice(("a", "b"))}, rows.iloc[:3]
    )
    assert problems(space) == []
    with pytest.raises(InputError, match="the table 'holes' has no row with"):
        space.canonical(Candidate(width=16, kind="b"))
    assert space.neighbours(Candidate(width=16, kind="a")) == (Candidate(width=8, kind="a"),)


def test_what_is_wrong_with_a_table_is_said_with_its_row(rows: pd.DataFrame, tmp_path: Path) -> None:
    knobs = {"width": Choice((8, 16)), "kind": Choice(("a", "b"))}
    with pytest.raises(
        InputError, match=re.escape("row 3 has the same knobs as row 1; average repeats first")
    ):
        TableSpace("twice", knobs, rows.assign(kind="a"))
    with pytest.raises(InputError, match=re.escape("row 2, column 'width': 17 given")):
        TableSpace("outside", knobs, rows.assign(width=[8, 17, 8, 16]))
    with pytest.raises(InputError, match="row 1, column 'kind': nan given"):
        TableSpace("hole", knobs, rows.assign(kind=[None, "a", "b", "b"]).replace({None: float("nan")}))
    with pytest.raises(InputError, match="has no rows"):
        TableSpace("empty", knobs, rows.iloc[:0])
    with pytest.raises(UnknownNameError, match="width"):
        TableSpace("misspelt", {"widht": Choice((8, 16))}, rows)
    with pytest.raises(InputError, match="expected a CSV or parquet file that is there"):
        TableSpace.from_file(tmp_path / "none.csv", ["width"])


def test_a_table_cannot_be_built(rows: pd.DataFrame) -> None:
    space = TableSpace("nets", {"width": Choice((8, 16)), "kind": Choice(("a", "b"))}, rows)
    with pytest.raises(InputError, match="only looked up"):
        space.build(Candidate(width=8, kind="a"))
