"""What the networks of a space must hold to: the workload of their trace, training, export."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from hw_models.errors import CodesignError
from hw_models.workload.from_onnx import read_onnx
from hw_models.workload.from_torch import trace
from search_spaces.closed_form import differences
from search_spaces.testing.inputs import zeros_for

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace


def of_trace(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    """Whether the workload is the trace of the module, row by row."""
    written = space.workload(candidate)
    with torch.device("meta"):
        module = space.build(candidate)
    if not isinstance(module, nn.Module):
        return
    traced = trace(module, inputs=zeros_for(written, "meta"), name=written.name, cache=False)
    found = differences(written, traced)
    if found:
        yield f"the workload of {candidate!r} is not the trace of its module: {found[0]}"


def of_training(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    """Whether the module runs forward and backward on the CPU, two inputs at a time."""
    module = space.build(candidate)
    if not isinstance(module, nn.Module):
        return
    generator = torch.Generator().manual_seed(0)
    inputs = [_two(x, generator) for x in zeros_for(space.workload(candidate))]
    try:
        results = [r for r in _tensors(module.train()(*inputs)) if r.requires_grad]
        if not results:
            yield f"{candidate!r} gives nothing that can be trained"
            return
        torch.autograd.backward([r.square().mean() for r in results])
    except (RuntimeError, ValueError, TypeError) as error:
        yield f"{candidate!r} does not run forward and backward: {type(error).__name__}: {error}"
        return
    lost = next((n for n, p in module.named_parameters() if p.grad is None), None)
    if lost is not None:
        yield f"{candidate!r} trains without its parameter '{lost}'"
    wrong = (n for n, p in module.named_parameters() if p.grad is not None and not p.grad.isfinite().all())
    first = next(wrong, None)
    if first is not None:
        yield f"{candidate!r} has a gradient at '{first}' that is not finite"


def of_export(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    """Whether the module exports to ONNX, and the file is read as the network that it is."""
    module = space.build(candidate)
    if not isinstance(module, nn.Module):
        return
    written = space.workload(candidate)
    try:
        with TemporaryDirectory() as folder:
            read = _exported(module.eval(), zeros_for(written), Path(folder) / "network.onnx")
    except (RuntimeError, ValueError, TypeError, CodesignError) as error:
        yield f"{candidate!r} does not export to ONNX: {type(error).__name__}: {error}"
        return
    if not read.op_modelled.all():
        yield f"the ONNX file of {candidate!r} has an operator without a rule"
    if read.macs != written.macs:
        yield f"the ONNX file of {candidate!r} has {read.macs:,.0f} MACs, the workload {written.macs:,.0f}"


def _exported(module: nn.Module, inputs: Sequence[torch.Tensor], file: Path) -> Workload:
    """By the exporter that records calls, the faster one; what it cannot record, by the one that compiles."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporters
        try:
            torch.onnx.export(module, tuple(inputs), file, dynamo=False)
        except (RuntimeError, torch.onnx.errors.OnnxExporterError):
            torch.onnx.export(module, tuple(inputs), file, dynamo=True, verbose=False)
    return read_onnx(file)


def _two(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Two inputs in one batch; numbers at random, token ids as they are."""
    both = torch.cat([x, x])
    return torch.rand(both.shape, generator=generator) if both.is_floating_point() else both


def _tensors(result: Any) -> list[torch.Tensor]:
    if isinstance(result, torch.Tensor):
        return [result]
    parts = result.values() if isinstance(result, dict) else result
    return [t for part in parts for t in _tensors(part)] if isinstance(result, dict | list | tuple) else []
