"""`codesign trace`: what a network computes and moves; `codesign networks list`: names to start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="timm:NAME[@SIZE], an ONNX file, or package.module:function.")
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        help="Shape of an input: 1x3x224x224, or NAME=1x3x224x224 where there are several; repeatable.",
    ),
]
Constants = Annotated[
    list[str] | None,
    typer.Option(
        "--constant", help="Value of an ONNX input that chooses what runs, NAME=NUMBER; repeatable."
    ),
]
Batch = Annotated[
    int | None, typer.Option(min=1, help="Images of one inference; default: as the model is, 1 for a trace.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

SHOWN_SHARE: Final = 0.05
"""Share of bytes or of output elements without a rule above which a warning line is printed."""

_NO_RULE: Final = {"macs": None, "ops": None, "vector_ops": None}


def register(app: typer.Typer) -> None:
    """Add `trace` and `networks list`."""
    app.command("trace")(trace_command)
    networks = typer.Typer(no_args_is_help=True, help="Networks that are known by name.")
    networks.command("list")(list_command)
    app.add_typer(networks, name="networks")


def trace_command(
    model: Model,
    shape: Shapes = None,
    constant: Constants = None,
    batch: Batch = None,
    operators: Annotated[bool, typer.Option("--ops", help="One row an operator, not one a kind.")] = False,
    as_json: Json = False,
) -> None:
    """What MODEL computes and moves: operators, MACs and ops, parameters, bytes, and what has no rule."""
    from codesign.cli.output import print_json, print_table
    from codesign.models import parse_constants, resolve_model

    workload = resolve_model(model, shape=shape, constants=parse_constants(constant or []), batch=batch)
    frame = workload.to_frame()
    totals = totals_of(workload)
    if as_json:
        print_json({**totals, "kinds": kinds_of(workload), "operators": frame.to_dict("records")})
        return
    typer.echo(_title(totals))
    rows = frame.to_dict("records") if operators else kinds_of(workload)
    columns = _OP_COLUMNS if operators else _KIND_COLUMNS
    print_table([_scaled(row, columns) for row in rows])
    for line in _remarks(totals):
        typer.echo(line)


def list_command(
    pattern: Annotated[str, typer.Argument(help="Shell pattern, such as 'mobilenet*'.")] = "*",
    as_json: Json = False,
) -> None:
    """Architectures of timm, to be given as timm:NAME."""
    from fnmatch import fnmatch

    from codesign.cli.output import print_json
    from hw_models.errors import UnknownNameError
    from search_spaces.vision.timm_models import timm_architectures

    names = [f"timm:{n}" for n in timm_architectures() if fnmatch(n, pattern.removeprefix("timm:"))]
    if not names:
        raise UnknownNameError("timm architecture", pattern, timm_architectures())
    if as_json:
        print_json(names)
    else:
        typer.echo("\n".join(names))


def totals_of(workload: Workload) -> dict[str, Any]:
    """The network as a whole; one MAC is two ops, and both are given."""
    from hw_models.workload.op import TensorKind

    missing: dict[str, int] = {}
    for op in workload.ops:
        if not op.modelled:
            missing[op.target] = missing.get(op.target, 0) + 1
    own = workload.tensor_storage == range(workload.n_tensors)
    weights = (workload.tensor_kind == TensorKind.WEIGHT) & own
    return {
        "name": workload.name,
        "batch": workload.batch,
        "n_operators": len(workload),
        "macs": workload.macs,
        "ops": 2 * workload.macs,
        "vector_ops": float(workload.op_vector_ops.sum()),
        "parameters": workload.params,
        "weight_bytes": float(workload.tensor_bytes[weights].sum()),
        "not_modelled": {**workload.unmodelled_share(), "operators": missing},
        "notes": list(workload.meta.get("notes", [])),
    }


def kinds_of(workload: Workload) -> list[dict[str, Any]]:
    """One row a kind of operator, most MACs first, then most vector work; None: no rule counts it."""
    rows: dict[str, dict[str, Any]] = {}
    size = workload.tensor_bytes
    for op in workload.ops:
        counts = (
            {"macs": op.macs, "ops": 2 * op.macs, "vector_ops": op.vector_ops} if op.modelled else _NO_RULE
        )
        moved = {
            "read_bytes": float(size[[*op.inputs]].sum()),
            "write_bytes": float(size[[*op.outputs]].sum()),
        }
        row = rows.setdefault(op.kind.label, {"kind": op.kind.label, "operators": 0, **_NO_RULE})
        row["operators"] += 1
        for name, amount in {**counts, **moved}.items():
            if amount is not None:
                row[name] = (row.get(name) or 0) + amount
    return sorted(rows.values(), key=lambda row: (-(row["macs"] or 0), -(row["vector_ops"] or 0)))


_MILLIONS: Final = {
    "macs": "MMAC",
    "ops": "MOP",
    "vector_ops": "Mvec_op",
    "read_bytes": "read_MB",
    "write_bytes": "write_MB",
}
"""Titles of the columns that people see in millions."""
_KIND_COLUMNS: Final = ("kind", "operators", "macs", "ops", "vector_ops", "read_bytes", "write_bytes")
_OP_COLUMNS: Final = ("target", "module", "loop_dims", "macs", "vector_ops", "read_bytes", "write_bytes")


def _scaled(row: Mapping[Any, Any], columns: Sequence[str]) -> dict[str, Any]:
    """A row for people: millions, and only what a terminal has room for."""
    return {
        _MILLIONS.get(name, name): row[name] / 1e6
        if name in _MILLIONS and row[name] is not None
        else row[name]
        for name in columns
    }


def _title(totals: dict[str, Any]) -> str:
    return (
        f"{totals['name']}, batch {totals['batch']}: {totals['n_operators']} operators, "
        f"{_amount(totals['macs'])}MAC = {_amount(totals['ops'])}OP, "
        f"{_amount(totals['vector_ops']).strip()} vector operations, "
        f"{_amount(totals['parameters']).strip()} parameters ({_amount(totals['weight_bytes'])}B)"
    )


def _amount(value: float) -> str:
    """Four significant digits and the prefix of SI, to be followed by the unit: '1.814 G'."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.4g} {prefix}"
    return f"{value:.4g} "


def _remarks(totals: dict[str, Any]) -> list[str]:
    """What is not modelled, always said; as a warning where it is much."""
    missing = totals["not_modelled"]
    elements, size = missing["output_elements"], missing["bytes"]
    line = f"not modelled: {elements:.1%} of output elements, {size:.1%} of bytes"
    if missing["operators"]:
        line += f" ({', '.join(f'{n} x {target}' for target, n in missing['operators'].items())})"
    if max(elements, size) > SHOWN_SHARE:
        line = f"warning: {line}; MACs and times leave them out"
    return [line, *(f"note: {note}" for note in totals["notes"])]
