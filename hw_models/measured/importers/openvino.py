"""OpenVINO's benchmark_app: counters by layer, or the report of a run; milliseconds, ';' between cells.

Counters come from the last inference of a request (detailed) or their mean over requests (average): one
sample each, rounded to a microsecond. Latencies in the whole run's report are rounded to 10 us; the
throughput is not.

Source: openvino 2026.4.1 (Apache-2.0), openvino/tools/benchmark/utils/statistics_report.py.
"""

from __future__ import annotations

import re
from typing import Final

from hw_models.measured.importers.source import TWO_RUNS, Source, delimited
from hw_models.measured.profile import NetworkTime, OperatorTime, Profile, RunFacts, Times

TOOL: Final = "openvino"
SECONDS: Final = 1e-3
_HEADER: Final = ["layerName", "execStatus", "layerType", "execType", "realTime (ms)", "cpuTime (ms)"]
_NEEDED: Final = ("target device", "batch size", "number of iterations", "throughput", "latency (ms)")
_SECTIONS: Final = ("Command line parameters", "Configuration setup", "Execution results")
_OTHER: Final = "a version of benchmark_app that is not known"
_PRECISIONS: Final = {"f32": "fp32", "f16": "fp16", "bf16": "bf16", "I8": "int8", "i8": "int8", "u8": "uint8"}


def recognises(source: Source) -> bool:
    """Whether the file is one of them."""
    head = source.lines()[0]
    return head.startswith("layerName;") or (head.strip() in _SECTIONS and ";" in source.text)


def read(source: Source, facts: RunFacts) -> Profile:
    """Times of layers, or the whole run.

    Raises:
        FileError: where the header is another version's, or the file holds more than one run.
    """
    return _counters(source) if source.lines()[0].startswith("layerName;") else _report(source, facts)


def _counters(source: Source) -> Profile:
    (_, header), *rows = delimited(source, ";")
    if header != _HEADER:
        wrong = next((i for i, name in enumerate(_HEADER) if header[i : i + 1] != [name]), len(_HEADER))
        raise source.refuse(f"column {wrong + 1} is not as expected ({';'.join(_HEADER)}): {_OTHER}", 1)
    operators, idle, summed, total = [], 0, 0.0, None
    for line, cells in rows:
        if total is not None or cells == header:
            message = (
                f"a second table, of another request or another run: {TWO_RUNS} (benchmark_app -nireq 1)"
            )
            raise source.refuse(message, line)
        if len(cells) != len(header):
            raise source.refuse(f"{len(cells)} cells found, expected {len(header)}", line)
        real = source.number(cells[4], line, "realTime (ms)") or 0.0
        if cells[0] == "Total" and not cells[2]:
            total = real
            continue
        if cells[1].rpartition(".")[2] not in ("EXECUTED", "NOT_RUN", "OPTIMIZED_OUT"):
            raise source.refuse(
                f"'{cells[1]}' found, expected EXECUTED or NOT_RUN: {_OTHER}", line, "execStatus"
            )
        summed += real
        if not cells[1].endswith("EXECUTED"):
            idle += 1
            continue
        operators.append(_operator(source, cells, line))
    if total is None:
        raise source.refuse("no line 'Total': the file is cut", rows[-1][0] if rows else 1)
    if abs(total - summed) > 5e-4 * (len(rows) + 1):
        raise source.refuse(
            f"layers sum to {summed:.3f} ms, the line 'Total' says {total:.3f} ms", rows[-1][0]
        )
    notes = (f"{idle} layers that did not run (fused, or nothing to do) were left out", "one sample a layer")
    return Profile(TOOL, operators=tuple(operators), notes=notes)


def _operator(source: Source, cells: list[str], line: int) -> OperatorTime:
    name, _, kind, how, real, _ = cells
    seconds = source.seconds(real, SECONDS, line, "realTime (ms)")
    precision = _PRECISIONS.get(how.rpartition("_")[2])
    return OperatorTime(name, kind, Times(mean_s=seconds), engine=None, precision=precision, line=line)


def _report(source: Source, facts: RunFacts) -> Profile:
    cells: dict[str, tuple[int, str]] = {}
    seen: set[str] = set()
    for line, text in enumerate(source.lines(), 1):
        if text.strip() in _SECTIONS:
            if text.strip() in seen:
                raise source.refuse(f"'{text.strip()}' a second time: {TWO_RUNS}", line)
            seen.add(text.strip())
        elif ";" in text:
            key, _, value = text.partition(";")
            cells[key.strip()] = (line, value.strip())
    for key in _NEEDED:
        if key not in cells:
            raise source.refuse(f"'{key}' is missing: {_OTHER}", 1)
    return Profile(
        TOOL, networks=(_network(source, cells, facts),), notes=("latencies are rounded to 10 us",)
    )


def _network(source: Source, cells: dict[str, tuple[int, str]], facts: RunFacts) -> NetworkTime:
    def value(key: str) -> float | None:
        line, text = cells.get(key, (1, ""))
        return source.number(text, line, key)

    def seconds(key: str) -> float | None:
        found = value(key)
        return None if not found else found * SECONDS

    count = value("number of iterations")
    requests = int(value("number of parallel infer requests") or 1)
    times = Times(
        int(count or 0) or None,
        seconds("avg latency"),
        min_s=seconds("min latency"),
        p50_s=seconds("latency (ms)"),
        max_s=seconds("max latency"),
    )
    model = re.sub(r"^.*[\\/]", "", cells["-m"][1]) if "-m" in cells else None
    return NetworkTime(
        facts.network or (model.rpartition(".")[0] if model else None),
        times,
        engine=cells["target device"][1].lower(),
        batch=int(value("batch size") or 1),
        runtime=TOOL,
        throughput_per_s=value("throughput"),
        requests=requests,
        mode=cells.get("API", (1, "async"))[1],
        line=cells["throughput"][0],
    )
