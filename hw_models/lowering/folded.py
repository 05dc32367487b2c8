"""How a graph runtime runs a network: norms folded, cheap activations merged, every other operator alone.

ONNX Runtime, TFLite and ArmNN compile no code: they rewrite the graph to the kernels of a library and run
those one after the other. What a library's kernels take along is a batch norm (folded into weights), an
activation that is a comparison or two, and in convolutions the sum of a residual.

Source: ONNX Runtime 1.20, onnxruntime/core/optimizer: conv_bn_fusion.cc, conv_activation_fusion.cc,
    nchwc_transformer.cc; TensorFlow 2.11, tensorflow/lite/kernels/internal/types.h,
    `FusedActivationFunctionType`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.cost.arrays import KernelClass
from hw_models.lowering.fusion import execution_order, writers_of
from hw_models.lowering.inlining import plain_nodes
from hw_models.lowering.network import LoweredNetwork, MemoryRules, lowered_network
from hw_models.lowering.schedule import Expansion, schedule
from hw_models.lowering.steps import Role

if TYPE_CHECKING:
    from hw_models.lowering.fusion import Groups
    from hw_models.lowering.inlining import Node
    from hw_models.lowering.steps import Schedule, Step
    from hw_models.workload.graph import Workload

GRAPH_RUNTIMES: Final = ("onnx", "tflite", "armnn")
"""What names of such runtimes have in them, in small letters."""

CHEAP: Final = frozenset(
    ["relu", "relu6", "hardtanh", "clamp", "clamp_min", "clamp_max", "leaky_relu", "threshold"]
)
"""Activations that the kernels of all these libraries apply as they store their output."""

SUMS: Final = frozenset(["add", "sub"])
AFFINE: Final = frozenset(["mul", "add", "sub", "div"])
"""By parameters, behind a convolution: folded into its weights (conv_mul_fusion.cc, conv_add_fusion.cc)."""
CONVOLUTIONS: Final = frozenset(
    [KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED, KernelClass.DEPTHWISE]
)


def folded(workload: Workload, mixed: bool) -> LoweredNetwork:
    """One kernel per operator but for what the kernels of a library take along; one data type throughout."""
    plan = schedule(workload, Expansion(mixed, math_attention=False, dense=True))
    _fold_constants(plan)
    nodes = plain_nodes(plan)
    rules = MemoryRules(fold_norms=True, reuse_memory=True)
    return lowered_network(workload, plan, nodes, _merged(plan, nodes), rules)


def _fold_constants(plan: Schedule) -> None:
    """What is computed from parameters alone is a parameter of the graph that runs."""
    depends = plan.depends
    plan.steps = [step for step in plan.steps if any(depends[v] for v, _ in step.writes)]
    plan.writers = {}
    for i, step in enumerate(plan.steps):
        step.weights += [read for read in step.reads if not depends[read[0]]]
        step.reads = [read for read in step.reads if depends[read[0]]]
        for v, _ in step.writes:
            plan.writers.setdefault(v, []).append(i)


def _merged(plan: Schedule, nodes: list[Node]) -> Groups:
    """Nodes of each kernel, kernels in execution order."""
    writers = writers_of(nodes)
    readers = [0] * len(plan.elements)
    for node in nodes:
        for value in {v for v, _, _ in node.reads}:
            readers[value] += 1
    for value in plan.outputs:
        readers[value] += 1
    home: list[int] = []
    groups: Groups = []
    for i in range(len(nodes)):
        at = _host(plan, nodes, i, writers, readers, home, groups)
        if at is None:
            at = len(groups)
            groups.append([])
        groups[at].append(i)
        home.append(at)
    return execution_order(nodes, groups)


def _host(
    plan: Schedule,
    nodes: list[Node],
    i: int,
    writers: dict[int, list[int]],
    readers: list[int],
    home: list[int],
    groups: Groups,
) -> int | None:
    """The kernel that takes node `i` along: the latest that makes one of its inputs for it alone."""
    step = nodes[i].step
    if step.role != Role.POINTWISE:
        return None
    if not (step.foldable or step.name in CHEAP or step.name in SUMS or _is_affine(step)):
        return None
    hosts = []
    for v, _, n in step.reads:
        alone = readers[v] == 1 and len(writers.get(v, ())) == 1
        if alone and n == plan.elements[v] and plan.key(v) == step.size:
            hosts.append(home[writers[v][0]])
    lonely = step.name in SUMS and len({v for v, _, _ in step.reads}) < 2
    if not hosts or (lonely and not _is_affine(step)):
        return None
    at = max(hosts)
    if any(home[w] > at for v, _, _ in step.reads for w in writers.get(v, ())):
        return None
    return at if _takes(nodes, groups[at], i) else None


def _is_affine(step: Step) -> bool:
    """Whether a step scales or shifts one activation by parameters, fewer than it has elements."""
    few = sum(n for _, _, n in step.weights) < step.size // 2
    return step.name in AFFINE and len(step.reads) == 1 and bool(step.weights) and few


def _takes(nodes: list[Node], group: list[int], i: int) -> bool:
    """Whether the kernel of a group of nodes has room for one more."""
    step, main = nodes[i].step, nodes[group[0]].step
    in_conv, after = main.cls in CONVOLUTIONS, [nodes[j].step for j in group[1:]]
    activated = any(s.name in CHEAP for s in after)
    summed = any(s.name in SUMS and not _is_affine(s) for s in after)
    if step.foldable:
        return (in_conv or main.cls == KernelClass.GEMM) and not (activated or summed)
    if _is_affine(step):
        return in_conv and not (activated or summed)
    if step.name in SUMS:
        return in_conv and not (activated or summed)
    return (in_conv or main.cls == KernelClass.GEMM or main.name in SUMS) and not activated
