"""Tables that describe their columns: found by name, wrong descriptions told with their line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hw_models.errors import FileError, InputError, UnknownNameError
from search_spaces.catalogue import load_space, reference
from search_spaces.knobs import Choice
from search_spaces.tabular.described import read_table
from search_spaces.testing.conformance import across_processes, problems

ROWS = """# measured by hand
depth,kind,top1,raspi4,params
2,small,60.5,10.0,1e6
2,large,62.5,,1.2e6
4,small,,18.0,2e6
"""
DESCRIPTION = """table: nets.csv
knobs: [depth, kind]
ordered: [kind]
quality: {column: top1, means: accuracy, data_set: CIFAR-100, source: "somebody, 2024"}
costs:
  latency_ms: raspi4
  params_m: {column: params, scale: 1.0e-6}
"""


@pytest.fixture
def described(tmp_path: Path) -> Path:
    (tmp_path / "nets.csv").write_text(ROWS)
    (tmp_path / "nets.yaml").write_text(DESCRIPTION)
    return tmp_path / "nets.yaml"


def test_a_described_table_is_a_space_by_name(described: Path) -> None:
    space = load_space(f"table:{described}")
    assert problems(space) == []
    assert across_processes(f"table:{described}") == []
    assert (space.name, space.size) == ("nets", 3)
    assert space.knobs == {
        "depth": Choice((2, 4), ordered=True),
        "kind": Choice(("small", "large"), ordered=True),
    }
    assert reference(space) == f"table:{described}"
    assert read_table(described).columns == ("top1", "raspi4", "params")


def test_a_changed_table_has_another_digest(described: Path) -> None:
    before = read_table(described).digest
    assert read_table(described).digest == before
    described.with_suffix(".csv").write_text(ROWS.replace("60.5", "60.6"))
    assert read_table(described).digest != before


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("table: nets.csv", "tables: nets.csv", ":1: tables: unknown setting; did you mean 'table'?"),
        (
            "knobs: [depth, kind]",
            "knobs: []",
            ":2: knobs: [] given; expected headings of the columns that may be",
        ),
        ("ordered: [kind]", "ordered: [kinds]", ":3: ordered: 'kinds' is no knob; did you mean 'kind'?"),
        ("means: accuracy", "means: loss", ":4: quality.means: 'loss' given; expected accuracy or error"),
        (", source: ", ", sauce: ", ":4: quality.source: is missing; expected who published it"),
        (
            "scale: 1.0e-6",
            "scale: -1",
            ":7: costs.params_m.scale: -1 given; expected factor that gives the unit",
        ),
        ("costs:", "costs: [", "is not YAML here: "),
        (DESCRIPTION, "", ":1: describes no table; expected `table:`, `knobs:`"),
    ],
)
def test_a_wrong_description_is_told_with_its_line(
    described: Path, line: str, instead: str, said: str
) -> None:
    described.write_text(DESCRIPTION.replace(line, instead))
    with pytest.raises(FileError, match=re.escape(said)):
        read_table(described)


@pytest.mark.parametrize(
    ("cell", "instead", "said"),
    [
        ("10.0", "fast", "nets.csv, row 1, column 'raspi4': 'fast' given, expected a finite number"),
        ("4,small", ",small", "nets.csv, row 3, column 'depth': nan given"),
        ("2,large", "2,small", "nets.csv: row 2 has the same knobs as row 1; average repeats first"),
        (ROWS, "", "nets.csv: is empty, expected a heading and at least one row"),
    ],
)
def test_wrong_cells_are_told_with_row_and_column(
    described: Path, cell: str, instead: str, said: str
) -> None:
    described.with_suffix(".csv").write_text(ROWS.replace(cell, instead, 1))
    with pytest.raises(InputError, match=re.escape(said)):
        load_space(f"table:{described}")


def test_files_and_columns_that_are_not_there(described: Path) -> None:
    with pytest.raises(FileError, match=r"none.yaml: cannot be read: No such file"):
        read_table(described.with_name("none.yaml"))
    with pytest.raises(
        FileError, match=r"nets.csv: given as the description of a table, expected a YAML file"
    ):
        load_space(f"table:{described.with_suffix('.csv')}")
    described.write_text(DESCRIPTION.replace("raspi4", "raspi5"))
    with pytest.raises(
        UnknownNameError, match=r"unknown column of .*nets.csv 'raspi5'; did you mean 'raspi4'"
    ):
        read_table(described)
    described.write_text(DESCRIPTION.replace("nets.csv", "nests.csv"))
    with pytest.raises(FileError, match=r"nests.csv: given as a table, expected a CSV or parquet file"):
        read_table(described)
