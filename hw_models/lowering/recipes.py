"""What runs a network: five recipes from a workload to its kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hw_models.lowering.folded import folded
from hw_models.lowering.fusion import fuse, merge_into_producers, separate
from hw_models.lowering.inlining import Part, as_inductor, for_least_traffic, inlined_nodes, plain_nodes
from hw_models.lowering.network import LoweredNetwork, MemoryRules, lowered_network
from hw_models.lowering.schedule import Expansion, schedule
from hw_models.lowering.strides import as_channels_last, as_voted, as_written

if TYPE_CHECKING:
    from hw_models.lowering.strides import Order
    from hw_models.workload.graph import Workload

Recipe = Callable[["Workload", bool], LoweredNetwork]
"""(network, whether casts of mixed precision run) -> its kernels."""


def ideal(workload: Workload, mixed: bool) -> LoweredNetwork:
    """Everything that can merge merges into its producer; what a compiler for an accelerator aims at.

    Batch norm is folded into weights, concatenation is placement in memory (so pieces live as long as their
    last reader), one data type throughout. Of two ways to share work, the one that moves less.
    """
    expansion = Expansion(mixed, free_cat=True, math_attention=False, split_norm=True)
    plan = schedule(workload, expansion)
    rules = MemoryRules(fold_norms=True, reuse_memory=True)
    candidates: dict[tuple[frozenset[Part], ...], LoweredNetwork] = {}
    for policy in (for_least_traffic, as_inductor):
        nodes = inlined_nodes(plan, policy)
        groups = merge_into_producers(plan, nodes, fuse(plan, nodes))
        kernels = tuple(frozenset(part for i in group for part in nodes[i].parts) for group in groups)
        if kernels not in candidates:
            candidates[kernels] = lowered_network(workload, plan, nodes, groups, rules)
    return min(candidates.values(), key=lambda net: net.moved_elements)


def eager(workload: Workload, mixed: bool) -> LoweredNetwork:
    """One kernel per operator, views free, batch norm and every change of type a kernel; plain PyTorch."""
    return _one_by_one(workload, mixed, as_written)


def eager_nhwc(workload: Workload, mixed: bool) -> LoweredNetwork:
    """The same with images and weights in memory format "channels last"."""
    return _one_by_one(workload, mixed, as_channels_last)


def _one_by_one(workload: Workload, mixed: bool, order: Order) -> LoweredNetwork:
    plan = schedule(workload, Expansion(mixed, cast_each_use=True, pointwise_norm=False, order=order))
    nodes = plain_nodes(plan)
    rules = MemoryRules(fold_norms=False, reuse_memory=False)
    return lowered_network(workload, plan, nodes, separate(nodes), rules)


def compiled(workload: Workload, mixed: bool) -> LoweredNetwork:
    """Contractions and attention alone, everything else fused around them; PyTorch with inductor."""
    plan = schedule(workload, Expansion(mixed, split_cat=True, split_norm=True, order=as_voted))
    nodes = inlined_nodes(plan, as_inductor)
    rules = MemoryRules(fold_norms=False, reuse_memory=True)
    return lowered_network(workload, plan, nodes, fuse(plan, nodes), rules)


RECIPES: Final[dict[str, Recipe]] = {
    "ideal": ideal,
    "eager": eager,
    "compiled": compiled,
    "folded": folded,
    "eager_nhwc": eager_nhwc,
}
"""Every choice of lowering by name."""

ONE_TYPE: Final = frozenset({"ideal", "folded"})
"""Recipes that never mix precisions."""
