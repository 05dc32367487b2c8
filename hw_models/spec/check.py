"""What `codesign chips check` says about a file: what the loader and the linter find, with lines."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from typing_extensions import override

from hw_models.errors import FileError
from hw_models.spec.lint import lint
from hw_models.spec.load import line_finder, read_chip

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing to say about a file, as a compiler would.

    Attributes:
        file, line, path: where it stands; line is None where the file could not be read.
        severity: "error" where the chip must not be used as it is.
        message: what was given, what was expected.
    """

    file: str
    line: int | None
    path: str
    severity: Literal["error", "warning"]
    message: str

    @override
    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.path, f"{self.severity}: {self.message}") if part)


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome for one file: the chip, unless the file is wrong, and everything there is to say."""

    file: str
    chip: Accelerator | None
    remarks: tuple[Diagnosis, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings are allowed."""
        return all(r.severity != "error" for r in self.remarks)


def check_file(file: str | os.PathLike[str]) -> Checked:
    """Read one file and lint it; nothing is raised for what is wrong inside."""
    name = os.fspath(file)
    try:
        chip = read_chip(file)
    except FileError as error:
        found = (Diagnosis(f.file, f.line, f.path, "error", f.message) for f in error.findings)
        return Checked(name, None, tuple(found))
    line_of = line_finder(Path(file))
    remarks = [
        Diagnosis(name, line_of(f.path), f.path, f.severity, f"{f.message} [{f.rule}]") for f in lint(chip)
    ]
    if chip.name != Path(file).stem:
        said = f"the chip is called '{chip.name}'; by name it is found as its file, '{Path(file).stem}'"
        remarks.append(Diagnosis(name, line_of("name"), "name", "warning", said))
    remarks += [
        Diagnosis(name, None, "", "warning", f"not costable: {gap}") for gap in chip.why_not_costable()
    ]
    return Checked(name, chip, tuple(remarks))
