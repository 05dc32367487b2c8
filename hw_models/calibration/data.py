"""Records to points: which rows of a table a chip can be calibrated on, and why the others cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from hw_models.calibration.points import Points
from hw_models.calibration.setting import Way
from hw_models.cost.chips import Chips, lowering_as_run
from hw_models.errors import InputError, did_you_mean, nearest, sentence
from hw_models.measured.records import Records
from hw_models.measured.schema import PROVENANCE, STEP
from hw_models.validation.join import TORCH, named
from hw_models.validation.networks import Networks, Resolver

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload

GLUED: Final = 1.5
"""Ratio of the times of one network, measured twice in one setting, above which they are two runs."""

IMPOSSIBLE: Final = 3.0
"""How many times faster than the peak of its MAC units allows a chip cannot be: Winograd's F(2x2, 3x3) saves
2.25 of the products (Lavin and Gray, CVPR 2016), clocks rise by 15 % above the rated one."""

RUN: Final = ("network", "component", "img_size", "input_shape", "batch", "threads", "clock_hz", "tokens")
"""What tells one run of a setting from another; rows that agree in it are repeats."""


@dataclass(frozen=True, eq=False)
class Usable:
    """Rows of one chip, by way of running.

    Attributes:
        ways: points of each.
        set_aside: one reason a refused row.
        hash: SHA-256 of the rows that are used; sources: where they were taken.
        n: how many.
    """

    ways: tuple[tuple[Way, Points], ...]
    set_aside: tuple[str, ...]
    hash: str
    sources: tuple[str, ...]
    n: int


def read_records(records: Records | pd.DataFrame | str | Path) -> Records:
    """Records as they are, a table of their columns, or a file that `Records` or pandas wrote."""
    if isinstance(records, (str, Path)):
        return Records.read(records)
    return records if isinstance(records, Records) else Records.from_frame(records)


def usable(
    chip: Accelerator,
    records: Records,
    device: str | None,
    workloads: Mapping[str, Workload],
    resolver: Resolver,
) -> Usable:
    """The rows that a chip can be calibrated on.

    Args:
        chip: that was measured.
        records: checked rows; what they set aside already counts as refused.
        device: its name in the records; None: the chip's own name, or the only one there.
        workloads: networks by name, before the resolver is asked.
        resolver: finds the others.

    Raises:
        InputError: no row is of the chip, or none of its rows can be used; the message says why.
    """
    frame = records.frame
    name = _device(chip, frame, device)
    reasons = {cast("int", i): str(r) for i, r in _reasons(chip, frame, name).items() if r}
    networks = _networks(frame.drop(index=list(reasons)), workloads, resolver, reasons)
    kept = frame.drop(index=list(reasons))
    told = [_told(frame, i, reason) for i, reason in sorted(reasons.items())]
    refused = records.set_aside.drop_duplicates(["file", "row"])
    told += [_aside({str(k): v for k, v in row.items()}) for row in refused.to_dict("records")]
    if kept.empty:
        first = "; ".join(told[:3]) or "the records are empty"
        raise InputError(
            f"no row of {len(frame) + len(records.set_aside)} can calibrate {chip.label}: {first}; expected "
            f"rows of whole networks, one inference after the other, with a time"
        )
    ways = []
    for way, rows in kept.groupby(_ways(chip, kept), sort=True):
        ways.append((way, _points(chip, way, rows, networks, told)))
    text = kept.drop(columns=list(PROVENANCE)).to_csv(index=False)
    return Usable(
        tuple((w, p) for w, p in ways if p is not None),
        tuple(told),
        hashlib.sha256(text.encode()).hexdigest(),
        tuple(sorted(kept["source"].unique())),
        len(kept),
    )


def _device(chip: Accelerator, frame: pd.DataFrame, device: str | None) -> str:
    """Name of the chip in the records."""
    known = sorted(frame["device"].unique())
    if device is not None or not known:
        wanted = device or chip.name
    else:
        wanted = chip.name if chip.name in known or len(known) > 1 else known[0]
        if wanted != chip.name:
            raise InputError(
                sentence(
                    f"the records are of '{wanted}', not of {chip.label}",
                    f"give device='{wanted}' (--device {wanted}) if that is this chip",
                )
            )
    if known and wanted not in known:
        near = did_you_mean(nearest(wanted, known))
        raise InputError(sentence(f"no record of device '{wanted}'", near, f"measured: {', '.join(known)}"))
    return wanted


def _reasons(chip: Accelerator, frame: pd.DataFrame, device: str) -> pd.Series:
    """Why a row cannot be used; "" where it can."""
    kind = chip.main_engine.kind
    reasons = frame["device"].map(lambda d: "" if d == device else f"of another device, {d}")
    step = frame["scenario"].isna() | (frame["scenario"] == STEP)
    timed = frame[["mean_s", "p50_s"]].notna().any(axis=1)
    timed |= frame["throughput_per_s"].notna() & frame["batch"].notna() & step
    checks = (
        (frame["phase"] != "infer", "is no inference"),
        (
            frame["network"].isna() | frame["operator"].notna(),
            "of a single operator, which tells nothing of whole networks",
        ),
        (~step, "its steps overlap, so that it has no time of its own"),
        (~timed, "has no time of a step, nor a rate and a batch"),
        (frame["engine"].notna() & (frame["engine"] != kind), f"did not run on the {kind}"),
        (frame["n_devices"] > 1, "of several devices together"),
        (frame["layers_cpu"].gt(0) | frame["layers_gpu"].gt(0) & (kind == "npu"), "ran in part elsewhere"),
        (frame["precision"].notna() & ~frame["precision"].isin(chip.precisions), "no peak at its precision"),
        (_noisy(frame), "measured on a machine that was too noisy"),
        (_another_mode(chip, frame), f"of another power mode than {chip.label}"),
    )
    for hit, reason in checks:
        reasons = reasons.where((reasons != "") | ~hit.fillna(False).astype(bool), reason)
    return reasons


def _noisy(frame: pd.DataFrame) -> pd.Series:
    """Rows that `codesign measure` marked so, but where the steps that nothing disturbed were taken alone."""
    words = frame["mode"].fillna("").str.split("|")
    noisy: pd.Series = words.map(lambda w: "noisy" in w and "undisturbed" not in w)
    return noisy


def _another_mode(chip: Accelerator, frame: pd.DataFrame) -> pd.Series:
    hit: pd.Series = frame["power_mode"].notna() & (frame["power_mode"] != chip.mode)
    return hit & (chip.mode is not None)


def _networks(
    frame: pd.DataFrame, workloads: Mapping[str, Workload], resolver: Resolver, reasons: dict[int, str]
) -> dict[int, Workload]:
    """Row -> network; rows whose network cannot be had as it was run get the reason."""
    found: dict[int, Workload] = {}
    given = Networks(lambda asked: workloads[asked.name] if asked.name in workloads else resolver(asked))
    for index, row in frame.iterrows():
        release = str(row["runtime_version"]) if row["runtime"] == TORCH else None
        answer = given.as_run(named(row), release)
        if isinstance(answer, str):
            reasons[cast("int", index)] = answer
        else:
            found[cast("int", index)] = answer
    return found


def _ways(chip: Accelerator, frame: pd.DataFrame) -> pd.Series:
    """How each row was run; what is not stated is as usual on such a chip."""
    import pandas as pd

    ways = [
        Way(
            runtime=_text(row.runtime),
            version=_text(row.runtime_version),
            precision=_text(row.precision) or next(iter(chip.precisions)),
            lowering=lowering_as_run(chip, _text(row.runtime) or None, row.compiled, _text(row.layout)),
            layout=_text(row.layout),
        )
        for row in frame.itertuples()
    ]
    return pd.Series(ways, index=frame.index, dtype=object)


def _text(cell: object) -> str:
    return cell if isinstance(cell, str) else ""


def _points(
    chip: Accelerator, way: Way, rows: pd.DataFrame, networks: Mapping[int, Workload], told: list[str]
) -> Points | None:
    """One point a run; repeats give their median, two runs glued together are refused."""
    from hw_models.lowering import lower

    seconds = rows["p50_s"].fillna(rows["mean_s"])
    seconds = seconds.fillna(rows["batch"] / rows["throughput_per_s"])
    inputs = rows["batch"].fillna(1)
    picked, median, spread = [], [], []
    for index in rows.groupby(list(RUN), dropna=False, sort=True).groups.values():
        times = seconds[index].to_numpy(np.float64)
        if times.max() > GLUED * times.min():
            reason = f"two runs glued together: {times.min():.4g} to {times.max():.4g} s of one network"
            told += [_told(rows, i, reason) for i in index]
            continue
        first = int(index[0])
        at_peak = _peak_seconds(chip, way, networks[first], int(inputs[first]))
        faster = at_peak / float(np.median(times))
        if faster > IMPOSSIBLE:
            reason = f"{faster:.3g} times faster than the peak of {chip.label} allows: another unit or chip"
            told += [_told(rows, i, reason) for i in index]
            continue
        picked.append(first)
        median.append(float(np.median(times)))
        spread.append(float(np.log(times).std(ddof=1)) if len(times) > 1 else np.nan)
    if not picked:
        return None
    batch = inputs[picked].astype(int).tolist()
    asked = [networks[i] for i in picked]
    kernels = lower(asked, lowering=way.lowering, precision=way.precision, batch=batch)
    names = rows.loc[picked, "network"].astype(str)
    return Points(
        kernels=kernels,
        chips=Chips.of([chip]),
        runtime=way.run_by,
        names=tuple(names),
        families=tuple(rows.loc[picked, "family"].fillna(names).astype(str)),
        seconds=np.array(median),
        spread=np.array(spread),
    )


def _peak_seconds(chip: Accelerator, way: Way, network: Workload, batch: int) -> float:
    """Seconds that the products of a network need at the peak of the chip's MAC units."""
    from hw_models.lowering.precision import scheme_of

    peak = Chips.of([chip]).mac_peak[0, scheme_of(way.precision).math]
    return float(2.0 * network.macs * batch / peak)


def _told(frame: pd.DataFrame, index: int, reason: str) -> str:
    file, row = frame["file"].at[index], frame["row"].at[index]
    return f"{file}:{row:.0f}: {reason}"


def _aside(row: Mapping[str, Any]) -> str:
    return f"{row['file']}:{int(row['row'])}: {row['column']} {row['reason']}".replace(":  ", ": ")
