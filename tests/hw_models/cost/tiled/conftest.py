"""A made-up chip with an array, an organisation simple enough for paper, and networks of single operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.tiled import registry
from hw_models.cost.tiled.organisation import Parameter, TiledTerms
from hw_models.errors import InputError
from hw_models.spec.accelerator import Accelerator
from hw_models.workload.graph import Workload, WorkloadBuilder
from hw_models.workload.op import OpKind, Precision, TensorKind

if TYPE_CHECKING:
    from hw_models.cost.tiled.problem import Problems

SPOT_BYTES = 64.0
"""On-chip bytes that the organisation `paper` needs for one output; less does not do."""


class Paper:
    """Every operand comes from outside once and is read from the last on-chip memory once; nothing is chosen.

    MAC time is that of columns filled with k and rows filled with c, each rounded up.
    """

    kind: ClassVar[str] = "paper"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "drain_cycles": Parameter("cycle", "after the last output", 0.0, "made up"),
        "must": Parameter("1", "given or refused"),
    }

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        engine = chip.main_engine
        wanted = {"array": engine.array, "clock": engine.clock}
        return tuple(f"engines.{engine.name}.{name}" for name, value in wanted.items() if value is None)

    def terms(self, problems: Problems, chips: Sequence[Accelerator]) -> TiledTerms:
        shape = (len(problems), len(chips))
        seconds, actions = np.full((*shape, len(RESOURCES)), np.nan), np.full((*shape, len(ACTIONS)), np.nan)
        code = np.full(shape, Feasibility.OK, np.int8)
        demand, bound = np.full(shape, np.nan), np.full(shape, np.nan)
        mapping = np.full(shape, None, object)
        read = (problems.input_elements * problems.input_bits) / 8
        read = read + problems.weight_elements * problems.weight_bits / 8
        write = problems.output_elements * problems.output_bits / 8
        for c, chip in enumerate(chips):
            engine = chip.main_engine
            rows, cols = engine.array.dims
            k, depth = problems.dims[:, 2], problems.dims[:, 3]
            steps = problems.macs / (k * depth) * np.ceil(k / cols) * np.ceil(depth / rows)
            drain = engine.dataflow.parameters.get("drain_cycles")
            room = engine.memory[-1].capacity.value
            counted = {
                "mac": problems.macs,
                "dram_read": read,
                "dram_write": write,
                "sram_read": read,
                "sram_write": write,
            }
            for name, value in counted.items():
                actions[:, c, ACTIONS.index(name)] = value
            alone = {
                "mac": steps / engine.clock.value,
                "dram": (read + write) / chip.dram.bandwidth.value,
                "exposed": (drain.value if drain else 0.0) / engine.clock.value,
                "issue": 0.0,
            }
            for name, value in alone.items():
                seconds[:, c, RESOURCES.index(name)] = value
            mapping[:, c] = f"{rows} x {cols}"
            if room < SPOT_BYTES:
                code[:, c], demand[:, c], bound[:, c] = Feasibility.CAPACITY, SPOT_BYTES, room
        return TiledTerms(seconds, actions, code, demand, bound, np.zeros(shape), mapping)


class PaperGiven(Paper):
    """Takes "slow N" as a mapping: N times the MAC time of its own; more than nine do not fit."""

    kind: ClassVar[str] = "paper_given"

    def terms_given(
        self, problems: Problems, chips: Sequence[Accelerator], mappings: Sequence[Any]
    ) -> TiledTerms:
        plain = self.terms(problems, chips)
        for d, text in enumerate(mappings):
            word, _, times = str(text).partition(" ")
            if word != "slow":
                raise InputError(f"is {text!r}; expected 'slow N'")
            plain.seconds[d, :, RESOURCES.index("mac")] *= int(times)
            plain.mapping[d] = str(text)
            if int(times) > 9:
                plain.feasibility[d] = Feasibility.CAPACITY
                plain.demand[d], plain.bound[d] = float(times), 9.0
        plain.gap[:] = np.nan
        return plain


class PaperBeside(Paper):
    """Adds what moves beside a contraction itself, and remembers it."""

    kind: ClassVar[str] = "paper_beside"
    seen: ClassVar[list[Any]] = []

    def terms_beside(self, problems: Problems, chips: Sequence[Accelerator], beside: Any) -> TiledTerms:
        self.seen.append(beside)
        plain = self.terms(problems, chips)
        plain.actions[..., 2:6] += beside
        bandwidth = np.array([c.dram.bandwidth.value for c in chips])
        plain.seconds[..., RESOURCES.index("dram")] = plain.actions[..., 2:4].sum(axis=-1) / bandwidth
        return plain


@pytest.fixture(scope="session", autouse=True)
def paper() -> Iterator[None]:
    """The organisations above are known by name in these tests alone."""
    import_module = registry.import_module
    with pytest.MonkeyPatch.context() as patch:
        made = {found.kind: found for found in (Paper, PaperGiven, PaperBeside)}
        for kind in made:
            patch.setitem(registry.BUILT_IN, kind, f"paper:{kind}")
        modules = {"paper": SimpleNamespace(**made)}
        patch.setattr(registry, "import_module", lambda name: modules.get(name) or import_module(name))
        registry.organisation.cache_clear()
        yield
    registry.organisation.cache_clear()


def given(value: float, **more: float) -> dict[str, Any]:
    """A figure as a chip's file has it."""
    return {"value": value, "source": "s", **more}


def _npu(kind: str = "paper", **changes: Any) -> Accelerator:
    """16 x 16 MACs at 1 GHz, int8, fp16 at half the rate; 256 KiB at 64 GB/s; 8 GB/s LPDDR4; 1 us a kernel.

    No such chip: made up so that every number can be followed on paper.
    """
    rows, cols, clock = changes.pop("rows", 16), changes.pop("cols", 16), changes.pop("clock", 1e9)
    peak = 2.0 * rows * cols * clock
    parameters = {"must": given(1.0)} if kind.startswith("paper") else {}
    buffer = {
        "name": "buffer",
        "kind": "sram",
        "capacity": given(changes.pop("sram", 256 * 1024)),
        "bandwidth": given(changes.pop("sram_bandwidth", 64e9)),
    }
    engine = {
        "name": "npu",
        "kind": "npu",
        "peak": {"int8": given(peak), "fp16": given(peak / 2)},
        "vector_peak": {"int8": given(changes.pop("vector", 16e9)), "fp16": given(8e9)},
        "clock": given(clock),
        "array": {"dims": [rows, cols], "source": "s"},
        "dataflow": {"kind": kind, "source": "s", "parameters": parameters},
        "memory": [buffer],
        "issue": given(1e-6),
    } | changes.pop("engine", {})
    dram = {
        "name": "dram",
        "kind": "dram",
        "technology": "LPDDR4",
        "capacity": given(2**30),
        "bandwidth": given(changes.pop("bandwidth", 8e9)),
    } | changes.pop("dram", {})
    more = changes.pop("engines", [])
    return Accelerator.model_validate(
        {
            "name": "npu_on_paper",
            "sources": {"s": "made up for the tests"},
            "engines": [engine, *more],
            "memory": [dram],
            "process_nm": given(16),
            **changes,
        }
    )


@pytest.fixture(scope="session")
def npu() -> Callable[..., Accelerator]:
    """Builder of the chip."""
    return _npu


class Net:
    """A chain of operators; one whose input is not what the last one wrote reads an input of the network."""

    def __init__(self, name: str = "net") -> None:
        self.b = WorkloadBuilder(name)
        self.last: tuple[tuple[int, ...], int] | None = None
        self.unread: list[int] = []

    def _read(self, shape: tuple[int, ...]) -> int:
        if self.last is None or self.last[0] != shape:
            return self.b.tensor(shape, Precision.FP32, TensorKind.INPUT, batched=True)
        self.unread.remove(self.last[1])
        return self.last[1]

    def _weight(self, shape: tuple[int, ...]) -> int:
        return self.b.tensor(shape, Precision.FP32, TensorKind.WEIGHT, batched=False)

    def _op(
        self, kind: OpKind, dims: tuple[int, ...], read: Sequence[int], out: tuple[int, ...], **more: Any
    ) -> Net:
        y = self.b.tensor(out, Precision.FP32, TensorKind.ACTIVATION, batched=True)
        self.b.op(kind, dims, tuple(read), (y,), target=kind.label, **more)
        self.last = (out, y)
        self.unread.append(y)
        return self

    def conv(self, k: int, c: int, size: int, taps: int = 3, *, groups: int = 1, stride: int = 1) -> Net:
        """k filters over c channels of size x size, padded so that only the stride shrinks it."""
        pad, out = taps // 2, (size + 2 * (taps // 2) - taps) // stride + 1
        x, w = self._read((1, c, size, size)), self._weight((k, c // groups, taps, taps))
        dims = (1, groups, k // groups, c // groups, out, out, taps, taps)
        attrs = {"weights": 1, "stride": [stride] * 2, "padding": [pad] * 2, "dilation": [1, 1]}
        return self._op(OpKind.CONV, dims, (x, w), (1, k, out, out), batch_dim=0, attrs=attrs)

    def gemm(self, m: int, k: int, c: int) -> Net:
        """(m x c) by (c x k) weights."""
        x, w = self._read((m, c)), self._weight((k, c))
        return self._op(OpKind.GEMM, (1, m, k, c), (x, w), (m, k), batch_dim=1, attrs={"weights": 1})

    def attention(self, heads: int, tokens: int, d: int) -> Net:
        """Queries, keys and values of one image."""
        shape = (1, heads, tokens, d)
        q = self._read(shape)
        kv = [self.b.tensor(shape, Precision.FP32, TensorKind.INPUT, batched=True) for _ in range(2)]
        dims = (1, heads, tokens, tokens, d, d)
        return self._op(OpKind.ATTENTION, dims, (q, *kv), shape, batch_dim=0, vector_cost=0.5)

    def rows(self, kind: OpKind, rows: int, width: int, cost: float = 4.0) -> Net:
        """A norm or softmax."""
        x = self._read((rows, width))
        return self._op(kind, (rows, width), (x,), (rows, width), batch_dim=0, vector_cost=cost)

    def finish(self) -> Workload:
        """The network, whose outputs are what no operator reads."""
        return self.b.finish(tuple(self.unread))


@pytest.fixture(scope="session")
def net() -> Callable[..., Net]:
    """A network to add operators to."""
    return Net
