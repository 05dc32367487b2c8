"""ONNX Runtime's profile: the JSON of `SessionOptions.enable_profiling`, one event a line, microseconds.

Nodes bear the names that the optimised graph has. An event's time is the host's around the kernel, which is
the kernel's own on the CPU; on a GPU it is the launch. The file does not say which release wrote it.

Source: onnxruntime/core/common/profiler.cc and core/framework/sequential_executor.cc, release 1.31.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from hw_models.measured.importers.onnx_shapes import loop_dims, precision_of
from hw_models.measured.importers.source import TWO_RUNS, Source
from hw_models.measured.operator_names import operator_of
from hw_models.measured.profile import NetworkTime, OperatorTime, Profile, RunFacts, Times

TOOL: Final = "onnxruntime"
SECONDS: Final = 1e-6
_SUFFIX: Final = "_kernel_time"
_FENCES: Final = ("_fence_before", "_fence_after")
_HOST_CLOCK: Final = ("CPU", "XNNPACK", "Dnnl", "ACL", "ArmNN")
"""Providers whose kernels end before the host goes on, so that its clock times them."""
_CONTAINERS: Final = ("If", "Loop", "Scan")
"""Operators that hold a graph; their nodes are in the file themselves."""
_EVENT: Final = ("cat", "name", "dur", "ts", "pid")
_CATEGORIES: Final = ("Session", "Node", "Kernel", "Api")


_OTHER: Final = "a version of ONNX Runtime that is not known"


class _Run(NamedTuple):
    begin_us: float
    end_us: float
    line: int


class _Event(NamedTuple):
    line: int
    body: dict[str, Any]
    args: dict[str, Any]


def recognises(source: Source) -> bool:
    """Whether the file is such a profile."""
    head = source.text[:4000]
    return head.lstrip().startswith("[") and '"cat"' in head and '"ph"' in head and '"args"' in head


def read(source: Source, facts: RunFacts) -> Profile:
    """The operators of one network and its steps; the first step is left out where two others follow.

    Raises:
        FileError: where an event is not as this tool writes it, the file holds two sessions, or runs overlap.
    """
    events = _events(source)
    runs = _runs(source, events)
    left_out = 1 if len(runs) > 2 else 0
    nodes, notes = _nodes(source, events, runs)
    operators = tuple(_operator(samples[left_out:], event) for event, samples in nodes)
    if left_out:
        notes.insert(0, "first run left out: it allocates memory and starts threads")
    kept = [(run.end_us - run.begin_us) * SECONDS for run in runs[left_out:]]
    network = NetworkTime(
        facts.network,
        Times.of(kept),
        precision=arithmetic_precision(operators),
        runtime=TOOL,
        compiled=True,
        line=runs[left_out].line,
    )
    return Profile(TOOL, networks=(network,), operators=operators, notes=tuple(notes))


def _events(source: Source) -> list[_Event]:
    events = []
    for line, body in source.json_items():
        missing = [key for key in _EVENT if not isinstance(body, dict) or key not in body]
        if missing:
            raise source.refuse(f"event without '{missing[0]}': {_OTHER}", line)
        if body["cat"] not in _CATEGORIES:
            expected = f"expected one of {', '.join(_CATEGORIES)}"
            raise source.refuse(f"category '{body['cat']}' found, {expected}: {_OTHER}", line)
        for key in ("dur", "ts"):
            source.number(body[key], line, key)
        events.append(_Event(line, body, body.get("args") or {}))
    _refuse_second_session(source, events)
    return events


def _refuse_second_session(source: Source, events: Sequence[_Event]) -> None:
    starts = [e for e in events if e.body["name"] == "session_initialization"]
    others = [e for e in events if e.body["pid"] != events[0].body["pid"]]
    for second in (*starts[1:2], *others[:1]):
        message = f"a second session, the first begins on line {events[0].line}: {TWO_RUNS}"
        raise source.refuse(message, second.line)


def _runs(source: Source, events: Sequence[_Event]) -> list[_Run]:
    """Steps of the network in the order of their begin."""
    runs = sorted(
        _Run(e.body["ts"], e.body["ts"] + e.body["dur"], e.line)
        for e in events
        if e.body["name"] == "model_run"
    )
    if not runs:
        line = events[-1].line if events else 1
        raise source.refuse("no 'model_run' event: nothing ran while the session was profiled", line)
    for before, after in pairwise(runs):
        if after.begin_us < before.end_us:
            message = (
                f"this run begins before the one on line {before.line} ends; profile one run after the other"
            )
            raise source.refuse(message, after.line)
    return runs


def _nodes(
    source: Source, events: Sequence[_Event], runs: Sequence[_Run]
) -> tuple[list[tuple[_Event, list[float | None]]], list[str]]:
    """First event of every node with its seconds in each run, in the order of the first run; and notes."""
    begins = [run.begin_us for run in runs]
    spent: dict[tuple[str, str], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    firsts: dict[tuple[str, str], _Event] = {}
    containers, launches = set(), set()
    for event in (e for e in events if e.body["cat"] == "Node"):
        name = str(event.body["name"])
        if name.endswith(_FENCES):
            continue
        for key in ("op_name", "provider"):
            if not name.endswith(_SUFFIX) or key not in event.args:
                raise source.refuse(
                    f"node event '{name}' without '{key}' or '{_SUFFIX}': {_OTHER}", event.line
                )
        run = bisect_right(begins, event.body["ts"]) - 1
        if run < 0 or event.body["ts"] > runs[run].end_us:
            raise source.refuse(f"node '{name}' ran outside of every 'model_run'", event.line)
        if event.args["op_name"] in _CONTAINERS:
            containers.add(name)
            continue
        if not str(event.args["provider"]).startswith(_HOST_CLOCK):
            launches.add(str(event.args["provider"]))
        key_of = (name, str(event.args.get("node_index", "")))
        firsts.setdefault(key_of, event)
        spent[key_of][run] += event.body["dur"] * SECONDS
    notes = (
        [f"{len(containers)} nodes that hold a graph were left out, theirs are kept"] if containers else []
    )
    notes += [f"{p}: times are the host's around the launch, not the device's" for p in sorted(launches)]
    return [(e, [spent[k].get(i) for i in range(len(runs))]) for k, e in firsts.items()], notes


def _operator(samples: Sequence[float | None], event: _Event) -> OperatorTime:
    args = event.args
    kind = str(args["op_name"])
    inputs, outputs = args.get("input_type_shape") or [], args.get("output_type_shape") or []
    seconds = [s for s in samples if s is not None]
    return OperatorTime(
        name=str(event.body["name"]).removesuffix(_SUFFIX),
        kind=kind,
        times=Times.of(seconds) if any(seconds) else Times(n=len(seconds) or None),
        shape=loop_dims(kind, inputs, outputs),
        engine=str(args["provider"]).removesuffix("ExecutionProvider").lower(),
        precision=precision_of(inputs or outputs),
        line=event.line,
    )


def arithmetic_precision(operators: Sequence[OperatorTime]) -> str | None:
    """The precision in which convolutions and matrix products spend most of their time."""
    spent: dict[str, float] = {}
    for o in operators:
        if o.precision is not None and operator_of(o.kind) in {"conv", "gemm", "attention"}:
            spent[o.precision] = spent.get(o.precision, 0.0) + (o.times.mean_s or 0.0)
    precision = max(spent, key=lambda p: spent[p], default=None)
    return "int8" if precision == "uint8" else precision
