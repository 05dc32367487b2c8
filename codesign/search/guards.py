"""What a study refuses, and what it warns of before all trials are spent."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hw_models.errors import CodesignError, InputError, StorageError

if TYPE_CHECKING:
    from codesign.config import StudyConfig
    from codesign.quality.base import Quality
    from codesign.runs import RunFolder
    from codesign.search.results import Results
    from codesign.search.stages.stage import Ladder
    from codesign.search.trial import Trial

HINT_AFTER: Final = 60
"""Trials without a feasible one after which a study says what stands in the way."""


class StudyWarning(UserWarning):
    """What the owner of a study should know; `warnings.simplefilter("ignore", StudyWarning)` silences it."""


def need_known_names(model: str, lowering: str | None) -> None:
    """Refuse a cost model or a lowering that there is not before every trial fails by it.

    Raises:
        UnknownNameError: the message has the nearest name.
    """
    from hw_models.cost.models import cost_model
    from hw_models.errors import UnknownNameError
    from hw_models.lowering.lower import LOWERINGS

    cost_model(model)
    if lowering is not None and lowering not in LOWERINGS:
        raise UnknownNameError("lowering", lowering, LOWERINGS, f"known: {', '.join(LOWERINGS)}")


def need_a_budget(n_trials: float, trainings: float | None, *, staged: bool) -> None:
    """Refuse a number of trials that is none, and trainings where nothing counts them.

    Raises:
        InputError: the message says what was expected.
    """
    if n_trials < 1 or int(n_trials) != n_trials:
        msg = f"n_trials={n_trials!r} given, expected a positive integer"
        raise InputError(msg)
    if trainings is not None and not (staged and trainings > 0):
        msg = f"trainings={trainings!r} given, expected a number above 0 for a study with stages"
        raise InputError(msg)


def need_one_quality(quality: Quality | None, ladder: Ladder | None) -> None:
    """Refuse a quality beside stages.

    Raises:
        InputError: both are given.
    """
    if quality is not None and ladder is not None:
        msg = (
            "quality and stages given, expected one of them: the last stage is the quality; "
            "put it there with its charge, Stage('full', quality, charge=1.0)"
        )
        raise InputError(msg)


def need_the_same(folder: RunFolder, asked: StudyConfig) -> StudyConfig:
    """The settings that a run folder has, if they are those of the study that is asked for.

    Raises:
        StorageError: they differ, in what the message says; or the folder has none.
    """
    from pydantic import ValidationError

    from codesign.config import StudyConfig

    try:
        stored = StudyConfig.model_validate(folder.read_config())
    except ValidationError as error:
        msg = f"{folder.config} is no study: {error.errors()[0]['msg']}"
        raise StorageError(msg) from error
    differences = stored.differences(asked)
    if differences:
        msg = (
            f"{folder.path} holds another study: {'; '.join(differences)}; "
            "ask for the same, or use another folder"
        )
        raise StorageError(msg)
    return stored


def stop_if_all_failed(trials: Sequence[Trial]) -> None:
    """Refuse to go on where nothing but failures came out.

    Raises:
        CodesignError: the message has the first reason.
    """
    if trials and all(t.verdict.status == "failed" for t in trials):
        msg = (
            f"all of the first {len(trials)} evaluations failed; the first: {trials[0].verdict.reasons[0]}; "
            "mend it and start in another folder"
        )
        raise CodesignError(msg)


def warn_if_nothing(results: Results) -> None:
    """Say once what stands in the way, while there is time to stop and ask for something else."""
    trials = results.trials
    if len(trials) == HINT_AFTER and not any(t.feasible for t in results.points):
        warnings.warn(results.summary().why_nothing.replace("\n", "; "), StudyWarning, stacklevel=4)
