"""`codesign bench`: how fast the tiled cost core is, here and now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

RIVALS = ("zigzag",)


def register(app: typer.Typer) -> None:
    """Add `bench`."""
    app.command()(bench)


def bench(
    against: Annotated[
        str | None, typer.Option(help="Run another tool on the same layers too: zigzag (minutes).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Mappings, covered points and designs per second, with the proven gap and the measured loss."""
    from codesign.bench import measure
    from codesign.cli.output import print_json, print_table
    from hw_models.errors import UnknownNameError

    if against is not None and against not in RIVALS:
        raise UnknownNameError("tool to compare with", against, RIVALS, f"known: {', '.join(RIVALS)}")
    found = measure(against_zigzag=against == "zigzag")
    if as_json:
        print_json(found)
        return
    detail = found.pop("detail")
    print_table([{"figure": name, "value": value} for name, value in found.items()], title="codesign bench")
    typer.echo("")
    print_table(_flat(detail), title="what stands behind it")


def _flat(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, value in detail.items():
        inner = value if isinstance(value, dict) else {"": value}
        rows += [{"figure": f"{name} {key}".strip(), "value": item} for key, item in inner.items()]
    return rows
