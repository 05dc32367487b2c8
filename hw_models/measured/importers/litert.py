"""LiteRT's (TensorFlow Lite's) operator profile: CSV of `benchmark_model --op_profiling_output_mode=csv`.

The section "Run Order" has the operators, milliseconds, means over the runs; the two sections after it
repeat them. The line "Timings (microseconds)" has the whole. A comma in a name is written as a tab.

Source: tensorflow/lite/profiling/profile_summary_formatter.cc (ProfileSummaryCSVFormatter) and
tsl/util/stats_calculator.cc (HeaderString, ColumnString, GetShortSummary); Apache-2.0.
"""

from __future__ import annotations

import re
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


def read(source: Source, facts: RunFacts) -> Profile:
    """The operators of one network in the order they ran, and the whole of it.

    Raises:
        FileError: where a header is another version's, a line is cut, or a second run begins.
    """
    operators: list[OperatorTime] = []
    begins: list[int] = []
    wholes: list[tuple[int, Times]] = []
    section = ""
    header: list[str] = []
    for line, text in enumerate(source.lines(), 1):
        title = _SECTION.fullmatch(text.strip())
        timings = _TIMINGS.match(text)
        if title:
            section, header = title[1], []
            begins += [line] if section == "Run Order" else []
        elif timings:
            wholes.append((line, _whole(source, timings[1], line)))
        elif section == "Run Order" and text.strip():
            cells = [c.strip() for c in text.split(",")]
            if not header:
                header = _header(source, cells, line)
            else:
                operators.append(
                    _operator(source, dict(zip(header, cells, strict=False)), cells, header, line)
                )
    _refuse_second(source, operators, begins, wholes)
    n = wholes[0][1].n if wholes else None
    ran = tuple(_with_n(o, n) for o in operators if o.kind not in _INITIALISING)
    networks = tuple(NetworkTime(facts.network, t, runtime=TOOL, line=at) for at, t in wholes)
    return Profile(TOOL, networks=networks, operators=ran, notes=("operators: means over the runs",))


def _header(source: Source, cells: list[str], line: int) -> list[str]:
    for name in _NEEDED:
        if name not in cells:
            near = did_you_mean(nearest(name, cells))
            message = sentence(
                f"column '{name}' is missing: a version of benchmark_model that is not known", near
            )
            raise source.refuse(message, line)
    return cells


def _operator(
    source: Source, row: dict[str, str], cells: list[str], header: list[str], line: int
) -> OperatorTime:
    if len(cells) != len(header):
        raise source.refuse(f"{len(cells)} cells found, expected {len(header)}", line)
    called = source.number(row["times called"], line, "times called")
    mean = source.seconds(row["avg_ms"], MILLISECONDS, line, "avg_ms")
    if not called:
        raise source.refuse("an operator that was never called", line, "times called")
    kind = row["node type"]
    engine = "delegate" if "delegate" in kind.lower() else "cpu"
    return OperatorTime(row["name"].replace("\t", ","), kind, Times(mean_s=mean), engine=engine, line=line)


def _with_n(operator: OperatorTime, n: int | None) -> OperatorTime:
    times = Times(n, operator.times.mean_s)
    return OperatorTime(operator.name, operator.kind, times, engine=operator.engine, line=operator.line)


def _whole(source: Source, text: str, line: int) -> Times:
    found = dict(part.split("=", 1) for part in text.split() if "=" in part)
    count = source.number(found.get("count"), line, "count")
    if not count:
        raise source.refuse("nothing ran: count=0", line)
    if count > 1 and "avg" not in found:
        raise source.refuse("Timings without 'avg': a version of benchmark_model that is not known", line)
    mean = source.seconds(found.get("avg", found.get("curr")), MICROSECONDS, line, "avg")
    return Times(int(count), mean, max_s=source.seconds(found.get("max"), MICROSECONDS, line, "max"))


def _refuse_second(
    source: Source, operators: list[OperatorTime], begins: list[int], wholes: list[tuple[int, Times]]
) -> None:
    """Initialisation may have a section of its own; two with operators are two runs or two graphs."""
    if not operators:
        raise source.refuse("no operator below 'Run Order'", begins[0] if begins else 1)
    holding = [b for b, end in zip(begins, [*begins[1:], 1 << 60], strict=True) if _ran(operators, b, end)]
    for second in (holding[1:2] or [line for line, _ in wholes[1:2] if len(begins) == len(holding)])[:1]:
        raise source.refuse(f"a second run, or a second subgraph, ends or begins here: {TWO_RUNS}", second)


def _ran(operators: list[OperatorTime], begin: int, end: int) -> bool:
    return any(begin < (o.line or 0) < end and o.kind not in _INITIALISING for o in operators)
