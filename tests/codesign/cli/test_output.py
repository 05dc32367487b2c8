"""What commands print: unknown is said, JSON is strict, markup in a name is text."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from codesign.cli.output import cell, plain, print_json, print_table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (float("nan"), "unknown"),
        (np.float64("inf"), "unknown"),
        (True, "yes"),
        (0.0123456, "0.01235"),
        (12_345_678.0, "1.235e+07"),
        (np.int64(3), "3"),
        ([1, "a"], "1, a"),
        ("[red]x", "\\[red]x"),
    ],
)
def test_cell(value: object, text: str) -> None:
    assert cell(value) == text


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": np.array([1.5, np.inf]), "c": pd.NA})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, None], "c": None}


def test_table_of_a_frame_shows_unknown_and_is_a_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.DataFrame({"chip": ["a", "b"], "latency_ms": [1.25, None]})
    print_table(frame)
    assert "unknown" in capsys.readouterr().out
    print_table(frame, as_json=True)
    assert json.loads(capsys.readouterr().out)[1] == {"chip": "b", "latency_ms": None}


def test_names_are_whole_where_the_width_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    row = {f"column_{i}": "a_name_of_nineteen_" for i in range(7)}
    print_table([row])
    assert capsys.readouterr().out.count("a_name_of_nineteen_") == len(row)


def test_plain_keeps_whole_numbers_whole() -> None:
    assert plain(np.arange(2)) == [0, 1]
