"""`codesign search run|status|resume`, `codesign spaces list|show`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from codesign.cli.front import leave_if_nothing, print_front

if TYPE_CHECKING:
    from codesign.search.study import Study

INTERRUPTED: Final = 130
MAX_VALUES: Final = 8
MAX_KNOBS: Final = 10

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
Trials = Annotated[
    int | None, typer.Option("--n-trials", min=1, help="Trials in all; default: as the study says.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    search = typer.Typer(no_args_is_help=True, help="Run a search, look at it, go on with it.")
    search.command("run")(run_command)
    search.command("status")(status_command)
    search.command("resume")(resume_command)
    app.add_typer(search, name="search")
    spaces = typer.Typer(no_args_is_help=True, help="Spaces of networks, and families of chips, to search.")
    spaces.command("list")(list_command)
    spaces.command("show")(show_command)
    app.add_typer(spaces, name="spaces")


def run_command(
    study: Annotated[Path, typer.Argument(metavar="STUDY.yaml", help="What is searched and what is wanted.")],
    n_trials: Trials = None,
    storage: Annotated[
        Path | None, typer.Option("--storage", help="Run folder; default: as the study says.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search as STUDY.yaml says. A run folder that holds the same study is continued."""
    from codesign.search.study import Study
    from codesign.study_file import read_study

    config = read_study(study)
    folder = storage or Path(config.storage or Path("runs") / study.stem)
    _search(Study.from_config(config, folder), n_trials or config.n_trials, as_json=as_json)


def resume_command(run: RunPath, n_trials: Trials = None, as_json: Json = False) -> None:
    """Go on with a search that was stopped, killed, or is to have more trials."""
    from codesign.search.study import Study

    study = Study.resume(run)
    _search(study, n_trials or study.config.n_trials, as_json=as_json)


def status_command(run: RunPath, as_json: Json = False) -> None:
    """How far a run is, what is feasible, and what stands in the way."""
    from codesign.cli.output import print_json, print_table
    from codesign.search.results import Run

    results = Run(run)
    summary = results.summary()
    wanted = results.config.n_trials
    rejections = [asdict(r) for r in summary.rejections]
    if as_json:
        counts = {
            k: getattr(summary, k)
            for k in ("n_trials", "feasible", "stopped", "unknown", "infeasible", "failed", "n_front")
        }
        reasons = [{"reason": r, "trials": n} for r, n in summary.reasons]
        paid = {"paid_trainings": summary.paid, "stages": [asdict(s) for s in summary.stages]}
        print_json({**counts, **paid, "n_wanted": wanted, "rejections": rejections, "reasons": reasons})
    else:
        typer.echo(f"{results.path}: {summary}; {wanted} wanted")
        if summary.stages:
            print_table([asdict(s) for s in summary.stages], title="stages; paid in full trainings")
        if rejections:
            hidden = {"name", "lever", "helps", "unit"}
            rows = [{k: v for k, v in r.items() if k not in hidden} for r in rejections]
            print_table(rows, title="what the constraints reject")
        for r in summary.rejections:
            typer.echo(f"lever for {r.constraint} {r.unit}: {r.levers}")
        if summary.reasons:
            print_table(
                [{"trials": n, "reason": r} for r, n in summary.reasons[:10]],
                title="what else stands in the way",
            )
    leave_if_nothing(results.front)


def list_command(as_json: Json = False) -> None:
    """Spaces that can be named in a study."""
    from codesign.cli.output import print_table
    from search_spaces.catalogue import CHIP_FAMILIES, list_spaces, load_space

    rows = []
    for name in list_spaces():
        space = load_space(name)
        about = (type(space).__doc__ or "").strip().partition("\n")[0]
        of = "chips" if name in CHIP_FAMILIES else "networks"
        knobs = ", ".join(space.knobs if as_json else _shortened(list(space.knobs)))
        rows.append({"space": name, "of": of, "size": space.size, "knobs": knobs, "what": about})
    print_table(rows, as_json=as_json)


def show_command(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="Name, or package.module:object.")],
    as_json: Json = False,
) -> None:
    """Knobs of a space, their values, and what the space leaves out."""
    from codesign.cli.output import print_json, print_table
    from search_spaces.catalogue import load_space

    found = load_space(space)
    knobs = {name: list(knob) for name, knob in found.knobs.items()}
    left_out = dict(getattr(found, "left_out", dict)())
    if as_json:
        print_json({"space": found.name, "size": found.size, "knobs": knobs, "left_out": left_out})
        return
    typer.echo(f"{found.name}: {found.size} points")
    print_table([{"knob": n, "values": len(v), "domain": _domain(v)} for n, v in knobs.items()])
    if left_out:
        print_table([{"left out": n, "why": why} for n, why in left_out.items()])


def _domain(values: list[Any]) -> str:
    if len(values) <= MAX_VALUES:
        return ", ".join(str(v) for v in values)
    return f"{', '.join(str(v) for v in values[:3])}, ... {', '.join(str(v) for v in values[-2:])}"


def _shortened(knobs: list[str]) -> list[str]:
    """The knobs of a table's row; of many, the first ones and how many there are."""
    many = len(knobs) > MAX_KNOBS
    return [*knobs[:MAX_KNOBS], f"... ({len(knobs)} in all)"] if many else knobs


def _search(study: Study, n_trials: int, *, as_json: bool) -> None:
    """Run a study with a progress bar on stderr, then print its front."""
    from codesign.cli.output import print_json
    from codesign.search.guards import StudyWarning
    from codesign.search.signals import Stopped

    for chip, why in getattr(study.space, "left_out", {}).items():
        typer.echo(f"note: {chip} cannot be costed and is left out: {why}", err=True)
    try:
        with warnings.catch_warnings(), _bar(study, n_trials, quiet=as_json) as progress:
            warnings.simplefilter("always", StudyWarning)
            warnings.showwarning = _note
            study.run(n_trials, progress=progress)
    except Stopped as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(INTERRUPTED) from stopped
    if as_json:
        print_json(study.front.to_records())
    else:
        print_front(study, study.front)
        if study.exhausted:
            typer.echo(f"every one of the {study.space.size} points of the space was evaluated")
        assert study.folder is not None
        folder = study.folder.path
        typer.echo(
            f"saved in {folder}; `codesign report {folder}` writes the page, `codesign search resume "
            f"{folder}` goes on"
        )
    leave_if_nothing(study.front)


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    """Show a warning when it comes: a search that finds nothing may be stopped early."""
    typer.echo(f"note: {message}", err=True)


@contextmanager
def _bar(study: Study, total: int, *, quiet: bool) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("searching"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[found]}"),
    )
    with Progress(*columns, console=Console(stderr=True, quiet=quiet), transient=True) as bar:
        task = bar.add_task("", total=total, completed=len(study.trials), found="")
        yield lambda p: bar.update(task, completed=p.done, total=p.total, found=f"{p.feasible} feasible")
