"""Qualcomm AI Hub's perf.yaml: latency of one model by precision, component, device, runtime; ms, MiB.

Batch 1, AI Hub's own estimate over its runs, whose number it does not say; memory is an estimated range, of
which the upper end is kept. "float" is FP16 where the primary unit is the NPU. What did not pass, and what
was measured in tokens, is left out.

Source: qualcomm/ai-hub-models (BSD-3-Clause), qai_hub_models/configs/perf_yaml.py, release 0.65.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from hw_models.measured.importers.source import TWO_RUNS, Source
from hw_models.measured.profile import NetworkTime, Profile, RunFacts, Times

TOOL: Final = "aihub"
SECONDS: Final = 1e-3
BYTES: Final = 2**20
_TIME: Final = "inference_time_milliseconds"
_OTHER: Final = "a version of perf.yaml that is not known"
_KNOWN: Final = ("precisions", "supported_chipsets", "supported_devices")
_PRECISIONS: Final = {"w8a8": "int8", "w8a16": "w8a16", "w4a16": "w4a16", "w4": "w4a16"}


class _Entry(NamedTuple):
    line: int
    precision: str
    component: str
    device: str
    runtime: str
    body: Mapping[str, Any]


def recognises(source: Source) -> bool:
    """Whether the file is such a table."""
    return "performance_metrics:" in source.text and source.text.lstrip().startswith(
        ("precisions:", "#", "models:")
    )


def read(source: Source, facts: RunFacts) -> Profile:
    """One row for every precision, component, device and runtime that passed.

    Raises:
        FileError: where the layout is another version's, a key stands twice, or a second document begins.
    """
    entries = list(_entries(source, _document(source)))
    components = {e.component for e in entries}
    networks, left_out = [], []
    for entry in entries:
        if _TIME not in entry.body or entry.body[_TIME] is None:
            left_out.append(str(entry.body.get("job_status", "no time")))
            continue
        networks.append(_network(source, entry, facts.network if len(components) == 1 else None))
    if not networks:
        raise source.refuse("no measured time in the file", 1)
    notes = ["peak memory: upper end of an estimated range, MB taken as 2**20 bytes"]
    if left_out:
        notes.append(f"{len(left_out)} entries without a time left out ({', '.join(sorted(set(left_out)))})")
    return Profile(TOOL, networks=tuple(networks), notes=tuple(notes))


def _document(source: Source) -> Mapping[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import ComposerError
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError

    try:
        document = YAML().load(source.text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise source.refuse(f"a key stands twice: {TWO_RUNS}", line) from error
    except ComposerError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise source.refuse(f"a second document: {TWO_RUNS}", line) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise source.refuse(f"no YAML: {error.problem}", line) from error
    if not isinstance(document, Mapping) or "precisions" not in document:
        raise source.refuse(f"no 'precisions': {_OTHER}", 1)
    return document


def _entries(source: Source, document: Mapping[str, Any]) -> Iterator[_Entry]:
    """Every (precision, component, device, runtime) of the file with its line."""
    for precision, below in _items(source, document["precisions"], "precisions"):
        for component, metrics in _items(
            source, below.get("components"), f"precisions.{precision}.components"
        ):
            where = f"{precision}.{component}.performance_metrics"
            for device, runtimes in _items(source, metrics.get("performance_metrics"), where):
                for runtime, body in _items(source, runtimes, f"{where}.{device}"):
                    line = _line(runtimes, runtime)
                    yield _Entry(line, precision, component, device, runtime, body)


def _items(source: Source, value: Any, where: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        line = getattr(getattr(value, "lc", None), "line", 0) + 1
        raise source.refuse(f"{type(value).__name__} found, expected a mapping: {_OTHER}", line, where)
    for key, below in value.items():
        if not isinstance(below, Mapping):
            raise source.refuse(f"{below!r} found, expected a mapping: {_OTHER}", _line(value, key), where)
        yield str(key), below


def _line(mapping: Any, key: str) -> int:
    return int(mapping.lc.key(key)[0]) + 1


def _network(source: Source, entry: _Entry, network: str | None) -> NetworkTime:
    body = entry.body
    time = source.seconds(body[_TIME], SECONDS, entry.line, _TIME)
    if time is None:
        raise source.refuse("a time of 0", entry.line, _TIME)
    unit = str(body.get("primary_compute_unit") or "").lower() or None
    memory = (body.get("estimated_peak_memory_range_mb") or {}).get("max")
    most = source.number(memory, entry.line, "estimated_peak_memory_range_mb")
    layers = body.get("layer_counts") or {}
    placed = [layers.get(unit) for unit in ("total", "npu", "gpu", "cpu")]
    versions = body.get("tool_versions") or {}
    named = _PRECISIONS.get(entry.precision, entry.precision)
    return NetworkTime(
        network or entry.component,
        Times(mean_s=time),
        component=entry.component,
        device=entry.device,
        engine=unit,
        precision=("fp16" if unit == "npu" else "fp32") if named == "float" else named,
        batch=1,
        runtime=entry.runtime,
        runtime_version=" ".join(f"{k} {v}" for k, v in versions.items()) or None,
        peak_memory_bytes=None if most is None else most * BYTES,
        mode=entry.precision,
        layers=(placed[0], placed[1], placed[2], placed[3]),
        line=entry.line,
    )
