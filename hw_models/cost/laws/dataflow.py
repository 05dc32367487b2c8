"""How dataflow chips stream networks: layers side by side on the chip, in contexts where they do not fit.

Every layer has its own part of the chip and rows of feature maps flow from one to the next, so that a
stream's period is the work of all layers over what the chip does, not a latency. A network that needs more
weights, layers
or attention than the chip holds runs as several contexts: each is loaded over the host's link or from DRAM
once a step, and feature maps between contexts go out and come back; a batch shares the loads. See
`dataflow.yaml`.

Source: Hailo Dataflow Compiler user guide (contexts, batch of a context switch); the figures are fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import FloatArray, KernelClass, Kernels
from hw_models.cost.laws.reading import constants_of
from hw_models.cost.roofline import DRAM, ISSUE, MAC, SRAM, VECTOR
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator

KIND: Final = "npu"
RUNTIMES: Final = ("hailort",)

VENDORS: Final = ("Hailo",)
"""Who publishes that its NPUs are of this architecture."""

REFERENCE_PEAK: Final = 26e12
"""op/s of the chip whose capacities the constants tell; another's are in proportion to its peak."""
BLOCK: Final = 16
"""Channels that a part of the chip takes and gives at once. Source: fitted as the best of 4, 8, 16 and 32."""

CONVOLUTIONS: Final = (KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED, KernelClass.GEMM)
PRODUCTS: Final = (KernelClass.BATCHED_GEMM, KernelClass.ATTENTION)
LAYERS: Final = (*CONVOLUTIONS, *PRODUCTS, KernelClass.DEPTHWISE)


@dataclass(frozen=True)
class DataflowConstants:
    """Constants tied over the class; capacities are those of a chip of `REFERENCE_PEAK`.

    Attributes:
        mac, depthwise, vector: share of the MAC peak that products, depthwise products and other operations
            reach, one lane an operation.
        start: s of an input; entry: times that an input's bytes cross the link.
        weights: bytes, layers, others, products: how many weights, layers with weights, other kernels and
            products of two feature maps fill a chip, were there nothing else.
        softness: in what share of its capacity a chip goes from one context to several.
        load: times that weights cross the link in a step; maps: times that feature maps do.
        context: s of a step for each time that the network fills the chip; hop: the same for each input;
            switch: s of a step.
        low, high: the 90 % interval of the period, as factors of the value.
    """

    mac: float
    depthwise: float
    vector: float
    start: float
    entry: float
    weights: float
    layers: float
    others: float
    products: float
    softness: float
    load: float
    maps: float
    context: float
    hop: float
    switch: float
    low: float
    high: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> DataflowConstants:
        """From a mapping of `dataflow.yaml`."""
        figures = {f.name: row[f.name] for f in fields(cls) if f.name not in {"low", "high"}}
        return cls(**figures, low=row["interval"]["low"], high=row["interval"]["high"])


@dataclass(frozen=True)
class Demand:
    """What one step of each network asks of a chip, (W,) each.

    Attributes:
        macs: of products, channels in whole blocks; depthwise: MACs; operations: of the vector units.
        inputs, maps, weights: bytes that come from outside, are written, are stored.
        layers, others, products: kernels with weights, without, and products of two feature maps.
        batch: inputs of a step.
    """

    macs: FloatArray
    depthwise: FloatArray
    operations: FloatArray
    inputs: FloatArray
    maps: FloatArray
    weights: FloatArray
    layers: FloatArray
    others: FloatArray
    products: FloatArray
    batch: FloatArray

    @classmethod
    def of(cls, kernels: Kernels) -> Demand:
        """Sums over each network's kernels."""
        runs = kernels.counts

        def total(each: Any) -> FloatArray:
            out: FloatArray = runs @ np.asarray(each, np.float64)
            return out

        layer, product = np.isin(kernels.cls, LAYERS), np.isin(kernels.cls, PRODUCTS)
        macs, depthwise, operations = work(kernels)
        return cls(
            macs=total(macs),
            depthwise=total(depthwise),
            operations=total(operations),
            inputs=total(np.where(np.isnan(kernels.reuse_bytes), kernels.read_bytes, 0.0)),
            maps=total(kernels.write_bytes),
            weights=total(kernels.weight_bytes),
            layers=total(layer),
            others=total(~layer),
            products=total(product),
            batch=kernels.batch.astype(np.float64),
        )


def work(kernels: Kernels) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(U,) MACs of products with channels in whole blocks, MACs of depthwise kernels, vector operations.

    An activation comes with the layer that it follows; a sum of two feature maps is an operation.
    """
    batch, groups, outputs, inputs, rows, columns, window_y, window_x = kernels.dims.T.astype(np.float64)
    places = batch * groups * rows * columns * window_y * window_x
    padded = places * np.ceil(inputs / BLOCK) * np.ceil(outputs / BLOCK) * BLOCK**2
    macs = np.where(np.isin(kernels.cls, CONVOLUTIONS), padded, 0.0)
    macs = np.where(np.isin(kernels.cls, PRODUCTS), kernels.macs, macs)
    depthwise = np.where(kernels.cls == KernelClass.DEPTHWISE, kernels.macs, 0.0)
    beyond = np.maximum(kernels.vector_ops - kernels.out_elements, 0.0)
    return macs, depthwise, np.where(np.isin(kernels.cls, LAYERS), beyond, kernels.vector_ops)


def period(demand: Demand, c: DataflowConstants, peak: float, link: float) -> FloatArray:
    """(W,) s from one step to the next.

    One context where the chip is not full, several where it is, and the geometric mean in between: compilers
    decide it by more than is public.

    Args:
        demand: of the networks.
        c: constants.
        peak: op/s.
        link: byte/s to the host, or of the external memory.
    """
    rate = peak / 2.0
    busy = (demand.macs / c.mac + demand.depthwise / c.depthwise + demand.operations / c.vector) / rate
    one = busy + c.start * demand.batch + c.entry * demand.inputs / link
    full = filled(demand, c, peak)
    moved = c.load * demand.weights + c.maps * demand.maps
    contexts = np.maximum(full, 1.0) * (c.context + c.hop * demand.batch)
    several = one + moved / link + contexts + c.switch
    share = 1.0 / (1.0 + np.exp(np.clip((full - 1.0) / c.softness, -50.0, 50.0)))
    out: FloatArray = one**share * several ** (1.0 - share)
    return out


def filled(demand: Demand, c: DataflowConstants, peak: float) -> FloatArray:
    """(W,) how many times over each network fills a chip of that peak."""
    needs = demand.weights / c.weights + demand.layers / c.layers
    needs = needs + demand.others / c.others + demand.products / c.products
    return needs * REFERENCE_PEAK / peak


@dataclass(frozen=True)
class DataflowLaw:
    """Streams of dataflow chips; their latency only as the sum of what each layer would take alone."""

    constants: DataflowConstants
    source: str
    overlap: float = 1.0
    """p of the p-norm over a kernel's resources: products and other operations of a layer follow each
    other."""

    def apply(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """The roofline's terms (U, C, R) in seconds, every layer with the whole chip, one after the other.

        Weights stay on the chip here: whether they fit is a matter of the whole network, see `stream`.
        """
        c, out = self.constants, np.zeros_like(seconds)
        macs, depthwise, operations = work(kernels)
        rate = peaks(chips)[None, :] / 2.0
        out[..., MAC] = (macs / c.mac + depthwise / c.depthwise)[:, None] / rate
        out[..., VECTOR] = (operations / c.vector)[:, None] / rate
        outside = np.where(np.isnan(kernels.reuse_bytes), kernels.read_bytes, 0.0)
        out[..., DRAM] = c.entry * outside[:, None] / chips.dram_bandwidth[None, :]
        out[..., [SRAM, ISSUE]] = 0.0
        out[np.isinf(seconds).any(axis=-1)] = np.inf
        return out

    def start(self, chips: Chips) -> FloatArray:
        """(C,) s of an input beside its layers."""
        return np.full(len(chips), self.constants.start)

    def interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of latency, which nobody published: wider than those of streams by the contexts."""
        c = self.constants
        return np.repeat([[c.low], [c.high / c.low]], len(chips), axis=1)

    def stream(self, seconds: FloatArray, kernels: Kernels, chips: Chips) -> FloatArray:
        """(W, C) s from one step to the next; networks with a kernel that cannot run take for ever."""
        demand, stopped = Demand.of(kernels), np.isinf(seconds).any(axis=-1)
        figures = zip(peaks(chips), chips.dram_bandwidth, strict=True)
        columns = [period(demand, self.constants, float(peak), float(link)) for peak, link in figures]
        out = np.stack(columns, axis=1) if columns else np.zeros((kernels.n_networks, 0))
        return np.where(kernels.counts @ stopped.astype(np.float64) > 0, np.inf, out)

    def stream_interval(self, chips: Chips) -> FloatArray:
        """(2, C) factors of the period."""
        return np.repeat([[self.constants.low], [self.constants.high]], len(chips), axis=1)


def peaks(chips: Chips) -> FloatArray:
    """(C,) op/s of the MAC units at 8 bits; where no such peak is told, at the format that is fastest."""
    best: FloatArray = np.fmax.reduce(chips.mac_peak, axis=1, initial=np.nan)
    int8: FloatArray = chips.mac_peak[:, Precision.INT8]
    return np.where(np.isnan(int8), best, int8)


def is_of(chip: Accelerator) -> bool:
    """Whether a chip lays the layers of a network out side by side."""
    return chip.vendor in VENDORS


@cache
def law(lowering: str, crossfit: str | None = None) -> DataflowLaw:
    """The law of dataflow chips; their compiler merges whatever framework the network came from.

    Args:
        lowering: any that merges operators.
        crossfit: what its constants must not have seen.

    Raises:
        InputError: no lowering of that name.
    """
    row, source = constants_of("dataflow.yaml", lowering, crossfit, "dataflow chips")
    return DataflowLaw(DataflowConstants.of(row), source)
