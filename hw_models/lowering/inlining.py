"""Which steps get memory of their own, and which are computed as they are read.

Inductor keeps pointwise work as an expression until something needs it in memory: a library call, a window, the caller, or
an expression grown too long to repeat. What stays an expression runs inside every step that reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from hw_models.lowering.steps import Role

if TYPE_CHECKING:
    from hw_models.lowering.steps import Read, Schedule, Step


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
        in_order: for each of `reads`, whether its elements are visited in the order in which they were written.
        parameters: weights and constants that all of them read together, how many.
    """

    step: Step
    parts: list[Part]
    reads: list[Read]
    in_order: list[bool]
    parameters: int = 0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When an expression is put into memory.

    Attributes:
        shared: reads of an expression that several steps share, above which it is stored.
        total: reads of any expression, above which it is stored.
        parameters: weights and constants count as reads.
    """

    shared: int
    total: int
    parameters: bool = True


INDUCTOR: Final = Thresholds(shared=4, total=8)
"""Source: PyTorch 2.9, torch/_inductor/config.py, `realize_reads_threshold` and `realize_acc_reads_threshold`."""

LEAST_TRAFFIC: Final = Thresholds(shared=1, total=1_000_000, parameters=False)
"""Repeating work on one input moves no more than storing its result; on two inputs it may."""


def plain_nodes(schedule: Schedule) -> list[Node]:
    """Every step with memory of its own."""
    return [
        Node(step, [Part(i, 1.0, -1)], step.reads, [True] * len(step.reads))
        for i, step in enumerate(schedule.steps)
    ]


def inlined_nodes(schedule: Schedule, thresholds: Thresholds) -> list[Node]:
    """The steps that are stored, with those that are not inside them; in execution order."""
    readers, computable = _readers(schedule)
    expressions: dict[int, Node] = {}
    nodes: list[Node] = []
    for i, step in enumerate(schedule.steps):
        node = _with_expressions(schedule, i, step, expressions)
        value = step.writes[0][0] if step.writes else -1
        stored = step.role != Role.POINTWISE or len(step.writes) != 1 or not computable[value]
        if not stored:
            n = len({v for v, _, _ in node.reads}) + (node.parameters if thresholds.parameters else 0)
            stored = n > thresholds.total or (readers[value] > 1 and n > thresholds.shared)
        if stored or len(schedule.writers[value]) > 1:
            nodes.append(node)
        else:
            expressions[value] = node
    return nodes


def _readers(schedule: Schedule) -> tuple[list[int], list[bool]]:
    """(V,) how many steps read each value, and whether all of them can compute it as they read."""
    readers = [0] * len(schedule.elements)
    computable = [True] * len(schedule.elements)
    for v in schedule.outputs:
        computable[v] = False
    for step in schedule.steps:
        inlines = step.role in (Role.POINTWISE, Role.REDUCTION)
        for v in {v for v, _, _ in step.reads}:
            readers[v] += 1
            if not inlines:
                computable[v] = False
    return readers, computable


def _with_expressions(schedule: Schedule, i: int, step: Step, expressions: dict[int, Node]) -> Node:
    """A step as a node: what it reads that has no memory is computed inside it."""
    own = Part(i, 1.0, -1)
    if not any(v in expressions for v, _, _ in step.reads):
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
