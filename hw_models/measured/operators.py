"""Operators that were measured alone, as arrays: what a cost model needs to price them without a network.

The notation of `shape` in the records is `name=value` for each loop dimension of the kind of operator, as
`hw_models.workload.op.LOOP_DIMS` names them; of a convolution its strides, padding and input size follow, of
an operator element by element how many tensors it reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import GEOMETRY
from hw_models.errors import InputError
from hw_models.workload.counts import macs
from hw_models.workload.op import LOOP_DIMS, N_DIMS, OpKind

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from hw_models.cost.arrays import IntArray

READS: Final = "reads"
"""Tensors that an operator element by element reads; where it is not stated, one."""

BETWEEN: Final = "|"
"""Stands between shape and function where both together name an operator."""

KINDS: Final = {kind.label: kind for kind in OpKind}
NAME: Final = re.compile(r"\s*([a-z_]+)=#")
PLAIN: Final = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0], np.int64)
"""`GEOMETRY` of an operator that has none: strides and dilations one."""


@dataclass(frozen=True, eq=False)
class Operators:
    """U distinct operators behind N records.

    Attributes:
        kind: (U,) `OpKind` codes.
        dims: (U, 8) loop dimensions as `LOOP_DIMS` names them, 1 where there is none.
        geometry: (U, 9) columns `hw_models.cost.arrays.GEOMETRY`.
        reads: (U,) tensors read by an operator element by element; 1 for all others.
        function: (U,) name of the operator in its library; "" where the records give none.
        shape: (U,) the text they were read from.
        index: (N,) distinct operator of each record; -1 where the record states no shape.
    """

    kind: NDArray[np.int8]
    dims: IntArray
    geometry: IntArray
    reads: IntArray
    function: tuple[str, ...]
    shape: tuple[str, ...]
    index: IntArray

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: IntArray) -> Operators:
        """These distinct operators alone, one record each."""
        return Operators(
            kind=self.kind[rows],
            dims=self.dims[rows],
            geometry=self.geometry[rows],
            reads=self.reads[rows],
            function=tuple(self.function[i] for i in rows),
            shape=tuple(self.shape[i] for i in rows),
            index=np.arange(len(rows), dtype=np.int64),
        )

    @property
    def macs(self) -> NDArray[np.float64]:
        """(U,) multiply-accumulates; 0 for what multiplies no matrices."""
        return macs(self.kind, self.dims).astype(np.float64)


def operators(frame: pd.DataFrame) -> Operators:
    """Kinds and dimensions of the rows of a table of records that measured one operator.

    Args:
        frame: columns `operator` and `shape`, and `function` if there is one; rows without one of the first
            two have index -1.

    Raises:
        InputError: a kind of operator that is not known, or a shape that is not in its notation.
    """
    import pandas as pd

    text = frame["operator"] + " " + frame["shape"]
    functions = frame["function"].fillna("") if "function" in frame else pd.Series("", frame.index)
    index, distinct = pd.factorize(text + BETWEEN + functions)
    parts = pd.Series(distinct, dtype="str").str.partition(BETWEEN)
    shapes = parts[0] if len(parts) else pd.Series(dtype="str")
    kind = np.full(len(shapes), OpKind.UNKNOWN, np.int8)
    dims = np.ones((len(shapes), N_DIMS), np.int64)
    geometry = np.tile(PLAIN, (len(shapes), 1))
    reads = np.ones(len(shapes), np.int64)
    for template, rows in shapes.groupby(
        shapes.str.replace(r"\d+", "#", regex=True), sort=False
    ).groups.items():
        what, names = _read_template(str(template))
        at = np.asarray(rows)
        found = re.findall(r"=(\d+)", "\n".join(shapes[at]))
        values = np.array(found, np.int64).reshape(len(at), len(names))
        kind[at] = what
        for name, value in zip(names, values.T, strict=True):
            if name in LOOP_DIMS[what]:
                dims[at, LOOP_DIMS[what].index(name)] = value
            elif name == READS:
                reads[at] = value
            else:
                geometry[at, GEOMETRY.index(name)] = value
    function = tuple(parts[2]) if len(parts) else ()
    return Operators(kind, dims, geometry, reads, function, tuple(shapes), np.asarray(index, np.int64))


def _read_template(template: str) -> tuple[OpKind, list[str]]:
    """Kind and names of 'gemm batch=# m=# k=# c=#'.

    Raises:
        InputError: where it is not of that form, or names what the kind does not have.
    """
    label, _, rest = template.partition(" ")
    if label not in KINDS:
        raise InputError(f"operator '{label}' given, expected one of {', '.join(KINDS)}")
    kind = KINDS[label]
    names = [m[1] for m in NAME.finditer(rest)]
    if NAME.sub("", rest) or len(set(names)) != len(names):
        raise InputError(f"shape '{rest}' given, expected a form such as 'batch=1 m=64 k=64 c=64'")
    missing = [n for n in LOOP_DIMS[kind] if n not in names]
    spare = [n for n in names if n not in (*LOOP_DIMS[kind], *GEOMETRY, READS)]
    if missing or spare:
        expected = " ".join(f"{n}=#" for n in LOOP_DIMS[kind])
        raise InputError(f"shape '{rest}' given for a {label}, expected '{expected}'")
    return kind, names
