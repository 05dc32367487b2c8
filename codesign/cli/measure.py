"""`codesign measure`: networks timed on this machine; `codesign import-profile`: what other tools timed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codesign.cli.networks import Constants, Json, Shapes  # noqa: TC001  (Typer reads them)

if TYPE_CHECKING:
    from hw_models.measured.profile import OperatorTime, Profile
    from hw_models.measured.records import Records
    from hw_models.measured.timers.measurement import Measurement

Out = Annotated[
    Path | None,
    typer.Option(
        "--out", help="Write records here, .csv, .csv.gz or .parquet; a file that exists is added to."
    ),
]
DeviceKey = Annotated[
    str | None, typer.Option("--as", help="The device's key in devices.csv, for the records.")
]


def register(app: typer.Typer) -> None:
    """Add `measure` and `import-profile`."""
    app.command("measure")(measure_command)
    app.command("import-profile")(import_command)


def measure_command(  # noqa: PLR0913, PLR0917  (a parameter for each option)
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="timm:NAME, timm:NAME@SIZE, an ONNX file, or package.module:function; several take turns.",
        ),
    ],
    runtime: Annotated[str, typer.Option(help="onnxruntime, torch or torch-compile.")] = "onnxruntime",
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    shape: Shapes = None,
    constant: Constants = None,
    precision: Annotated[
        str | None, typer.Option(help="fp32, fp16 or bf16; ONNX files have their own.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Inputs of one step.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Default: all CPUs that may be used.")] = None,
    confidence: Annotated[float, typer.Option(help="Of the interval of the median.")] = 0.95,
    half_width: Annotated[float, typer.Option(help="Wanted half-width of it, as a fraction.")] = 0.02,
    max_spread: Annotated[float, typer.Option(help="Largest (p90 - p10) / median that is reported.")] = 0.25,
    budget: Annotated[float, typer.Option(help="Longest timing of one network, in seconds.")] = 20.0,
    allow_noise: Annotated[bool, typer.Option("--allow-noise", help="Report noise, marked.")] = False,
    undisturbed: Annotated[
        bool, typer.Option("--undisturbed", help="Leave out steps that the system interrupted, marked.")
    ] = False,
    operators: Annotated[bool, typer.Option("--ops", help="Show the operators' times too.")] = False,
    key: DeviceKey = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Time MODEL on this machine: median with its interval, percentiles, operators, memory, machine.

    Refuses to report where the machine is too noisy, and says how noisy.
    """
    from codesign.cli.output import print_json, print_table
    from codesign.measure import measure_many
    from codesign.models import parse_constants
    from hw_models.measured.timers.protocol import TimingPlan

    plan = TimingPlan(
        confidence=confidence,
        half_width=half_width,
        max_spread=max_spread,
        budget_s=budget,
        operator_steps=20 if operators or out is not None or as_json else 0,
        allow_noise=allow_noise,
        undisturbed=undisturbed,
    )
    measured = measure_many(
        models,
        runtime=runtime,
        device=device,
        input_shape=shape,
        precision=precision,
        batch=batch,
        threads=threads,
        constants=parse_constants(constant or []),
        plan=plan,
    )
    if out is not None:
        from hw_models.measured.records import concat

        _write(concat([m.to_records(device=key) for m in measured]), out)
    if as_json:
        print_json([{**m.to_row(), "operators": _operator_rows(m.operators)} for m in measured])
        return
    _tell_machine(measured[0])
    print_table([_shown(m) for m in measured])
    for m in measured:
        if operators:
            print_table(_operator_rows(m.operators), title=m.network)
        if m.noisy:
            typer.echo(f"noisy: {m.network}: {m.timing.noise}", err=True)


def import_command(  # noqa: PLR0913, PLR0917  (a parameter for each option)
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A profile; which tool wrote it is found out.")
    ],
    network: Annotated[str | None, typer.Option(help="Its network, where the file does not say.")] = None,
    device: Annotated[str | None, typer.Option(help="Its device, where the file does not say.")] = None,
    precision: Annotated[str | None, typer.Option(help="Its precision, where the file does not say.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Inputs of one step; default 1.")] = None,
    clock: Annotated[str | None, typer.Option(help="Clock of the engine, '500 MHz': Vela's layers.")] = None,
    layers: Annotated[
        Path | None, typer.Option(help="trtexec's --exportLayerInfo beside its --exportProfile.")
    ] = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Read a profile of ONNX Runtime, trtexec, ExecuTorch, LiteRT, Vela, OpenVINO, AI Hub; times in s."""
    from codesign.cli.output import print_json, print_table
    from hw_models.measured.importers.catalogue import import_profile
    from hw_models.measured.profile import RunFacts
    from hw_models.units import parse

    facts = RunFacts(
        network=network,
        device=device,
        precision=precision,
        batch=batch,
        clock_hz=None if clock is None else parse(clock, "Hz"),
    )
    profile = import_profile(file, facts, layers=layers)
    if out is not None:
        _write(profile.to_records(facts, dataset=file.name.split(".", 1)[0]), out)
    rows = _profile_rows(profile)
    if as_json:
        print_json({"tool": profile.tool, "truth": profile.truth, "notes": profile.notes, "rows": rows})
        return
    print_table(rows, title=f"{profile.tool}: {file.name}")
    for note in profile.notes:
        typer.echo(f"note: {note}", err=True)


def _write(records: Records, out: Path) -> None:
    """Write records, behind those that the file holds already."""
    from hw_models.errors import InputError
    from hw_models.measured.records import Records as Table
    from hw_models.measured.records import concat

    if not out.name.endswith((".csv", ".csv.gz", ".parquet")):
        raise InputError(f"'{out}' given, expected a name that ends in .csv, .csv.gz or .parquet")
    merged = concat([Table.read(out), records]) if out.exists() else records
    if out.name.endswith(".parquet"):
        merged.to_parquet(out)
    else:
        merged.to_csv(out)
    typer.echo(f"{len(merged)} rows in {out}, {len(merged.set_aside)} set aside", err=True)
    for reason, n in merged.set_aside["reason"].value_counts().head(5).items():
        typer.echo(f"  {n:6d}  {reason}", err=True)


def _tell_machine(measured: Measurement) -> None:
    machine = measured.machine
    load = "unknown" if machine.load_1min is None else f"{machine.load_1min:.1f}"
    facts = [
        machine.name,
        f"{machine.usable_cpus} of {machine.logical_cpus} CPUs",
        f"{measured.threads} threads",
        f"governor {machine.governor or 'unknown'}",
        f"load {load}",
        f"{measured.runtime} {measured.runtime_version}",
    ]
    typer.echo(", ".join(facts), err=True)


def _shown(measured: Measurement) -> dict[str, Any]:
    """What fits on a screen; milliseconds and MB."""
    t, timing = measured.times, measured.timing
    peak = measured.peak_memory_bytes
    interval = f"{timing.low_s * 1e3:.4g}..{timing.high_s * 1e3:.4g}"
    return {
        "network": measured.network,
        "precision": measured.precision,
        "n": t.n,
        "p50 ms": _scaled(t.p50_s, 1e3),
        f"{timing.confidence:.0%} interval ms": interval,
        "p90 ms": _scaled(t.p90_s, 1e3),
        "p99 ms": _scaled(t.p99_s, 1e3),
        "p99.9 ms": _scaled(t.p99_9_s, 1e3),
        "max ms": _scaled(t.max_s, 1e3),
        "spread": f"{timing.spread:.1%}",
        "interrupted": None if timing.interrupted is None else f"{timing.interrupted:.0%}",
        "peak MB": _scaled(peak, 1e-6),
        "noisy": measured.noisy,
    }


def _operator_rows(operators: tuple[OperatorTime, ...]) -> list[dict[str, Any]]:
    total = sum(o.times.p50_s or 0.0 for o in operators)
    return [
        {
            "operator": o.kind,
            "name": o.name,
            "shape": o.shape,
            "engine": o.engine,
            "precision": o.precision,
            "n": o.times.n,
            "p50_us": _scaled(o.times.p50_s, 1e6),
            "max_us": _scaled(o.times.max_s, 1e6),
            "share": None if o.times.p50_s is None or not total else o.times.p50_s / total,
        }
        for o in operators
    ]


def _profile_rows(profile: Profile) -> list[dict[str, Any]]:
    """The columns that this profile fills."""
    frame = profile.to_frame().dropna(axis=1, how="all")
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
