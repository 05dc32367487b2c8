"""`trace`: run a module's forward pass once on the meta device and record what it does."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor, nn

from hw_models.errors import InputError, TraceError, sentence
from hw_models.workload.cache import cached, key_of
from hw_models.workload.from_torch.fingerprint import fingerprint
from hw_models.workload.from_torch.ledger import Ledger
from hw_models.workload.from_torch.modules import meta_copy, module_paths, plain_execution, stored_tensors
from hw_models.workload.from_torch.recorder import DataDependentError, Recorder
from hw_models.workload.from_torch.shapes import META
from hw_models.workload.graph import Workload, WorkloadBuilder, renamed
from hw_models.workload.op import TRACER_VERSION, TensorKind

IMAGE: Final = (1, 3, 224, 224)


class Inputs(NamedTuple):
    """Meta tensors to call a forward pass with."""

    positional: tuple[Tensor, ...]
    named: Mapping[str, Tensor]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of them."""
        return (*self.positional, *self.named.values())


def trace(
    module: nn.Module,
    input_shape: Sequence[int] | Sequence[Sequence[int]] = IMAGE,
    *,
    name: str | None = None,
    inputs: Mapping[str, Any] | Sequence[Any] | None = None,
    cache: bool = True,
) -> Workload:
    """Read a module into a workload: operators, loop dimensions, shapes, module paths, edges.

    The forward pass runs once, in evaluation mode, on a copy of the module on the meta device: nothing is
    computed, no weight is allocated, and the module that was given stays as it is.

    Args:
        module: the network; its weights may be anywhere, also on the meta device.
        input_shape: shape of its one input, the batch first; or several shapes, one per positional input.
        name: name of the workload; the class of the module by default.
        inputs: instead of `input_shape`, tensors or shapes by argument name or in positional order. A tensor
            is needed where the data type is not that of the weights (token ids); only its shape and type are
            used.
        cache: read and keep the trace on disk, under the hash of the module's structure, attributes and code;
            say False for a forward pass that also depends on something else (a file, the environment).

    Raises:
        TraceError: where the forward pass cannot run without data; says at which operator and module.
        InputError: where the inputs are neither shapes nor tensors.
    """
    if not isinstance(module, nn.Module):
        msg = f"{module!r} of type {type(module).__name__} given, expected a torch.nn.Module"
        raise InputError(msg)
    module = getattr(module, "_orig_mod", module)  # what torch.compile wraps
    name = name or type(module).__name__
    given = inputs_of(module, input_shape, inputs)

    def fresh() -> Workload:
        copied, known = meta_copy(module)
        return record(copied, given, name, known)

    mark = fingerprint(module) if cache else None
    if mark is None:
        return fresh()
    return renamed(cached(key_of(["module", mark, _described(given), *versions()]), fresh), name)


def versions() -> list[str]:
    """What a trace depends on beside the network and its inputs."""
    return [f"tracer {TRACER_VERSION}", f"torch {torch.__version__}", f"python {sys.version_info[:2]}"]


def _described(inputs: Inputs) -> str:
    """Shapes, types and strides of inputs, with their names."""
    named = dict(inputs.named) | {str(position): t for position, t in enumerate(inputs.positional)}
    return " ".join(f"{k}:{tuple(t.shape)}:{t.dtype}:{t.stride()}" for k, t in named.items())


def record(
    module: nn.Module, inputs: Inputs, name: str, known: Sequence[tuple[Tensor, Tensor]] = ()
) -> Workload:
    """Trace a module that is on the meta device and ours to change.

    Args:
        module: on the meta device; it is set to evaluation mode.
        inputs: what to call it with.
        name: name of the workload.
        known: tensors of the module whose values the forward pass may ask for, with the values.

    Raises:
        TraceError: where the forward pass cannot run without data.
    """
    batch = next((t.shape[0] for t in inputs.tensors if t.dim()), 1)
    ledger = Ledger(WorkloadBuilder(name, batch=batch))
    for tensor, value in known:
        ledger.store(tensor, TensorKind.CONSTANT, value)
    for tensor, kind in stored_tensors(module):
        ledger.store(tensor, kind)
    for tensor in inputs.tensors:
        ledger.add_input(tensor)
    try:
        _evaluating(module)
        with plain_execution(), module_paths(module, ledger), Recorder(ledger):
            result = module(*inputs.positional, **inputs.named)
        outputs = [ledger.read(t) for t in _tensors_in(result)]
    except Exception as error:
        raise _explained(error, ledger, name) from error
    if not outputs:
        msg = f"{name}: the forward pass returned {type(result).__name__} without a tensor; expected tensors"
        raise TraceError(msg)
    parameters = sum(p.numel() for p in module.parameters())
    meta = {"source": "torch", "torch": torch.__version__, "tracer": TRACER_VERSION, "parameters": parameters}
    return ledger.builder.finish(outputs, meta)


def _evaluating(module: nn.Module) -> None:
    """Set evaluation mode; what torch.export makes is in the mode it was exported in, and refuses."""
    with suppress(NotImplementedError):
        module.eval()


def inputs_of(module: nn.Module, shape: Any, inputs: Any = None) -> Inputs:
    """Meta tensors for the positional and the named inputs, in the floating type of the weights."""
    floating = (p.dtype for p in module.parameters() if p.dtype.is_floating_point)
    dtype = next(floating, torch.get_default_dtype())
    if isinstance(inputs, Mapping):
        return Inputs((), {k: _meta_input(v, dtype) for k, v in inputs.items()})
    if inputs is None:
        several = not isinstance(shape, Tensor) and any(not isinstance(s, int) for s in shape)
        inputs = shape if several else [shape]
    return Inputs(tuple(_meta_input(v, dtype) for v in inputs), {})


def _meta_input(value: Any, dtype: torch.dtype) -> Tensor:
    if isinstance(value, Tensor):
        return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=META)
    if isinstance(value, Sequence) and all(isinstance(s, int) and s > 0 for s in value):
        return torch.empty(tuple(value), dtype=dtype, device=META)
    msg = f"input {value!r} given, expected a tensor or a shape of positive integers such as (1, 3, 224, 224)"
    raise InputError(msg)


def _tensors_in(result: Any) -> Iterator[Tensor]:
    """Tensors in whatever a forward pass returns: containers, dataclasses."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, Mapping):
        for value in result.values():
            yield from _tensors_in(value)
    elif isinstance(result, list | tuple | set):
        for value in result:
            yield from _tensors_in(value)
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        for field in dataclasses.fields(result):
            yield from _tensors_in(getattr(result, field.name))


_INTEGERS: Final = "give whole-number inputs as tensors: inputs=[torch.zeros((1, 128), dtype=torch.long)]"
_WITHOUT_DATA: Final = ("meta tensor", "meta device", "unallocated storage")
"""What torch says where a value is asked for that a meta tensor does not have."""
_WITHOUT: Final = (
    "give a module whose forward leaves it out (of a detector: the network without selecting boxes), or read"
    " an ONNX file of it"
)


def _explained(error: Exception, ledger: Ledger, name: str) -> TraceError:
    """What went wrong, where, and what to do about it."""
    place = f"in module '{ledger.path}'" if ledger.path else "at the top of the forward pass"
    where = f"{name}: cannot be traced: {ledger.target or 'before its first operator'} {place}"
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, DataDependentError) or any(sign in text for sign in _WITHOUT_DATA):
        what = error if isinstance(error, DataDependentError) else "what the forward pass does next"
        reason = f"{what} depends on the values of tensors, which only a run with data knows"
        return TraceError(sentence(where, reason, _WITHOUT))
    hint = "check input_shape" if isinstance(error, RuntimeError | ValueError | AssertionError) else ""
    if isinstance(error, TypeError) and "forward()" in text:
        hint = "name the arguments: inputs={'x': (1, 3, 224, 224), ...}"
    if "Long" in text or "Int" in text or "integral" in text:
        hint = _INTEGERS
    return TraceError(sentence(where, text, hint))
