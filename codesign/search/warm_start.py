"""A study that starts from what is known: points on its chips before anything is trained."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codesign.evaluate import Evaluation
from codesign.runs import RunFolder
from codesign.search.archives import TOP1, KnownQuality, QualityArchive, Wanted, known_qualities, metric_of
from codesign.search.ways import Reached
from hw_models.errors import FileError

if TYPE_CHECKING:
    from codesign.config import StudyConfig
    from codesign.search.archives import Known
    from codesign.search.free import Free
    from search_spaces.candidate import Candidate

POINTS = "points"
"""Key of a line that the run folder adds to those of an archive: evaluations on the study's chips."""


@dataclass(frozen=True)
class WarmStart:
    """Qualities that were paid for before, and what they come to on the chips of a study.

    Attributes:
        rows: the qualities.
        points: for each row its evaluations that none of all others beats.
    """

    rows: tuple[KnownQuality, ...]
    points: tuple[tuple[Evaluation, ...], ...]

    @classmethod
    def of(
        cls, known: Known | Sequence[Known], free: Free, networks: tuple[str, str], data_set: str
    ) -> WarmStart:
        """What is known of a study's networks, costed on its chips in one sweep.

        Args:
            known: run folders, archives, studies, fronts.
            free: what is known before anything is paid.
            networks: name of the network space and digest of its knobs.
            data_set: that the study's quality is measured on; "" where nobody says.
        """
        wanted = Wanted(free.ways.space, *networks, metric_of(free.paid), free.paid, data_set)
        rows = known_qualities(known, wanted)
        return cls(rows, _points(rows, free))

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that tell starts apart."""
        return hashlib.sha256("".join(r.to_line() for r in self.rows).encode()).hexdigest()[:12]

    def values(self, free: Free) -> dict[Candidate, float]:
        """What was trained -> the paid objective as it is minimised."""
        found = {}
        for row in self.rows:
            value = free.paid.read(_with(row, Evaluation(row.candidate))).value
            if value is not None:
                found[row.candidate] = value * free.paid.sign
        return found

    def evaluations(self, free: Free, candidates: Sequence[Candidate]) -> dict[Candidate, Evaluation]:
        """Of those candidates whose quality is known the evaluation, with nothing paid."""
        rows = {row.candidate: row for row in self.rows}
        mine = {c: rows[t] for c in candidates if (t := free.ways.trained(c)) in rows}
        costed = zip(mine.items(), free.evaluator.free(list(mine)), strict=True)
        return {c: _said(row, evaluation) for (c, row), evaluation in costed}

    def to_text(self) -> str:
        """As a run folder keeps it: the lines of an archive, each with the points it leads to."""
        pairs = zip(self.rows, self.points, strict=True)
        return "".join(
            json.dumps(
                {**json.loads(row.to_line()), POINTS: [e.to_dict() for e in points]},
                ensure_ascii=False,
                separators=(",", ":"),
            )
            + "\n"
            for row, points in pairs
        )

    @classmethod
    def read(cls, path: Path) -> WarmStart:
        """Read what a run folder keeps.

        Raises:
            FileError: a damaged line; file and line stand in the message.
        """
        archive = QualityArchive.read(path)
        points = []
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            data: Any = json.loads(line)
            try:
                points.append(tuple(Evaluation.from_dict(e) for e in data[POINTS]))
            except (KeyError, TypeError, ValueError) as error:
                msg = f"has no points of this study ({type(error).__name__}: {error})"
                raise FileError.at(path, msg, line=number) from None
        return cls(archive.rows, tuple(points))


def _points(rows: Sequence[KnownQuality], free: Free) -> tuple[tuple[Evaluation, ...], ...]:
    """Of each row the evaluations that no other of all rows beats."""
    ways = [[w for w in free.ways.of(row.candidate) if w is not None] for row in rows]
    owner = [i for i, row in enumerate(ways) for _ in row]
    seen = [
        _with(rows[i], e)
        for i, e in zip(owner, free.evaluations([w for row in ways for w in row]), strict=True)
    ]
    kept = Reached(free.demands).unbeaten([free.demands.judge(e) for e in seen])
    whole = free.evaluator.free([seen[k].candidate for k in kept])
    found: list[list[Evaluation]] = [[] for _ in rows]
    for k, evaluation in zip(kept, whole, strict=True):
        found[owner[k]].append(_said(rows[owner[k]], evaluation))
    return tuple(tuple(row) for row in found)


def _said(row: KnownQuality, evaluation: Evaluation) -> Evaluation:
    """The same with a note that says where it is known from."""
    said = f"{row.metric} known from {row.source}" if row.source else f"{row.metric} known"
    return replace(_with(row, evaluation), notes=(*row.notes, said, *evaluation.notes))


def _with(row: KnownQuality, evaluation: Evaluation) -> Evaluation:
    """An evaluation with the quality that is known."""
    if row.metric == TOP1:
        return replace(evaluation, error=row.value)
    value = row.value.value
    assert value is not None
    return replace(evaluation, facts={**evaluation.facts, row.metric: value})


def known_of(config: StudyConfig, storage: str | Path | None) -> Sequence[Known]:
    """What a study file names as known; of a run that was begun what its folder remembers."""
    kept = RunFolder(Path(storage or config.storage or "")).known
    return [QualityArchive.read(kept)] if kept.is_file() else config.known
