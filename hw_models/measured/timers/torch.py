"""torch as a timer: CUDA events on a GPU, the host's clock on a CPU; operators from its profiler.

Random weights make denormal numbers that trained ones do not, and these are slow on CPUs: they are flushed
to zero.
"""

from __future__ import annotations

import copy
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else torch's profiler writes lines of its own to stderr
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from hw_models.errors import InputError, did_you_mean, nearest, sentence
from hw_models.measured.importers.onnx_shapes import conv_dims, gemm_dims
from hw_models.measured.profile import OperatorTime, Times
from hw_models.measured.timers.machine import usable_cpus
from hw_models.measured.timers.memory import ResidentPeak

RUNTIME: Final = "torch"
DTYPES: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_FIRST_STEPS: Final = 2
_STEP: Final = "codesign step"
_OPERATORS: Final = ("aten::", "triton_")
"""How the names of operators begin, and those of the kernels that torch.compile writes for a GPU."""
_CONVOLUTIONS: Final = ("aten::conv2d", "aten::convolution", "aten::_convolution")


class TorchRunner:
    """One module in evaluation mode without gradients; see `Runner`.

    Args:
        module: is copied where the device or the precision changes it.
        inputs: what forward takes; floats are cast to the precision.
        precision: "fp32", "fp16" or "bf16", of weights and activations.
        threads: that compute on a CPU; None: all CPUs that this process may use.
        compiled: run what torch.compile makes of it.

    Raises:
        InputError: where the device is not there or the precision is none of these.
    """

    runtime = RUNTIME
    runtime_version = str(torch.__version__)

    def __init__(
        self,
        module: nn.Module,
        inputs: Sequence[torch.Tensor],
        *,
        name: str,
        device: str = "cpu",
        precision: str = "fp32",
        threads: int | None = None,
        compiled: bool = False,
    ) -> None:
        self.gpu = checked_gpu(device)
        kind = dtype_of(precision)
        self.name, self.device, self.compiled = name, device, compiled
        self.precision: str | None = precision
        self.threads = threads or usable_cpus()
        self._before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        torch.set_flush_denormal(True)
        own = module if device == "cpu" and precision == "fp32" else copy.deepcopy(module)
        self._module: Any = own.to(device=device, dtype=kind).eval()
        weights = float(sum(t.nbytes for t in (*own.parameters(), *own.buffers())))
        if compiled:
            self._module = torch.compile(self._module)
        self._inputs = [t.to(device=device, dtype=kind if t.is_floating_point() else t.dtype) for t in inputs]
        self.input_shape = tuple(inputs[0].shape) if inputs else None
        self.batch = self.input_shape[0] if self.input_shape else None
        try:
            self.peak_memory_bytes = self._first_steps(weights)
        except (RuntimeError, TypeError, ValueError, IndexError, AssertionError) as error:
            given = ", ".join("x".join(map(str, t.shape)) for t in inputs)
            raise InputError(f"'{name}' does not run on {given}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        torch.set_num_threads(self._before)
        torch.set_flush_denormal(False)
        del self._module, self._inputs

    def step(self) -> float:
        """Seconds of one forward pass: between two events on the GPU's stream, or on the host's clock."""
        if self.device == "cuda":
            event: Any = torch.cuda.Event
            begin, end = event(enable_timing=True), event(enable_timing=True)
            torch.cuda.synchronize()
            with torch.inference_mode():
                begin.record()
                self._module(*self._inputs)
                end.record()
            torch.cuda.synchronize()
            return float(begin.elapsed_time(end)) * 1e-3
        torch.set_num_threads(self.threads)
        with torch.inference_mode():
            start = time.perf_counter()
            self._module(*self._inputs)
            return time.perf_counter() - start

    def operators(self, n_steps: int) -> tuple[OperatorTime, ...]:
        """Times of the outermost aten operators; on a GPU those of their kernels, else the host's.

        What torch.compile fuses for a CPU has no event of its own and is missing.
        """
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self.device == "cuda" else [])]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the profiler's advice on its own options
            with profile(activities=activities, record_shapes=True, acc_events=True) as taken:
                for _ in range(n_steps + 1):
                    with record_function(_STEP):
                        self.step()
        steps: dict[int, list[Any]] = {id(e): [] for e in taken.events() if e.name == _STEP}
        for event in taken.events():
            if event.name.startswith(_OPERATORS) and (step := _step_of(event)) is not None:
                steps[id(step)].append(event)
        return _operators(list(steps.values())[1:], on_gpu=self.device == "cuda")

    def _first_steps(self, weights: float) -> float | None:
        """Peak of the activations of the first steps, plus the weights."""
        if self.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
            for _ in range(_FIRST_STEPS):
                self.step()
            return float(torch.cuda.max_memory_allocated())
        with ResidentPeak() as peak:
            for _ in range(_FIRST_STEPS):
                self.step()
        return None if peak.bytes is None else peak.bytes + weights


def dtype_of(precision: str) -> torch.dtype:
    """The type of weights and activations.

    Raises:
        InputError: where the precision is none of ours.
    """
    if precision not in DTYPES:
        near = did_you_mean(nearest(precision, DTYPES))
        raise InputError(
            sentence(f"precision '{precision}' given, expected one of {', '.join(DTYPES)}", near)
        )
    return DTYPES[precision]


def checked_gpu(device: str) -> str | None:
    """Name of the GPU that the device means, None for the CPU.

    Raises:
        InputError: where the device is none of ours or is not there.
    """
    if device not in ("cpu", "cuda"):
        raise InputError(f"device '{device}' given, expected cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device 'cuda' given, but torch {torch.__version__} finds no NVIDIA GPU here; "
            "take --device cpu, or a machine with a GPU and a torch built for CUDA"
        )
    return gpu_name() if device == "cuda" else None


def gpu_name() -> str | None:
    """Name of the first GPU, None where torch sees none."""
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else None


def _step_of(event: Any) -> Any | None:
    """The step that an outermost operator is of; None for an operator inside another one."""
    parent = event.cpu_parent
    while parent is not None and parent.name != _STEP:
        if parent.name.startswith(_OPERATORS):
            return None
        parent = parent.cpu_parent
    return parent


def _operators(steps: Sequence[Sequence[Any]], *, on_gpu: bool) -> tuple[OperatorTime, ...]:
    """The same place in every step is the same operator; steps that took another path are left out."""
    if not steps:
        return ()
    names = [e.name for e in steps[-1]]
    same = [s for s in steps if [e.name for e in s] == names]
    seconds: dict[int, list[float]] = defaultdict(list)
    for events in same:
        for at, event in enumerate(events):
            seconds[at].append((event.device_time_total if on_gpu else event.cpu_time_total) * 1e-6)
    return tuple(
        OperatorTime(
            name=f"{event.name}.{at}",
            kind=event.name,
            times=Times.of(seconds[at]) if any(seconds[at]) else Times(n=len(seconds[at])),
            shape=_shape(event),
            engine="gpu" if on_gpu else "cpu",
        )
        for at, event in enumerate(same[-1])
    )


def _shape(event: Any) -> str | None:
    """Loop dimensions of convolutions and linear layers, shapes of the operands of all else."""
    shapes = [tuple(s) for s in event.input_shapes or [] if isinstance(s, list | tuple)]
    given = [s for s in shapes if s]
    dims: dict[str, int] | None = None
    if event.name in _CONVOLUTIONS and len(given) > 1:
        dims = _conv(event, given[0], given[1])
    elif event.name == "aten::linear" and len(given) > 1:
        dims = gemm_dims(given[0], given[1], (*given[0][:-1], given[1][0]))
    elif event.name == "aten::addmm" and len(given) > 2:
        dims = gemm_dims(given[1], given[2], (*given[1][:-1], given[2][-1]))
    elif event.name in ("aten::matmul", "aten::bmm", "aten::mm") and len(given) > 1:
        dims = gemm_dims(given[0], given[1], (*given[0][:-1], given[1][-1]))
    if dims is not None:
        return " ".join(f"{name}={size}" for name, size in dims.items())
    return " ".join("x".join(map(str, s)) for s in given) or None


def _conv(event: Any, x: Sequence[int], weight: Sequence[int]) -> dict[str, int] | None:
    """Output size from stride, padding and dilation, which the profiler keeps as values."""
    values = getattr(event, "concrete_inputs", None) or []
    if len(x) != 4 or len(weight) != 4 or len(values) < 6:
        return None
    stride, padding, dilation = ([v, v] if isinstance(v, int) else v for v in values[3:6])
    if not all(isinstance(v, list) and v for v in (stride, padding, dilation)):
        return None
    out = [
        (x[2 + i] + 2 * padding[i % len(padding)] - dilation[i % len(dilation)] * (weight[2 + i] - 1) - 1)
        // stride[i % len(stride)]
        + 1
        for i in (0, 1)
    ]
    return conv_dims(x, weight, (x[0], weight[0], *out))
