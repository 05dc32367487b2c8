"""`codesign demo`, `report` and `doctor`: the first thing a newcomer runs, and the two they need next."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from codesign.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from codesign.demo import Demonstration
    from codesign.search.study import Progress
    from codesign.search.trial import Trial

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEMO_FOLDER: Final = Path("runs/demo")
NOTHING_FEASIBLE: Final = 3
INTERRUPTED: Final = 130
MAX_ROWS: Final = 24
"""Points of the front that are printed; the report has them all."""
WIDE: Final = 118
"""Columns of a terminal from which on a point takes one line."""
WIDEST: Final = 146
"""Columns of a terminal from which on intervals are printed, and of what is no terminal."""
NARROW_NAME: Final = 31
"""Letters of a name on a narrower one."""
NOTES: Final = (
    "Accuracy is as published at full precision. What int8 loses is not modelled: the median of other "
    "classifiers that were quantised stands in, with its range.",
    "Power 'model' is energy per image times 30 images/s, without what the chip draws between two images "
    "unless its file says; 'cap' is the cap of the power mode. A latency with ? may miss the limit: its "
    "interval crosses it.",
)


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command("demo")(demo_command)
    app.command("report")(report_command)
    app.command("doctor")(doctor_command)


def demo_command(
    out: Annotated[Path, typer.Option("--out", help="Run folder.")] = DEMO_FOLDER,
    trials: Annotated[int | None, typer.Option(min=1, help="Candidates in all; default: 200.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same front.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Throw an earlier run away first.")] = False,
    allow_unknown: Annotated[
        bool, typer.Option("--allow-unknown", help="Let chips of unknown rated power in, marked.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Which ImageNet backbone on which chip, for a camera at 30 images per second under 15 W?"""
    from rich.console import Console

    from codesign.demo import POWER_W, QUESTION, TRIALS, offer, run_demo
    from codesign.search.signals import Stopped

    console = Console(quiet=as_json, width=None if sys.stdout.isatty() else WIDEST)
    console.print(f"[bold]{QUESTION}[/bold]")
    offered = offer(allow_unknown=allow_unknown)
    others = f"{len(offered.left_out)} other chips and modes are rated above {POWER_W:g} W, or nobody says"
    console.print(f"Chips: {', '.join(offered.chips)}. {others}.", highlight=False)
    try:
        with _progress(console, trials or TRIALS) as advance:
            result = run_demo(
                out,
                offered.chips,
                n_trials=trials or TRIALS,
                seed=seed,
                fresh=fresh,
                allow_unknown=allow_unknown,
                progress=advance,
            )
    except Stopped as stop:
        typer.echo(f"\n{stop}, and so does `codesign demo`", err=True)
        raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(_as_data(result))
    else:
        _tell(result, console)
    if result.pick is None:
        raise typer.Exit(NOTHING_FEASIBLE)


def report_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder, of a search finished or not.")],
    out: Annotated[Path | None, typer.Option("--out", help="HTML file; default: report.html in RUN.")] = None,
    pick: Annotated[int | None, typer.Option(help="Trial to show in detail; default: the knee.")] = None,
) -> None:
    """Write the report of a run as one HTML file that needs no network."""
    from codesign.report import write_report
    from codesign.search.results import Run

    results = Run(run)
    path = write_report(results, out, pick=pick)
    typer.echo(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)")
    if not len(results.front):
        raise typer.Exit(NOTHING_FEASIBLE)


def doctor_command(as_json: Json = False) -> None:
    """What is installed, what is missing, and what to do about it."""
    from codesign.doctor import examine

    health = examine()
    if as_json:
        print_json(health.to_rows())
    else:
        print_table([{k: v for k, v in row.items() if k != "advice"} for row in health.to_rows()])
        for check in health.checks:
            if check.advice:
                typer.echo(f"{check.state}: {check.name}: {check.found}\n      {check.advice}")
        typer.echo("all is well" if health.ok else "something will not work, see above")
    if not health.ok:
        raise typer.Exit(1)


@contextmanager
def _progress(console: Console, total: int) -> Iterator[Callable[[Progress], None]]:
    """A bar that moves with every trial."""
    from rich import progress as bars

    columns = (
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TextColumn("{task.description}"),
    )
    with bars.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("loading the networks", total=total)

        def advance(p: Progress) -> None:
            bar.update(task, completed=p.done, total=p.total, description=f"{p.feasible} meet every limit")

        yield advance


def _as_data(result: Demonstration) -> dict[str, object]:
    from codesign.demo import QUESTION

    return {
        "question": QUESTION,
        "answer": result.answer,
        "pick": None if result.pick is None else result.pick.number,
        "front": result.study.front.to_records(),
        "trials": len(result.study.trials),
        "report": str(result.report),
    }


def _tell(result: Demonstration, console: Console) -> None:
    from rich.markup import escape

    study, folder = result.study, result.report.parent
    if result.reused:
        console.print(f"{len(study.trials)} candidates are there already. [dim]--fresh starts over.[/dim]")
    console.print(f"{escape(str(study.summary()))}\n")
    if result.pick is not None:
        console.print(_front_table(result, console.width))
        for note in NOTES:
            console.print(f"[dim]{note}[/dim]", highlight=False)
    console.print(f"\n[bold]Answer.[/bold] {escape(result.answer)}\n", highlight=False)
    for what, line in (
        ("Report", f"{result.report}   one file, opens offline in a browser"),
        ("Next", f"codesign front {folder} --json"),
        *(() if result.pick is None else (("", _explain(result.pick)),)),
        ("", "codesign chips list"),
    ):
        console.print(f"{what:<8}{escape(line)}", highlight=False, soft_wrap=True)


def _explain(pick: Trial) -> str:
    """The command that tells why the chosen point is as fast as it is."""
    e = pick.evaluation
    return f"codesign explain timm:{e.network} --chip {e.chip} --precision {e.precision}"


def _front_table(result: Demonstration, width: int) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    wide = width >= WIDE
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    for name in ("", "network", "chip", "at") if wide else ("", "network, chip"):
        table.add_column(name, no_wrap=True, max_width=None if wide else NARROW_NAME)
    for name in ("top-1 %", "latency ms", "energy mJ", "power W") if wide else ("top-1", "ms", "mJ", "W"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("bound", no_wrap=True)
    for row in result.rows(MAX_ROWS, intervals=width >= WIDEST):
        mark, network, chip, precision, *figures = (escape(cell) for cell in row.cells)
        who = (network, chip, precision) if wide else (f"{network}\n  {chip} {precision}",)
        table.add_row(mark, *who, *figures, style="bold" if row.picked else "")
    left = len(result.study.front) - table.row_count
    if left > 0:
        table.caption = f"{left} more points are in the report"
    return table
