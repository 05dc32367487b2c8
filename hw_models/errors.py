"""The one family of exceptions that a user's mistake or a limit of the model can raise.

Every message says what was given, what was expected, the nearest valid name, and the next step. The command
line turns them into one clean text on stderr and exit code 2; anything else that escapes is a defect of ours.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override


class CodesignError(Exception):
    """Base of every error that this project raises on purpose."""


class InputError(CodesignError):
    """A value, name or argument that was given cannot be used."""


class UnknownNameError(InputError):
    """A name that is not in its catalogue.

    Args:
        what: the kind of thing looked for, in the singular ("chip").
        given: the name as the user wrote it.
        known: every valid name.
        next_step: what to run or read next.
    """

    def __init__(self, what: str, given: str, known: Iterable[str], next_step: str = "") -> None:
        self.what, self.given = what, given
        self.nearest = nearest(given, known)
        super().__init__(sentence(f"unknown {what} '{given}'", did_you_mean(self.nearest), next_step))


class UnitError(InputError):
    """A quantity without a unit, or with one of the wrong dimension."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong in one file, as a compiler would report it."""

    file: str
    line: int | None
    path: str
    message: str

    @override
    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class FileError(InputError):
    """A file that is missing, unreadable, or wrong inside; carries every finding at once.

    Args:
        findings: all that is wrong, in the order of the file's lines.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(f) for f in self.findings))

    @classmethod
    def at(cls, file: Path | str, message: str, *, line: int | None = None, path: str = "") -> FileError:
        """One finding in one file."""
        return cls([Finding(str(file), line, path, message)])


class TraceError(CodesignError):
    """A network that could not be read into a workload."""


class NotCostableError(CodesignError):
    """A chip (or its precision or mode) that lacks what a cost model needs; names the missing field."""


class StorageError(CodesignError):
    """A run folder, journal or cache that cannot be read or written; nothing that was stored is lost."""


class NoisyMachineError(CodesignError):
    """A measurement that scatters too much to be reported.

    Args:
        reasons: what scatters and by how much, by network.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        said = "\n".join(f"{name}: {reason}" for name, reason in reasons.items())
        advice = (
            "stop other work, use fewer threads, raise the budget, leave interrupted steps out "
            "(--undisturbed), or have it reported marked (--allow-noise)"
        )
        super().__init__(f"the machine is too noisy to report this measurement\n{said}\nnext: {advice}")


class MissingExtraError(CodesignError):
    """An optional package that is not installed; the message says which extra brings it."""


def nearest(given: str, known: Iterable[str], n: int = 3) -> tuple[str, ...]:
    """The at most `n` valid names that look most like `given`, best first; case is ignored."""
    by_lower = {k.lower(): k for k in known}
    hits = difflib.get_close_matches(given.lower(), list(by_lower), n=n, cutoff=0.55)
    return tuple(by_lower[h] for h in hits)


def did_you_mean(names: Sequence[str]) -> str:
    """A phrase that offers the nearest names, or an empty one where nothing is near."""
    return f"did you mean {' or '.join(repr(n) for n in names)}?" if names else ""


def sentence(*parts: str) -> str:
    """Join the non-empty parts of a message with '; '."""
    return "; ".join(p for p in parts if p)
