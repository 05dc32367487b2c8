"""Calibration files: YAML that a person reads, with one table of networks a setting; strict on the way in."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.calibration.features import FEATURES
from hw_models.calibration.interval import Width
from hw_models.calibration.process import Kernel, Residuals
from hw_models.calibration.scalars import Scalars
from hw_models.calibration.setting import FORMAT, Calibration, Setting, Way
from hw_models.errors import FileError, StorageError

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIX: Final = ".calibration.yaml"
HEAD: Final = """\
# What measurements of {chip} add to the law of its class; made by `codesign chips calibrate`, see
# docs/calibration.md. Errors are of latency, without any free scale, each network's family left out.
"""
COLUMNS: Final = ("network", "family", "residual", "compute", "bandwidth", "fixed", *FEATURES)
"""Of the table of networks: log of measured over predicted, shares that the scalars move, features."""

LARGEST: Final = 20.0
"""Largest log residual that a file may hold: eight decimal powers, more than any mistaken unit."""


def write_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write it whole or not at all; one that differs from the file that is there in its date alone stays.

    Raises:
        StorageError: the file cannot be written.
    """
    target = Path(path)
    text = as_text(calibration)
    try:
        if target.is_file() and _undated(target.read_text("utf-8")) == _undated(text):
            return
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with beside.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: the calibration could not be written: {error.strerror}") from error


def _undated(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("date:")]


def as_text(calibration: Calibration) -> str:
    """The file."""
    from ruamel.yaml import YAML
    from ruamel.yaml.scalarstring import LiteralScalarString

    c = calibration
    data: dict[str, Any] = {
        "calibration_format": FORMAT,
        "chip": c.chip,
        "kind": c.kind,
        "figures": c.figures,
        "date": c.date,
        "records": {
            "hash": c.records,
            "rows": c.n_rows,
            "set_aside": c.n_set_aside,
            "reasons": dict(c.set_aside),
            "sources": list(c.sources),
        },
        "settings": [{**_head(s), "networks": LiteralScalarString(_table(s))} for s in c.settings],
    }
    out = io.StringIO()
    yaml = YAML()
    yaml.width = 110
    yaml.dump(data, out)
    return HEAD.format(chip=c.chip) + out.getvalue()


def _head(s: Setting) -> dict[str, Any]:
    kernel = s.residuals.kernel
    return {
        **{f: getattr(s.way, f) for f in Way.__dataclass_fields__},
        "batch": list(s.batch),
        "law": s.law,
        "scalars": {
            "compute_efficiency": _round(1.0 / s.scalars.compute, 6),
            "bandwidth_efficiency": _round(1.0 / s.scalars.bandwidth, 6),
            "fixed_cost": _round(s.scalars.fixed, 6),
        },
        "variance": {f: getattr(kernel, f) for f in Kernel.__dataclass_fields__},
        "interval": None
        if s.width is None
        else {"sure": [_round(x) for x in s.width.sure], "half_width": [_round(x) for x in s.width.half]},
        "floor": _round(s.floor),
        "score": {k: _round(v) if isinstance(v, float) else v for k, v in s.score.items()},
        "learning_curve": [
            {k: _round(v) if isinstance(v, float) else v for k, v in row.items()} for row in s.curve
        ],
        "n": len(s),
    }


def _round(value: float, digits: int = 4) -> float | None:
    return None if np.isnan(value) else float(f"{value:.{digits}g}")


def _table(s: Setting) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = zip(s.names, s.families, s.residuals.values, s.parts, s.residuals.features, strict=True)
    for name, family, value, parts, found in rows:
        figures = [f"{x:.4f}".rstrip("0").rstrip(".") for x in (value, *parts)]
        writer.writerow([name, family, *figures, *(f"{x:.4g}" for x in found)])
    return out.getvalue()


def read_calibration(path: str | Path) -> Calibration:
    """Read a file that `write_calibration` wrote.

    Raises:
        FileError: it is missing, malformed, or of another version.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe").load(Path(path).read_text("utf-8"))
    except OSError as error:
        raise FileError.at(path, f"cannot be read: {error.strerror}; expected a calibration file") from None
    except (YAMLError, ValueError) as error:
        raise FileError.at(path, f"is not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(data, Mapping) or "calibration_format" not in data:
        raise FileError.at(
            path, f"is no calibration: expected 'calibration_format: {FORMAT}'; make one with {AGAIN}", line=1
        )
    if data["calibration_format"] != FORMAT:
        given = f"calibration_format {data['calibration_format']!r} is not supported"
        raise FileError.at(path, f"{given}; this release reads {FORMAT}; make it again with {AGAIN}")
    try:
        return _calibration(data)
    except (KeyError, TypeError, ValueError, IndexError, ArithmeticError) as error:
        what = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
        raise FileError.at(path, f"is malformed: {what}; make it again with {AGAIN}") from None


AGAIN: Final = "'codesign chips calibrate CHIP --records FILE'"


def _calibration(data: Mapping[str, Any]) -> Calibration:
    records = data["records"]
    return Calibration(
        chip=str(data["chip"]),
        kind=str(data["kind"]),
        figures=str(data["figures"]),
        records=str(records["hash"]),
        n_rows=int(records["rows"]),
        n_set_aside=int(records["set_aside"]),
        set_aside=dict(records["reasons"]),
        sources=tuple(records["sources"]),
        date=str(data["date"]),
        settings=tuple(_setting(s) for s in data["settings"]),
    )


def _setting(data: Mapping[str, Any]) -> Setting:
    header, *rows = csv.reader(io.StringIO(data["networks"]))
    if tuple(header) != COLUMNS:
        raise ValueError("the table of networks has other columns than this release writes")
    if len(rows) != data["n"]:
        raise ValueError(f"{len(rows)} networks found, 'n' says {data['n']}")
    figures = np.array([[float(x) for x in row[2:]] for row in rows], np.float64).reshape(len(rows), -1)
    if not np.isfinite(figures).all():
        raise ValueError("a figure in the table of networks is not finite")
    if (np.abs(figures[:, 0]) > LARGEST).any():
        raise ValueError(f"a residual is beyond {LARGEST:g} either way")
    s = data["scalars"]
    scalars = [
        1.0 / float(s["compute_efficiency"]),
        1.0 / float(s["bandwidth_efficiency"]),
        float(s["fixed_cost"]),
    ]
    if not all(np.isfinite(x) and x > 0 for x in scalars):
        raise ValueError("scalars must be above 0")
    return Setting(
        way=Way(**{f: str(data[f]) for f in Way.__dataclass_fields__}),
        law=str(data["law"]),
        scalars=Scalars(*scalars),
        residuals=Residuals(_kernel(data["variance"]), figures[:, 4:], figures[:, 0]),
        parts=figures[:, 1:4],
        names=_column(rows, 0),
        families=_column(rows, 1),
        width=_width(data["interval"]),
        floor=_floats([data["floor"]])[0],
        score=dict(data["score"]),
        curve=tuple(dict(row) for row in data["learning_curve"]),
        batch=(int(data["batch"][0]), int(data["batch"][1])),
    )


def _kernel(data: Mapping[str, Any]) -> Kernel:
    kernel = Kernel(**{f: float(data[f]) for f in Kernel.__dataclass_fields__})
    if min(kernel.structure, kernel.sibling, kernel.level) < 0 or not kernel.alone > 0:
        raise ValueError("variances must not be negative, 'alone' above 0")
    return kernel


def _width(data: Mapping[str, Any] | None) -> Width | None:
    if data is None:
        return None
    sure, half = _floats(data["sure"]), _floats(data["half_width"])
    if len(sure) != len(half) or list(sure) != sorted(sure):
        raise ValueError("an interval needs rising steps of 'sure' and a half-width at each")
    return Width(sure, half)


def _floats(values: Sequence[Any]) -> tuple[float, ...]:
    found = tuple(float(v) for v in values)
    if not found or not all(np.isfinite(v) and v >= 0 for v in found):
        raise ValueError("'floor' and the steps of an interval must be finite and not negative")
    return found


def _column(rows: Sequence[Sequence[str]], place: int) -> tuple[str, ...]:
    return tuple(row[place] for row in rows)
