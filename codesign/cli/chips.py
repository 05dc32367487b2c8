"""`codesign chips`: list, show, check and start chip files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codesign.cli.output import print_json, print_table

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.show import ChipReport

chips = typer.Typer(
    name="chips", no_args_is_help=True, help="Chips: list them, show one, check a file, start a new one."
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, numbers in SI.")]


def register(app: typer.Typer) -> None:
    """Add the group `chips`."""
    app.add_typer(chips)


@chips.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(help="Names to list, with wildcards: 'jetson*'.")] = "*",
    device_class: Annotated[
        str | None, typer.Option("--class", help="Class, with wildcards: '*npu*'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the chips that can be named: packaged ones, those of CODESIGN_CHIPS, those of plug-ins."""
    from hw_models.spec.catalogue import catalogue

    found = catalogue(pattern, device_class)
    if as_json:
        print_json([_json_row(chip) for chip in found.chips] + [_broken_row(*pair) for pair in found.broken])
        return
    print_table([_text_row(chip) for chip in found.chips])
    costable = sum(chip.costable for chip in found.chips)
    typer.echo(
        f"\n{len(found.chips)} chips, {costable} costable. `codesign chips show NAME` has the sources."
    )
    for name, error in found.broken:
        typer.echo(f"broken: {name}: {error}")


@chips.command()
def show(
    name: Annotated[str, typer.Argument(help="A chip's name, or a file.")],
    mode: Annotated[str | None, typer.Option(help="Power mode, for example 30W.")] = None,
    as_json: Json = False,
) -> None:
    """Show every number of a chip with unit, range and source; what conflicts, is left out, or is missing."""
    from hw_models.spec.load import chip_report, load_chip

    report = chip_report(load_chip(name, mode))
    if as_json:
        print_json(report.to_dict())
    else:
        _print_report(report)


@chips.command()
def check(
    files: Annotated[list[str], typer.Argument(help="Chip files.")],
    as_json: Json = False,
) -> None:
    """Check files as a compiler would: every mistake and doubt with its line; exit code 2 on an error."""
    from dataclasses import asdict

    from hw_models.cost.tiled.check import with_dataflow
    from hw_models.spec.check import check_file

    outcomes = [with_dataflow(check_file(file)) for file in files]
    if as_json:
        print_json([asdict(diagnosis) for outcome in outcomes for diagnosis in outcome.remarks])
    else:
        for outcome in outcomes:
            for diagnosis in outcome.remarks:
                typer.echo(str(diagnosis))
            if outcome.ok:
                typer.echo(f"{outcome.file}: ok: {outcome.chip!r}")
    if not all(outcome.ok for outcome in outcomes):
        raise typer.Exit(2)


@chips.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the chip: lower case, digits, underscores.")],
    like: Annotated[
        str | None, typer.Option("--from", help="Chip to copy in place of an empty form.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path(),
) -> None:
    """Write a chip file to fill in; an existing file is never overwritten."""
    from hw_models.spec.template import new_chip

    file = new_chip(name, out, like=like)
    todo = "change what differs in it" if like else "fill in every ___ in it"
    typer.echo(f"wrote {file}")
    typer.echo(f"1. {todo}, each number with its source")
    typer.echo(f"2. codesign chips check {file}")
    typer.echo(f"3. codesign estimate timm:resnet50 --chip {file}")


@chips.command()
def schema(
    out: Annotated[Path | None, typer.Option(help="File to write; without it, print.")] = None,
) -> None:
    """Write the JSON Schema of chip files, for editors."""
    import json

    from hw_models.spec.schema import json_schema

    if out is None:
        print_json(json_schema())
        return
    out.write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    typer.echo(f"wrote {out}; in a chip file: # yaml-language-server: $schema={out}")


@chips.command()
def calibrate(
    name: Annotated[str, typer.Argument(help="The chip that was measured: a name, or a file.")],
    records: Annotated[Path, typer.Option(help="Measurements of networks on it, as `measure` writes them.")],
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: beside the chip's file, where it is found.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Name of the chip in the records.")] = None,
    as_json: Json = False,
) -> None:
    """Fit what measurements add to the law of the chip's class; write it beside the chip's file."""
    from codesign.calibration import calibrate as fit
    from hw_models.calibration.file import write_calibration
    from hw_models.calibration.find import SHIPPED, beside
    from hw_models.spec.load import load_chip

    chip = load_chip(name)
    made = fit(chip, records, device=device)
    near = beside(chip)
    packaged = near is None or near.parent == SHIPPED.parent
    target = out or (Path(f"{chip.label}.calibration.yaml") if packaged or near is None else near)
    write_calibration(made, target)
    frame = made.to_frame()
    if as_json:
        told = {
            "chip": made.chip,
            "file": str(target),
            "rows": made.n_rows,
            "set_aside": dict(made.set_aside),
        }
        curves = [list(s.curve) for s in made.settings]
        rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
        print_json(
            told | {"settings": [{**r, "learning_curve": c} for r, c in zip(rows, curves, strict=True)]}
        )
        return
    columns = {"networks": "networks", "mape": "error", "law_mape": "of the law", "coverage_90": "in 90 %"}
    ways = [str(s.way) for s in made.settings]
    print_table(
        [
            {"way": way, **{title: row[key] for key, title in columns.items()}}
            for way, row in zip(ways, frame.to_dict("records"), strict=True)
        ]
    )
    for reason, n in made.set_aside.items():
        typer.echo(f"set aside: {n} rows: {reason}")
    typer.echo(f"wrote {target}")
    if not packaged and target == near:
        typer.echo(f"codesign estimate timm:resnet50 --chip {name} --model calibrated")
        return
    typer.echo(f"not found by itself, as it does not lie beside the file of {chip.label}; in Python:")
    typer.echo(f'cd.estimate(network, "{name}", model="calibrated", calibration="{target}")')


def _text_row(chip: Accelerator) -> dict[str, Any]:
    from hw_models.spec.show import peaks_text

    dram = chip.dram
    return {
        "name": chip.name,
        "title": chip.title,
        "class": chip.device_class,
        "costable": "yes" if chip.costable else f"no: {', '.join(chip.missing())}",
        "peak": peaks_text(chip) if chip.main_engine.peak else None,
        "bandwidth": str(dram.bandwidth) if dram and dram.bandwidth else None,
        "modes": " ".join(m.name for m in chip.power_modes),
    }


def _json_row(chip: Accelerator) -> dict[str, Any]:
    dram = chip.dram
    return {
        "name": chip.name,
        "title": chip.title,
        "vendor": chip.vendor,
        "device_class": chip.device_class,
        "costable": chip.costable,
        "missing": list(chip.missing()),
        "peak_op_per_s": {precision: peak.value for precision, peak in chip.main_engine.peak.items()},
        "bandwidth_byte_per_s": dram.bandwidth.value if dram and dram.bandwidth else None,
        "tdp_w": chip.tdp.value if chip.tdp else None,
        "modes": [m.name for m in chip.power_modes],
        "error": None,
    }


def _broken_row(name: str, error: str) -> dict[str, Any]:
    return {"name": name, "costable": False, "error": error}


def _print_report(report: ChipReport) -> None:
    chip = report.chip
    typer.echo(f"{chip.title or chip.name}  [{chip.label}]  {chip.vendor}, {chip.device_class}")
    typer.echo("costable" if chip.costable else "not costable:")
    for reason in chip.why_not_costable():
        typer.echo(f"  missing {reason}")
    typer.echo("")
    print_table(report.rows)
    sections = {
        "In words": [
            f"{field}: {text}" + (f" [{source}]" if source else "") for field, text, source in report.facts
        ],
        "Power modes": [f"{m.name}: cap {m.cap or 'not stated'}" for m in chip.power_modes],
        "Sources disagree": [f"{field}: {text}" for field, text in chip.conflicts.items()],
        "Left out": list(chip.left_out),
        "Doubts": list(report.warnings),
        "Sources": [f"[{key}] {text}" for key, text in chip.sources.items()],
    }
    for title, lines in sections.items():
        if lines:
            typer.echo(f"\n{title}")
            for line in lines:
                typer.echo(f"  {line}")
