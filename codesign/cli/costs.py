"""`codesign estimate`, `explain` and `compare`: what a network costs on chips, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codesign.cli.networks import Batch, Constants, Json, Model, Shapes  # noqa: TC001  (Typer reads them)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw_models.cost.base import Cost
    from hw_models.workload.graph import Workload

Chips = Annotated[
    list[str], typer.Option("--chip", help="Chip that ships, NAME or NAME@MODE, or a chip file; repeatable.")
]
Chip = Annotated[str, typer.Option("--chip", help="Chip that ships, NAME or NAME@MODE, or a chip file.")]
Precision = Annotated[
    str | None,
    typer.Option(
        help="fp32, fp16, bf16, int8, ...; default: the first of fp16, int8, fp32 that the chip has."
    ),
]
Lowering = Annotated[
    str | None,
    typer.Option(
        help="What really runs: ideal, eager, compiled; default: compiled on GPU and CPU, else ideal."
    ),
]
Mode = Annotated[str | None, typer.Option(help="Power mode to put the chips in.")]
CostModel = Annotated[
    str,
    typer.Option(
        "--model",
        help="Cost model: roofline; calibrated, by the law of the chip's class and what was measured on it; "
        "roofline_bound for the bare bound; tiled, where the chip's file says how its array works.",
    ),
]
Runtime = Annotated[
    str | None,
    typer.Option(help="What executes: 'torch 2.4.0', onnxruntime, vitis_ai, ...; for --model calibrated."),
]
CalibrationFile = Annotated[
    Path | None,
    typer.Option(
        "--calibration", help="Calibration of the chip; default: the one beside its file, or that ships."
    ),
]
MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping", help="YAML file of mappings by layer, costed as they stand; for --model tiled."
    ),
]
Sparsity = Annotated[
    str | None,
    typer.Option(help="Sparse weights, for example 2:4, on chips that support the format; default: dense."),
]
Quantisation = Annotated[
    str | None,
    typer.Option(help="Scheme of the weights, for example 'asymmetric per_group:128'; default: any."),
]


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command("estimate")(estimate_command)
    app.command("explain")(explain_command)
    app.command("compare")(compare_command)


def estimate_command(  # noqa: PLR0913, PLR0917  (a parameter for each option)
    model: Model,
    chip: Chips,
    precision: Precision = None,
    batch: Batch = None,
    lowering: Lowering = None,
    mode: Mode = None,
    cost_model: CostModel = "roofline",
    runtime: Runtime = None,
    calibration: CalibrationFile = None,
    mapping: MappingFile = None,
    kernels: Annotated[bool, typer.Option("--kernels", help="Also a row for each kernel.")] = False,
    sparsity: Sparsity = None,
    quantisation: Quantisation = None,
    shape: Shapes = None,
    constant: Constants = None,
    as_json: Json = False,
) -> None:
    """Latency, energy, power, memory, area and price of MODEL on each chip, with interval and fidelity."""
    from codesign.cli.output import print_json, print_table

    options: dict[str, Any] = {"precision": precision, "batch": batch, "lowering": lowering}
    options |= {"model": cost_model, "sparsity": sparsity, "quantisation": quantisation, "mapping": mapping}
    options |= {"runtime": runtime, "calibration": calibration}
    costs = _costs(network(model, shape, constant), chip, mode, options)
    if as_json:
        print_json([_record(c) | ({"kernels": _kernels(c)} if kernels else {}) for c in costs])
    else:
        for cost in costs:
            print_table(_rows(cost), title=_title(cost))
            if kernels:
                print_table(_kernel_rows(cost), title="Kernels in the order they run in")
            for warning in cost.warnings:
                typer.echo(f"warning: {warning}")
            typer.echo("")
    if not any(c.feasibility.name == "OK" for c in costs):
        raise typer.Exit(3)


def explain_command(  # noqa: PLR0913, PLR0917  (a parameter for each option)
    model: Model,
    chip: Chip,
    what: Annotated[
        str, typer.Option(help="latency, energy, power, peak_memory, area or price.")
    ] = "latency",
    precision: Precision = None,
    batch: Batch = None,
    lowering: Lowering = None,
    mode: Mode = None,
    cost_model: CostModel = "roofline",
    runtime: Runtime = None,
    calibration: CalibrationFile = None,
    mapping: MappingFile = None,
    sparsity: Sparsity = None,
    quantisation: Quantisation = None,
    shape: Shapes = None,
    constant: Constants = None,
    as_json: Json = False,
) -> None:
    """Why a quantity is what it is: bound, counts, formula, sources, sensitivities, what is left out."""
    from codesign.cli.output import print_json

    options: dict[str, Any] = {"precision": precision, "batch": batch, "lowering": lowering}
    options |= {"model": cost_model, "sparsity": sparsity, "quantisation": quantisation, "mapping": mapping}
    options |= {"runtime": runtime, "calibration": calibration}
    (cost,) = _costs(network(model, shape, constant), [chip], mode, options)
    explanation = cost.explain(what)
    if as_json:
        print_json(explanation.to_dict())
    else:
        typer.echo(str(explanation))


def compare_command(  # noqa: PLR0913, PLR0917  (a parameter for each option)
    model: Model,
    chip: Chips,
    precision: Precision = None,
    batch: Batch = None,
    lowering: Lowering = None,
    mode: Mode = None,
    cost_model: CostModel = "roofline",
    sparsity: Sparsity = None,
    quantisation: Quantisation = None,
    shape: Shapes = None,
    constant: Constants = None,
    as_json: Json = False,
) -> None:
    """MODEL on several chips, one row for each; a chip that cannot be costed says why."""
    from codesign.cli.output import print_json, print_table
    from hw_models.cost.estimate import as_accelerator, compare

    workload = network(model, shape, constant)
    chips = [as_accelerator(name, mode) for name in chip]
    options = {"precision": precision, "batch": batch, "lowering": lowering, "model": cost_model}
    found = compare(workload, chips, **options, sparsity=sparsity, quantisation=quantisation)
    frame = found.to_frame()
    if as_json:
        print_json(frame.to_dict("records"))
    else:
        short = found.short_frame()
        print_table(short.drop(columns="note"), title=f"{workload.name} on {len(chips)} chips")
        for name, note in zip(short["chip"], short["note"], strict=True):
            if note:
                typer.echo(f"{name}: {note}")
    if not (frame["feasibility"] == "ok").any():
        raise typer.Exit(3)


def network(model: str, shape: list[str] | None, constant: list[str] | None) -> Workload:
    """The network that a user names."""
    from codesign.models import parse_constants, resolve_model

    return resolve_model(model, shape=shape, constants=parse_constants(constant or []))


def _costs(workload: Workload, chips: list[str], mode: str | None, options: Mapping[str, Any]) -> list[Cost]:
    from hw_models.cost.estimate import as_accelerator, estimate

    return [estimate(workload, as_accelerator(name, mode), **options) for name in chips]


def _title(cost: Cost) -> str:
    setting = f"{cost.precision}, batch {cost.batch}, lowering {cost.lowering}, model {cost.model}"
    return f"{cost.network} on {cost.chip}: {setting}"


def _rows(cost: Cost) -> list[dict[str, str]]:
    from hw_models.cost.base import show

    rows = []
    for name, e in cost.quantities.items():
        source = f"{e.fidelity}, {cost.power_source}" if name == "power" and cost.power_source else e.fidelity
        interval = "" if e.value is None else f"{show(e.low, e.unit)} .. {show(e.high, e.unit)}"
        rows.append(
            {
                "quantity": name.replace("_", " "),
                "value": show(e.value, e.unit),
                "90 %": interval,
                "fidelity": source,
            }
        )
    return rows


def _kernels(cost: Cost) -> list[dict[str, Any]]:
    """One record for each kernel, for a machine; unknown is null."""
    frame = cost.to_frame().astype(object)
    records = frame.where(frame.notna(), None).to_dict("records")
    return [{str(k): v for k, v in row.items()} for row in records]


def _kernel_rows(cost: Cost) -> list[dict[str, str]]:
    """One row for each kernel, for the eye."""
    from hw_models.cost.base import show

    return [
        {
            "kernel": str(row["name"]),
            "class": str(row["class"]),
            "MACs": f"{row['macs']:,.0f}",
            "external": show(row["dram_bytes"], "byte"),
            "time": show(row["time_us"] * 1e-6, "s"),
            "bound": str(row["bound"]),
            "utilisation": f"{row['utilisation']:.1%}",
            "mapping": str(row["mapping"]),
        }
        for row in cost.to_frame().to_dict("records")
    ]


def _record(cost: Cost) -> dict[str, Any]:
    """One cost for a machine: SI values with the unit in the key, the choices made, what is left out."""
    from hw_models.cost.arrays import GRID_UNITS
    from hw_models.cost.frame import bound_of

    record: dict[str, Any] = {
        name: getattr(cost, name) for name in ("network", "chip", "precision", "lowering", "batch", "model")
    }
    record |= {"bound": bound_of(cost), "feasibility": cost.feasibility.name.lower(), "reason": cost.reason}
    for name, e in cost.quantities.items():
        unit = f"{name}_{GRID_UNITS[name]}"
        record |= {
            unit: e.value,
            f"{unit}_low": e.low,
            f"{unit}_high": e.high,
            f"{name}_fidelity": e.fidelity,
        }
    return record | {
        "power_source": cost.power_source,
        "shortfalls": [s.to_dict() for s in cost.shortfalls],
        "warnings": list(cost.warnings),
        "not_modelled": list(cost.not_modelled),
    }
