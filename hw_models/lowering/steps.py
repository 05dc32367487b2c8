"""What fusion works on: steps and the values between them.

A step is a piece of work that a compiler would schedule as one node. Most operators are one step; views
are none; an operator that a framework runs as several kernels (attention on its math path, a cast before
an operator) is several. A value is a piece of memory: the tensor that owns it, or one that only a step
knows of (a cast, an attention matrix).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

Read = tuple[int, int, int]
"""(value, view, elements): the view tells slices of one value apart."""

Write = tuple[int, int]
"""(value, elements)."""


class Role(IntEnum):
    """What fusion may do with a step."""

    EXTERN = 0
    """A library call: contraction or attention."""
    POINTWISE = 1
    """Each output element needs the input elements at one place: fuses on both sides."""
    REDUCTION = 2
    """Pointwise work around a sum over some axes: fuses with neighbours of the same iterations."""
    WINDOW = 3
    """Reads an input element several times or at random: begins a group, never joins its producer."""
    BARRIER = 4
    """Runs alone."""


class Format(IntEnum):
    """How a value is stored, relative to the precision of the network.

    From `OWN` on: `OWN + Precision`, kept as read.
    """

    NARROW = 0
    WIDE = 1
    WEIGHT = 2
    OWN = 3


@dataclass(slots=True)
class Step:
    """One node of the schedule.

    Attributes:
        op: operator of the workload.
        kind: `OpKind` code; cls: `KernelClass` code if it stands alone; role: what fusion may do with it.
        size: iterations, twice, plus 1 where they grow with the batch (one integer to compare by).
        outer: of a reduction: rows left after it, in the same code; else 0.
        reads: activations; weights: parameters and constants; writes: values.
        wide: computes in FP32 under mixed precision; special: norm, softmax or transcendental function.
        vector: operations of the vector unit.
        dims: loop dimensions, where they differ from the operator's.
        foldable: a batch norm with running statistics, which a compiler can fold into the contraction
            before it.
        inplace: overwrites an input, as its author wrote it.
        reindexes: visits the elements of its input in another order than they were written, or only some.
        layout: of a convolution, that its channels lie innermost; else that it reads something in another
            order than it writes.
        name: function, for tables.
    """

    op: int
    kind: int
    cls: int
    role: int
    size: int
    reads: list[Read]
    weights: list[Read]
    writes: list[Write]
    outer: int = 0
    wide: bool = False
    special: bool = False
    vector: float = 0.0
    dims: tuple[int, ...] | None = None
    foldable: bool = False
    inplace: bool = False
    reindexes: bool = False
    layout: bool = False
    name: str = ""


@dataclass(slots=True)
class Schedule:
    """S steps in execution order and V values.

    Attributes:
        steps: in execution order; every value is written before it is read.
        elements, batched, form, stored, depends: of each value: elements; grow with the batch; `Format`
            code; parameter or constant; function of the network's input.
        writers: steps that write each value (several where a concatenation is filled piece by piece).
        inputs, outputs: values the network is given and returns.
        dead_ops: operators left out because nobody uses what they compute.
    """

    steps: list[Step]
    elements: list[int]
    batched: list[bool]
    form: list[int]
    stored: list[bool]
    depends: list[bool]
    writers: dict[int, list[int]] = field(default_factory=dict)
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    dead_ops: int = 0

    def key(self, value: int) -> int:
        """Elements of a value as `Step.size` counts iterations."""
        return self.elements[value] * 2 + self.batched[value]
