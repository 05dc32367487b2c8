"""Which nodes run as one kernel.

`fuse` groups as inductor does: library calls stay alone, everything else joins the group of a producer
when the iterations are equal and joining makes no cycle. Cycles are ruled out by levels: the level of a
node is the longest chain of group borders before it, so an edge that leaves a group always goes to a
higher level, and only nodes of one level may share a group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_models.lowering.steps import Role

if TYPE_CHECKING:
    from hw_models.lowering.inlining import Node
    from hw_models.lowering.steps import Schedule

Groups = list[list[int]]
"""Nodes of each kernel, kernels in execution order."""

_EXTERN, _POINTWISE, _REDUCTION, _BARRIER = (
    int(r) for r in (Role.EXTERN, Role.POINTWISE, Role.REDUCTION, Role.BARRIER)
)


def separate(nodes: list[Node]) -> Groups:
    """One kernel per node, as an eager framework runs them."""
    return [[i] for i in range(len(nodes))]


def fuse(schedule: Schedule, nodes: list[Node]) -> Groups:
    """Groups of fusible nodes around library calls, as inductor makes them."""
    return _Fusion(schedule, nodes).run()


class _Fusion:
    """Union-find over nodes; what a group is, is known at its root."""

    def __init__(self, schedule: Schedule, nodes: list[Node]) -> None:
        self.s, self.nodes = schedule, nodes
        n = len(nodes)
        self.parent = list(range(n))
        self.level = [0] * n
        self.outer = [0] * n
        """Rows of the reduction a group contains; 0: none."""
        self.total = [0] * n
        """Iterations of that reduction."""
        self.uses = [0] * n
        """Reads of what the group writes by nodes outside it, and by the caller of the network."""
        self.fusible = [node.step.role not in (_EXTERN, _BARRIER) for node in nodes]
        """What it writes can be read inside a group."""
        self.writers = writers_of(nodes)
        self.readers = [0] * len(schedule.elements)
        for node in nodes:
            for v, _, _ in node.reads:
                self.readers[v] += 1
        for v in schedule.outputs:
            self.readers[v] += 1

    def run(self) -> Groups:
        """All groups, in execution order."""
        for i, node in enumerate(self.nodes):
            self._place(i, node)
        self._merge_siblings()
        groups: dict[int, list[int]] = {}
        for i in range(len(self.nodes)):
            groups.setdefault(self._root(i), []).append(i)
        return execution_order(self.nodes, self._one_kernel_per_cat(list(groups.values())))

    def _root(self, i: int) -> int:
        parent = self.parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def _place(self, i: int, node: Node) -> None:
        """Give one node its level and its group."""
        depends, writers, levels, root_of = self.s.depends, self.writers, self.level, self._root
        on_input = False
        for v, _, _ in node.reads:
            on_input |= depends[v]
        joins = node.step.role in (_POINTWISE, _REDUCTION)
        edges: dict[int, int] = {}
        joinable: list[int] = []
        level = 0
        for k, (v, _, _) in enumerate(node.reads):
            # what is computed from parameters alone runs before all else
            if v not in writers or (on_input and not depends[v]):
                continue
            for p in writers[v]:
                g = root_of(p)
                if joins:
                    edges[g] = edges.get(g, 0) + 1
                    if node.in_order[k] and self.fusible[p] and self._fits(g, v, node):
                        joinable.append(g)
                elif levels[g] >= level:
                    level = levels[g] + 1
        for g in edges:
            level = max(level, levels[g] + (g not in joinable))
        # a group of a lower level may move up to this one if nobody else reads it
        chosen = [g for g in dict.fromkeys(joinable) if levels[g] == level or edges[g] == self.uses[g]]
        if chosen and len({self.outer[g] for g in chosen} | {node.step.outer, 0}) > 2:
            level, chosen = max(level, *(levels[g] + 1 for g in chosen)), []
        self._join(i, node, level, chosen, edges)

    def _fits(self, group: int, value: int, node: Node) -> bool:
        """Whether a node that reads `value` of that group can run inside the group's loop."""
        s = self.s
        size = s.key(value)
        if size == node.step.size:
            return len(self.writers[value]) == 1
        return size == self.outer[group] and node.step.size == self.total[group]

    def _join(self, i: int, node: Node, level: int, chosen: list[int], edges: dict[int, int]) -> None:
        """Make node `i` the root of the groups it joins."""
        step = node.step
        self.level[i] = level
        self.outer[i], self.total[i] = step.outer, step.size if step.outer else 0
        self.uses[i] = sum(self.readers[v] for v, _ in step.writes)
        for g in chosen:
            self.parent[g] = i
            self.uses[i] += self.uses[g] - edges[g]
            if self.outer[g]:
                self.outer[i], self.total[i] = self.outer[g], self.total[g]

    def _merge_siblings(self) -> None:
        """Groups of one level that read one value in the same iterations are one: no path joins them."""
        first: dict[tuple[int, int, int, bool], int] = {}
        for i, node in enumerate(self.nodes):
            if node.step.role not in (_POINTWISE, _REDUCTION):
                continue
            on_input = any(self.s.depends[v] for v, _, _ in node.reads)
            for (v, _, _), in_order in zip(node.reads, node.in_order, strict=True):
                if not in_order:
                    continue
                g = self._root(i)
                other = self._root(first.setdefault((self.level[g], node.step.size, v, on_input), g))
                if other != g and (
                    0 in (self.outer[g], self.outer[other]) or self.outer[g] == self.outer[other]
                ):
                    self.outer[other] = self.outer[other] or self.outer[g]
                    self.parent[g] = other

    def _one_kernel_per_cat(self, groups: Groups) -> Groups:
        """The copies of a concatenation that found no producer to join run as one kernel.

        Source: PyTorch 2.9, torch/_inductor/ir.py, `ConcatKernel.create` (registered for horizontal fusion
            on GPUs).
        """
        left: dict[int, list[int]] = {}
        kept: Groups = []
        for group in groups:
            step = self.nodes[group[0]].step
            if len(group) == 1 and step.writes and len(self.writers[step.writes[0][0]]) > 1:
                left.setdefault(step.op, []).extend(group)
            else:
                kept.append(group)
        return kept + list(left.values())


def writers_of(nodes: list[Node]) -> dict[int, list[int]]:
    """Nodes that write each value; several where a concatenation is filled piece by piece."""
    writers: dict[int, list[int]] = {}
    for i, node in enumerate(nodes):
        for v, _ in node.step.writes:
            writers.setdefault(v, []).append(i)
    return writers


def execution_order(nodes: list[Node], groups: Groups) -> Groups:
    """The groups, each as late as its last node asks, but after everything it reads."""
    writers = writers_of(nodes)
    home = [0] * len(nodes)
    for g, group in enumerate(groups):
        for i in group:
            home[i] = g
    last = [max(group) for group in groups]
    done = [False] * len(groups)
    order: Groups = []
    for g in sorted(range(len(groups)), key=last.__getitem__):
        stack = [g]
        while stack:
            top = stack[-1]
            waiting = set() if done[top] else _not_done(nodes, writers, home, groups[top], done) - {top}
            if waiting:
                stack.append(min(waiting, key=last.__getitem__))
                continue
            stack.pop()
            if not done[top]:
                done[top] = True
                order.append(groups[top])
    return order


def _not_done(
    nodes: list[Node], writers: dict[int, list[int]], home: list[int], group: list[int], done: list[bool]
) -> set[int]:
    """Groups that a group reads from and that have not run."""
    waiting = set()
    for i in group:
        for v, _, _ in nodes[i].reads:
            for w in writers.get(v, ()):
                if not done[home[w]]:
                    waiting.add(home[w])
    return waiting


def merge_into_producers(schedule: Schedule, nodes: list[Node], groups: Groups) -> Groups:
    """Every group runs as the epilogue of the last kernel it reads from, where the iterations are equal.

    The last one, because a kernel may then read everything else it needs, which was written before: no
        cycle can arise.
    """
    writers = writers_of(nodes)
    home: dict[int, int] = {}
    kernels: Groups = []
    for group in groups:
        sources = [
            home[w] for i in group for v, _, _ in nodes[i].reads for w in writers.get(v, ()) if w in home
        ]
        target = max(sources, default=-1)
        if target < 0 or not _can_follow(schedule, nodes, writers, kernels[target], group):
            target = len(kernels)
            kernels.append([])
        kernels[target].extend(group)
        for i in group:
            home[i] = target
    return kernels


def _can_follow(
    schedule: Schedule, nodes: list[Node], writers: dict[int, list[int]], kernel: list[int], group: list[int]
) -> bool:
    """Whether a fused group takes its elements as the kernel makes them."""
    if any(nodes[i].step.role not in (_POINTWISE, _REDUCTION) for i in group):
        return False
    if any(nodes[i].step.role == _BARRIER for i in kernel):
        return False
    if len({nodes[i].step.outer for i in (*kernel, *group)} - {0}) > 1:
        return False
    for i in group:
        for v, _, _ in nodes[i].reads:
            same = schedule.key(v) == nodes[i].step.size
            if same and len(writers.get(v, ())) == 1 and writers[v][0] in kernel:
                return True
    return False
