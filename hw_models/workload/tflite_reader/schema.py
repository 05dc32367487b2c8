"""A TFLite file as tables: FlatBuffers read with `struct`, and the few fields of the schema that sizes need.

Sources: schema.fbs of TensorFlow Lite, version 3 (Apache-2.0); "FlatBuffer Internals", google.github.io.
Every offset is checked, so that a broken file is told as such.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.errors import FileError
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

IDENTIFIER: Final = b"TFL3"

PRECISIONS: Final = {
    0: Precision.FP32,
    1: Precision.FP16,
    2: Precision.INT32,
    3: Precision.UINT8,
    4: Precision.INT64,
    6: Precision.BOOL,
    7: Precision.INT16,
    8: Precision.COMPLEX64,
    9: Precision.INT8,
    10: Precision.FP64,
    11: Precision.COMPLEX128,
    15: Precision.INT32,
    16: Precision.INT16,
    17: Precision.INT4,
    18: Precision.BF16,
}
"""`TensorType` -> precision of equal width."""

OPERATORS: Final = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    5: "DEPTH_TO_SPACE",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    20: "RELU_N1_TO_1",
    21: "RELU6",
    22: "RESHAPE",
    23: "RESIZE_BILINEAR",
    25: "SOFTMAX",
    26: "SPACE_TO_DEPTH",
    28: "TANH",
    34: "PAD",
    36: "GATHER",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    42: "DIV",
    43: "SQUEEZE",
    45: "STRIDED_SLICE",
    47: "EXP",
    49: "SPLIT",
    53: "CAST",
    54: "PRELU",
    55: "MAXIMUM",
    56: "ARG_MAX",
    57: "MINIMUM",
    60: "PADV2",
    65: "SLICE",
    67: "TRANSPOSE_CONV",
    70: "EXPAND_DIMS",
    74: "SUM",
    76: "RSQRT",
    82: "REDUCE_MAX",
    83: "PACK",
    88: "UNPACK",
    97: "RESIZE_NEAREST_NEIGHBOR",
    98: "LEAKY_RELU",
    99: "SQUARED_DIFFERENCE",
    100: "MIRROR_PAD",
    101: "ABS",
    102: "SPLIT_V",
    111: "ELU",
    114: "QUANTIZE",
    117: "HARD_SWISH",
    126: "BATCH_MATMUL",
    150: "GELU",
}
"""`BuiltinOperator` codes by name, those that networks of int8 use."""


@dataclass(frozen=True)
class Table:
    """A FlatBuffers table: fields by their number in the schema."""

    data: bytes
    at: int

    def _field(self, slot: int) -> int:
        vtable = self.at - self._int(self.at)
        entry = 4 + 2 * slot
        if entry >= struct.unpack_from("<H", self.data, vtable)[0]:
            return 0
        offset = int(struct.unpack_from("<H", self.data, vtable + entry)[0])
        return self.at + offset if offset else 0

    def _int(self, at: int) -> int:
        return int(struct.unpack_from("<i", self.data, at)[0])

    def number(self, slot: int, form: str = "i", default: int = 0) -> int:
        """A scalar; `form` as in `struct`."""
        at = self._field(slot)
        return int(struct.unpack_from("<" + form, self.data, at)[0]) if at else default

    def _vector(self, slot: int) -> tuple[int, int]:
        at = self._field(slot)
        if not at:
            return 0, 0
        start = at + self._int(at)
        return start + 4, self._int(start)

    def table(self, slot: int) -> Table | None:
        """A table inside this one."""
        at = self._field(slot)
        return Table(self.data, at + self._int(at)) if at else None

    def tables(self, slot: int) -> list[Table]:
        """A list of tables."""
        start, count = self._vector(slot)
        spots = (start + 4 * i for i in range(count))
        return [Table(self.data, spot + self._int(spot)) for spot in spots]

    def numbers(self, slot: int, kind: str = "<i4") -> NDArray[np.int64]:
        """A list of numbers; `kind` as numpy names it."""
        start, count = self._vector(slot)
        return np.frombuffer(self.data, kind, count, start).astype(np.int64)

    def text(self, slot: int) -> str:
        """A string."""
        start, count = self._vector(slot)
        return self.data[start : start + count].decode("utf-8", "replace")

    def raw(self, slot: int) -> bytes:
        """Bytes of a list of bytes."""
        start, count = self._vector(slot)
        return self.data[start : start + count]


@dataclass(frozen=True)
class TfliteTensor:
    """A tensor as stored, channels last."""

    name: str
    shape: tuple[int, ...]
    precision: Precision | None
    data: bytes

    @property
    def constant(self) -> bool:
        """Whether its values stand in the file."""
        return len(self.data) > 0

    @cached_property
    def values(self) -> list[int]:
        """Values of a stored tensor of 32-bit integers."""
        return [int(v) for v in np.frombuffer(self.data, "<i4")]


@dataclass(frozen=True)
class TfliteOp:
    """An operator: name of the schema or "custom:NAME", tensors by number (-1: left out), its options."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    def option(self, slot: int, form: str = "i", default: int = 0) -> int:
        """A scalar option by its number in the schema."""
        return default if self.options is None else self.options.number(slot, form, default)


@dataclass(frozen=True)
class TfliteGraph:
    """The main graph of a file."""

    tensors: tuple[TfliteTensor, ...]
    ops: tuple[TfliteOp, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def load(path: Path) -> TfliteGraph:
    """The main graph in a file.

    Raises:
        FileError: where the file is missing or is not a TFLite model.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError.at(path, f"cannot be read: {error.strerror}; expected a TFLite model") from error
    if data[4:8] != IDENTIFIER:
        raise FileError.at(path, f"no TFLite model: expected {IDENTIFIER!r} at byte 4, found {data[4:8]!r}")
    try:
        return _graph(Table(data, struct.unpack_from("<I", data, 0)[0]))
    except (struct.error, ValueError, IndexError) as error:
        raise FileError.at(
            path, f"a broken TFLite model ({error}); expected a file as a converter writes it"
        ) from error


def _graph(model: Table) -> TfliteGraph:
    codes = [_code(t) for t in model.tables(1)]
    buffers = [b.raw(0) for b in model.tables(4)]
    main = model.tables(2)[0]
    tensors = tuple(
        TfliteTensor(
            t.text(3),
            tuple(int(s) for s in t.numbers(0)),
            PRECISIONS.get(t.number(1, "b")),
            buffers[t.number(2, "I")],
        )
        for t in main.tables(0)
    )
    ops = tuple(
        TfliteOp(
            codes[o.number(0, "I")],
            tuple(int(i) for i in o.numbers(1)),
            tuple(int(i) for i in o.numbers(2)),
            o.table(4),
        )
        for o in main.tables(3)
    )
    return TfliteGraph(tensors, ops, tuple(main.numbers(1).tolist()), tuple(main.numbers(2).tolist()))


def _code(table: Table) -> str:
    """Name of an operator; codes above 127 stand in a field of their own."""
    code = max(table.number(0, "b"), table.number(3, "i"))
    custom = table.text(1)
    return f"custom:{custom}" if custom else OPERATORS.get(code, f"builtin {code}")
