"""The sets of reference figures that are known by the name of their file, and their scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hw_models.measured.tables import dataset_name
from hw_models.validation.score import Score, errors_of

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.validation.truth.base import Points, TruthSet

MODULES: Final[tuple[str, ...]] = (
    "gemmini_rtl",
    "eyeriss",
    "nvdla_configs",
    "tpu_v1",
    "scalesim_golden",
    "nvdla_layers",
    "ethos_u_vela",
    "zigzag_expected",
    "timeloop_ref_outputs",
    "stream_golden",
)
"""Modules of this package; each has its sets in `SETS`."""

REASON: Final = ["dataset", "device", "mode", "reason", "n"]


@dataclass(frozen=True, eq=False)
class Judged:
    """One file with its predictions: scores, points, and `dataset, device, mode, reason, n` of the rest."""

    scores: tuple[Score, ...]
    points: pd.DataFrame
    skipped: pd.DataFrame


@cache
def truth_sets() -> tuple[TruthSet, ...]:
    """All of them, those against silicon first."""
    order = ("silicon", "closed_form", "model")
    found = [s for name in MODULES for s in import_module(f"{__package__}.{name}").SETS]
    return tuple(sorted(found, key=lambda s: order.index(s.truth)))


def truth_set(name: str) -> TruthSet | None:
    """The set of a file by that name; a set's own name may hold `*` for what differs between its files."""
    return next((s for s in truth_sets() if fnmatchcase(name, s.name)), None)


def judge_files(files: Sequence[Path], wanted: Sequence[str] | None = None) -> Iterator[Judged]:
    """Every file that is a known set, in the order of the sets.

    Raises:
        FileError: a file that is not what its name says.
    """
    for one in truth_sets():
        for path in files:
            name = dataset_name(path)
            if fnmatchcase(name, one.name) and (wanted is None or name in wanted or one.name in wanted):
                yield judge(name, one, one.predict(path))


def judge_shipped(wanted: Sequence[str] | None = None) -> Iterator[Judged]:
    """The copies that ship; a set that may not ship is a score with n = 0 and its reason."""
    for one in truth_sets():
        if wanted is not None and one.name not in wanted:
            continue
        if one.shipped is None:
            yield _absent(one)
        else:
            yield judge(dataset_name(one.shipped), one, one.predict(one.shipped))


def judge(name: str, one: TruthSet, points: Points) -> Judged:
    """Scores of one file, one for every device, mode and quantity; figures of 0 have no relative error."""
    import numpy as np
    import pandas as pd

    every = points.frame.reset_index(drop=True).assign(dataset=name)
    measured, predicted = (every[c].to_numpy(np.float64) for c in ("measured", "predicted"))
    told = np.isfinite(measured) & np.isfinite(predicted)
    frame, skipped = every[told & (measured != 0)], Counter(points.skipped)
    skipped["given as 0: no relative error"] += int((told & (measured == 0)).sum())
    skipped["no figure, or no prediction of it"] += int((~told).sum())
    blank = Score(dataset=name, truth=one.truth, device=None, mode=None, quantity="")
    scores = []
    for (device, mode, quantity), rows in frame.groupby(["device", "mode", "quantity"], sort=False):
        naive = {k: np.asarray(v, np.float64)[rows.index] for k, v in points.naive.items()}
        scores.append(
            replace(
                blank,
                device=str(device),
                mode=str(mode),
                quantity=str(quantity),
                n=len(rows),
                fidelity=points.fidelity,
                fitted_on=points.fitted_on or None,
                split=points.split if "split" not in rows else _common(rows["split"].tolist()),
                **errors_of(rows, naive),
            )
        )
    left = [(name, "", "", reason, n) for reason, n in skipped.items() if n]
    if left:
        n_left = sum(n for *_, n in left)
        scores = (
            [replace(scores[0], n_skipped=n_left), *scores[1:]]
            if scores
            else [replace(blank, n_skipped=n_left)]
        )
    return Judged(tuple(scores), frame, pd.DataFrame(left, columns=REASON))


def _common(splits: Sequence[str]) -> str:
    return splits[0] if len(set(splits)) == 1 else "mixed"


def _absent(one: TruthSet) -> Judged:
    import pandas as pd

    reason = f"does not ship: {one.why_not_shipped}"
    score = Score(dataset=one.name, truth=one.truth, device=None, mode=None, quantity="", reason=reason)
    left = pd.DataFrame([(one.name, "", "", reason, 0)], columns=REASON)
    return Judged((score,), pd.DataFrame(), left)
