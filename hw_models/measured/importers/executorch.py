"""ExecuTorch's Inspector as tab-separated values: an event a line, its percentiles over all executions.

The unit stands in the header; n is the number of start times. Events that hold others (a method, a
delegate's call) repeat their time: the innermost ones are the operators. Names of a delegate's events end
in a number of their own.

Source: pytorch/executorch, devtools/inspector/_inspector.py (Inspector.to_dataframe, save_data_to_tsv),
release 1.5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hw_models.errors import did_you_mean, nearest, sentence
from hw_models.measured.importers.source import TWO_RUNS, Source, delimited
from hw_models.measured.profile import NetworkTime, OperatorTime, Profile, RunFacts, Times

TOOL: Final = "executorch"
_UNITS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PLAIN: Final = ("event_block_name", "event_name", "is_delegated_op", "delegate_backend_name")
_FIGURES: Final = ("min", "p50", "p90", "avg", "max")
_TIME: Final = re.compile(r"(\w+) \((\w+)\)")
_WHOLE: Final = "Method::execute"
_HOLDERS: Final = (
    "DELEGATE_CALL",
    "OPERATOR_CALL",
    "Method::execute",
    "Program::load_method",
    "Method::init",
)


def recognises(source: Source) -> bool:
    """Whether the file is such a table."""
    head = source.lines()[0]
    return "\t" in head and "event_block_name" in head and "event_name" in head


def read(source: Source, facts: RunFacts) -> Profile:
    """The operators of the method and its executions.

    Raises:
        FileError: where the header is another version's, a line is cut, or a second table begins.
    """
    (head_line, header), *rows = delimited(source, "\t")
    names, unit = _columns(source, header, head_line)
    operators, wholes, unresolved = [], [], 0
    for line, cells in rows:
        if cells == header:
            raise source.refuse(f"a second header: {TWO_RUNS}", line)
        if len(cells) != len(header):
            raise source.refuse(f"{len(cells)} cells found, expected {len(header)}", line)
        row = {name: cells[at] for name, at in names.items()}
        times = _times(source, row, unit, line)
        if row["event_name"] == _WHOLE:
            wholes.append((line, times))
        elif row["event_name"] not in _HOLDERS and row["event_block_name"] != "Default":
            unresolved += times.best_s is None
            operators.append(_operator(row, times, line))
    if len(wholes) != 1:
        what = TWO_RUNS if wholes else "no execution of a method was traced"
        raise source.refuse(f"{len(wholes)} lines '{_WHOLE}': {what}", wholes[1][0] if wholes else head_line)
    line, times = wholes[0]
    notes = [f"{len(rows) - len(operators)} lines that hold others were left out"]
    if unresolved:
        notes.append(f"{unresolved} operators took less than the delegate's clock resolves: unknown, not 0")
    network = NetworkTime(facts.network, times, runtime=TOOL, line=line)
    return Profile(TOOL, networks=(network,), operators=tuple(operators), notes=tuple(notes))


def _columns(source: Source, header: list[str], line: int) -> tuple[dict[str, int], float]:
    """Place of each column that is read, and the unit of the times in seconds."""
    places: dict[str, int] = {name: header.index(name) for name in _PLAIN if name in header}
    units = set()
    for at, name in enumerate(header):
        match = _TIME.fullmatch(name)
        if match and match[1] in _FIGURES:
            places[match[1]] = at
            units.add(match[2])
    if "start_time" in header:
        places["start_time"] = header.index("start_time")
    for name in (*_PLAIN, *_FIGURES):
        if name not in places:
            near = did_you_mean(nearest(name, header))
            message = sentence(f"column '{name}' is missing: a version of ExecuTorch that is not known", near)
            raise source.refuse(message, line)
    if len(units) != 1 or not units <= set(_UNITS):
        found = ", ".join(sorted(units)) or "none"
        raise source.refuse(f"unit {found} in the header, expected one of {', '.join(_UNITS)}", line)
    return places, _UNITS[units.pop()]


def _times(source: Source, row: Mapping[str, str], unit: float, line: int) -> Times:
    least, p50, p90, mean, most = (source.seconds(row[name], unit, line, name) for name in _FIGURES)
    listed = row.get("start_time", "").strip("[]").strip()
    n = len(listed.split(",")) if listed else None
    return Times(n, mean, min_s=least, p50_s=p50, p90_s=p90, max_s=most)


def _operator(row: Mapping[str, str], times: Times, line: int) -> OperatorTime:
    name = row["event_name"]
    kind = re.sub(r" #\d+$", "", name).removeprefix("native_call_")
    precision = re.search(r"\b(F32|F16|QS8|QU8|QD8)\b", kind)
    names = {"F32": "fp32", "F16": "fp16"}
    delegated = row["is_delegated_op"] == "True"
    return OperatorTime(
        name=name,
        kind=kind,
        times=times,
        engine=row["delegate_backend_name"] or ("delegate" if delegated else "portable"),
        precision=names.get(precision[1], "int8") if precision else None,
        line=line,
    )
