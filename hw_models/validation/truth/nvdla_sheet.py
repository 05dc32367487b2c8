"""The layers and the machine of NVDLA's performance sheet, as contractions on a machine of adder trees.

Source: nvdla/hw `perf/NVDLA_OpenSource_Performance.xlsx` @8e06b1b (NVIDIA Open NVDLA licence).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.tiled.dot_product import Machine, Stored, layer_counts
from hw_models.cost.tiled.problem import Problems

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, IntArray

    Marks = NDArray[np.bool_]

NAME: Final = re.compile(r"nvdla_layers_(\d+)mac_(\d+)k_([\dp.]+?)ghz_([\dp.]+?)gbs")
"""MACs, KiB of the convolution buffer, GHz and GB/s in a file's name; a decimal point may be a p."""

DEFAULTS: Final = (2048.0, 512.0, 1.0, 10.0)
"""What a name that leaves them out stands for: nv_large as the sheet has it."""

SHAPE: Final = ("C", "H", "W", "K", "R", "S", "stride_v", "stride_h", "P", "Q")
"""Columns that say what a layer computes."""

GIVEN: Final = ("in_kib", "out_kib", "w_kib", "winograd")
"""Columns that say how it lies in memory and runs."""

FC_BATCH: Final = 16.0
"""Images that share the weights of a fully connected layer. Source: the sheet."""

SHEET_KB: Final = 1024.0
"""Bytes that the sheet's kB has: 1 KiB at 10 GB/s and 1 GHz are 100 cycles."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The machine of one file.

    Attributes:
        macs: MACs a cycle; buffer_kib: of the convolution buffer; clock: GHz; bandwidth: GB/s of the DRAM.
    """

    macs: float
    buffer_kib: float
    clock: float
    bandwidth: float

    @classmethod
    def of(cls, name: str) -> Sheet:
        """Read from a file's name; what it does not say is `DEFAULTS`."""
        found = NAME.match(name)
        return cls(*(float(x.replace("p", ".")) for x in found.groups()) if found else DEFAULTS)

    @property
    def label(self) -> str:
        """The machine in words."""
        size = f"{self.macs:g} MAC, {self.buffer_kib:g} KiB"
        return f"NVDLA {size}, {self.clock:g} GHz, {self.bandwidth:g} GB/s"

    @property
    def machine(self) -> Machine:
        """The same for `hw_models.cost.tiled.dot_product`, with the sheet's way of counting."""
        parameter = {
            "channel_granule": 16.0,
            "kernel_granule": 16.0,
            "winograd": 1.0,
            "stride_folded": 1.0,
            "operand_share": 1.0,
            "weights_once": 1.0,
            "stripe": 16.0,
        }
        side = self.macs**0.5
        return Machine(
            macs={8: self.macs},
            atomic_c=side,
            atomic_k=side,
            clock=self.clock * 1e9,
            buffer=self.buffer_kib * 1024,
            bandwidth=self.bandwidth * 1e6 * SHEET_KB,
            buffer_bandwidth=np.nan,
            accumulator=4.0,
            parameter=parameter,
        )


@dataclass(frozen=True, eq=False)
class Layers:
    """The rows of one file as arrays, (D,) each.

    Attributes:
        frame: the rows; problems: as convolutions, fully connected ones over `FC_BATCH` images.
        images: over which a row's weights are shared; fc, winograd, residual: what a row is.
        stored: bytes as laid out in the DRAM, the second operand of an addition among the outputs.
    """

    frame: pd.DataFrame
    problems: Problems
    images: FloatArray
    fc: Marks
    winograd: Marks
    residual: Marks
    stored: Stored

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Layers:
        """From the columns; operands whose size is not given lie as the convolution's definition has them."""
        shape = {name: frame[name].to_numpy(np.float64) for name in SHAPE}
        kind = frame["type"].fillna("").astype(str).str.lower()
        fc = kind.str.contains("fc").to_numpy(bool)
        added = kind.str.contains("elwise|eltwise").to_numpy(bool)
        images = np.where(fc, FC_BATCH, 1.0)
        problems, padded = _problems(shape, images)
        fast = frame["winograd"].to_numpy(np.float64)
        natural = ~fc & (shape["R"] == 3) & (shape["S"] == 3)
        natural &= (shape["stride_v"] == 1) & (shape["stride_h"] == 1)
        winograd = np.where(np.isnan(fast), natural, fast > 0)
        plain = Sheet(*DEFAULTS).machine
        usual = layer_counts(padded, plain).stored

        def given(column: str, otherwise: FloatArray) -> FloatArray:
            kib = frame[column].to_numpy(np.float64)
            return np.where(np.isnan(kib), otherwise, kib * 1024)

        stored = Stored(
            inputs=given("in_kib", padded.input_elements),
            weights=given("w_kib", usual.weights),
            outputs=given("out_kib", padded.output_elements) * np.where(added, 2.0, 1.0),
        )
        return cls(frame, problems, images, fc, winograd, added, stored)


def _problems(shape: dict[str, FloatArray], images: FloatArray) -> tuple[Problems, Problems]:
    """As the MAC array sees them, and as they lie in memory (one image, channels padded).

    A layer counts as padded where no rounding of the unpadded extent gives its P. The array then steps over
    the whole input, which for an odd stride is not quite P.
    """
    rows, steps = shape["H"], shape["stride_v"]
    cols, strides = shape["W"], shape["stride_h"]
    down, along = (
        np.ceil(np.where(out > np.ceil((size - taps) / step) + 1, size, size - taps + 1) / step)
        for out, size, taps, step in (
            (shape["P"], rows, shape["R"], steps),
            (shape["Q"], cols, shape["S"], strides),
        )
    )
    one, wide = np.ones(len(rows)), np.ceil(shape["K"] / 16) * 16
    stride = np.stack([steps, strides], axis=1).astype(np.int64)
    size = np.stack([rows, cols], axis=1).astype(np.int64)

    def of(columns: list[FloatArray]) -> Problems:
        dims: IntArray = np.stack(columns, axis=1).astype(np.int64)
        return Problems.of(dims, stride=stride, in_size=size)

    taps = [shape["R"], shape["S"]]
    on_array = of([one, one, shape["K"] * images, shape["C"], down, along, *taps])
    return on_array, of([one, one, wide, shape["C"], shape["P"], shape["Q"], *taps])
