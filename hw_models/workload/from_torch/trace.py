"""`trace`: run a module's forward once on the meta device and record what it does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hw_models.errors import InputError, TraceError
from hw_models.workload.from_torch.modules import meta_copy, module_paths, plain_execution, weights_of
from hw_models.workload.from_torch.recorder import Recorder
from hw_models.workload.graph import Workload, WorkloadBuilder

IMAGE = (1, 3, 224, 224)


def trace(
    module: nn.Module,
    input_shape: Sequence[int] | Sequence[Sequence[int]] = IMAGE,
    *,
    name: str | None = None,
    inputs: Mapping[str, Any] | Sequence[Any] | None = None,
    cache: bool = True,
) -> Workload:
    """Read a module into a workload: operators, loop dimensions, shapes, module paths, edges.

    The forward pass runs once in evaluation mode on a copy of the module on the meta device: nothing is computed, no
    weight is allocated, and the module that was given is left as it is.

    Args:
        module: the network; weights may be anywhere, also on the meta device.
        input_shape: shape of its one input, the batch first; or a sequence of shapes, one per positional input.
        name: name of the workload; the class of the module by default.
        inputs: instead of `input_shape`, tensors or shapes by argument name or in positional order; a tensor is needed
            where the data type is not that of the weights (token ids).
        cache: read and keep the trace on disk.

    Raises:
        TraceError: where the forward pass cannot run without data; says at which operator and module.
        InputError: where the inputs are neither shapes nor tensors.
    """
    del cache
    return record(meta_copy(module), _inputs(module, input_shape, inputs), name or type(module).__name__)


def record(module: nn.Module, inputs: tuple[list[Tensor], dict[str, Tensor]], name: str) -> Workload:
    """Trace a module that is on the meta device and ours to change."""
    positional, named = inputs
    tensors = [*positional, *named.values()]
    batch = next((t.shape[0] for t in tensors if t.dim()), 1)
    recorder = Recorder(WorkloadBuilder(name, batch=batch))
    recorder.add_weights(weights_of(module))
    for tensor in tensors:
        recorder.add_input(tensor)
    module.eval()
    try:
        with plain_execution(), module_paths(module, recorder), recorder:
            result = module(*positional, **named)
        outputs = [recorder.read(t) for t in _tensors_in(result)]
    except Exception as error:
        raise _explained(error, recorder, name) from error
    if not outputs:
        msg = (
            f"{name}: the forward pass returned no tensor ({type(result).__name__}); return what it computes"
        )
        raise TraceError(msg)
    meta = {"source": "torch", "torch": torch.__version__}
    return recorder.builder.finish(outputs, meta)


def _inputs(module: nn.Module, shape: Any, inputs: Any) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Meta tensors for the positional and the named inputs."""
    dtype = next(
        (p.dtype for p in module.parameters() if p.dtype.is_floating_point), torch.get_default_dtype()
    )
    if isinstance(inputs, Mapping):
        return [], {k: _meta_input(v, dtype) for k, v in inputs.items()}
    if inputs is None:
        inputs = [shape] if isinstance(shape, Tensor) or all(isinstance(s, int) for s in shape) else shape
    return [_meta_input(v, dtype) for v in inputs], {}


def _meta_input(value: Any, dtype: torch.dtype) -> Tensor:
    if isinstance(value, Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device="meta")
    if isinstance(value, Sequence) and all(isinstance(s, int) and s > 0 for s in value):
        return torch.empty(tuple(value), dtype=dtype, device="meta")
    msg = f"input {value!r} given, expected a tensor or a shape of positive integers such as (1, 3, 224, 224)"
    raise InputError(msg)


def _tensors_in(result: Any) -> Iterator[Tensor]:
    """Tensors in whatever a forward pass returns."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, Mapping):
        for value in result.values():
            yield from _tensors_in(value)
    elif isinstance(result, list | tuple | set):
        for value in result:
            yield from _tensors_in(value)
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        for f in dataclasses.fields(result):
            yield from _tensors_in(getattr(result, f.name))


def _explained(error: Exception, recorder: Recorder, name: str) -> TraceError:
    where = f"in module '{recorder.path}'" if recorder.path else "at the top of the forward pass"
    return TraceError(
        f"{name}: cannot be traced {where}, after operator {recorder.target or 'none'}: {type(error).__name__}: {error}"
    )
