"""The demonstration: which ImageNet backbone on which chip for a camera at 30 images per second under 15 W?

Power is asked for twice. `power_w` is modelled: energy per inference times rate. It leaves idle power and
leakage out wherever a chip's file does not state them, so a 450 W card that idles between images would pass.
So the chip's rated power must fit as well: the cap of its power mode, without one its TDP. A chip whose
rating is unknown is not offered, because unknown never meets a limit; the report still shows it, with that
reason, and `allow_unknown` lets it in, marked.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hw_models.errors import StorageError

if TYPE_CHECKING:
    from codesign.config import StudyConfig
    from codesign.objectives import Quantity
    from codesign.search.study import Progress, Study
    from codesign.search.trial import Trial

QUESTION: Final = "Which ImageNet backbone on which chip for a camera at 30 images per second under 15 W?"
TRIALS: Final = 200
RATE_HZ: Final = 30.0
LATENCY_MS: Final = 33.3
POWER_W: Final = 15.0

NOT_MOUNTABLE: Final = {
    "npu_ip": "a block for a chip of one's own: its rating leaves memory and host out",
    "research": "a research chip that nobody sells",
}
"""Classes of device that are no chip one can put beside a camera, and why."""


@dataclass(frozen=True)
class Offer:
    """Chips that the demonstration may choose from, by label, and why the others are not among them."""

    chips: tuple[str, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Row:
    """One point of the front as it is printed; the chosen one is `picked`."""

    cells: tuple[str, ...]
    picked: bool


@dataclass(frozen=True)
class Demonstration:
    """What came out.

    Attributes:
        study: the finished search; pick: its knee; None: nothing meets every limit.
        report: the page.
        reused: whether all trials were there already.
    """

    study: Study
    pick: Trial | None
    report: Path
    reused: bool

    @property
    def answer(self) -> str:
        """The answer in a sentence or two, as the report has it."""
        from codesign.report.points import answer, no_answer

        return no_answer(self.study) if self.pick is None else answer(self.study, self.pick)

    def rows(self, most: int, *, intervals: bool) -> list[Row]:
        """At most so many points of the front, the most accurate first, the picked one among them."""
        members = self.study.front.members
        step = max(1, -(-len(members) // most))
        kept = [t for i, t in enumerate(members) if i % step == 0 or t is self.pick]
        return [
            Row((">" if t is self.pick else "", *_cells(t, intervals=intervals)), t is self.pick)
            for t in kept
        ]


def _cells(trial: Trial, *, intervals: bool) -> tuple[str, ...]:
    from codesign.objectives import CATALOGUE
    from codesign.plots._theme import figures, interval
    from codesign.report.points import in_doubt

    e = trial.evaluation
    names = ("top1_pct", "latency_ms", "energy_mj", "power_w")
    top1, latency, energy, power = (trial.quantity(CATALOGUE[n]) for n in names)
    doubt = " ?" if in_doubt(trial, CATALOGUE["latency_ms"]) else ""

    def told(q: Quantity, digits: int = 3) -> str:
        low, high = (q.low, q.high) if intervals else (None, None)
        return interval(q.value, low, high, digits=digits)

    return (
        e.network,
        e.chip,
        e.precision,
        told(top1, digits=4),
        f"{told(latency)}{doubt}",
        figures(energy.value),
        f"{figures(power.value)} {'cap' if power.fidelity == 'cap' else 'model'}",
        e.bound,
    )


def offer(watts: float = POWER_W, *, allow_unknown: bool = False) -> Offer:
    """Costable chips and power modes rated at most `watts`, those of the user's own folders included.

    Args:
        watts: the limit.
        allow_unknown: offer chips of unknown rating too.
    """
    from codesign.evaluate import rated_power
    from codesign.report.chips import catalogue

    chips, left_out = [], {}
    for chip in catalogue():
        rating = rated_power(chip)
        if chip.device_class in NOT_MOUNTABLE:
            left_out[chip.label] = NOT_MOUNTABLE[chip.device_class]
        elif rating is None and not allow_unknown:
            left_out[chip.label] = "its rated power is unknown, and unknown meets no limit"
        elif rating is not None and rating.value > watts:
            left_out[chip.label] = f"rated at {rating.value:g} W"
        else:
            chips.append(chip.label)
    return Offer(tuple(chips), left_out)


def demo_config(
    chips: tuple[str, ...], *, n_trials: int = TRIALS, seed: int = 0, allow_unknown: bool = False
) -> StudyConfig:
    """The demonstration as a study like any other."""
    from codesign.config import StudyConfig

    return StudyConfig(
        question=QUESTION,
        space="timm_zoo",
        chips=chips,
        objectives=("error_pct", "latency_ms", "energy_mj"),
        constraints={
            "latency_ms": f"<= {LATENCY_MS:g}",
            "power_w": f"<= {POWER_W:g}",
            "rated_power_w": f"<= {POWER_W:g}",
        },
        rate_hz=RATE_HZ,
        seed=seed,
        n_trials=n_trials,
        allow_unknown=allow_unknown,
    )


def run_demo(
    folder: Path,
    chips: tuple[str, ...],
    *,
    n_trials: int = TRIALS,
    seed: int = 0,
    fresh: bool = False,
    allow_unknown: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Demonstration:
    """Search, or go on where an earlier run stopped, and write the report.

    Args:
        folder: run folder.
        chips: what it may choose from, see `offer`.
        n_trials: trials in all.
        seed: same seed, same front.
        fresh: throw an earlier run in `folder` away first.
        allow_unknown: let chips in whose rated power is unknown, marked.
        progress: called after every trial.

    Raises:
        StorageError: the folder holds something else, or a demonstration with other settings.
        Stopped: Ctrl-C; what was evaluated is saved, and the same command goes on.
    """
    from codesign.search.study import Study

    if fresh:
        remove_run(folder)
    try:
        config = demo_config(chips, n_trials=n_trials, seed=seed, allow_unknown=allow_unknown)
        study = Study.from_config(config, folder)
    except StorageError as error:
        msg = f"{error}; `codesign demo --fresh` starts over, `--out` takes another folder"
        raise StorageError(msg) from error
    before = len(study.trials)
    study.run(max(n_trials, before), progress=progress)
    reused = len(study.trials) == before
    report = folder / "report.html"
    if not reused or not report.is_file():
        report = study.report()
    pick = study.front.knee() if len(study.front) else None
    return Demonstration(study, pick, report, reused)


def remove_run(folder: Path) -> None:
    """Delete a run folder; anything else is refused.

    Raises:
        StorageError: it is not a run folder, or cannot be deleted.
    """
    from codesign.runs import RunFolder

    if not RunFolder(folder).exists:
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        msg = f"{folder} cannot be deleted: {error.strerror or error}"
        raise StorageError(msg) from error
