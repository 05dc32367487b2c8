"""ONNX Runtime as a timer: host clock around a run, operators from its own profile.

On CUDA, inputs and outputs stay on the device and a run ends with a synchronisation. Random weights make
denormal numbers that trained ones do not, and these are slow on CPUs: they are flushed to zero.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from hw_models.errors import FileError, InputError, MissingExtraError
from hw_models.measured.importers import onnxruntime as profile_file
from hw_models.measured.importers.source import Source
from hw_models.measured.profile import OperatorTime, RunFacts
from hw_models.measured.timers.machine import usable_cpus
from hw_models.measured.timers.memory import ResidentPeak

RUNTIME: Final = "onnxruntime"
PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_TYPES: Final = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}
_FIRST_STEPS: Final = 2
"""Steps after which the arena holds all it will hold."""


class OnnxRuntimeRunner:
    """One ONNX file in a session of its own; see `Runner`.

    Args:
        path: the file.
        shapes: shapes of inputs by name; "" is the only one. Needed where the file leaves a dimension open.
        constants: values of inputs that choose what runs, such as a sampling rate.
        threads: that compute; None: all CPUs that this process may use.
        precision: of the arithmetic; None: that of its convolutions and matrix products.

    Raises:
        MissingExtraError: where ONNX Runtime is not installed.
        InputError: where the device is not there, or an input has no known shape or type.
        FileError: where the file does not load.
    """

    runtime = RUNTIME
    compiled = True

    def __init__(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        device: str = "cpu",
        shapes: dict[str, tuple[int, ...]] | None = None,
        constants: Mapping[str, float | Sequence[float]] | None = None,
        threads: int | None = None,
        precision: str | None = None,
    ) -> None:
        self._ort = _imported()
        self.path, self.name = Path(path), name or Path(path).stem
        self.runtime_version = str(self._ort.__version__)
        self.device, self.precision = device, precision
        self.gpu = _checked_gpu(self._ort, device)
        self.threads = threads or usable_cpus()
        with ResidentPeak() as peak:
            self._session = self._opened(self._options())
            self._feeds = _inputs(self._session, shapes or {}, constants or {})
            self._binding = self._bound() if device == "cuda" else None
            self._first_steps()
        self.peak_memory_bytes = peak.bytes if device == "cpu" else None
        first = next(iter(self._feeds.values()), None)
        self.input_shape = None if first is None else tuple(int(d) for d in first.shape)
        self.batch = self.input_shape[0] if self.input_shape else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._binding = None
        del self._session

    def step(self) -> float:
        """Seconds of one run."""
        if self._binding is not None:
            begin = time.perf_counter()
            self._session.run_with_iobinding(self._binding)
            self._binding.synchronize_outputs()
            return time.perf_counter() - begin
        begin = time.perf_counter()
        self._session.run(None, self._feeds)
        return time.perf_counter() - begin

    def operators(self, n_steps: int) -> tuple[OperatorTime, ...]:
        """Times of every node of the optimised graph, from a second session that writes a profile."""
        with TemporaryDirectory() as folder:
            options = self._options()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = self._opened(options)
            for _ in range(n_steps + 1):
                session.run(None, self._feeds)
            profile = profile_file.read(Source.open(session.end_profiling()), RunFacts())
        if self.precision is None:
            self.precision = profile_file.arithmetic_precision(profile.operators)
        return tuple(replace(o, line=None) for o in profile.operators)

    def _first_steps(self) -> None:
        try:
            for _ in range(_FIRST_STEPS):
                self.step()
        except Exception as error:  # the runtime raises classes of its own, by the kind of fault
            given = ", ".join(f"{n} {'x'.join(map(str, v.shape))}" for n, v in self._feeds.items())
            reason = " ".join(str(error).split())
            raise InputError(f"'{self.name}' does not run on {given}: {reason}") from error

    def _options(self) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        return options

    def _opened(self, options: Any) -> Any:
        try:
            session = self._ort.InferenceSession(
                str(self.path),
                options,
                providers=[PROVIDERS[self.device], PROVIDERS["cpu"]][: 1 + (self.device == "cuda")],
            )
        except Exception as error:  # the runtime raises classes of its own, by the kind of fault
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise FileError.at(self.path, f"ONNX Runtime cannot load it: {reason}") from error
        if session.get_providers()[0] != PROVIDERS[self.device]:
            raise InputError(
                f"device '{self.device}' given, but ONNX Runtime fell back to {session.get_providers()[0]}: "
                "its CUDA or cuDNN libraries do not load"
            )
        return session

    def _bound(self) -> Any:
        """Inputs and outputs that stay on the GPU."""
        binding = self._session.io_binding()
        for name, value in self._feeds.items():
            binding.bind_ortvalue_input(name, self._ort.OrtValue.ortvalue_from_numpy(value, "cuda", 0))
        for output in self._session.get_outputs():
            binding.bind_output(output.name, "cuda")
        return binding


def check_device(device: str) -> None:
    """Say at once that a device or the runtime is missing, before anything slow is done.

    Raises:
        MissingExtraError: where ONNX Runtime is not installed.
        InputError: where the device is not there.
    """
    _checked_gpu(_imported(), device)


def _imported() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("ONNX Runtime is not installed; pip install 'codesign[measure]'") from error
    return onnxruntime


def _checked_gpu(ort: Any, device: str) -> str | None:
    """Name of the GPU where it can be told.

    Raises:
        InputError: where the device is none of ours or is not there.
    """
    if device not in PROVIDERS:
        raise InputError(f"device '{device}' given, expected cpu or cuda")
    if device == "cpu":
        return None
    there = ort.get_available_providers()
    if PROVIDERS["cuda"] not in there:
        raise InputError(
            f"device 'cuda' given, but ONNX Runtime {ort.__version__} has no {PROVIDERS['cuda']} here "
            f"(it has {', '.join(there)}); install onnxruntime-gpu beside an NVIDIA GPU, or take cpu"
        )
    from hw_models.measured.timers.torch import gpu_name

    return gpu_name()


def _inputs(
    session: Any, shapes: dict[str, tuple[int, ...]], constants: Mapping[str, float | Sequence[float]]
) -> dict[str, np.ndarray]:
    """A value for every input, normal floats and zero integers, the same at every call."""
    wanted = session.get_inputs()
    unknown = [n for n in (*shapes, *constants) if n and n not in {i.name for i in wanted}]
    if unknown or ("" in shapes and len(wanted) != 1):
        names = ", ".join(i.name for i in wanted)
        raise InputError(
            f"shape of '{(unknown or ['the input'])[0]}' given; the inputs of this network are {names}"
        )
    random = np.random.default_rng(0)
    feeds = {}
    for entry in wanted:
        if entry.type not in _TYPES:
            raise InputError(f"input '{entry.name}' is a {entry.type}; expected one of {', '.join(_TYPES)}")
        kind = np.dtype(_TYPES[entry.type])
        if entry.name in constants:
            feeds[entry.name] = np.array(constants[entry.name], kind)
            continue
        shape = shapes.get(entry.name) or shapes.get("") or _fixed(entry)
        value = random.standard_normal(shape) if kind.kind == "f" else np.zeros(shape)
        feeds[entry.name] = value.astype(kind)
    return feeds


def _fixed(entry: Any) -> tuple[int, ...]:
    """The shape that the file gives; an open first dimension is a batch of 1."""
    dims = list(entry.shape)
    if dims and not isinstance(dims[0], int):
        dims[0] = 1
    if not all(isinstance(d, int) for d in dims):
        written = "x".join(str(d) for d in dims)
        raise InputError(
            f"input '{entry.name}' is {written}, which leaves dimensions open; give --shape {entry.name}=..."
        )
    return tuple(dims)
