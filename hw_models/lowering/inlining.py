"""Which steps get memory of their own, and which are computed as they are read.

Inductor keeps pointwise work as an expression until something needs it in memory: a library call, a
window, the caller, or an expression grown too long to repeat. What stays an expression runs inside every
step that reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from hw_models.lowering.steps import Role

if TYPE_CHECKING:
    from hw_models.lowering.steps import Read, Schedule, Step


_POINTWISE, _REDUCTION = int(Role.POINTWISE), int(Role.REDUCTION)


class Part(NamedTuple):
    """A step that runs in a kernel, or the share of it that is needed there.

    Attributes:
        step: index of the step.
        share: of its elements that are computed, in 0..1.
        view: through which view a share is read; -1 for the whole.
    """

    step: int
    share: float
    view: int


@dataclass(slots=True)
class Node:
    """A step with memory of its own and every expression that runs inside it.

    Attributes:
        step: the step itself.
        parts: that step and those computed as it reads.
        reads: activations in memory that all of them read together.
        in_order: for each of `reads`, whether its elements are visited in the order in which they were
            written.
        parameters: weights and constants that all of them read together, how many.
    """

    step: Step
    parts: list[Part]
    reads: list[Read]
    in_order: list[bool]
    parameters: int = 0


Policy = Callable[["Schedule", Node, int, Mapping[int, int]], bool]
"""(schedule, expression, how many steps read it, node that wrote each value) -> whether it is stored."""

_SHARED_READS: Final = 4
_READS: Final = 8
"""Reads of an expression above which inductor stores it: if several steps share it, in any case.

Source: PyTorch 2.9, torch/_inductor/config.py, `realize_reads_threshold`, `realize_acc_reads_threshold`.
"""


def as_inductor(schedule: Schedule, node: Node, users: int, written_by: Mapping[int, int]) -> bool:
    """Expressions that read much are stored, parameters counted."""
    del schedule, written_by
    reads = len({v for v, _, _ in node.reads}) + node.parameters
    return reads > _READS or (users > 1 and reads > _SHARED_READS)


def for_least_traffic(schedule: Schedule, node: Node, users: int, written_by: Mapping[int, int]) -> bool:
    """An expression that several steps share is stored where that moves less than repeating it.

    Stored by the last kernel it reads from, it costs its other reads once; stored by a kernel of its own, all
    its reads, and one write; both ways every user reads the result. Repeated, every user reads what it reads.
    """
    if users < 2:
        return False
    reads = {v: n for v, _, n in node.reads}
    made = schedule.elements[node.step.writes[0][0]]
    last = max((written_by[v] for v in reads if v in written_by), default=-1)
    size = node.step.size
    if any(written_by.get(v) == last and size == schedule.key(v) for v in reads):
        return sum(reads.values()) > made
    return users * sum(reads.values()) > sum(reads.values()) + (1 + users) * made


def plain_nodes(schedule: Schedule) -> list[Node]:
    """Every step with memory of its own."""
    return [
        Node(step, [Part(i, 1.0, -1)], step.reads, [True] * len(step.reads))
        for i, step in enumerate(schedule.steps)
    ]


def inlined_nodes(schedule: Schedule, is_stored: Policy) -> list[Node]:
    """The steps that are stored, with those that are not inside them; in execution order."""
    readers, computable = _readers(schedule)
    expressions: dict[int, Node] = {}
    written_by: dict[int, int] = {}
    nodes: list[Node] = []
    for i, step in enumerate(schedule.steps):
        node = _with_expressions(schedule, i, step, expressions)
        if step.role == _POINTWISE and len(step.writes) == 1:
            value = step.writes[0][0]
            if (
                computable[value]
                and len(schedule.writers[value]) == 1
                and not is_stored(schedule, node, readers[value], written_by)
            ):
                expressions[value] = node
                continue
        for v, _ in step.writes:
            written_by[v] = len(nodes)
        nodes.append(node)
    return nodes


def _readers(schedule: Schedule) -> tuple[list[int], list[bool]]:
    """(V,) how many steps read each value, and whether all of them can compute it as they read."""
    readers = [0] * len(schedule.elements)
    computable = [True] * len(schedule.elements)
    for v in schedule.outputs:
        computable[v] = False
    for step in schedule.steps:
        inlines = step.role in (_POINTWISE, _REDUCTION)
        for v in {v for v, _, _ in step.reads}:
            readers[v] += 1
            if not inlines:
                computable[v] = False
    return readers, computable


def _with_expressions(schedule: Schedule, i: int, step: Step, expressions: dict[int, Node]) -> Node:
    """A step as a node: what it reads that has no memory is computed inside it."""
    own = Part(i, 1.0, -1)
    for v, _, _ in step.reads:
        if v in expressions:
            break
    else:
        return Node(step, [own], step.reads, [not step.reindexes] * len(step.reads), len(step.weights))
    parts: dict[Part, None] = {}
    reads: list[Read] = []
    in_order: list[bool] = []
    parameters = len(step.weights)
    for v, view, n in step.reads:
        source = expressions.get(v)
        if source is None:
            reads.append((v, view, n))
            in_order.append(not step.reindexes)
            continue
        parameters += source.parameters
        whole = schedule.elements[v]
        if n >= whole:
            parts.update(dict.fromkeys(source.parts))
            reads.extend(source.reads)
            same = not step.reindexes and source.step.size == step.size
            in_order.extend([same and ordered for ordered in source.in_order])
        else:
            share = n / whole
            parts.update(dict.fromkeys(Part(p.step, p.share * share, view) for p in source.parts))
            reads.extend((u, view, round(m * share)) for u, _, m in source.reads)
            in_order.extend([False] * len(source.reads))
    parts[own] = None
    return Node(step, list(parts), reads, in_order, parameters)
