"""NAS-Bench-201 as networks that can be built: six edges with an operator each, in 15 equal cells.

Source: Dong, Yang: NAS-Bench-201, ICLR 2020, section 2.1 and figure 1; operators as the authors' code has
them: a convolution is ReLU, convolution, norm; the pool leaves padding out of its mean; a reduction is a
residual unit whose shortcut averages and projects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import override

from hw_models.errors import InputError
from search_spaces.candidate import Candidate
from search_spaces.knobs import Choice, Knob
from search_spaces.space import check
from search_spaces.tabular.nas_bench_201 import KNOBS, OPERATORS, counted
from search_spaces.vision.cell_graph import (
    CONV_1X1,
    CONV_3X3,
    N_CLASSES,
    POOL,
    CellGraph,
    Operators,
    cell_graph,
    classes,
    near,
)
from search_spaces.written_space import WrittenSpace

if TYPE_CHECKING:
    from search_spaces.graph_writer import GraphWriter, Ref
    from search_spaces.tabular.nas_bench_201 import FloatArray

STAGES: Final = 3
"""Groups of equal cells; channels double and the image halves from one to the next."""
KERNELS: Final[Mapping[int, int]] = {CONV_1X1: 1, CONV_3X3: 3}
_KNOBS: Final[Mapping[str, Knob]] = {k: Choice(OPERATORS) for k in KNOBS}


@dataclass(frozen=True)
class Cell(WrittenSpace):
    """Networks of one cell repeated; input (N, 3, resolution, resolution), output (N, n_classes).

    A knob `op_i_j` is the operator from node i to node j of the cell. Cells that compute the same are one
    candidate: an edge that no path from input to output takes is `none`, and of all cells that then differ
    by the order of nodes and by skip connections alone, the one with the fewest edges stands for them. So
    15,625 cells are 5,260 networks. Published counts of parameters and MACs include convolutions on dead
    edges; these do not.

    Attributes:
        cells: of each stage.
        channels: of the first stage.
        resolution: height and width of the images; a multiple of 4.
        n_classes: of the classifier.

    Raises:
        InputError: where there is no such network.
    """

    name: str = "cell"
    cells: int = 5
    channels: int = 16
    resolution: int = 32
    n_classes: int = 10

    def __post_init__(self) -> None:
        for field in ("cells", "channels", "resolution", "n_classes"):
            given, step = getattr(self, field), 4 if field == "resolution" else 1
            if isinstance(given, bool) or not isinstance(given, int) or given < 1 or given % step:
                expected = "a positive multiple of 4" if step > 1 else "a positive integer"
                msg = f"{field}={given!r} of the space '{self.name}' given, expected {expected}"
                raise InputError(msg)

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return _KNOBS

    @property
    @override
    def known(self) -> Mapping[str, Candidate]:
        """The cells of one operator alone."""
        names = {"all_conv3x3": CONV_3X3, "all_conv1x1": CONV_1X1}
        return {name: _candidate((at,) * len(KNOBS)) for name, at in names.items()}

    @property
    @override
    def size(self) -> int:
        return N_CLASSES

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        """The cell that stands for all that compute the same.

        Raises:
            UnknownNameError: a knob that the space does not have.
            InputError: a knob that is not set, or set to another value than an operator.
        """
        return _candidate(_standing(_number(check(self, candidate))))

    @override
    def neighbours(self, candidate: Candidate) -> Sequence[Candidate]:
        """What one changed edge leads to, from any cell that computes the same."""
        here = _number(check(self, candidate))
        return tuple(_candidate(_standing(n)) for n in near(here))

    @override
    def candidates(self) -> Iterator[Candidate]:
        return (_candidate(cells[0]) for cells in classes().members)

    @override
    def label(self, candidate: Candidate) -> str:
        return "".join(str(o) for o in _standing(_number(check(self, candidate))))

    def features(self, candidates: Sequence[Candidate]) -> FloatArray:
        """(n, f) what can be counted of the cells, as of those of the table."""
        return counted(
            np.array([_operators(self.canonical(c)) for c in candidates], np.int64).reshape(-1, len(KNOBS))
        )

    @override
    def write(self, w: GraphWriter, candidate: Candidate) -> Sequence[Ref]:
        graph = cell_graph(_operators(candidate))
        x = w.input((1, 3, self.resolution, self.resolution))
        x = w.batch_norm(w.conv2d(x, "stem.conv", self.channels, 3), "stem.norm")
        at = 0
        for stage in range(STAGES):
            if stage:
                x = _reduction(w, x, f"cells.{at}", self.channels << stage)
                at += 1
            for _ in range(self.cells):
                x = _cell(w, x, f"cells.{at}", graph)
                at += 1
        x = w.apply("relu", w.batch_norm(x, "norm"))
        x = w.flatten(w.global_avg_pool(x, "average"))
        return [w.linear(x, "classifier", self.n_classes)]


def _cell(w: GraphWriter, x: Ref, path: str, graph: CellGraph) -> Ref:
    """One cell; one without a path from input to output multiplies by zero, as the authors' code does."""
    made = [x]

    def total(terms: Sequence[int]) -> Ref:
        return reduce(w.add, (made[n] for n in terms))

    for operator, source, edge in graph.terms:
        here = total(source)
        if operator == POOL:
            made.append(w.avg_pool(here, f"{path}.{KNOBS[edge]}", 3, 1, 1))
        else:
            made.append(_conv(w, here, f"{path}.{KNOBS[edge]}", w.shape(x)[1], KERNELS[operator]))
    return total(graph.output) if graph.output else w.mul(x, 0.0)


def _reduction(w: GraphWriter, x: Ref, path: str, channels: int) -> Ref:
    """Half the height and width, other channels."""
    y = _conv(w, x, f"{path}.first", channels, 3, stride=2)
    y = _conv(w, y, f"{path}.second", channels, 3)
    shortcut = w.conv2d(w.avg_pool(x, f"{path}.average", 2, 2, 0), f"{path}.project", channels, 1)
    return w.add(shortcut, y)


def _conv(w: GraphWriter, x: Ref, path: str, channels: int, kernel: int, stride: int = 1) -> Ref:
    y = w.conv2d(w.apply("relu", x), f"{path}.conv", channels, kernel, stride=stride)
    return w.batch_norm(y, f"{path}.norm")


def _operators(candidate: Candidate) -> Operators:
    return tuple(OPERATORS.index(str(candidate[k])) for k in KNOBS)


def _number(candidate: Candidate) -> int:
    return classes().number[_operators(candidate)]


def _standing(number: int) -> Operators:
    return classes().members[number][0]


@cache
def _candidate(operators: Operators) -> Candidate:
    return Candidate({k: OPERATORS[o] for k, o in zip(KNOBS, operators, strict=True)})
