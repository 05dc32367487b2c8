"""The load-bearing arrays of the one path to a cost, `Kernels`, `Terms`, `CostGrid`: fields, dtypes, units.

K kernel instances (all networks, execution order), U distinct kernel shapes, W networks, C chips, R
resources.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from scipy import sparse

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class KernelClass(IntEnum):
    """What a kernel is to the machine that runs it; class constants are tied to it."""

    CONV = 0
    POINTWISE = 1
    GROUPED = 2
    DEPTHWISE = 3
    GEMM = 4
    BATCHED_GEMM = 5
    ATTENTION = 6
    ELEMENTWISE = 7
    NORM = 8
    SOFTMAX = 9
    REDUCE = 10
    POOL = 11
    COPY = 12
    GATHER = 13
    SCAN = 14
    UNMODELLED = 15

    @property
    def label(self) -> str:
        """Name as it stands in tables."""
        return self.name.lower()


class Fidelity(IntEnum):
    """How a number came about, from cheap to dear; a result has the lowest fidelity of its parts."""

    PRIOR = 0
    ROOFLINE = 1
    TILED = 2
    CALIBRATED = 3
    MEASURED = 4
    STATED = 5
    """No model at all: as the chip's file states it."""

    @property
    def label(self) -> str:
        """Name as it stands in tables."""
        return self.name.lower()


class Feasibility(IntEnum):
    """Why a kernel can or cannot run on a chip."""

    OK = 0
    PRECISION = 1
    """No peak of the engine at the kernel's precision."""
    OPERATOR = 2
    """The engine's list of operators leaves it out and names no fallback."""
    CAPACITY = 3
    """It needs more memory than there is."""
    UNKNOWN = 4
    """The chip lacks a figure that the answer needs."""


FIDELITY_LABELS: Final = np.array([*(f.label for f in Fidelity), ""], object)
"""Label of each fidelity code; the last one answers to `UNKNOWN_FIDELITY`."""

RESOURCES: Final = ("mac", "vector", "dram", "sram", "local", "noc", "exposed", "issue")
"""Axis R of `Terms.seconds`: MAC units, vector unit, external memory, last on-chip memory, the busiest port
of the memories inside it, interconnect; then what nothing hides: first fill, last drain, stalls, time per
tile and per DMA descriptor; and the fixed cost of a kernel."""

OVERLAPPING: Final = ("mac", "vector", "dram", "sram", "local", "noc")
"""Resources that work side by side; the others add to the time."""

ACTIONS: Final = (
    "mac",
    "vector_op",
    "dram_read",
    "dram_write",
    "sram_read",
    "sram_write",
    "local_read",
    "local_write",
    "noc",
)
"""What is counted for energy, in this order: MACs, vector operations, bytes read from and written to external
memory, the last on-chip memory, the memories inside it; bytes moved over the interconnect."""

GEOMETRY: Final = (
    "stride_y",
    "stride_x",
    "dilation_y",
    "dilation_x",
    "in_y",
    "in_x",
    "pad_y",
    "pad_x",
    "transposed",
)
"""Columns of `Kernels.geometry`: of a convolution its strides, dilations, input size as stored, padding
before the first row and column, and 1 where it is transposed. Of a gather `in_x` is the elements that lie
side by side in what it reads (0: not known). Of any other kernel 1, 1, 1, 1 and zeros."""

GRID_UNITS: Final = {
    "latency": "s",
    "energy": "j",
    "power": "w",
    "peak_memory": "bytes",
    "area": "m2",
    "price": "usd",
}
"""Quantities of a cost and the SI unit (price: US dollar) of each, as it stands in column names."""

PER_KERNEL: Final = (
    "cls",
    "dims",
    "geometry",
    "kind",
    "math",
    "vector_math",
    "macs",
    "vector_ops",
    "weight_bytes",
    "read_bytes",
    "write_bytes",
    "reuse_bytes",
    "out_elements",
)
"""Fields of `Kernels` that have a row per distinct kernel."""

PER_NETWORK: Final = ("network", "batch", "peak_activation_bytes", "weights_bytes", "lowering", "precision")
"""Fields of `Kernels` that have a row per network."""

UNKNOWN_FIDELITY: Final = -1
"""Code in place of a `Fidelity` where there is no number."""


@dataclass(frozen=True, eq=False)
class Kernels:
    """What really runs: a row per distinct kernel shape, and the index lists that give them back to networks.

    Attributes:
        cls: (U,) `KernelClass` codes.
        dims: (U, 8) loop dimensions of the main operator, as `hw_models.workload.op.LOOP_DIMS` names them.
        geometry: (U, 9) what the loop dimensions of a convolution leave open, see `GEOMETRY`.
        kind: (U,) `OpKind` code of the main operator.
        math: (U,) `Precision` in which the MACs run.
        vector_math: (U,) `Precision` in which the vector operations run.
        macs: (U,) multiply-accumulates.
        vector_ops: (U,) operations of the vector unit, those merged into the kernel included.
        weight_bytes, read_bytes, write_bytes: (U,) outer traffic of the kernel: weights, activations in,
            activations out.
        reuse_bytes: (U,) bytes the network touched since the kernel's inputs were last written or read, the
            inputs included (traffic-weighted mean); NaN: inputs come from outside. What a cache larger than
            this can still hold need not come from DRAM.
        out_elements: (U,) elements written.
        network_ptr: (W + 1,) CSR pointers into `index`: network w runs `index[network_ptr[w]:network_ptr[w +
            1]]` in order.
        index: (K,) row of each kernel instance.
        op_ptr, op_index: CSR lists: the operators of its network that each instance stands for; one that is
            recomputed where it is read stands in several.
        labels: (K,) a short name of each instance for tables ("stages.0.conv1 conv+add+relu").
        network: (W,) names; batch: (W,) images per inference.
        peak_activation_bytes, weights_bytes: (W,) live activations at their peak over this order; all weights
            as stored.
        lowering, precision: (W,) by which choice the network was lowered.
        given: (U,) mappings that each kernel's contractions are to run with, object or None: to be found.
            None: none is given.
        layout: (U,) 1 where a convolution runs with its channels innermost in memory, or where another
            kernel reads something in another order than it writes; else 0. None: nowhere.
        sparsity: (U,) pattern N:M of each kernel's weights as 256 N + M, 0: dense. None: all are.
    """

    cls: NDArray[np.int8]
    dims: IntArray
    geometry: IntArray
    kind: NDArray[np.int8]
    math: NDArray[np.int8]
    vector_math: NDArray[np.int8]
    macs: FloatArray
    vector_ops: FloatArray
    weight_bytes: FloatArray
    read_bytes: FloatArray
    write_bytes: FloatArray
    reuse_bytes: FloatArray
    out_elements: FloatArray
    network_ptr: IntArray
    index: IntArray
    op_ptr: IntArray
    op_index: IntArray
    labels: tuple[str, ...]
    network: tuple[str, ...]
    batch: IntArray
    peak_activation_bytes: FloatArray
    weights_bytes: FloatArray
    lowering: tuple[str, ...]
    precision: tuple[str, ...]
    given: NDArray[np.object_] | None = None
    layout: NDArray[np.int8] | None = None
    sparsity: IntArray | None = None

    @property
    def n_distinct(self) -> int:
        """U, the number of distinct kernel shapes."""
        return len(self.cls)

    @property
    def n_instances(self) -> int:
        """K, the number of kernels that all networks run together."""
        return len(self.index)

    @property
    def n_networks(self) -> int:
        """W, the number of networks."""
        return len(self.network_ptr) - 1

    @cached_property
    def counts(self) -> sparse.csr_array:
        """(W, U) how often each network runs each distinct kernel; sparse.

        Each row in the order in which its network first runs them, so that a sum along it rounds the same
        whichever other networks there are.
        """
        from scipy import sparse

        network = np.repeat(np.arange(self.n_networks), np.diff(self.network_ptr))
        _, first, times = np.unique(
            network * self.n_distinct + self.index, return_index=True, return_counts=True
        )
        order = np.argsort(first)
        first = first[order]
        pointers = np.searchsorted(first, self.network_ptr)
        shape = (self.n_networks, self.n_distinct)
        return sparse.csr_array((times[order].astype(np.float64), self.index[first], pointers), shape=shape)

    def networks(self, some: slice) -> Kernels:
        """Some of the networks, one after the other, with their distinct kernels alone."""
        pointers = self.network_ptr[some.start : some.stop + 1]
        run = slice(pointers[0], pointers[-1])
        rows, index = np.unique(self.index[run], return_inverse=True)
        ops = self.op_ptr[run.start : run.stop + 1]
        per_network = {name: getattr(self, name)[some] for name in PER_NETWORK}
        return replace(
            self.take(rows),
            network_ptr=pointers - pointers[0],
            index=index,
            op_ptr=ops - ops[0],
            op_index=self.op_index[ops[0] : ops[-1]],
            labels=self.labels[run],
            **per_network,
        )

    def take(self, rows: slice | IntArray) -> Kernels:
        """These distinct kernels alone; the lists by instance and by network stay those of the whole."""
        given = None if self.given is None else self.given[rows]
        layout = None if self.layout is None else self.layout[rows]
        sparsity = None if self.sparsity is None else self.sparsity[rows]
        picked = {name: getattr(self, name)[rows] for name in PER_KERNEL}
        return replace(self, given=given, layout=layout, sparsity=sparsity, **picked)

    @property
    def outer_bytes(self) -> FloatArray:
        """(U,) compulsory outer traffic in bytes."""
        return self.weight_bytes + self.read_bytes + self.write_bytes


@dataclass(frozen=True, eq=False)
class Terms:
    """What every kernel asks of every resource of every chip.

    Attributes:
        seconds: (U, C, R) time each resource needs alone; NaN: not modelled; inf: cannot run (see
            `feasibility`).
        actions: (U, C, A) actions counted, in the order of `ACTIONS`; NaN: not modelled.
        feasibility: (U, C) `Feasibility` codes.
        demand, bound: (U, C) the figures behind a code other than OK, in the unit `Feasibility` implies; NaN
            elsewhere.
        mapping: provider's own description of the mapping chosen, (U, C) object or None where there is none
            to tell.
        gap: (U, C) proven relative distance of that mapping's time to the best there is; 0: it is the best,
            NaN: nothing was searched. None: no mapping at all.
        stands_in: (U, C) a class figure stands in for one that the chip's file leaves open. None: nowhere.
        provider: name of the provider; fidelity: of the numbers.
    """

    seconds: FloatArray
    actions: FloatArray
    feasibility: NDArray[np.int8]
    demand: FloatArray
    bound: FloatArray
    provider: str
    fidelity: Fidelity
    mapping: NDArray[np.object_] | None = None
    gap: FloatArray | None = None
    stands_in: NDArray[np.bool_] | None = None


@dataclass(frozen=True, eq=False)
class GridQuantity:
    """One quantity over networks x chips: value and 90 % interval in SI, NaN: unknown; fidelity codes."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    fidelity: NDArray[np.int8]

    @property
    def ends(self) -> FloatArray:
        """(3, W, C) value, low, high; the value itself at an end that is unknown."""
        ends = (np.where(np.isnan(end), self.value, end) for end in (self.low, self.high))
        return np.stack([self.value, *ends])


@dataclass(frozen=True, eq=False)
class CostGrid:
    """Costs of W networks on C chips.

    Attributes:
        networks, chips: names along the axes (a chip's name carries its power mode: "orin@30W").
        precision, lowering: (C,) what each chip was costed with; batch: (W,); model: of all.
        quantities: "latency" [s], "energy" [J per inference of one batch], "power" [W], "peak_memory" [byte],
            "area" [m2], "price" [USD]; each a `GridQuantity` of shape (W, C).
        feasibility: (W, C) worst `Feasibility` code of the network's kernels.
        unmodelled_bytes_share: (W,) share of bytes in operators without a rule.
        power_source: (W, C) "modelled" (energy per inference times rate), "cap" (of the power mode) or ""
            where unknown.
    """

    networks: tuple[str, ...]
    chips: tuple[str, ...]
    precision: tuple[str, ...]
    lowering: tuple[str, ...]
    batch: IntArray
    model: str
    quantities: Mapping[str, GridQuantity]
    feasibility: NDArray[np.int8]
    unmodelled_bytes_share: FloatArray
    power_source: NDArray[np.str_]

    @override
    def __repr__(self) -> str:
        known = int(np.isfinite(self.quantities["latency"].value).sum())
        return (
            f"CostGrid({len(self.networks)} networks x {len(self.chips)} chips, {known} with a latency, "
            f"model {self.model}, lowering {', '.join(dict.fromkeys(self.lowering))})"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per (network, chip): quantities with interval and fidelity, units in the column names."""
        import pandas as pd

        n_networks, n_chips = self.feasibility.shape
        columns: dict[str, object] = {
            "network": np.repeat(np.array(self.networks, object), n_chips),
            "chip": np.tile(np.array(self.chips, object), n_networks),
            "precision": np.tile(np.array(self.precision, object), n_networks),
            "lowering": np.tile(np.array(self.lowering, object), n_networks),
            "batch": np.repeat(self.batch, n_chips),
            "model": self.model,
        }
        for name, quantity in self.quantities.items():
            unit = f"{name}_{GRID_UNITS[name]}"
            columns[unit] = quantity.value.ravel()
            columns[f"{unit}_low"], columns[f"{unit}_high"] = quantity.low.ravel(), quantity.high.ravel()
            columns[f"{name}_fidelity"] = FIDELITY_LABELS[quantity.fidelity.ravel()]
        columns["power_source"] = self.power_source.ravel()
        columns["feasibility"] = np.array([f.name.lower() for f in Feasibility], object)[
            self.feasibility.ravel()
        ]
        columns["unmodelled_bytes_share"] = np.repeat(self.unmodelled_bytes_share, n_chips)
        return pd.DataFrame(columns)
