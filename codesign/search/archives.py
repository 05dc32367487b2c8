"""What was paid for once: qualities of networks, without the chips they were searched for.

Quality belongs to a network at a precision and to a data set, cost to a chip. So the results of earlier
studies are an archive of qualities that a study of other chips starts from (`Study(known=...)`): they are
costed on its chips, which makes a front before anything is trained, nobody trains them again, and they teach
the search. Costs are kept in no file: they are computed anew, exactly, in no time.

An archive on disk is a text of one JSON object a line, each with its format version; lines are only ever
appended, whole, and a last line that a killed process left unfinished is passed over. A run folder serves as
an archive as it stands.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from codesign.front import Front
from codesign.objectives import CATALOGUE
from codesign.search.results import Results, Run
from hw_models.cost.base import Estimate
from hw_models.errors import CodesignError, FileError, InputError, UnknownNameError
from search_spaces.candidate import Candidate

if TYPE_CHECKING:
    from codesign.objectives import Objective
    from codesign.search.trial import Trial
    from search_spaces.space import SearchSpace

ARCHIVE_FORMAT: Final = 1
"""Version of a line; another one is refused, never misread."""
TOP1: Final = "error_pct"
"""The metric of every study whose quality is a top-1 error or accuracy."""


@dataclass(frozen=True)
class Wanted:
    """What a study needs to know of earlier ones.

    Attributes:
        space: of what is trained: networks, or networks at a precision.
        name: of the network space; digest: of its knobs.
        metric: objective that is paid for, `TOP1` for top-1 figures.
        objective: the same as the study reads it.
        data_set: that it is measured on; "" where nobody says.
    """

    space: SearchSpace
    name: str
    digest: str
    metric: str
    objective: Objective
    data_set: str = ""


@dataclass(frozen=True, slots=True)
class KnownQuality:
    """The quality of one network.

    Attributes:
        candidate: what was trained, with its precision where it has one.
        value: of the metric, with interval and fidelity.
        space, digest: name of the network space and digest of its knobs.
        metric: name of the figure, `TOP1` or that of an objective.
        data_set: that it was measured on; "" where nobody says.
        source: where it comes from.
        notes: what a reader must know before using it.
    """

    candidate: Candidate
    value: Estimate
    space: str
    digest: str
    metric: str = TOP1
    data_set: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()

    def to_line(self) -> str:
        """One line of JSON."""
        v = self.value
        plain = {
            "format": ARCHIVE_FORMAT,
            "space": self.space,
            "knobs": self.digest,
            "metric": self.metric,
            "data_set": self.data_set,
            "candidate": dict(self.candidate),
            "value": [v.value, v.low, v.high, v.fidelity, v.unit],
            "source": self.source,
            "notes": list(self.notes),
        }
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")) + "\n"

    @classmethod
    def from_line(cls, line: str) -> KnownQuality:
        """Read what `to_line` wrote.

        Raises:
            InputError: the line is damaged or of another format; the message says where.
        """
        try:
            data: Any = json.loads(line)
        except ValueError as error:
            msg = f"is no JSON object ({error}); expected a line of an archive, take it out"
            raise InputError(msg) from error
        if not isinstance(data, dict) or data.get("format") != ARCHIVE_FORMAT:
            given = data.get("format") if isinstance(data, dict) else None
            msg = f"format {given!r} given; this release reads format {ARCHIVE_FORMAT} of an archive"
            raise InputError(msg)
        try:
            value = Estimate(*data["value"])
            names = {n: data[n] for n in ("space", "metric", "data_set", "source")}
            digest, notes = data["knobs"], tuple(data["notes"])
            candidate = Candidate(data["candidate"])
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"is incomplete ({type(error).__name__}: {error}); expected a line as `KnownQuality` writes"
            raise InputError(msg) from error
        if not isinstance(value.value, int | float) or value.value != value.value:
            msg = f"value {value.value!r} given, expected a number"
            raise InputError(msg)
        return cls(candidate, value, digest=digest, notes=notes, **names)


@dataclass(frozen=True)
class QualityArchive:
    """Qualities of networks, each where it was read from.

    Attributes:
        rows: the qualities, the earlier before the later.
        places: file and line of each; "" where there is no file.
        name: of the whole, for messages.
    """

    rows: tuple[KnownQuality, ...]
    places: tuple[str, ...] = field(default=(), repr=False)
    name: str = "archive"

    @classmethod
    def read(cls, path: str | Path) -> QualityArchive:
        """An archive on disk.

        Raises:
            FileError: no such file, a damaged line, another format; file and line stand in the message.
        """
        where = Path(path)
        try:
            text = where.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileError.at(
                where, f"cannot be read: {error}; expected a run folder or an archive"
            ) from None
        rows, places = [], []
        for number, line in enumerate(text.splitlines(keepends=True), 1):
            if not line.endswith("\n") or not line.strip():
                continue
            try:
                rows.append(KnownQuality.from_line(line))
            except InputError as error:
                raise FileError.at(where, str(error), line=number) from None
            places.append(f"{where}:{number}")
        return cls(tuple(rows), tuple(places), str(where))

    @classmethod
    def of(cls, results: Results | Front, wanted: Wanted) -> QualityArchive:
        """Qualities that a study of the same networks came to.

        Args:
            results: of a study, or points of one.
            wanted: what is to be known.
        """
        name, digest, data_set, source = wanted.name, wanted.digest, "", "a front"
        if isinstance(results, Results):
            prints = results.config.fingerprint
            name = next((k.removeprefix("space ") for k in prints if k.startswith("space ")), name)
            digest, data_set = prints.get(f"space {name}", digest), prints.get("data set", "")
            source = str(results.folder.path) if results.folder else "a study in memory"
        trials = results.trials if isinstance(results, Results) else results.members
        knobs = wanted.space.knobs
        rows = [
            KnownQuality(
                t.candidate.only(knobs),
                value,
                name,
                digest,
                wanted.metric,
                data_set,
                f"{source} {t.number}",
            )
            for t in trials
            if (value := _paid(t, wanted)) is not None
        ]
        return cls(tuple(rows), ("",) * len(rows), source)

    def append_to(self, path: str | Path) -> None:
        """Append to a file, which is made where there is none; every line whole, a torn one cut off."""
        import fcntl

        with Path(path).open("a+b") as out:
            fcntl.flock(out, fcntl.LOCK_EX)
            out.seek(0)
            whole = out.read().rfind(b"\n") + 1
            out.truncate(whole)
            out.write("".join(row.to_line() for row in self.rows).encode())
            out.flush()
            os.fsync(out.fileno())

    def for_study(self, wanted: Wanted) -> tuple[KnownQuality, ...]:
        """What a study can use, in canonical form, each network once: the first counts.

        A precision that the study does not choose from is passed over.

        Raises:
            UnknownNameError: qualities of other spaces alone; the message names them.
            InputError: of another metric or data set, of knobs that have changed since, of no candidate.
        """
        mine = [
            (row, at) for row, at in zip(self.rows, self._places, strict=True) if row.space == wanted.name
        ]
        if self.rows and not mine:
            spaces = dict.fromkeys(row.space for row in self.rows)
            raise UnknownNameError(
                f"space of {self.name}, which has {', '.join(spaces)}:",
                wanted.name,
                spaces,
                "give one of its own",
            )
        found: dict[Candidate, KnownQuality] = {}
        precisions = wanted.space.knobs.get("precision")
        for row, at in mine:
            at_precision = row.candidate.get("precision")
            if precisions is not None and at_precision is not None and at_precision not in precisions:
                continue
            checked = self._checked(row, at or self.name, wanted)
            found.setdefault(checked.candidate, checked)
        return tuple(found.values())

    @property
    def _places(self) -> tuple[str, ...]:
        return self.places or ("",) * len(self.rows)

    @staticmethod
    def _checked(row: KnownQuality, at: str, wanted: Wanted) -> KnownQuality:
        if row.digest != wanted.digest:
            msg = (
                f"{at}: the knobs of the space '{row.space}' have changed since; expected results of its own"
            )
            raise InputError(msg)
        if row.metric != wanted.metric:
            msg = f"{at}: the metric is '{row.metric}', expected '{wanted.metric}' as the study pays for"
            raise InputError(msg)
        if row.data_set and wanted.data_set and row.data_set != wanted.data_set:
            msg = (
                f"{at}: measured on '{row.data_set}', expected '{wanted.data_set}' as the study's quality is"
            )
            raise InputError(msg)
        try:
            candidate = wanted.space.canonical(row.candidate)
        except CodesignError as error:
            msg = f"{at}: {error}"
            raise InputError(msg) from error
        return KnownQuality(
            candidate, row.value, row.space, row.digest, row.metric, row.data_set, row.source, row.notes
        )


Known = str | Path | Results | Front | QualityArchive
"""What a study can start from: a run folder, an archive on disk or in memory, a study, a front."""


def known_qualities(sources: Known | Sequence[Known], wanted: Wanted) -> tuple[KnownQuality, ...]:
    """What several sources know of a study's networks, each network once: the first source counts."""
    several = sources if isinstance(sources, Sequence) and not isinstance(sources, str) else [sources]
    found: dict[Candidate, KnownQuality] = {}
    for source in several:
        for row in _archive(source, wanted).for_study(wanted):
            found.setdefault(row.candidate, row)
    return tuple(found.values())


def _archive(source: Known, wanted: Wanted) -> QualityArchive:
    if isinstance(source, QualityArchive):
        return source
    if isinstance(source, Results | Front):
        return QualityArchive.of(source, wanted)
    if not isinstance(source, str | Path):
        msg = f"known={source!r} given, expected a run folder, an archive on disk, a study or a front"
        raise InputError(msg)
    path = Path(source)
    return QualityArchive.of(Run(path), wanted) if path.is_dir() else QualityArchive.read(path)


def _paid(trial: Trial, wanted: Wanted) -> Estimate | None:
    """The figure that was paid for a trial; None where it is unknown or of a stage before the last."""
    e = trial.evaluation
    if e.state in ("failed", "stopped"):
        return None
    if wanted.metric == TOP1:
        return e.error if e.error.value is not None else None
    told = trial.verdict.quantities.get(wanted.metric)
    if told is None or told.value is None:
        return None
    return Estimate(told.value, told.low, told.high, told.fidelity, wanted.objective.unit)


def metric_of(objective: Objective) -> str:
    """The metric of what a study pays for: one name for top-1 error and accuracy."""
    top1 = ("error_pct", "top1_pct")
    return TOP1 if objective.name in top1 and CATALOGUE.get(objective.name) == objective else objective.name
