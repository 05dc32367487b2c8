"""What NVIDIA's trtexec exports: times of steps, times of layers, and what the layers are; milliseconds.

`--exportTimes` has a line a step, `--exportProfile` a line a layer with the mean and median over `count`
steps, `--exportLayerInfo` shapes and no times. The files name neither network nor device nor release.

Source: NVIDIA/TensorRT (Apache-2.0), samples/common/sampleReporting.cpp: exportJSONTrace,
Profiler::exportJSONProfile; IEngineInspector, LayerInformationFormat::kJSON. Releases before 8.4 called h2d
and d2h "in" and "out".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final

from hw_models.measured.importers.onnx_shapes import conv_dims, gemm_dims
from hw_models.measured.importers.source import TWO_RUNS, Source
from hw_models.measured.profile import NetworkTime, OperatorTime, Profile, RunFacts, Times

TOOL: Final = "trtexec"
SECONDS: Final = 1e-3
_OTHER: Final = "a version of trtexec that is not known"
_FORMAT: Final = re.compile(r"\b(FP32|FP16|BF16|FP8|INT8|INT4|INT32|INT64|BOOL)\b", re.IGNORECASE)


def recognises(source: Source) -> bool:
    """Whether the file is one of the three."""
    return any(mark(source) for mark in (_has_times, _has_profile, has_layers))


def read(source: Source, facts: RunFacts) -> Profile:
    """A network's steps, its layers' times, or its layers' shapes, by what the file is.

    Raises:
        FileError: where a line is not as this tool writes it, or a second run begins.
    """
    if _has_times(source):
        return _times(source, facts)
    return _profile(source) if _has_profile(source) else _layers(source)


def _has_times(source: Source) -> bool:
    return source.text.lstrip().startswith("[") and '"startComputeMs"' in source.text[:2000]


def _has_profile(source: Source) -> bool:
    head = source.text[:2000]
    return (
        head.lstrip().startswith("[") and re.search(r'"count"\s*:', head) is not None and '"timeMs"' in head
    )


def has_layers(source: Source) -> bool:
    """Whether the file has the layers' shapes."""
    return re.match(r'\s*\{\s*"Layers"\s*:', source.text) is not None


def _times(source: Source, facts: RunFacts) -> Profile:
    """Latency is copying in, computing and copying out, as the tool itself defines it; starts must rise."""
    steps: list[float] = []
    begins: list[float] = []
    first = 1
    for line, item in source.json_items():
        body = _object(source, item, line)
        values = {}
        for key in ("startComputeMs", "endComputeMs", "computeMs", "latencyMs"):
            if key not in body:
                raise source.refuse(f"step without '{key}': {_OTHER}", line)
            values[key] = source.number(body[key], line, key) or 0.0
        if begins and values["startComputeMs"] < begins[-1]:
            raise source.refuse(f"this step begins before the one above it: {TWO_RUNS}", line)
        if values["latencyMs"] < values["computeMs"]:
            raise source.refuse("latencyMs is less than computeMs: mixed units", line, "latencyMs")
        first = first if begins else line
        begins.append(values["startComputeMs"])
        steps.append(values["latencyMs"] * SECONDS)
    if not steps:
        raise source.refuse("no step in the file", 1)
    network = NetworkTime(facts.network, Times.of(steps), runtime="tensorrt", line=first)
    return Profile(TOOL, networks=(network,), notes=("latency: host to device, compute, device to host",))


def _profile(source: Source) -> Profile:
    operators: list[OperatorTime] = []
    count: int | None = None
    total = 0.0
    for line, item in source.json_items():
        body = _object(source, item, line)
        if "count" in body:
            if count is not None:
                raise source.refuse(f"a second 'count': {TWO_RUNS}", line)
            count = int(source.number(body["count"], line, "count") or 0)
            continue
        for key in ("name", "timeMs", "averageMs", "percentage"):
            if key not in body:
                raise source.refuse(f"layer without '{key}': {_OTHER}", line)
        if not count:
            raise source.refuse("layers before their 'count', or a count of 0: nothing ran", line)
        mean = source.seconds(body["averageMs"], SECONDS, line, "averageMs")
        median = source.seconds(body.get("medianMs"), SECONDS, line, "medianMs")
        total += mean or 0.0
        times = Times(count, mean, p50_s=median)
        operators.append(OperatorTime(str(body["name"]), "layer", times, line=line))
    if not operators:
        raise source.refuse("no layer in the file", 1)
    note = f"layers timed one by one sum to {total:.6g} s a step; that is no latency of the whole"
    return Profile(TOOL, operators=tuple(operators), notes=(note,))


def _layers(source: Source) -> Profile:
    try:
        document, end = json.JSONDecoder().raw_decode(source.text.lstrip())
    except json.JSONDecodeError as error:
        raise source.refuse(f"no JSON: {error.msg}", error.lineno) from error
    if source.text.lstrip()[end:].strip():
        raise source.refuse(f"text after the end of the layers: {TWO_RUNS}", source.line_of(end))
    position = 0
    operators = []
    for layer in document["Layers"]:
        if isinstance(layer, str):
            message = "layers have names alone; build with --profilingVerbosity=detailed"
            raise source.refuse(message, source.line_of(source.text.find(json.dumps(layer), position)))
        if not isinstance(layer, dict) or "Name" not in layer or "LayerType" not in layer:
            raise source.refuse(f"layer without 'Name' or 'LayerType': {_OTHER}", source.line_of(position))
        found = source.text.find(f'"Name": {json.dumps(layer["Name"], ensure_ascii=False)}', position)
        position = max(found, position)
        operators.append(_layer(layer, source.line_of(position)))
    return Profile(TOOL, operators=tuple(operators), notes=("shapes only: the file holds no times",))


def _layer(layer: Mapping[str, Any], line: int) -> OperatorTime:
    inputs, outputs = layer.get("Inputs") or [], layer.get("Outputs") or []
    found = _FORMAT.search(str((inputs or outputs or [{}])[0].get("Format/Datatype", "")))
    return OperatorTime(
        name=str(layer["Name"]),
        kind=str(layer.get("ParameterType") or layer["LayerType"]),
        times=Times(),
        shape=_shape(
            layer, [i.get("Dimensions") or [] for i in inputs], [o.get("Dimensions") or [] for o in outputs]
        ),
        precision=found[1].lower() if found else None,
        line=line,
    )


def _shape(
    layer: Mapping[str, Any], inputs: Sequence[Sequence[int]], outputs: Sequence[Sequence[int]]
) -> str | None:
    """Loop dimensions of convolutions and matrix products; "in -> out" of all else."""
    if not inputs or not outputs:
        return None
    x, y = inputs[0], outputs[0]
    dims: Mapping[str, int] | None = None
    if layer.get("ParameterType") == "Convolution" and len(layer.get("Kernel") or ()) == 2 and len(x) == 4:
        weight = [
            int(layer.get("OutMaps") or y[1]),
            x[1] // max(int(layer.get("Groups") or 1), 1),
            *layer["Kernel"],
        ]
        dims = conv_dims(x, weight, y)
    elif str(layer["LayerType"]).lower() in {"gemm", "matrixmultiply", "matrix_multiply"} and len(y) >= 2:
        shared = [prod(x) * y[-1] // max(prod(y), 1), y[-1]]
        dims = gemm_dims(x, inputs[1] if len(inputs) > 1 else shared, y)
    if dims is None:
        return f"{'x'.join(map(str, x)) or 'scalar'} -> {'x'.join(map(str, y)) or 'scalar'}"
    return " ".join(f"{name}={size}" for name, size in dims.items())


def _object(source: Source, item: Any, line: int) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise source.refuse(f"{item!r} found, expected an object: {_OTHER}", line)
    return item
