"""How DPUs on FPGAs run networks: cores of pixel x input-channel x output-channel lanes; see `dpu.yaml`.

A core takes one input. Per kernel: whole steps of the lanes, depthwise convolutions, pools and sums at
rates of their own, weights and feature maps through the core's port, and a fixed time. In a stream the
cores work side by side and share the external memory. A core is known by its lanes alone: which of the
published architectures it is.

Source: AMD PG338 (DPUCZDX8G: parallelism, convolution by pixels x input channels x output channels).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import FloatArray, KernelClass, Kernels
from hw_models.cost.combine import kernel_seconds
from hw_models.cost.roofline import DRAM, EXPOSED, ISSUE, MAC, VECTOR
from hw_models.errors import InputError
from hw_models.shipped import shipped_yaml

if TYPE_CHECKING:
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator

KIND: Final = "npu"
RUNTIMES: Final = ("vitis_ai",)

Lanes = tuple[int, int, int]

USUAL_LANES: Final[Lanes] = (8, 16, 16)
USUAL_CLOCK: Final = 300e6
"""Of a core where a chip does not say how its array is made: B4096 at 300 MHz (AMD PG338)."""
PORT_BYTES: Final = 32.0
"""Bytes a core's two data ports of 128 bits move in a cycle. Source: AMD PG338, port descriptions."""

PRODUCTS: Final = (KernelClass.GEMM, KernelClass.BATCHED_GEMM, KernelClass.ATTENTION)
CONVOLUTIONS: Final = (KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED)


@dataclass(frozen=True)
class CoreConstants:
    """Constants of one architecture of cores, tied over all boards that carry it.

    Attributes:
        batched: whether all cores work in step on as many inputs, so that one step fills them.
        mac: share of the multipliers' cycles that are used; depthwise, pool, add: lanes' worth of such
            operations in a cycle, over pixel lanes x input-channel lanes.
        weights, maps: share of the port that loads of weights and moves of feature maps reach.
        issue: s of a kernel; start: s of an inference on the host.
        shared: share of the external memory's bandwidth that all cores together reach in a stream.
        depth: p - 1 of the p-norm between cores and that memory.
        low, high: the 90 % interval of the time of a step, as factors of the value.
    """

    batched: bool
    mac: float
    depthwise: float
    pool: float
    add: float
    weights: float
    maps: float
    issue: float
    start: float
    shared: float
    depth: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> CoreConstants:
        """From a mapping of `dpu.yaml`."""
        figures = {n: row[n] for n in cls.__dataclass_fields__ if n not in {"low", "high"}}
        return cls(**figures, low=row["interval"]["low"], high=row["interval"]["high"])


@dataclass(frozen=True)
class Core:
    """The cores of one chip.

    Attributes:
        lanes: pixels, input channels, output channels of one core; count: how many cores; clock: Hz.
        bandwidth: byte/s of the external memory.
    """

    lanes: Lanes
    count: int
    clock: float
    bandwidth: float
    constants: CoreConstants

    @property
    def side(self) -> float:
        """Pixel lanes x input-channel lanes per second: what rates of other operations are told in."""
        return self.lanes[0] * self.lanes[1] * self.clock

    def rounds(self, batch: FloatArray) -> FloatArray:
        """How many inputs of a step one core takes, one after the other."""
        rounds: FloatArray = np.ceil(batch / self.count) if self.constants.batched else batch
        return rounds


@dataclass(frozen=True)
class DpuLaw:
    """Terms of the roofline as such cores run them: seconds of one core's share of a step.

    Attributes:
        overlap: p of the p-norm over a kernel's resources.
        cores: constants by architecture; architectures: lanes -> its name.
        usual: architecture whose constants stand where the lanes are none that is known.
    """

    overlap: float
    cores: Mapping[str, CoreConstants]
    architectures: Mapping[Lanes, str]
    usual: str
    source: str

    def apply(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """The roofline's terms (U, C, R) in seconds; what cannot run stays so."""
        out = seconds.copy()
        stopped = np.isinf(seconds).any(axis=-1)
        for i, core in enumerate(self.of(chips)):
            out[:, i] = core_seconds(kernels, core, seconds.shape[-1])
        out[stopped] = np.inf
        return out

    def start(self, chips: Chips) -> FloatArray:
        """(C,) s of the host before the first and after the last kernel."""
        return np.array([core.constants.start for core in self.of(chips)])

    def interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of latency."""
        ends = [(core.constants.low, core.constants.high) for core in self.of(chips)]
        return np.array(ends, np.float64).reshape(-1, 2).T

    def stream(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """(W, C) s from one step to the next where all cores are busy; terms as `apply` gives them.

        The p-norm of the cores' time, shared by them, and of all bytes through the external memory.
        """
        runs = kernels.counts
        alone: FloatArray = runs @ kernel_seconds(seconds, self.overlap) + self.start(chips)
        moved = runs @ kernels.outer_bytes
        out = np.empty_like(alone)
        for i, core in enumerate(self.of(chips)):
            p, at_once = 1.0 + core.constants.depth, 1 if core.constants.batched else core.count
            memory = moved / (core.bandwidth * core.constants.shared)
            out[:, i] = ((alone[:, i] / at_once) ** p + memory**p) ** (1.0 / p)
        return out

    def stream_interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of the time of a step in a stream."""
        return self.interval(chips)

    def of(self, chips: Chips) -> list[Core]:
        """The cores of each chip."""
        pairs = zip(chips.costed, chips.dram_bandwidth, strict=True)
        return [self._core(chip, float(bandwidth)) for chip, bandwidth in pairs]

    def _core(self, chip: Accelerator, bandwidth: float) -> Core:
        lanes, count, clock = cores_of(chip)
        constants = self.cores[self.architectures.get(lanes, self.usual)]
        return Core(lanes, count, clock, bandwidth, constants)


def cores_of(chip: Accelerator) -> tuple[Lanes, int, float]:
    """Lanes of a core, number of cores, clock in Hz; where no array is told, usual cores of that peak."""
    engine = chip.main_engine
    if engine.array is not None and len(engine.array.dims) == 3 and engine.clock is not None:
        pixels, inputs, outputs = engine.array.dims
        return (pixels, inputs, outputs), engine.array.count, engine.clock.value
    peak = next(iter(engine.peak.values())).value
    each = 2.0 * USUAL_LANES[0] * USUAL_LANES[1] * USUAL_LANES[2]
    count = max(1, round(peak / (each * USUAL_CLOCK)))
    return USUAL_LANES, count, peak / (each * count)


def core_seconds(kernels: Kernels, core: Core, n_resources: int) -> FloatArray:
    """(U, R) s of one core's share of every kernel."""
    c, out = core.constants, np.zeros((kernels.n_distinct, n_resources))
    batch = kernels.dims[:, 0].astype(np.float64)
    rounds = core.rounds(batch)
    share = rounds / np.maximum(batch, 1.0)
    depthwise = kernels.cls == KernelClass.DEPTHWISE
    contraction = np.isin(kernels.cls, (*CONVOLUTIONS, *PRODUCTS, KernelClass.DEPTHWISE))
    macs = np.where(depthwise, kernels.macs * share / (core.side * c.depthwise), 0.0)
    out[:, MAC] = cycles(kernels, core.lanes, rounds) / (core.clock * c.mac) + macs
    out[:, VECTOR] = np.where(contraction, 0.0, kernels.vector_ops * share / (core.side * c.pool))
    port = min(PORT_BYTES * core.clock, core.bandwidth)
    maps = (kernels.read_bytes + kernels.write_bytes) * share
    out[:, DRAM] = (kernels.weight_bytes / c.weights + maps / c.maps) / port
    # a sum of two feature maps waits for the convolution it is merged into
    sums = np.where(contraction, np.maximum(kernels.vector_ops - kernels.out_elements, 0.0), 0.0)
    out[:, EXPOSED] = sums * share / (core.side * c.add)
    out[:, ISSUE] = c.issue
    return out


def cycles(kernels: Kernels, lanes: Lanes, rounds: FloatArray) -> FloatArray:
    """(U,) cycles of convolutions and products in whole steps of a core's lanes; 0 of all other kernels.

    Pixels lie along a column of the output. A window's row of an input with few channels fills the channel
    lanes ("channel augmentation").
    Source: AMD PG338, convolution engine and channel augmentation.
    """
    _, groups, outputs, inputs, rows, columns, window_rows, window_columns = kernels.dims.T.astype(np.float64)
    pixel_lanes, input_lanes, output_lanes = lanes
    product = np.isin(kernels.cls, PRODUCTS)
    runs = product | np.isin(kernels.cls, CONVOLUTIONS)
    pixels = np.where(
        product,
        np.ceil(rounds * rows * columns / pixel_lanes),
        rounds * columns * np.ceil(rows / pixel_lanes),
    )
    beside = np.clip(np.floor(input_lanes / np.maximum(inputs, 1.0)), 1.0, np.maximum(window_columns, 1.0))
    steps = np.ceil(inputs / input_lanes) * np.ceil(outputs / output_lanes)
    window = window_rows * np.ceil(window_columns / beside)
    return np.where(runs, groups * pixels * steps * window, 0.0)


def is_of(chip: Accelerator) -> bool:
    """Whether a chip is an FPGA with cores of this kind."""
    return chip.device_class == "fpga_npu"


@cache
def law(lowering: str, crossfit: str | None = None) -> DpuLaw:
    """The law of DPUs; their compiler merges whatever framework the network came from.

    Args:
        lowering: any that merges operators.
        crossfit: what its constants must not have seen.

    Raises:
        InputError: no lowering of that name.
    """
    from hw_models.lowering import LOWERINGS

    if lowering not in LOWERINGS:
        raise InputError(f"no law of DPUs for lowering '{lowering}'; known: {', '.join(LOWERINGS)}")
    data: Mapping[str, Any] = shipped_yaml("hw_models.cost.laws", "dpu.yaml")
    fitted = data["crossfit"].get(crossfit, {}) if crossfit else {}
    rows = {name: {**row, **fitted.get(name, {})} for name, row in data["cores"].items()}
    return DpuLaw(
        overlap=float(data["overlap"]),
        cores={name: CoreConstants.of(row) for name, row in rows.items()},
        architectures={_lanes(x): name for name, row in rows.items() for x in row["lanes"]},
        usual=data["usual"],
        source=f"{data['source']}; {data['obtained']}",
    )


def _lanes(row: list[int]) -> Lanes:
    pixels, inputs, outputs = row
    return pixels, inputs, outputs
