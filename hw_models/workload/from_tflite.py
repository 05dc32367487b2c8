"""Networks from TFLite files: int8 ones as converters and compilers for microcontrollers' NPUs take them."""

from __future__ import annotations

from pathlib import Path

from hw_models.workload.graph import Workload, WorkloadBuilder
from hw_models.workload.tflite_reader.rules import TfliteWalk, walk
from hw_models.workload.tflite_reader.schema import load


def read_tflite(path: str | Path, *, name: str | None = None) -> Workload:
    """The main graph of a TFLite file as a workload; weights are read for their shapes only.

    Args:
        path: the file.
        name: name of the workload; the file's stem where None.

    Raises:
        FileError: where the file is missing or is not a TFLite model.
    """
    path = Path(path)
    graph = load(path)
    batch = (
        graph.tensors[graph.inputs[0]].shape[0]
        if graph.inputs and graph.tensors[graph.inputs[0]].shape
        else 1
    )
    given = TfliteWalk(graph, WorkloadBuilder(name or path.stem, batch=max(int(batch), 1)))
    walk(given)
    outputs = [given.tensor(o) for o in graph.outputs]
    meta = {
        "source": "tflite",
        "inputs": {graph.tensors[i].name: list(graph.tensors[i].shape) for i in graph.inputs},
        "unknown": sorted(set(given.unknown)),
    }
    return given.builder.finish(outputs, meta)
