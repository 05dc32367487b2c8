"""A foreign file as it stands: its text, its hash, and what can be said about a line of it."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hw_models.errors import FileError, did_you_mean, nearest, sentence

MAX_BYTES: Final = 512 * 2**20
"""Largest file that is read into memory; a profile of that size holds thousands of runs."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file.

    Attributes:
        hash: SHA-256 of its bytes.
    """

    path: Path
    text: str
    hash: str

    @classmethod
    def open(cls, path: str | Path) -> Source:
        """Read a file.

        Raises:
            FileError: where it is missing, empty, too large or no text.
        """
        path = Path(path)
        try:
            if path.stat().st_size > MAX_BYTES:
                raise FileError.at(path, f"is larger than {MAX_BYTES >> 20} MiB; profile fewer runs")
            data = path.read_bytes()
            text = data.decode("utf-8-sig")
        except FileNotFoundError as error:
            near = did_you_mean(nearest(path.name, _names_beside(path)))
            raise FileError.at(path, sentence("no such file", near)) from error
        except OSError as error:
            raise FileError.at(path, f"cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise FileError.at(path, "is no text; expected a profile in JSON, CSV, TSV or YAML") from error
        if not text.strip():
            raise FileError.at(path, "is empty; did the profiled run end?")
        return cls(path, text.replace("\r\n", "\n"), hashlib.sha256(data).hexdigest())

    def refuse(self, message: str, line: int | None = None, path: str = "") -> FileError:
        """The error that names this file, a line of it (1 first) and what is wrong there."""
        return FileError.at(self.path, message, line=line, path=path)

    def line_of(self, position: int) -> int:
        """The line, 1 first, of a position in the text."""
        return self.text.count("\n", 0, position) + 1

    def lines(self) -> list[str]:
        """Lines without their ends; element 0 is line 1."""
        return self.text.split("\n")

    def seconds(self, cell: object, unit_s: float, line: int, what: str) -> float | None:
        """A time in seconds; None where the cell is empty, and where it is 0: below the tool's resolution.

        `unit_s` is the seconds of one unit of the cell: 1e-3 where the tool writes milliseconds.

        Raises:
            FileError: where the cell is no number, is negative or infinite.
        """
        value = self.number(cell, line, what)
        return None if value is None or value == 0 else value * unit_s

    def number(self, cell: object, line: int, what: str) -> float | None:
        """A number that is not negative; None where the cell is empty.

        Raises:
            FileError: where the cell is no number, is negative or infinite.
        """
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return None
        try:
            value = float(cell) if not isinstance(cell, bool) else math.nan  # type: ignore[arg-type]
        except (TypeError, ValueError):
            value = math.nan
        if not math.isfinite(value) or value < 0:
            raise self.refuse(f"{cell!r} found, expected a number that is not negative", line, what)
        return value

    def json_items(self) -> list[tuple[int, Any]]:
        """The items of the JSON array that the file is, each with its line.

        Raises:
            FileError: where the text is no JSON array, ends early, or goes on after its end.
        """
        if not self.text.lstrip().startswith("["):
            raise self.refuse("expected a JSON array", 1)
        decoder = json.JSONDecoder()
        position = self._after_space(self.text.index("[") + 1)
        items: list[tuple[int, Any]] = []
        line, counted = 1, 0
        while not self.text.startswith("]", position):
            line, counted = line + self.text.count("\n", counted, position), position
            try:
                item, position = decoder.raw_decode(self.text, position)
            except json.JSONDecodeError as error:
                raise self.refuse(f"no JSON: {error.msg}; did the run end early?", error.lineno) from error
            items.append((line, item))
            position = self._after_space(position)
            if self.text.startswith(",", position):
                position = self._after_space(position + 1)
            elif not self.text.startswith("]", position):
                raise self.refuse("the array does not end; did the run end early?", self.line_of(position))
        rest = self._after_space(position + 1)
        if rest < len(self.text):
            raise self.refuse(f"text after the end of the array: {TWO_RUNS}", self.line_of(rest))
        return items

    def _after_space(self, position: int) -> int:
        while position < len(self.text) and self.text[position].isspace():
            position += 1
        return position


TWO_RUNS: Final = "two runs in one file; keep one, nothing is averaged over runs"
"""Reason for a file that holds a second run."""


def _names_beside(path: Path) -> list[str]:
    try:
        return [p.name for p in path.parent.iterdir()]
    except OSError:
        return []


def delimited(source: Source, separator: str) -> list[tuple[int, list[str]]]:
    """Cells of every line that is not empty, with its line number; a quoted cell may hold the separator."""
    import csv

    reader = csv.reader(source.lines(), delimiter=separator)
    return [(reader.line_num, cells) for cells in reader if any(c.strip() for c in cells)]


def need(known: tuple[str, ...], found: list[str], source: Source, line: int, tool: str) -> None:
    """Refuse a header that lacks a column, as another version of the tool would write it.

    Raises:
        FileError: with the missing column and the nearest one that is there.
    """
    for column in known:
        if column not in found:
            message = sentence(
                f"column '{column}' is missing: a version of {tool} that is not known",
                did_you_mean(nearest(column, found)),
            )
            raise source.refuse(message, line)
