"""What a timer needs of a runtime: one network, loaded, that can take a step."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from hw_models.measured.profile import OperatorTime


class Runner(Protocol):
    """One network on one device under one runtime; a context manager that frees it.

    Attributes:
        runtime: "onnxruntime", "torch".
        device: "cpu" or "cuda".
        gpu: name of the GPU, None on a CPU or where it is not told.
        precision: of the arithmetic, where the runtime or the caller knows it.
        threads: of the host that compute.
        compiled: whether the runtime fuses operators.
        input_shape: of the first input.
        peak_memory_bytes: most that was held at once while loading and in the first steps, weights included.
    """

    name: str
    runtime: str
    runtime_version: str
    device: str
    gpu: str | None
    precision: str | None
    batch: int | None
    threads: int
    compiled: bool
    input_shape: tuple[int, ...] | None
    peak_memory_bytes: float | None

    def step(self) -> float:
        """Seconds of one step, from inputs at hand to outputs at hand."""
        ...

    def operators(self, n_steps: int) -> tuple[OperatorTime, ...]:
        """Times of every operator over so many further steps, in the order they run."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
