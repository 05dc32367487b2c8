"""What the points of a study say: the answer, the front as a table, what each limit rejected, fidelities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from codesign.objectives import CATALOGUE
from codesign.plots._theme import axis_title, figures, interval, unit_of
from codesign.report.content import Card, Cell, Table, number_cell, table, text_cell

if TYPE_CHECKING:
    from codesign.evaluate import Evaluation
    from codesign.front import Front
    from codesign.front.membership import Membership
    from codesign.objectives import Constraint, Demands, Objective, Quantity
    from codesign.search.results import Results
    from codesign.search.trial import Trial

MEANING: Final = {
    "published": "accuracy as published with the weights, at full precision",
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
    unit = unit_of(wanted.name) or wanted.unit
    return interval(q.value, q.low, q.high, unit, digits=digits_of(wanted))


def digits_of(wanted: Objective) -> int:
    """Significant figures: accuracies are published with four, estimates deserve three."""
    return 4 if unit_of(wanted.name) == "%" else 3


def shown(demands: Demands) -> tuple[Objective, ...]:
    """Quantities that the page shows: what was asked for, and power; accuracy for error, latency for rate."""
    named = {o.name: o for o in (*demands.objectives, *(c.of for c in demands.constraints))}
    named.setdefault("power_w", CATALOGUE["power_w"])
    named.pop("throughput_ips", None)
    if "error_pct" in named:
        named = {"top1_pct": CATALOGUE["top1_pct"], **named}
        del named["error_pct"]
    return tuple(named.values())


def title_of(wanted: Objective, e: Evaluation) -> str:
    """A quantity in words; what a chip draws between two images is known only where it states it."""
    words = wanted.title or axis_title(wanted.name, unit=False)
    if wanted.name != "power_w" or not e.rate_hz:
        return words
    return f"{words} at {e.rate_hz:g} images/s{'' if 'idle_power_w' in e.facts else ' without idling'}"


def answer(results: Results, pick: Trial) -> str:
    """The answer in a sentence or two: which network on which chip, with which figures."""
    e = pick.evaluation
    said = [f"{_lower(title_of(o, e))} {told(o, pick.quantity(o))}" for o in shown(results.demands)]
    text = f"{e.network} at {e.precision} on {e.chip}: {', '.join(said)}."
    if e.error.fidelity == "prior":
        text += f" What {e.precision} loses is not modelled: a class figure stands in for it."
    return text


def _lower(words: str) -> str:
    return words[0].lower() + words[1:]


def no_answer(results: Results) -> str:
    """What to say where nothing meets every limit."""
    why = results.summary().why_nothing.replace("\n", "; ")
    return f"{why[0].upper()}{why[1:]}."


def cards(results: Results, pick: Trial) -> tuple[Card, ...]:
    """The figures of the answer, one a card."""
    found = []
    for wanted in shown(results.demands):
        q, unit = pick.quantity(wanted), unit_of(wanted.name) or wanted.unit
        value, _, _ = told(wanted, q).partition(" (")
        ranged = q.low is not None and q.high is not None and q.low != q.high
        spread = f"{figures(q.low)} to {figures(q.high)} {unit}" if ranged else ""
        tag = q.fidelity.replace("_", " ") or "unknown"
        found.append(Card(title_of(wanted, pick.evaluation), value, spread, tag))
    return tuple(found)


def front_table(results: Results, pick: Trial | None) -> Table:
    """The points of the front, the chosen one marked."""
    front, wanted = results.front, shown(results.demands)
    names = [axis_title(o.name).replace(" per inference", "") for o in wanted]
    titles = ["Trial", "Network", "Chip", "Precision", *names, "Bound by", "Overlaps", "Likely"]
    likely = front.membership()
    rows = [[*_front_row(front, t, wanted), _likely_cell(likely, t)] for t in front.members]
    marked = [i for i, t in enumerate(front.members) if pick is not None and t.number == pick.number]
    numeric = (0, *range(4, 4 + len(wanted)), len(titles) - 2, len(titles) - 1)
    return table(titles, rows, numeric=numeric, marked=marked)


def _likely_cell(likely: Membership, trial: Trial) -> Cell:
    """How likely the point is truly on the front, given the intervals of all points."""
    share, error = likely.of(trial.number), likely.error(trial.number)
    note = f"truly on the front in {share:.1%} of {likely.n_draws} draws (standard error {error:.1%})"
    return Cell(f"{share:.0%}", share, note)


def _front_row(front: Front, trial: Trial, wanted: Sequence[Objective]) -> list[Cell]:
    e, clashes = trial.evaluation, front.not_separable[trial.number]
    others = f"overlap in every objective: {', '.join(map(str, clashes))}" if clashes else ""
    return [
        Cell(str(trial.number), trial.number),
        text_cell(e.network, "; ".join(e.notes)),
        text_cell(e.chip),
        text_cell(e.precision),
        *(quantity_cell(trial, o) for o in wanted),
        text_cell(e.bound),
        Cell(str(len(clashes)), len(clashes), others),
    ]


def quantity_cell(trial: Trial, wanted: Objective) -> Cell:
    """A quantity with its interval; what kind of number it is stands in the note, a cap in the cell."""
    q = trial.quantity(wanted)
    note = MEANING.get(q.fidelity, q.fidelity)
    cell = number_cell(q.value, q.low, q.high, digits=digits_of(wanted), note=note)
    if q.fidelity == "cap":
        cell = replace(cell, text=f"{cell.text} cap")
    if in_doubt(trial, wanted):
        cell = replace(cell, text=f"{cell.text} ?", note=f"the interval crosses the limit; {note}")
    return cell


def in_doubt(trial: Trial, wanted: Objective) -> bool:
    """Whether a limit on the quantity lies inside its interval, so that its verdict is not certain."""
    return trial.feasible and wanted.name in trial.verdict.uncertain


def power_is(trial: Trial) -> str:
    """Whether the power of a point is modelled or a cap."""
    fidelity = trial.quantity(CATALOGUE["power_w"]).fidelity
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
        "In doubt",
        "Median",
        "Nearest",
        "What helps",
    )
    return table(titles, rows, numeric=(1, 2, 3, 4))


def limit(c: Constraint) -> str:
    """A limit as a person reads it: "Latency ≤ 33.3 ms"."""
    name, unit = c.of.title or axis_title(c.name, unit=False), unit_of(c.name) or c.of.unit
    return f"{name} {'≤' if c.op == '<=' else '≥'} {c.bound:g} {unit}".rstrip()


def fidelity_table(results: Results) -> Table:
    """For every quantity on the front: where its figures come from, and how many."""
    front, rows = results.front, []
    ladder = results.config.stages
    stages = {} if ladder is None else {s.name: f"stage of a study, charged {s.charge:g}" for s in ladder.of}
    meaning = {**MEANING, **stages}
    for o in shown(results.demands):
        found = Counter(t.quantity(o).fidelity for t in front.members)
        for fidelity, count in sorted(found.items()):
            label = fidelity or "unknown"
            rows.append(
                [
                    text_cell(axis_title(o.name)),
                    text_cell(label),
                    Cell(str(count), count),
                    text_cell(meaning.get(fidelity, "")),
                ]
            )
    return table(("Quantity", "Fidelity", "Points of the front", "What that means"), rows, numeric=(2,))
