"""Which steps run as one kernel.

`fuse` groups as inductor, the compiler of torch, does: library calls stay alone, everything else joins the group of a
producer when the iterations are equal and joining makes no cycle. Cycles are ruled out by levels: the level of a step is
the longest chain of group borders before it, so an edge that leaves a group always goes to a higher level, and only steps
of one level may share a group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw_models.lowering.steps import Role

if TYPE_CHECKING:
    from hw_models.lowering.steps import Schedule, Step

Groups = list[list[int]]
"""Steps of each kernel, kernels in execution order."""


def separate(schedule: Schedule) -> Groups:
    """One kernel per step, as an eager framework runs them."""
    return [[i] for i in range(len(schedule.steps))]


def fuse(schedule: Schedule) -> Groups:
    """Groups of fusible steps around library calls, as inductor makes them."""
    return _Fusion(schedule).run()


class _Fusion:
    """Union-find over steps; what a group is, is known at its root."""

    def __init__(self, schedule: Schedule) -> None:
        self.s = schedule
        self.steps = schedule.steps
        n = len(schedule.steps)
        self.parent = list(range(n))
        self.level = [0] * n
        self.outer = [0] * n
        """Rows of the reduction a group contains; 0: none."""
        self.total = [0] * n
        """Iterations of that reduction."""
        self.inlinable = [True] * n
        """Nothing but pointwise work, so a consumer of other iterations can compute it as it reads."""
        self.uses = [0] * n
        """Reads of what the group writes by steps outside it, and by the caller of the network."""
        self.readers = _count_readers(schedule)

    def run(self) -> Groups:
        """All groups, in execution order."""
        for i, step in enumerate(self.steps):
            self._place(i, step)
        self._merge_siblings()
        return execution_order(self.s, self._members())

    def _root(self, i: int) -> int:
        parent = self.parent
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    def _place(self, i: int, step: Step) -> None:
        """Give one step its level and its group."""
        s, steps, root_of = self.s, self.steps, self._root
        open_in = step.role in (Role.POINTWISE, Role.REDUCTION)
        depends = any(s.depends[v] for v, _, _ in step.reads)
        level = 0
        edges: dict[int, int] = {}
        joinable: list[int] = []
        for v, _, _ in step.reads:
            # what is computed from parameters alone runs before all else
            if depends and not s.depends[v]:
                continue
            for p in s.writers.get(v, ()):
                g = root_of(p)
                edges[g] = edges.get(g, 0) + 1
                if open_in and steps[p].role not in (Role.EXTERN, Role.BARRIER) and self._fits(g, v, step):
                    joinable.append(g)
        inlined = [
            g
            for g, n in edges.items()
            if open_in and self.inlinable[g] and n == self.uses[g] and g not in joinable
        ]
        joinable += inlined
        for g in edges:
            level = max(level, self.level[g] + (g not in joinable))
        # a group of a lower level may move up to this one if nobody else reads it
        chosen = [g for g in dict.fromkeys(joinable) if self.level[g] == level or edges[g] == self.uses[g]]
        outers = {self.outer[g] for g in chosen} | {step.outer}
        if len(outers - {0}) > 1:
            level, chosen = max(level, *(self.level[g] + 1 for g in chosen)), []
        self._join(i, step, level, chosen, edges)

    def _fits(self, group: int, value: int, step: Step) -> bool:
        """Whether a step that reads `value` of that group can run inside the group's loop."""
        s = self.s
        size = s.elements[value] * 2 + s.batched[value]
        if size == step.size:
            return len(s.writers[value]) == 1
        return size == self.outer[group] and step.size == self.total[group]

    def _join(self, i: int, step: Step, level: int, chosen: list[int], edges: dict[int, int]) -> None:
        """Make step `i` the root of the groups it joins."""
        self.level[i] = level
        self.outer[i], self.total[i] = step.outer, step.size if step.outer else 0
        self.inlinable[i] = step.role == Role.POINTWISE
        self.uses[i] = sum(self.readers[v] for v, _ in step.writes)
        for g in chosen:
            self.parent[g] = i
            self.uses[i] += self.uses[g] - edges[g]
            self.inlinable[i] &= self.inlinable[g]
            if self.outer[g]:
                self.outer[i], self.total[i] = self.outer[g], self.total[g]

    def _merge_siblings(self) -> None:
        """Groups of one level that read the same value with the same iterations run as one: no path leads between them."""
        first: dict[tuple[int, int, int, bool], int] = {}
        for i, step in enumerate(self.steps):
            if step.role not in (Role.POINTWISE, Role.REDUCTION):
                continue
            depends = any(self.s.depends[v] for v, _, _ in step.reads)
            for v, _, _ in step.reads:
                g = self._root(i)
                other = self._root(first.setdefault((self.level[g], step.size, v, depends), g))
                if other != g and (
                    0 in (self.outer[g], self.outer[other]) or self.outer[g] == self.outer[other]
                ):
                    self.outer[other] = self.outer[other] or self.outer[g]
                    self.parent[g] = other

    def _members(self) -> Groups:
        groups: dict[int, list[int]] = {}
        for i in range(len(self.steps)):
            groups.setdefault(self._root(i), []).append(i)
        return _one_kernel_per_cat(self.s, list(groups.values()))


def _count_readers(schedule: Schedule) -> list[int]:
    """(V,) how often each value is read; being an output of the network counts as one."""
    readers = [0] * len(schedule.elements)
    for step in schedule.steps:
        for v, _, _ in step.reads:
            readers[v] += 1
    for v in schedule.outputs:
        readers[v] += 1
    return readers


def _one_kernel_per_cat(schedule: Schedule, groups: Groups) -> Groups:
    """The copies of a concatenation that found no producer to join run as one kernel.

    Source: PyTorch 2.9, torch/_inductor/ir.py, `ConcatKernel.create` (registered for horizontal fusion on GPUs).
    """
    left: dict[int, list[int]] = {}
    kept: Groups = []
    for group in groups:
        step = schedule.steps[group[0]]
        alone = len(group) == 1 and len(schedule.writers[step.writes[0][0]]) > 1 if step.writes else False
        (left.setdefault(step.op, []).extend(group)) if alone else kept.append(group)
    return kept + list(left.values())


def execution_order(schedule: Schedule, groups: Groups) -> Groups:
    """The groups, each as late as its last step asks, but after everything it reads."""
    home = [0] * len(schedule.steps)
    for g, group in enumerate(groups):
        for i in group:
            home[i] = g
    before: list[list[int]] = []
    for g, group in enumerate(groups):
        producers = {
            home[p] for i in group for v, _, _ in schedule.steps[i].reads for p in schedule.writers.get(v, ())
        }
        producers.discard(g)
        before.append(sorted(producers, key=lambda p: groups[p][-1]))
    done = [False] * len(groups)
    order: Groups = []
    for g in sorted(range(len(groups)), key=lambda g: groups[g][-1]):
        stack = [g]
        while stack:
            top = stack[-1]
            waiting = [p for p in before[top] if not done[p]]
            if done[top]:
                stack.pop()
            elif waiting:
                stack.append(waiting[0])
            else:
                done[top] = True
                order.append(groups[top])
                stack.pop()
    return order


def merge_into_producers(schedule: Schedule, groups: Groups) -> Groups:
    """Every group runs as the epilogue of the last kernel it reads from, where the iterations are equal.

    The last one, because a kernel may then read everything else it needs, which was written before: no cycle can arise.
    """
    home: dict[int, int] = {}
    kernels: Groups = []
    for group in groups:
        last = max(
            (home[p] for i in group for v, _, _ in schedule.steps[i].reads for p in schedule.writers.get(v, ())
             if p in home),
            default=-1,
        )  # fmt: skip
        target = last if last >= 0 and _can_follow(schedule, kernels[last], group) else len(kernels)
        if target == len(kernels):
            kernels.append([])
        kernels[target].extend(group)
        for i in group:
            home[i] = target
    return kernels


def _can_follow(schedule: Schedule, kernel: list[int], group: list[int]) -> bool:
    """Whether a fused group takes its elements as the kernel makes them."""
    steps = schedule.steps
    members = set(kernel)
    if any(steps[i].role == Role.BARRIER for i in (*kernel, *group)):
        return False
    for i in group:
        if steps[i].role not in (Role.POINTWISE, Role.REDUCTION):
            return False
    outers = {steps[i].outer for i in (*kernel, *group)} - {0}
    if len(outers) > 1:
        return False
    for i in group:
        for v, _, _ in steps[i].reads:
            writers = schedule.writers.get(v, ())
            same = schedule.elements[v] * 2 + schedule.batched[v] == steps[i].size
            if same and len(writers) == 1 and writers[0] in members:
                return True
    return False
