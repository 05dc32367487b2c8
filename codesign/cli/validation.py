"""`codesign validate`: predicted against measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hw_models.validation import Score, Validation
    from hw_models.validation.join import Progress

TITLES = {
    "silicon": "predicted against measured: silicon and RTL",
    "closed_form": "predicted against closed forms and vendors' sheets",
    "model": "agreement with other people's cost models, which is not truth",
}
"""The three kinds of truth, each in a table of its own."""

MAX_REASONS = 12
"""Reasons for skipped rows that are shown one by one, most frequent first."""


def register(app: typer.Typer) -> None:
    """Add `validate`."""
    app.command()(validate)


def validate(
    data: Annotated[
        Path | None,
        typer.Option(help="Directory with files such as timm_throughput.csv, devices.csv, gemmini_rtl.csv."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as a JSON list.")] = False,
    dataset: Annotated[list[str] | None, typer.Option(help="Only this data set; may be repeated.")] = None,
    device: Annotated[list[str] | None, typer.Option(help="Only this device; may be repeated.")] = None,
    max_rows: Annotated[
        int | None, typer.Option(min=1, help="At most so many rows of each device and mode, evenly spread.")
    ] = None,
) -> None:
    """Compare predictions with measurements, next to the best naive predictor.

    Errors are fractions of the measured quantity; `mape` is without any free scale, `mape_scaled` after one.
    """
    from codesign.cli.output import print_table
    from codesign.validation import validate as compare

    with _progress() as progress:
        result = compare(data, datasets=dataset, devices=device, max_rows=max_rows, progress=progress)
    if as_json:
        print_table(result.rows, as_json=True)
    else:
        for truth, title in TITLES.items():
            of_truth = [score for score in result.scores if score.truth == truth]
            if of_truth:
                print_table([_short(score) for score in of_truth], title=title)
    _tell_skipped(result)


def _short(score: Score) -> dict[str, object]:
    """What fits on a screen: errors in per cent, the best naive predictor in brackets."""
    return {
        "set": score.dataset,
        "device": score.device or "",
        "mode": (score.mode or "").replace("|", " "),
        "quantity": score.quantity,
        "n": score.n,
        "tau (naive)": _beside(score.kendall_tau, score.naive_kendall_tau, "{:.3f}"),
        "% off, 1 scale (naive)": _beside(score.mape_scaled, score.naive_mape_scaled, "{:.1%}"),
        "% off": _text(score.mape, "{:.1%}"),
        "bias": _text(score.bias, "{:+.1%}"),
        "in 90 %": _text(score.coverage_90, "{:.0%}"),
    }


def _beside(ours: float | None, naive: float | None, form: str) -> str:
    return "-" if ours is None else f"{_text(ours, form)} ({_text(naive, form)})"


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _tell_skipped(result: Validation) -> None:
    """On stderr, why rows were not compared."""
    counts = result.skipped.groupby("reason")["n"].sum().sort_values(ascending=False, kind="stable")
    if len(counts):
        typer.echo(f"{int(counts.sum())} rows were not compared:", err=True)
    for reason, n in counts.head(MAX_REASONS).items():
        typer.echo(f"  {int(n):6d}  {reason}", err=True)
    if len(counts) > MAX_REASONS:
        rest = counts.iloc[MAX_REASONS:]
        typer.echo(f"  {int(rest.sum()):6d}  {len(rest)} further reasons", err=True)
    if result.not_read:
        typer.echo(f"no reader yet for: {', '.join(result.not_read)}", err=True)


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on stderr, shown to a person alone."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=None)

        def show(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield show
