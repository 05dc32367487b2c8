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
    with pytest.raises(InputError, match="table 'holes' has no row with"):
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


def test_the_next_row_along_a_knob_is_near_also_across_a_hole() -> None:
    rows = pd.DataFrame({"width": [8, 32, 64, 8], "kind": ["a", "a", "a", "b"]})
    space = TableSpace("sparse", {"width": Choice((8, 16, 32, 64), True), "kind": Choice(("a", "b"))}, rows)
    near = space.neighbours(Candidate(width=8, kind="a"))
    assert near == (Candidate(width=32, kind="a"), Candidate(width=8, kind="b"))
    assert all(Candidate(width=8, kind="a") in space.neighbours(n) for n in near)
    assert space.neighbours(Candidate(width=64, kind="a")) == (Candidate(width=32, kind="a"),)
    assert problems(space) == []


WRONG: dict[str, tuple[str | bytes, str]] = {
    "nets.txt": ("a\n1\n", "nets.txt: given as a table, expected .csv, .csv.gz or .parquet"),
    "empty.csv": ("", "empty.csv: is empty, expected a heading and at least one row"),
    "notes.csv": ("# only\n# notes\n", "notes.csv: is empty, expected a heading and at least one row"),
    "heading.csv": ("width,kind\n", "heading.csv: has no rows, expected a heading and at least one row"),
    "twice.csv": (
        "width,kind,width\n8,a,8\n",
        "twice.csv: has the heading 'width' twice, expected every column",
    ),
    "long.csv": ("width,kind\n8,a\n8,b,c\n", "long.csv: rows are not as long as the heading"),
    "all_long.csv": ("width,kind\n8,a,1\n8,b,1\n", "all_long.csv: rows are not as long as the heading"),
    "broken.parquet": ("PAR1", "broken.parquet: is no parquet file: "),
    "broken.csv.gz": ("no gzip", "broken.csv.gz: cannot be read: Not a gzipped file"),
    "bytes.csv": (b"width,kind\n8,\xff\n", "bytes.csv: is not UTF-8 text (invalid start byte at byte 13)"),
    "holes.csv": ("width,kind\n8,a\n,b\n", "holes.csv, row 2, column 'width': nan given, expected a value"),
    "void.csv": ("width,kind\n8,\n16,\n", "void.csv, column 'kind': a knob without values, expected a value"),
    "repeats.csv": ("width,kind\n8,a\n8,a\n", "repeats.csv: row 2 has the same knobs as row 1; average"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_said(name: str, tmp_path: Path) -> None:
    text, said = WRONG[name]
    (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError, match=re.escape(said)):
        TableSpace.from_file(tmp_path / name, ["width", "kind"])


def test_a_file_that_is_not_there_and_a_column_that_is_not_there(written: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a CSV or parquet file that is there"):
        TableSpace.from_file(tmp_path / "none.csv", ["width"])
    with pytest.raises(
        UnknownNameError, match=r"unknown column of .*nets.csv 'widths'; did you mean 'width'"
    ):
        TableSpace.from_file(written, ["widths"])


def test_knobs_must_be_named(written: Path) -> None:
    with pytest.raises(InputError, match="no knob given, expected the name of at least one column"):
        TableSpace.from_file(written, [])
    with pytest.raises(UnknownNameError, match=r"unknown knob of .*nets.csv 'kinds'; did you mean 'kind'"):
        TableSpace.from_file(written, ["width", "kind"], ordered=["kinds"])


def test_text_among_numbers_is_said_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "nets.csv").write_text("# a note\nwidth,ms,mj\n8,1.5,1\n16,fast,\n32,inf,2\n")
    space = TableSpace.from_file(tmp_path / "nets.csv", ["width"])
    assert space.size == 3
    with pytest.raises(
        InputError, match=r"nets.csv, row 2, column 'ms': 'fast' given, expected a finite number"
    ):
        space.look_up(list(space.candidates()), "ms")
    assert space.look_up(list(space.candidates()), "mj").tolist() == [
        1.0,
        pytest.approx(np.nan, nan_ok=True),
        2,
    ]


def test_a_sign_of_notes_within_a_line_is_a_value(tmp_path: Path) -> None:
    (tmp_path / "nets.csv").write_text("kind,ms\nc#,1\nd#,2\n")
    assert TableSpace.from_file(tmp_path / "nets.csv", ["kind"]).knobs["kind"] == Choice(("c#", "d#"))


def test_a_table_cannot_be_built(rows: pd.DataFrame) -> None:
    space = TableSpace("nets", {"width": Choice((8, 16)), "kind": Choice(("a", "b"))}, rows)
    with pytest.raises(InputError, match="only looked up"):
        space.build(Candidate(width=8, kind="a"))
