"""Networks from ONNX files, as exporters and optimisers write them.

Every shape is a plain number while the graph is read: dynamic dimensions of inputs are given by the caller,
shape arithmetic inside the graph is evaluated, and the local functions of newer exporters are written out.
Weights are read for their shapes only, so tensors that lie in external files need not be at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hw_models.errors import TraceError
from hw_models.workload.graph import Workload, WorkloadBuilder

if TYPE_CHECKING:
    from onnx import ModelProto

    from hw_models.workload.onnx_reader.inputs import Sizes


def read_onnx(
    path: str | Path,
    *,
    shapes: Mapping[str, Sequence[int]] | Sequence[int] | None = None,
    constants: Mapping[str, float | Sequence[float]] | None = None,
    batch: int | None = None,
    name: str | None = None,
) -> Workload:
    """The network in an ONNX file as a workload.

    Args:
        path: the file.
        shapes: shape by input name, needed where the file leaves dimensions open; a plain sequence is for the
            only input. A named dimension may be given a number by its own name, and a tensor inside the graph
            whose size depends on data may be given its shape.
        constants: value by input name, where an input chooses what runs (a sampling rate, a flag).
        batch: images of one inference; where the file leaves the leading dimension open, this alone sizes it.
            None: as the file or `shapes` say.
        name: name of the workload; the file's stem where None.

    Raises:
        FileError: where the file is missing, is not an ONNX model, is empty or invalid.
        InputError: where a dimension stays open, or a shape or name does not fit the file.
        TraceError: where an operator inside cannot be sized.
    """
    from hw_models.workload.onnx_reader.inputs import bind
    from hw_models.workload.onnx_reader.model_file import load_model

    path = Path(path)
    model = load_model(path)
    named = shapes if isinstance(shapes, Mapping) else {} if shapes is None else {"": shapes}
    sizes = bind(model.graph, named, constants or {}, None if batch is None else 1)
    try:
        workload = _walk(model, sizes, name or path.stem)
    except TraceError as error:
        msg = f"{path}: {error}"
        raise TraceError(msg) from error
    return workload if batch is None else workload.at_batch(batch)


def _walk(model: ModelProto, sizes: Sizes, name: str) -> Workload:
    """Rows of the main graph, in the file's order."""
    import onnx

    from hw_models.workload.onnx_reader.walk import Walk
    from hw_models.workload.op import TensorKind

    opsets = {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import}
    builder = WorkloadBuilder(name, batch=sizes.batch)
    walk = Walk(builder, sizes, opsets)
    for value in sizes.inputs.values():
        if not value.constant:
            value.index = builder.tensor(
                value.shape, value.precision, TensorKind.INPUT, batched=value.batched
            )
    scope = walk.graph(model.graph)
    results = [scope[o.name] for o in model.graph.output if o.name in scope]
    outputs = [walk.materialise(v) for r in results for v in (r.items or [r])]
    meta = {
        "source": "onnx",
        "onnx_version": onnx.__version__,
        "producer": " ".join(t for t in (model.producer_name, model.producer_version) if t),
        "opsets": opsets,
        "inputs": {n: list(v.shape) for n, v in sizes.inputs.items()},
        "parameters": walk.parameters,
        "notes": walk.notes,
    }
    return builder.finish(outputs, meta)
