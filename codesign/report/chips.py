"""The chosen network on every chip of the catalogue: what each would give, and what speaks against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codesign.evaluate import CostEvaluator
from codesign.objectives import CATALOGUE
from codesign.plots import compare_figure, compare_info
from codesign.plots._theme import axis_title
from codesign.report.content import Cell, Figure, Table, table, text_cell
from codesign.report.points import quantity_cell, shown
from codesign.search.trial import Trial
from hw_models.errors import CodesignError

if TYPE_CHECKING:
    from codesign.objectives import Demands, Objective
    from hw_models.cost.base import Cost
    from hw_models.spec.accelerator import Accelerator

MAX_DRAWN: Final = 24
"""Chips in the figure; the table has them all."""


@dataclass(frozen=True)
class OnChip:
    """The network on one chip: the trial it would be, its cost in full (None: it cannot run there)."""

    chip: Accelerator
    trial: Trial
    cost: Cost | None


def on_every_chip(
    pick: Trial, evaluator: CostEvaluator, demands: Demands, extra: Sequence[Accelerator]
) -> list[OnChip]:
    """The picked network on the study's own chips and on every other, judged by the study's demands.

    Args:
        pick: the point whose network is taken, at its own precision where a chip has it.
        evaluator: the study's.
        demands: objectives and constraints.
        extra: chips beside those of the study.
    """
    from search_spaces.product import Product

    own = getattr(evaluator.space.chips, "chips", (evaluator.space.chip(pick.candidate),))
    chips = {c.label: c for c in (*own, *extra)}
    joint = Product.of(evaluator.space.networks, list(chips.values()), evaluator.space.precisions)
    everywhere = CostEvaluator(
        joint, evaluator.quality, evaluator.rate_hz, evaluator.batch, evaluator.model, evaluator.lowering
    )
    network = joint.network(pick.candidate)
    found = []
    for label, chip in chips.items():
        if label in joint.left_out:
            continue
        candidate = joint.canonical(network.replace(chip=label, precision=pick.evaluation.precision))
        (evaluation,) = everywhere([candidate])
        trial = Trial(pick.number, evaluation, demands.judge(evaluation))
        found.append(OnChip(chip, trial, full_cost(everywhere, trial)))
    return found


def full_cost(evaluator: CostEvaluator, trial: Trial) -> Cost | None:
    """The cost of a trial with everything behind it; None where there is none."""
    from hw_models.cost.estimate import estimate

    space, e = evaluator.space, trial.evaluation
    if e.state != "ok":
        return None
    workload = space.workload(trial.candidate)
    return estimate(
        workload,
        space.chip(trial.candidate),
        precision=e.precision,
        batch=e.batch,
        model=evaluator.model,
        lowering=evaluator.lowering,
    )


def catalogue() -> list[Accelerator]:
    """Every costable chip that ships or is plugged in, at its maximum and in each of its power modes."""
    from hw_models.spec.load import list_chips, load_chip

    found = []
    for name in list_chips():
        try:
            chip = load_chip(name)
        except CodesignError:
            continue  # `codesign doctor` and `codesign chips check` tell what is wrong with a file
        modes = [chip, *(chip.at_mode(m.name) for m in chip.power_modes)]
        found += [m for m in modes if m.costable]
    return found


def chips_figure(places: Sequence[OnChip], limits: Mapping[str, float]) -> Figure | None:
    """The chips that no limit rules out, fastest first, at most `MAX_DRAWN`."""
    open_ = [p for p in places if p.cost is not None and p.trial.verdict.status != "infeasible"]
    if not open_:
        return None
    open_.sort(key=lambda p: p.cost.latency.value or float("inf") if p.cost else float("inf"))
    info = compare_info([p.cost for p in open_[:MAX_DRAWN] if p.cost], limits=limits)
    left = len(places) - len(info.rows)
    more = (
        f" {left} further chips are in the table: a limit rules them out, or they are slower." if left else ""
    )
    full_speed = "Power here is at full speed, without a pause between inferences."
    return Figure("plot-chips", compare_figure(info), f"{full_speed} {info.caption}{more}")


def chips_table(places: Sequence[OnChip], demands: Demands, pick: Trial) -> Table:
    """Every chip with its figures and its verdict; the chosen one marked, feasible ones first."""
    wanted = [o for o in shown(demands) if o.name != "top1_pct"]
    order = {"feasible": 0, "unknown": 1, "infeasible": 2, "failed": 3}

    def rank(p: OnChip) -> tuple[int, float]:
        return order[p.trial.verdict.status], p.trial.value("latency_ms") or float("inf")

    ranked = sorted(places, key=rank)
    rows = [_row(p, wanted) for p in ranked]
    marked = [i for i, p in enumerate(ranked) if p.chip.label == pick.evaluation.chip]
    names = [axis_title(o.name).replace(" per inference", "") for o in wanted]
    titles = ["Chip", "Class", "Precision", *names, "Bound by", "Verdict"]
    return table(titles, rows, numeric=range(3, 3 + len(wanted)), marked=marked)


def _row(place: OnChip, wanted: Sequence[Objective]) -> list[Cell]:
    e, verdict = place.trial.evaluation, place.trial.verdict
    said = "meets every limit" if verdict.status == "feasible" else "; ".join(map(_plainly, verdict.reasons))
    return [
        text_cell(place.chip.label, place.chip.title),
        text_cell(place.chip.device_class.replace("_", " ")),
        text_cell(e.precision),
        *(quantity_cell(place.trial, o) for o in wanted),
        text_cell(e.bound),
        text_cell(said),
    ]


def _plainly(reason: str) -> str:
    """A reason with the quantity's name in words: "rated_power_w is unknown" -> "Rated power is unknown"."""
    name, space, rest = reason.partition(" ")
    return f"{axis_title(name, unit=False)}{space}{rest}" if name in CATALOGUE else reason
