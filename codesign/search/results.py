"""What a search came to, whether it just ran or is read from its folder: trials, front, tables, report."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from codesign.config import StudyConfig
from codesign.evaluate import Evaluation
from codesign.front import Front
from codesign.objectives import Constraint, Demands, Objective, Verdict, objective
from codesign.runs import RunFolder
from codesign.search.asker import BESIDE, EVALUATION
from codesign.search.stages.ledger import Ledger
from codesign.search.summary import Summary, summarise
from codesign.search.trial import Trial, frame

if TYPE_CHECKING:
    import pandas as pd
    from optuna.trial import FrozenTrial

    from codesign.search.warm_start import WarmStart


class Results:
    """Trials and what follows from them.

    Attributes:
        config: what was asked for.
        demands: objectives and constraints.
        folder: the run folder; None: the study lives in memory.
        ledger: what was paid for, stage by stage; empty where the study has no stages.
    """

    def __init__(self, config: StudyConfig, demands: Demands, folder: RunFolder | None) -> None:
        self.config, self.demands, self.folder = config, demands, folder
        self.ledger = Ledger()
        self._known: tuple[Trial, ...] = ()
        self._trials: list[Trial] = []
        self._beside: list[tuple[Trial, ...]] = []

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All that was evaluated, in its order."""
        return tuple(self._trials)

    @property
    def points(self) -> tuple[Trial, ...]:
        """All points in the order of their numbers: what was known before, then trial by trial.

        After each trial stands what was trained for it on other chips.
        """
        told = zip(self._trials, self._beside, strict=True)
        return (*self._known, *(p for t, others in told for p in (t, *others)))

    @property
    def paid(self) -> float | None:
        """Full-training equivalents in all, of a round that is under way too; None: not counted."""
        return None if self.config.stages is None else self.ledger.paid

    @property
    def front(self) -> Front:
        """The points that nothing beats."""
        return Front(self.points, self.demands)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What is minimised or maximised."""
        return self.demands.objectives

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """What must hold."""
        return self.demands.constraints

    def summary(self) -> Summary:
        """How many trials are feasible, and what stands in the way of the others."""
        stages = [] if self.config.stages is None else [s.name for s in self.config.stages.of]
        return summarise(self._trials, self.demands, len(self.front), stages, self.ledger.payments)

    def trials_frame(self) -> pd.DataFrame:
        """One row per trial: names, knobs, quantities with interval and fidelity, status and why."""
        return frame(self._trials, self.demands)

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self.summary()))}</p>{self.front._repr_html_()}"

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report as one HTML file; by default into the run folder."""
        from codesign.report import write_report

        if path is None:
            path = self.folder.report if self.folder else Path("report.html")
        return Path(write_report(self, Path(path)))

    def _read_folder(self, folder: RunFolder) -> None:
        """Take over the trials of a run folder, what was known before them, and what was paid."""
        if folder.known.exists():
            from codesign.search.warm_start import WarmStart

            self._start_from(WarmStart.read(folder.known))
        study = folder.read_study()
        self._read([] if study is None else study.get_trials(deepcopy=False))
        if study is not None and self.config.stages is not None:
            self.ledger.open(study.user_attrs)

    def _read(self, stored: Sequence[FrozenTrial]) -> None:
        """Take over what a storage holds; trials that others put into the Optuna study are passed over."""
        mine = [t for t in stored if EVALUATION in t.user_attrs]
        self._trials, self._beside = [], []
        for told in mine:
            kept = [told.user_attrs[EVALUATION], *told.user_attrs.get(BESIDE, ())]
            first, *others = map(Evaluation.from_dict, kept)
            trial = Trial(self._n_points, first, self.demands.judge(first))
            self._take(trial, [(e, self.demands.judge(e)) for e in others])

    @property
    def _n_points(self) -> int:
        """Points so far: the number of the next."""
        if not self._trials:
            return len(self._known)
        return (*self._trials[-1:], *self._beside[-1])[-1].number + 1

    def _start_from(self, start: WarmStart) -> None:
        """Take over what was known before."""
        found = [e for row in start.points for e in row]
        self._known = tuple(Trial(i, e, self.demands.judge(e)) for i, e in enumerate(found))

    def _take(self, trial: Trial, others: Sequence[tuple[Evaluation, Verdict]]) -> None:
        """Append a trial and what was trained for it on other chips."""
        self._trials.append(trial)
        self._beside.append(tuple(Trial(trial.number + 1 + i, *pair) for i, pair in enumerate(others)))


class Run(Results):
    """A run folder as it stands, read only; it needs neither the space nor the chips.

    Args:
        path: the folder.

    Raises:
        StorageError: where there is no run, or one of another format.
    """

    def __init__(self, path: str | Path) -> None:
        folder = RunFolder(Path(path)).need()
        config = StudyConfig.model_validate(folder.read_config())
        super().__init__(config, demands_of(config), folder)
        self._read_folder(folder)

    @override
    def __repr__(self) -> str:
        return f"Run('{self.path}', {self.summary()})"

    @cached_property
    def path(self) -> Path:
        """The folder."""
        assert self.folder is not None
        return self.folder.path


def demands_of(config: StudyConfig) -> Demands:
    """The demands of a study file; objectives that were given in Python read what their trials recorded."""
    wanted = config.wanted()
    own = {o.name: o for o in wanted}
    bounds = [Constraint.parse(own.get(n) or objective(n), text) for n, text in config.constraints.items()]
    return Demands.of(
        wanted,
        bounds,
        rate_hz=config.rate_hz,
        allow_unknown=config.allow_unknown,
        allow_unmodelled=config.allow_unmodelled,
    )
