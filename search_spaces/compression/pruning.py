"""Structured pruning: whole channels leave the network, its workload and its modules alike.

The plan is made once, on the workload. `pruned_workload` writes the smaller workload from it, without
building anything; `prune` takes the same channels out of a module's parameters, those of least weight.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hw_models.errors import InputError
from hw_models.workload.op import OpKind, TensorKind
from search_spaces.compression.channels import Channels, Segment, channels_of
from search_spaces.compression.groups import Grouping, group_of

if TYPE_CHECKING:
    from torch import nn

    from hw_models.workload.graph import Workload

MULTIPLE: Final = 8
"""Channels stay in multiples of this. Source: Howard et al., MobileNetV3, ICCV 2019 (`make_divisible`)."""


@dataclass(frozen=True)
class Plan:
    """What structured pruning does to a network.

    Attributes:
        channels: of the network.
        kept: group of channels -> how many stay; groups that lose none are left out.
        whole: layers of a group with a ratio that lose nothing -> why.
    """

    channels: Channels
    kept: Mapping[int, int]
    whole: Mapping[str, str]

    def left(self, segments: Sequence[Segment]) -> int:
        """Size of an axis when they are gone."""
        return sum(self.kept.get(s.group, s.n) * s.repeat for s in segments)


def check_ratio(ratio: float, where: str) -> None:
    """A pruning ratio is at least 0 and below 1.

    Raises:
        InputError: it is not.
    """
    number = isinstance(ratio, int | float) and not isinstance(ratio, bool)
    if not number or not 0 <= ratio < 1:
        msg = f"pruning ratio {ratio!r} {where} given, expected a share of the channels, 0 to below 1"
        raise InputError(msg)


def kept_of(n: int, ratio: float, multiple: int = MULTIPLE) -> int:
    """Channels that stay of `n`: the nearest multiple, at least one of them and at most all."""
    return min(n, max(multiple, multiple * round(n * (1 - ratio) / multiple)))


def plan_of(
    workload: Workload, ratios: Mapping[str, float], multiple: int = MULTIPLE, *, leave: bool = False
) -> Plan:
    """How many channels of each group stay.

    Coupled layers lose the same channels: by the smallest ratio among them.

    Args:
        workload: the network.
        ratios: share of the channels that goes, by module path of the layer that makes them.
        multiple: channels are kept in multiples of this.
        leave: leave layers whole whose channels reach an operator that is not known here.

    Raises:
        InputError: a ratio out of range; without `leave`, an operator that channels cannot be followed
            through.
    """
    channels = channels_of(workload)
    kept: dict[int, int] = {}
    whole: dict[str, str] = {}
    for path, ratio in ratios.items():
        check_ratio(ratio, f"for '{path}'")
    for at, group in channels.groups.items():
        asked = [ratios.get(m, 0.0) for m in group.makers]
        if not any(asked):
            continue
        if group.unknown and not leave:
            first = next(m for m, r in zip(group.makers, asked, strict=True) if r)
            msg = (
                f"'{first}' of '{workload.name}' cannot lose channels: they cannot be followed through "
                f"{group.whole}; give it no ratio, or leave such layers whole (unsupported='leave')"
            )
            raise InputError(msg)
        if group.whole:
            whole |= dict.fromkeys(group.makers, group.whole)
        else:
            kept[at] = kept_of(group.n, min(asked), multiple)
            if min(asked) == 0:
                whole |= dict.fromkeys(group.makers, "coupled with a layer that keeps its channels")
    return Plan(channels, {g: n for g, n in kept.items() if n < channels.groups[g].n}, whole)


def pruned_workload(workload: Workload, plan: Plan) -> Workload:
    """The workload of the smaller network: the rows that a trace of it would give."""
    if not plan.kept:
        return workload
    shapes = _Shapes(workload, plan)
    dims = workload.op_dims.copy()
    for op in workload.ops:
        dims[op.index, : len(op.loop)] = shapes.loop(op.index, op.kind, op.loop)
    meta = dict(workload.meta)
    if "parameters" in meta:
        meta["parameters"] = int(meta["parameters"]) - shapes.gone
    return replace(workload, op_dims=dims, tensor_dims=shapes.dims, meta=meta)


class _Shapes:
    """Shapes of the tensors of a pruned network."""

    def __init__(self, workload: Workload, plan: Plan) -> None:
        self.w, self.plan = workload, plan
        self.dims = workload.tensor_dims.copy()
        self.gone = 0
        for t, lane in plan.channels.lanes.items():
            self._set(t, lane.axis, plan.left(lane.segments))
        parts = {p.path: p for p in plan.channels.parts}
        done: set[int] = set()
        for op in workload.ops:
            part = parts.get(op.module)
            if part is not None and op.kind in (OpKind.CONV, OpKind.GEMM, OpKind.NORM):
                weights = [op.inputs[i] for i in op.attrs.get("weights", ())]
                for at, t in enumerate(weights):
                    if t not in done:
                        done.add(t)
                        statistics = op.kind == OpKind.NORM and _is_statistic(at, len(weights))
                        self._parameter(
                            t, part.before, part.after, bool(op.attrs.get("transposed")), statistics
                        )

    def _set(self, tensor: int, axis: int, size: int) -> None:
        self.dims[self.w.tensor_ptr[tensor] + axis] = size

    def _parameter(
        self,
        tensor: int,
        before: Sequence[Segment] | None,
        after: Sequence[Segment] | None,
        transposed: bool,
        statistic: bool,
    ) -> None:
        rank = len(self.w.shape(tensor))
        out, into = (1, 0) if transposed and rank > 1 else (0, 1)
        if after is not None:
            self._set(tensor, out, self.plan.left(after))
        if before is not None and rank > 1:
            self._set(tensor, into, self.plan.left(before))
        if not statistic and self.w.tensor_kind[tensor] == TensorKind.WEIGHT:
            self.gone += math.prod(self.w.shape(tensor)) - math.prod(self.shape(tensor))

    def shape(self, tensor: int) -> tuple[int, ...]:
        """Of one tensor, when the channels are gone."""
        return tuple(self.dims[self.w.tensor_ptr[tensor] : self.w.tensor_ptr[tensor + 1]].tolist())

    def loop(self, at: int, kind: OpKind, loop: Mapping[str, int]) -> list[int]:
        """Loop dimensions of one operator."""
        ins, outs = self.w.op_inputs(at), self.w.op_outputs(at)
        new = dict(loop)
        if not ins or not outs:
            return list(new.values())
        before, after = self.shape(ins[0]), self.shape(outs[0])
        if kind == OpKind.CONV and loop["g"] > 1:
            new["g"] = after[1] if loop["c"] == loop["k"] == 1 else loop["g"]
        elif kind == OpKind.CONV:
            new |= {"k": after[1], "c": before[1]}
        elif kind == OpKind.GEMM and self.w.op_attrs[at].get("fn") == "linear":
            new |= {"k": after[-1], "c": before[-1]}
        elif kind == OpKind.NORM:
            batch_norm = self.w.op_attrs[at].get("fn") == "batch_norm"
            axis, name = (1, "rows") if batch_norm else (-1, "width")
            new[name] = loop[name] * before[axis] // self.w.shape(ins[0])[axis]
        elif kind in (OpKind.POOL, OpKind.RESIZE):
            new["c"] = after[1]
        elif kind in (OpKind.ELEMENTWISE, OpKind.LAYOUT, OpKind.VIEW, OpKind.REDUCE):
            name = "outputs" if kind == OpKind.REDUCE else "elements"
            new[name] = loop[name] * math.prod(after) // max(1, math.prod(self.w.shape(outs[0])))
        return list(new.values())


def _is_statistic(at: int, n: int) -> bool:
    """Whether this tensor of a norm is a running mean or variance: the last two of four."""
    return n == 4 and at >= 2


def prune(
    module: nn.Module,
    workload: Workload,
    ratios: Mapping[str, float],
    *,
    groups: Grouping | None = None,
    multiple: int = MULTIPLE,
    leave: bool = False,
) -> nn.Module:
    """A copy of a module without the channels of least weight; it is smaller, and its other weights stay.

    Args:
        module: the network.
        workload: of that module, with its module paths.
        ratios: share of the channels that goes, by module path, or by name of a layer group.
        groups: the layer groups, where ratios are by group.
        multiple: channels are kept in multiples of this.
        leave: leave layers whole whose channels reach an operator that is not known here.

    Raises:
        InputError: a ratio out of range, a layer or an operator that cannot be pruned.
        UnknownNameError: a layer group that does not exist.
    """
    if groups is not None:
        where = group_of(workload, groups)
        _check_groups(ratios, groups)
        ratios = {path: ratios.get(name, 0.0) for path, name in where.items()}
    return cut(module, plan_of(workload, ratios, multiple, leave=leave))


def _check_groups(ratios: Mapping[str, float], groups: Grouping) -> None:
    from hw_models.errors import UnknownNameError
    from search_spaces.compression.groups import names

    known = names(groups)
    wrong = next((n for n in ratios if n not in known), None)
    if wrong is not None:
        raise UnknownNameError("layer group", wrong, known, f"groups: {', '.join(known)}")


def cut(module: nn.Module, plan: Plan) -> nn.Module:
    """A copy of the module without the channels that the plan takes, those of least weight."""
    from copy import deepcopy

    smaller = deepcopy(module)
    if not plan.kept:
        return smaller
    stay = {g: _heaviest(module, plan.channels, g, n) for g, n in plan.kept.items()}
    for part in plan.channels.parts:
        touched = [s.group in plan.kept for side in (part.before, part.after) for s in side or ()]
        if any(touched):
            _shrink(
                _module(smaller, part.path),
                part.path,
                part.role,
                *(_at(side, stay) for side in (part.before, part.after)),
            )
    return smaller


Places = NDArray[np.int64]


def _at(segments: Sequence[Segment] | None, stay: Mapping[int, Places]) -> Places | None:
    """Positions on an axis that stay."""
    if segments is None:
        return None
    found, start = [], 0
    for s in segments:
        kept = stay.get(s.group, np.arange(s.n))
        found.append((start + kept[:, None] * s.repeat + np.arange(s.repeat)).reshape(-1))
        start += s.n * s.repeat
    return np.concatenate(found)


def _heaviest(module: nn.Module, channels: Channels, group: int, n: int) -> Places:
    """The channels whose filters have the largest norm, relative to the others of their layer, summed.

    Source: Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017 (norm of the filter); Fang et al.,
    DepGraph, CVPR 2023 (coupled layers together).
    """
    import torch

    total = np.zeros(channels.groups[group].n)
    for part in channels.parts:
        if part.role != "dense" or [s.group for s in part.after or ()] != [group]:
            continue
        layer = _module(module, part.path)
        weight = _weight_of(layer, part.path)
        axis = 1 if getattr(layer, "transposed", False) else 0
        with torch.no_grad():
            norm = weight.detach().transpose(0, axis).flatten(1).double().norm(dim=1).cpu().numpy()
        total += norm / max(float(norm.mean()), 1e-30)
    return np.sort(np.argsort(-total, kind="stable")[:n])


def _module(module: nn.Module, path: str) -> nn.Module:
    return module.get_submodule(path)


def _weight_of(layer: nn.Module, path: str) -> Any:
    from torch import nn

    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)
    if not isinstance(layer, kinds):
        msg = (
            f"'{path}' is a {type(layer).__name__}, which channels cannot be taken from; expected a "
            "convolution or a linear layer of torch.nn: give it no pruning ratio"
        )
        raise InputError(msg)
    return layer.weight


def _shrink(layer: Any, path: str, role: str, before: Places | None, after: Places | None) -> None:
    """Take channels out of one module."""
    import torch
    from torch import nn

    if role == "norm":
        _shrink_norm(layer, path, after)
        return
    weight = _weight_of(layer, path)
    out, into = (1, 0) if getattr(layer, "transposed", False) else (0, 1)
    with torch.no_grad():
        if before is not None:
            weight = weight.index_select(into, torch.from_numpy(before).to(weight.device))
        if after is not None:
            weight = weight.index_select(out, torch.from_numpy(after).to(weight.device))
        layer.weight = nn.Parameter(weight.detach().clone())
        if after is not None and layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias.detach()[torch.from_numpy(after)].clone())
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = weight.shape
        return
    layer.out_channels = int(weight.shape[out])
    if role == "depthwise":
        layer.in_channels = layer.groups = layer.out_channels
    else:
        layer.in_channels = int(weight.shape[into])


def _shrink_norm(layer: Any, path: str, after: Places | None) -> None:
    import torch
    from torch import nn

    if after is None:
        return
    for name in ("weight", "bias", "running_mean", "running_var"):
        value = getattr(layer, name, None)
        if value is not None:
            smaller = value.detach()[torch.from_numpy(after).to(value.device)].clone()
            setattr(layer, name, nn.Parameter(smaller) if isinstance(value, nn.Parameter) else smaller)
    if hasattr(layer, "num_features"):
        layer.num_features = len(after)
    elif isinstance(layer, nn.LayerNorm):
        layer.normalized_shape = (len(after),)
    else:
        raise InputError(f"'{path}' is a {type(layer).__name__}, which channels cannot be taken from")
