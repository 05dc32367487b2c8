"""`codesign coverage`: which operators of a network run where on a chip, before any latency."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codesign.cli.costs import Chips, Precision, network
from codesign.cli.networks import Constants, Json, Model, Shapes  # noqa: TC001

PlacementFile = Annotated[
    Path | None,
    typer.Option("--placements", help="Records that say where layers ran; default: those that ship."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(coverage)


def coverage(
    model: Model,
    chip: Chips,
    precision: Precision = None,
    shape: Shapes = None,
    constant: Constants = None,
    placements: PlacementFile = None,
    as_json: Json = False,
) -> None:
    """Say which operators the main engine runs, which fall back, which nobody runs, and what to do about it.

    Exit code 3 where a chip cannot run the network at all.
    """
    from codesign.cli.output import print_table
    from codesign.coverage import coverage as gate

    workload = network(model, shape, constant)
    found = [gate(workload, one, precision, placements=placements) for one in chip]
    rows = [
        {"chip": c.chip, "precision": c.precision, **{str(k): v for k, v in row.items()}}
        for c in found
        for row in c.to_frame().to_dict("records")
    ]
    print_table(rows, as_json=as_json, title=workload.name)
    for one in found:
        typer.echo(str(one), err=as_json)
    if not any(one.runs for one in found):
        raise typer.Exit(3)
