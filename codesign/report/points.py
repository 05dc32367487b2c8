"""What the points of a study say: the answer, the front as a table, what each limit rejected, fidelities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from codesign.plots._theme import axis_title, figures, interval, unit_of
from codesign.report.content import Card, Cell, Table, number_cell, table, text_cell
from codesign.search.trial import shown_quantities

if TYPE_CHECKING:
    from codesign.front import Front
    from codesign.objectives import Constraint, Demands, Objective, Quantity
    from codesign.search.results import Results
    from codesign.search.trial import Trial

MEANING: Final = {
    "published": "accuracy as published with the weights, at full precision",
    "published_fp32": "published at full precision: a best case, the loss at fewer bits is not modelled",
    "prior": "a class figure stands in for an unknown one; wide interval",
    "roofline": "the chip's public figures and the efficiency of its class",
    "cap": "not modelled: the cap of the power mode, without one the TDP",
    "stated": "stated by the chip's source, not a model",
    "counted": "counted on the network, exact",
    "tiled": "a mapping bounded every memory level",
    "calibrated": "fitted to measurements of this chip",
    "measured": "measured",
    "given": "given by the user's own function",
    "": "unknown",
}
"""Fidelity -> what kind of number it is."""


def told(wanted: Objective, q: Quantity) -> str:
    """A quantity as a person reads it, with unit and interval."""
    return interval(q.value, q.low, q.high, unit_of(wanted.name) or wanted.unit)


def shown(demands: Demands) -> tuple[Objective, ...]:
    """Quantities that the page shows: error or accuracy, not both; no rate that a latency tells already."""
    names = [o.name for o in demands.objectives]
    hidden = {"throughput_ips", "top1_pct" if "error_pct" in names else ""}
    return tuple(o for o in shown_quantities(demands) if o.name not in hidden or o.name in names)


def answer(front: Front, pick: Trial) -> str:
    """The answer in a sentence or two: which network on which chip, with which figures."""
    e = pick.evaluation
    said = [
        f"{(o.title or axis_title(o.name, unit=False)).lower()} {told(o, pick.quantity(o))}"
        for o in shown(front.demands)
    ]
    best_case = [o for o in front.demands.objectives if o.at_best(pick.quantity(o))]
    text = f"{e.network} on {e.chip} at {e.precision}: {', '.join(said)}."
    if best_case:
        text += f" The {best_case[0].title.lower()} is a best case: what {e.precision} loses is not modelled."
    return text


def no_answer(results: Results) -> str:
    """What to say where nothing meets every limit."""
    return results.summary().why_nothing.replace("\n", "; ").capitalize() + "."


def cards(front: Front, pick: Trial | None) -> tuple[Card, ...]:
    """The figures of the answer, one a card."""
    found = []
    for wanted in shown(front.demands) if pick is not None else ():
        q = pick.quantity(wanted) if pick is not None else None
        if q is None:
            continue
        unit = unit_of(wanted.name) or wanted.unit
        value = interval(q.value, q.low, q.high).split(" (")[0]
        spread = (
            f"{figures(q.low)} to {figures(q.high)} {unit}"
            if q.low is not None and q.high is not None and q.low != q.high
            else ""
        )
        found.append(
            Card(
                wanted.title or axis_title(wanted.name, unit=False),
                f"{value} {unit}",
                spread,
                q.fidelity or "unknown",
            )
        )
    return tuple(found)


def front_table(front: Front, pick: Trial | None) -> Table:
    """The points of the front, the chosen one marked."""
    wanted = shown(front.demands)
    titles = [
        "Trial",
        "Network",
        "Chip",
        "Precision",
        *(axis_title(o.name) for o in wanted),
        "Power is",
        "Bound by",
        "Not separable from",
    ]
    rows = [_front_row(front, t, wanted) for t in front.members]
    marked = [i for i, t in enumerate(front.members) if pick is not None and t.number == pick.number]
    return table(titles, rows, numeric=(0, *range(4, 4 + len(wanted))), marked=marked)


def _front_row(front: Front, trial: Trial, wanted: Sequence[Objective]) -> list[Cell]:
    e = trial.evaluation
    cells = [
        Cell(str(trial.number), trial.number),
        text_cell(e.network, "; ".join(e.notes)),
        text_cell(e.chip),
        text_cell(e.precision),
    ]
    for o in wanted:
        q = trial.quantity(o)
        cells.append(number_cell(q.value, q.low, q.high, note=MEANING.get(q.fidelity, q.fidelity)))
    clashes = front.not_separable[trial.number]
    others = ", ".join(str(n) for n in clashes[:4]) + (
        f" and {len(clashes) - 4} more" if len(clashes) > 4 else ""
    )
    return [*cells, text_cell(power_is(trial)), text_cell(e.bound), text_cell(others)]


def power_is(trial: Trial) -> str:
    """Whether the power of a point is modelled or a cap."""
    fidelity = (
        trial.evaluation.cost.power.fidelity
        if trial.evaluation.cost.energy.value is None
        else trial.evaluation.cost.energy.fidelity
    )
    return "cap" if fidelity == "cap" else f"modelled ({fidelity})" if fidelity else "unknown"


def constraints_table(results: Results) -> Table:
    """Every limit with how many candidates it rejected, how many it could not judge, and what would help."""
    summary = results.summary()
    found = {r.constraint: r for r in summary.rejections}
    rows = []
    for c in results.demands.constraints:
        r, unit = found.get(str(c)), unit_of(c.name) or c.of.unit
        counts = [Cell(str(x), x) for x in ((r.rejected, r.alone, r.unknown) if r else (0, 0, 0))]
        doubtful = sum(c.name in t.verdict.uncertain for t in results.front.members)
        demands = [
            text_cell("" if v is None else f"{figures(v)} {unit}")
            for v in ((r.median, r.nearest) if r else (None, None))
        ]
        note = f"follows from {c.implied_by}" if c.implied_by else ""
        rows.append(
            [
                text_cell(limit(c), note),
                *counts,
                Cell(str(doubtful), doubtful),
                *demands,
                text_cell(c.of.lever),
            ]
        )
    for reason, n in summary.reasons:
        rows.append([text_cell(reason), Cell(str(n), n), *([text_cell("")] * 6)])
    titles = (
        f"Limit ({summary.n_trials} candidates)",
        "Rejected",
        "By it alone",
        "Unknown",
        "Front: interval crosses it",
        "Median of the rejected",
        "Nearest miss",
        "What helps",
    )
    return table(titles, rows, numeric=(1, 2, 3, 4))


def limit(c: Constraint) -> str:
    """A limit as a person reads it: "Latency ≤ 33.3 ms"."""
    name, unit = c.of.title or axis_title(c.name, unit=False), unit_of(c.name) or c.of.unit
    return f"{name} {'≤' if c.op == '<=' else '≥'} {c.bound:g} {unit}".rstrip()


def fidelity_table(front: Front) -> Table:
    """For every quantity on the front: where its figures come from, and how many."""
    rows = []
    for o in shown(front.demands):
        found = Counter(t.quantity(o).fidelity for t in front.members)
        for fidelity, count in sorted(found.items()):
            label = fidelity or "unknown"
            rows.append(
                [
                    text_cell(axis_title(o.name)),
                    text_cell(label),
                    Cell(str(count), count),
                    text_cell(MEANING.get(fidelity, "")),
                ]
            )
    return table(("Quantity", "Fidelity", "Points of the front", "What that means"), rows, numeric=(2,))
