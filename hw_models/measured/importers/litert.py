"""LiteRT's (TensorFlow Lite's) operator profile: CSV of `benchmark_model --op_profiling_output_mode=csv`.

The section "Run Order" has the operators, milliseconds, means over the runs; the two sections after it
repeat them. The line "Timings (microseconds)" has the whole. A comma in a name is written as a tab.

Source: tensorflow/lite/profiling/profile_summary_formatter.cc (ProfileSummaryCSVFormatter) and
tsl/util/stats_calculator.cc (HeaderString, ColumnString, GetShortSummary); Apache-2.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from hw_models.errors import did_you_mean, nearest, sentence
from hw_models.measured.importers.source import TWO_RUNS, Source
from hw_models.measured.profile import NetworkTime, OperatorTime, Profile, RunFacts, Times

TOOL: Final = "litert"
MILLISECONDS: Final = 1e-3
MICROSECONDS: Final = 1e-6
_SECTION: Final = re.compile(r"=+ (.+?) =+")
_TIMINGS: Final = re.compile(r"Timings \(microseconds\): (.*)")
_NEEDED: Final = ("node type", "first", "avg_ms", "times called", "name")
_INITIALISING: Final = ("ModifyGraphWithDelegate", "AllocateTensors")


def recognises(source: Source) -> bool:
    """Whether the file is such a profile."""
    head = source.text[:4000]
    return re.search(r"^=+ Run Order =+$", head, re.MULTILINE) is not None and "node type," in head


@dataclass(slots=True)
class _Part:
    """What one "Run Order" and the lines after it say: a run, or the initialisation before it."""

    line: int
    header: list[str] = field(default_factory=list)
    operators: list[OperatorTime] = field(default_factory=list)
    whole: NetworkTime | None = None


def read(source: Source, facts: RunFacts) -> Profile:
    """The operators of one network in the order they ran, and the whole of it; initialisation is left out.

    Raises:
        FileError: where a header is another version's, a line is cut, or a second run begins.
    """
    runs = [part for part in _parts(source, facts) if part.operators]
    if not runs:
        raise source.refuse("no operator below 'Run Order'", 1)
    if len(runs) > 1:
        raise source.refuse(f"a second run, or a second subgraph: {TWO_RUNS}", runs[1].line)
    run = runs[0]
    n = None if run.whole is None else run.whole.times.n
    operators = tuple(replace(o, times=replace(o.times, n=n)) for o in run.operators)
    networks = () if run.whole is None else (run.whole,)
    return Profile(TOOL, networks=networks, operators=operators, notes=("operators: means over the runs",))


def _parts(source: Source, facts: RunFacts) -> list[_Part]:
    parts: list[_Part] = []
    section = ""
    for line, text in enumerate(source.lines(), 1):
        title, timings = _SECTION.fullmatch(text.strip()), _TIMINGS.match(text)
        if title:
            section = title[1]
            parts += [_Part(line)] if section == "Run Order" else []
        elif timings and parts:
            if parts[-1].whole is not None:
                raise source.refuse(f"a second line 'Timings': {TWO_RUNS}", line)
            times = _whole(source, timings[1], line)
            parts[-1].whole = NetworkTime(facts.network, times, runtime=TOOL, line=line)
        elif section == "Run Order" and text.strip():
            cells = [c.strip() for c in text.split(",")]
            if not parts[-1].header:
                parts[-1].header = _header(source, cells, line)
                continue
            operator = _operator(source, cells, parts[-1].header, line)
            parts[-1].operators += [operator] if operator.kind not in _INITIALISING else []
    return parts


def _header(source: Source, cells: list[str], line: int) -> list[str]:
    for name in _NEEDED:
        if name not in cells:
            near = did_you_mean(nearest(name, cells))
            message = sentence(
                f"column '{name}' is missing: a version of benchmark_model that is not known", near
            )
            raise source.refuse(message, line)
    return cells


def _operator(source: Source, cells: list[str], header: list[str], line: int) -> OperatorTime:
    if len(cells) != len(header):
        raise source.refuse(f"{len(cells)} cells found, expected {len(header)}", line)
    row = dict(zip(header, cells, strict=True))
    if not source.number(row["times called"], line, "times called"):
        raise source.refuse("an operator that was never called", line, "times called")
    kind = row["node type"]
    mean = source.seconds(row["avg_ms"], MILLISECONDS, line, "avg_ms")
    engine = "delegate" if "delegate" in kind.lower() else "cpu"
    return OperatorTime(row["name"].replace("\t", ","), kind, Times(mean_s=mean), engine=engine, line=line)


def _whole(source: Source, text: str, line: int) -> Times:
    found = dict(part.split("=", 1) for part in text.split() if "=" in part)
    count = source.number(found.get("count"), line, "count")
    if not count:
        raise source.refuse("nothing ran: count=0", line)
    if count > 1 and "avg" not in found:
        raise source.refuse("Timings without 'avg': a version of benchmark_model that is not known", line)
    mean = source.seconds(found.get("avg", found.get("curr")), MICROSECONDS, line, "avg")
    return Times(int(count), mean, max_s=source.seconds(found.get("max"), MICROSECONDS, line, "max"))
