"""Networks by name, module or file, timed on this machine: what `cd.measure` and `codesign measure` call."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from codesign.models import Shape, parse_shapes, resolve_module
from hw_models.errors import InputError, did_you_mean, nearest, sentence
from hw_models.measured.timers.measurement import Measurement, measure_runners
from hw_models.measured.timers.protocol import TimingPlan

if TYPE_CHECKING:
    import torch
    from torch import nn

    from hw_models.measured.timers.runner import Runner

RUNTIMES: Final = ("onnxruntime", "torch", "torch-compile")


@dataclass(frozen=True, slots=True)
class _Asked:
    """How every network of one call is run."""

    runtime: str
    device: str
    precision: str | None
    batch: int
    threads: int | None
    shapes: dict[str, tuple[int, ...]]
    constants: Mapping[str, float | Sequence[float]] | None


def measure(  # noqa: PLR0913  (what a notebook sets, by keyword alone)
    model: str | Path | nn.Module,
    *,
    runtime: str = "onnxruntime",
    device: str = "cpu",
    input_shape: Shape = None,
    precision: str | None = None,
    batch: int = 1,
    threads: int | None = None,
    constants: Mapping[str, float | Sequence[float]] | None = None,
    plan: TimingPlan | None = None,
) -> Measurement:
    """Time a network on this machine; arguments and errors are those of `measure_many`."""
    (measured,) = measure_many(
        [model],
        runtime=runtime,
        device=device,
        input_shape=input_shape,
        precision=precision,
        batch=batch,
        threads=threads,
        constants=constants,
        plan=plan,
    )
    return measured


def measure_many(  # noqa: PLR0913  (what a notebook sets, by keyword alone)
    models: Sequence[str | Path | nn.Module],
    *,
    runtime: str = "onnxruntime",
    device: str = "cpu",
    input_shape: Shape = None,
    precision: str | None = None,
    batch: int = 1,
    threads: int | None = None,
    constants: Mapping[str, float | Sequence[float]] | None = None,
    plan: TimingPlan | None = None,
) -> tuple[Measurement, ...]:
    """Time networks side by side with the weights they have, random ones where they are named.

    Steps are interleaved, so that drift of the machine hits all networks alike.

    Args:
        models: each `timm:resnet50@224`, an ONNX file's path, `package.module:function`, or an `nn.Module`.
        runtime: "onnxruntime" (modules are exported first), "torch", or "torch-compile".
        device: "cpu" or "cuda".
        input_shape: of the input, the batch first; needed for a module, and where a file leaves it open.
        precision: fp32, fp16 or bf16 of a module's weights and activations; an ONNX file has its own.
        batch: inputs of one step, where no shape is given.
        threads: that compute; None: all CPUs that this process may use.
        constants: values of an ONNX file's inputs that choose what runs, by name.
        plan: how often, how sure, how noisy at most, operators or not.

    Raises:
        NoisyMachineError: where the machine is too noisy; with the spread as the reason.
        InputError: where a name, device, runtime, shape or precision cannot be used.
        FileError: where an ONNX file is missing or does not load.
        MissingExtraError: where the runtime is not installed.
        TraceError: where a module cannot be exported to ONNX.
    """
    if runtime not in RUNTIMES:
        near = did_you_mean(nearest(runtime, RUNTIMES))
        raise InputError(sentence(f"runtime '{runtime}' given, expected one of {', '.join(RUNTIMES)}", near))
    if constants and not all(str(m).endswith(".onnx") for m in models):
        raise InputError(f"constants {sorted(constants)} given; only inputs of an ONNX file can be fixed so")
    if batch < 1 or (threads is not None and threads < 1):
        raise InputError(f"batch {batch} and threads {threads} given, expected 1 or more")
    asked = _Asked(runtime, device, precision, batch, threads, parse_shapes(input_shape), constants)
    with TemporaryDirectory(prefix="codesign-measure-") as folder:
        openers = [functools.partial(_opened, m, asked, Path(folder) / str(i)) for i, m in enumerate(models)]
        return measure_runners(openers, plan or TimingPlan())


def _opened(model: str | Path | nn.Module, asked: _Asked, folder: Path) -> Runner:
    """The network, loaded in the runtime."""
    if isinstance(model, Path) or (
        isinstance(model, str) and (model.endswith(".onnx") or Path(model).is_file())
    ):
        return _of_file(Path(model), asked)
    module, shape, name = resolve_module(model, shapes=asked.shapes, batch=asked.batch)
    inputs = _inputs(shape)
    precision = asked.precision or "fp32"
    if asked.runtime != "onnxruntime":
        from hw_models.measured.timers.torch import TorchRunner

        return TorchRunner(
            module,
            inputs,
            name=name,
            device=asked.device,
            precision=precision,
            threads=asked.threads,
            compiled=asked.runtime == "torch-compile",
        )
    return _exported(module, inputs, name, precision, asked, folder)


def _exported(
    module: nn.Module, inputs: Sequence[torch.Tensor], name: str, precision: str, asked: _Asked, folder: Path
) -> Runner:
    """The module as ONNX in a session; the device is looked for before the export, which takes seconds."""
    from hw_models.measured.timers.onnxruntime import OnnxRuntimeRunner, check_device
    from hw_models.measured.timers.to_onnx import to_onnx
    from hw_models.measured.timers.torch import dtype_of

    check_device(asked.device)
    kind = dtype_of(precision)
    folder.mkdir()
    cast = [t.to(kind) if t.is_floating_point() else t for t in inputs]
    path = to_onnx(module.to(kind), cast, folder / "network.onnx")
    return OnnxRuntimeRunner(path, name=name, device=asked.device, threads=asked.threads, precision=precision)


def _of_file(path: Path, asked: _Asked) -> Runner:
    from hw_models.errors import FileError
    from hw_models.measured.timers.onnxruntime import OnnxRuntimeRunner

    if asked.runtime != "onnxruntime":
        raise InputError(f"'{path}' is an ONNX file, which torch does not run; take runtime 'onnxruntime'")
    if asked.precision is not None:
        raise InputError(f"precision '{asked.precision}' given, but '{path}' has its own; leave it out")
    if not path.is_file():
        near = did_you_mean(nearest(path.name, [p.name for p in Path(path.parent).glob("*.onnx")]))
        raise FileError.at(path, sentence("no such file", near))
    return OnnxRuntimeRunner(
        path, device=asked.device, shapes=asked.shapes, constants=asked.constants, threads=asked.threads
    )


def _inputs(shape: Mapping[str, tuple[int, ...]]) -> list[torch.Tensor]:
    """Normal numbers of those shapes, the same at every call."""
    import torch

    generator = torch.Generator().manual_seed(0)
    return [torch.randn(dims, generator=generator) for dims in shape.values()]
