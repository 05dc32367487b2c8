"""`codesign front`: the points that nothing beats; thinned, under other demands, or against another run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.front import Front
    from codesign.front.comparison import FrontComparison
    from codesign.search.results import Results

NOTHING_FEASIBLE: Final = 3
MOST_BEATEN: Final = 20

Constraints = Annotated[
    list[str] | None,
    typer.Option(
        "--constraint", help="A bound to hold instead or as well, 'latency_ms <= 5'; nothing is evaluated."
    ),
]
Dropped = Annotated[
    list[str] | None, typer.Option("--drop-constraint", metavar="NAME", help="A bound that no longer holds.")
]
Objectives = Annotated[
    list[str] | None,
    typer.Option("--objective", metavar="NAME", help="What is wanted instead; once for each objective."),
]
Epsilons = Annotated[
    list[str] | None,
    typer.Option(
        "--epsilon",
        metavar="NAME=HOW",
        help="Thin: worse by so much counts as no worse (latency_ms=5%, error_pct=0.2, energy_mj=1.1x).",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("front")(front_command)


def front_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    constraint: Constraints = None,
    drop_constraint: Dropped = None,
    objective: Objectives = None,
    rate_hz: Annotated[
        float | None, typer.Option("--rate-hz", help="Images per second that are needed instead.")
    ] = None,
    epsilon: Epsilons = None,
    compare: Annotated[
        Path | None, typer.Option("--compare", metavar="RUN", help="Hold against the front of this run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """The points that nothing beats: network, chip, objectives, what is not known about them.

    `membership` is how likely a point is truly on the front, given the intervals of all points. Other demands
    are held against the trials there are; thinning comes last.
    """
    from codesign.cli.output import print_json
    from codesign.search.results import Run

    results = Run(run)
    changes = _Changes(constraint or [], drop_constraint or [], objective or [], rate_hz, epsilon or [])
    front = changes.applied(results.front)
    if compare is not None:
        _against(front, changes.applied(Run(compare).front), _names(run, compare), as_json=as_json)
        return
    if as_json:
        print_json(front.to_records())
    else:
        print_front(results, front)
    leave_if_nothing(front)


def _against(front: Front, other: Front, names: tuple[str, str], *, as_json: bool) -> None:
    from codesign.cli.output import print_json

    if not len(front) and not len(other):
        leave_if_nothing(front)
    held = front.compare(other, names)
    if as_json:
        print_json(held.to_record())
    else:
        _print_comparison(held)


class _Changes:
    """What the options ask of a front."""

    def __init__(
        self,
        constraints: Sequence[str],
        dropped: Sequence[str],
        objectives: Sequence[str],
        rate_hz: float | None,
        epsilons: Sequence[str],
    ) -> None:
        self._bounds: dict[str, str | None] = dict.fromkeys(dropped)
        self._bounds |= dict(_bound(text) for text in constraints)
        self._objectives, self._rate_hz = list(objectives) or None, rate_hz
        self._epsilon = dict(_epsilon(text) for text in epsilons)

    def applied(self, front: Front) -> Front:
        if self._bounds or self._objectives or self._rate_hz is not None:
            front = front.under(self._bounds, self._objectives, rate_hz=self._rate_hz)
        return front.thin(self._epsilon) if self._epsilon else front


def _bound(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"\s*(\w+)\s*([<>].*)", text)
    if match is None:
        msg = f"--constraint {text!r} given, expected a name and a bound, such as 'latency_ms <= 5'"
        raise InputError(msg)
    return match[1], match[2]


def _epsilon(text: str) -> tuple[str, str]:
    name, equals, how = text.partition("=")
    if not equals or not name.strip():
        msg = f"--epsilon {text!r} given, expected NAME=HOW, such as latency_ms=5%"
        raise InputError(msg)
    return name.strip(), how.strip()


def _names(run: Path, other: Path) -> tuple[str, str]:
    """Names of the folders, as long as they must be to differ."""
    short = run.resolve().name, other.resolve().name
    return short if short[0] != short[1] else (str(run), str(other))


def print_front(results: Results, front: Front) -> None:
    """Print a front as a table, with what a reader must know."""
    from codesign.cli.output import print_table
    from codesign.plots._theme import interval
    from codesign.report.points import digits_of
    from codesign.search.summary import summarise

    objectives = front.demands.objectives
    shown = [o.name for o in objectives]
    shown += [n for n in ("latency_ms", "energy_mj", "power_w") if n not in shown]
    rows = []
    for record in front.to_records():
        values = {n: record[n] for n in shown}
        for o in objectives:
            ends = record["low"][o.name], record["high"][o.name]
            values[o.name] = interval(record[o.name], *ends, digits=digits_of(o))
        names = {k: record[k] for k in ("id", "network", "chip", "precision")}
        likely = f"{record['membership']:.0%}"
        rows.append({**names, **values, "bound": record["bound"], "membership": likely})
    if rows:
        print_table(rows, title=f"front of {results.config.question or 'the search'}: {len(rows)} points")
    for remark in front.remarks:
        typer.echo(f"note: {remark}")
    numbers = {t.number for t in results.trials}  # points of the same training on other chips are no trials
    evaluated = [t for t in front.trials if t.number in numbers]
    typer.echo(str(summarise(evaluated, front.demands, len(front))))


def leave_if_nothing(front: Front) -> None:
    """Leave with exit code 3 where nothing is feasible, and say why."""
    from codesign.search.summary import summarise

    why = summarise(front.trials, front.demands, len(front)).why_nothing
    if why:
        typer.echo(why, err=True)
        raise typer.Exit(NOTHING_FEASIBLE)


def _print_comparison(held: FrontComparison) -> None:
    from codesign.cli.output import print_table

    typer.echo(held.verdict)
    print_table(held.measures())
    for sentence in held.sentences:
        typer.echo(sentence)
    beaten = [p for p in held.points if p.standing == "beaten"]
    if beaten:
        rows = [
            {
                "front": p.side,
                "id": p.trial.number,
                "network": p.trial.evaluation.network,
                "chip": p.trial.evaluation.chip,
                "precision": p.trial.evaluation.precision,
                "beaten by": ", ".join(map(str, p.by[:5])) + (" ..." if len(p.by) > 5 else ""),
                "truly": f"{p.beaten_probability:.0%}",
            }
            for p in beaten[:MOST_BEATEN]
        ]
        print_table(rows, title=f"points that the other front beats: {len(beaten)}")
