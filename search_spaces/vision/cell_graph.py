"""What a cell of NAS-Bench-201 computes: which of the 15,625 cells are the same network.

Source: Dong, Yang: NAS-Bench-201, ICLR 2020, section 2: four nodes, an operator on each of the six edges
between them, a node is the sum of what comes in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import Final, NamedTuple

from search_spaces.tabular.nas_bench_201 import EDGES, OPERATORS

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(len(OPERATORS))

Operators = tuple[int, ...]
"""Positions in `OPERATORS`, one for each edge of `EDGES`."""
Sum = tuple[int, ...]
"""Numbers of the terms that are added, ascending, 0 for the cell's input; the empty sum is zero."""
Form = tuple[tuple[tuple[int, Sum], ...], Sum]
"""Operator and input of every term, then the cell's output."""


class Term(NamedTuple):
    """What one operator makes.

    Attributes:
        operator: position in `OPERATORS`; a convolution or the pool.
        input: what it reads.
        edge: position in `EDGES`; of equal pools the first.
    """

    operator: int
    input: Sum
    edge: int


class CellGraph(NamedTuple):
    """A cell without what does not reach its output.

    Attributes:
        terms: term n + 1 is `terms[n]`; each reads earlier ones.
        output: their sum that the cell gives.
    """

    terms: tuple[Term, ...]
    output: Sum


_INTO: Final = tuple(tuple(e for e, (_, to) in enumerate(EDGES) if to == node) for node in (1, 2, 3))


def cell_graph(operators: Operators) -> CellGraph:
    """The cell with `none` edges, dead ends and skip connections gone; equal pools are computed once."""
    values: list[Sum] = [(0,)]
    terms: list[Term] = []
    pools: dict[Sum, int] = {}
    for edges in _INTO:
        here: list[int] = []
        for edge in edges:
            source, operator = values[EDGES[edge][0]], operators[edge]
            if operator == SKIP:
                here += source
            elif operator == POOL and source in pools:
                here.append(pools[source])
            elif operator != NONE and source:
                terms.append(Term(operator, source, edge))
                here.append(len(terms))
                if operator == POOL:
                    pools[source] = len(terms)
        values.append(tuple(sorted(here)))
    return _reaching(terms, values[-1])


def _reaching(terms: Sequence[Term], output: Sum) -> CellGraph:
    """The terms that the output depends on, numbered anew in their order."""
    needed, waiting = {0}, list(output)
    while waiting:
        at = waiting.pop()
        if at not in needed:
            needed.add(at)
            waiting += terms[at - 1].input
    number = {old: new for new, old in enumerate(sorted(needed))}
    kept = [terms[old - 1] for old in sorted(needed) if old]
    moved = tuple(t._replace(input=tuple(number[n] for n in t.input)) for t in kept)
    return CellGraph(moved, tuple(number[n] for n in output))


def form(graph: CellGraph) -> Form:
    """The smallest way to number the terms: the same for two cells exactly if they compute the same.

    Terms are numbered one by one, the smallest (operator, input) first; of equal ones each is tried. Two
    convolutions of one input stay two, as each has weights of its own.
    """
    return _smallest(tuple((t.operator, t.input) for t in graph.terms), graph.output)


@cache
def _smallest(terms: tuple[tuple[int, Sum], ...], output: Sum) -> Form:
    found: list[Form] = []
    _number(terms, output, {0: 0}, (), found)
    return min(found)


def _number(
    terms: tuple[tuple[int, Sum], ...],
    output: Sum,
    number: Mapping[int, int],
    done: tuple[tuple[int, Sum], ...],
    found: list[Form],
) -> None:
    """Number one more of the terms whose input is numbered; each complete numbering is a form found."""
    if len(done) == len(terms):
        found.append((done, tuple(sorted(number[n] for n in output))))
        return
    ready = [
        ((operator, tuple(sorted(number[n] for n in source))), at)
        for at, (operator, source) in enumerate(terms, 1)
        if at not in number and all(n in number for n in source)
    ]
    first = min(code for code, _ in ready)
    for code, at in ready:
        if code == first:
            _number(terms, output, {**number, at: len(done) + 1}, (*done, code), found)


N_CLASSES: Final = 5_260
"""How many classes `classes` finds; stated, so that to load the space takes no time."""


class Classes(NamedTuple):
    """The cells by what they compute.

    Attributes:
        members: the cells of each class, the one that stands for it first.
        number: cell -> position of its class.
    """

    members: tuple[tuple[Operators, ...], ...]
    number: Mapping[Operators, int]


@cache
def classes() -> Classes:
    """All cells; the one with the fewest edges stands for its class, of these the nearest to the input."""
    by_form: dict[Form, list[Operators]] = {}
    for operators in product(range(len(OPERATORS)), repeat=len(EDGES)):
        by_form.setdefault(form(cell_graph(operators)), []).append(operators)
    members = tuple(tuple(sorted(cells, key=_standing)) for cells in by_form.values())
    number = {cell: at for at, cells in enumerate(members) for cell in cells}
    return Classes(members, number)


def _standing(operators: Operators) -> tuple[int, Operators]:
    return sum(o != NONE for o in operators), tuple(-o for o in operators)


@cache
def near(number: int) -> tuple[int, ...]:
    """Classes that one changed edge leads to, from any cell of this class; never itself.

    An edge that is dead may lie on a path once another one is set, so all cells of a class count, and what
    is near is so both ways.
    """
    known = classes()
    found: dict[int, None] = {}
    for cell in known.members[number]:
        for edge, old in enumerate(cell):
            for new in range(len(OPERATORS)):
                if new != old:
                    found.setdefault(known.number[(*cell[:edge], new, *cell[edge + 1 :])])
    found.pop(number, None)
    return tuple(found)
