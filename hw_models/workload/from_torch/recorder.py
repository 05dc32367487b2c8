"""Records every ATen operator that a forward pass dispatches on meta tensors, with the edges between them.

In inference mode torch hands composite operators (`conv2d`, `linear`, `layer_norm`, `scaled_dot_product_attention`) to
a dispatch mode whole, so that one row is one operator as its author wrote it. Operators without a rule are taken apart
where torch can, and become rows of kind UNKNOWN where it cannot.

The graph is functional: what an in-place operator leaves behind is a new tensor (`attrs["inplace"]` names the input it
overwrote), and the next reader of another view of that memory passes through a VIEW row that joins the old contents
with what was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from hw_models.workload.from_torch.plans import Plan, plan_of
from hw_models.workload.from_torch.rules import Call
from hw_models.workload.graph import WorkloadBuilder
from hw_models.workload.op import OpKind, Precision, TensorKind

_PRECISION = {
    torch.float64: Precision.FP64,
    torch.float32: Precision.FP32,
    torch.bfloat16: Precision.BF16,
    torch.float16: Precision.FP16,
    torch.float8_e4m3fn: Precision.FP8,
    torch.float8_e5m2: Precision.FP8,
    torch.int64: Precision.INT64,
    torch.int32: Precision.INT32,
    torch.int16: Precision.INT16,
    torch.int8: Precision.INT8,
    torch.uint8: Precision.UINT8,
    torch.bool: Precision.BOOL,
    torch.complex64: Precision.COMPLEX64,
}
_SAME = frozenset({"detach", "alias", "lift_fresh"})
"""Views with the shape and the meaning of what they view: no row."""
_PLANS: dict[Any, Plan] = {}


class Recorder(TorchDispatchMode):
    """Dispatch mode that fills a `WorkloadBuilder`.

    Attributes:
        builder: what has been recorded.
        path: module path of the operator that runs now.
    """

    def __init__(self, builder: WorkloadBuilder) -> None:
        super().__init__()
        self.builder = builder
        self.path = ""
        self.target = ""
        self._index: dict[int, int] = {}
        self._alive: list[Tensor] = []
        self._batched: list[bool] = []
        self._from_weight: list[bool] = []
        self._kind: list[TensorKind] = []
        self._storage_owner: dict[int, int] = {}
        self._writes: dict[int, list[tuple[int, bool]]] = {}
        self._seen: dict[int, int] = {}
        self._twins: dict[int, Tensor] = {}
        self._weights: dict[int, Tensor] = {}

    # -- tensors ---------------------------------------------------------------------------------------------------

    def add_weights(self, tensors: Sequence[Tensor]) -> None:
        """Tell which tensors are parameters and buffers; each becomes a WEIGHT when it is first read."""
        self._weights.update((id(t), t) for t in tensors)

    def add_input(self, tensor: Tensor) -> int:
        """Register an input of the network."""
        return self._bind(
            tensor, self._new(tensor.shape, tensor.dtype, TensorKind.INPUT, batched=True, from_weight=False)
        )

    def new_activation(self, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> int:
        """A result that no Python object stands for."""
        return self._new(shape, dtype, TensorKind.ACTIVATION, batched=True, from_weight=False)

    def _new(
        self,
        shape: Sequence[int],
        dtype: torch.dtype,
        kind: TensorKind,
        *,
        batched: bool,
        from_weight: bool,
        view_of: int | None = None,
    ) -> int:
        precision = _PRECISION.get(dtype, Precision.FP32)
        index = self.builder.tensor(shape, precision, kind, batched=batched, view_of=view_of)
        self._batched.append(batched)
        self._from_weight.append(from_weight)
        self._kind.append(kind)
        return index

    def _bind(self, tensor: Tensor, index: int) -> int:
        """Let a Python tensor stand for a tensor of the graph from now on."""
        self._index[id(tensor)] = index
        self._alive.append(tensor)
        self._storage_owner.setdefault(tensor.untyped_storage()._cdata, index)
        return index

    def read(self, tensor: Tensor) -> int:
        """Index of what a tensor holds now."""
        key = id(tensor)
        index = self._index.get(key)
        if index is None:
            index = self._first_read(tensor)
        if self._writes:
            writes = self._writes.get(tensor.untyped_storage()._cdata)
            if writes is not None and len(writes) > self._seen.get(key, 0):
                return self._refreshed(tensor, index, writes)
        return index

    def _first_read(self, tensor: Tensor) -> int:
        if id(tensor) in self._weights:
            index = self._new(tensor.shape, tensor.dtype, TensorKind.WEIGHT, batched=False, from_weight=True)
            return self._bind(tensor, index)
        owner = self._storage_owner.get(tensor.untyped_storage()._cdata)
        if owner is not None:  # an alias made without a dispatch, such as `x.data`
            return self._bind(tensor, self._view_row("alias", "aten.alias", owner, tensor))
        index = self._new(tensor.shape, tensor.dtype, TensorKind.CONSTANT, batched=False, from_weight=False)
        return self._bind(tensor, index)

    def _refreshed(self, tensor: Tensor, index: int, writes: list[tuple[int, bool]]) -> int:
        """Join what a tensor held with what was since written into its memory through other views."""
        fresh = writes[self._seen.get(id(tensor), 0) :]
        sources = [index]
        for written, whole in fresh:
            sources = [written] if whole else [*sources, written]
        new = self._like_view(tensor, sources[0], batched=any(self._batched[s] for s in sources))
        self._emit(
            OpKind.VIEW, (tensor.numel(),), 0, 0.0, {"fn": "join_writes"}, sources, [new], "aten.alias"
        )
        self._seen[id(tensor)] = len(writes)
        return self._bind(tensor, new)

    def _like_view(self, tensor: Tensor, source: int, *, batched: bool) -> int:
        kind = self._kind[source]
        kind = (
            kind
            if kind in {TensorKind.WEIGHT, TensorKind.CONSTANT} and not batched
            else TensorKind.ACTIVATION
        )
        return self._new(
            tensor.shape,
            tensor.dtype,
            kind,
            batched=batched,
            from_weight=self._from_weight[source],
            view_of=source,
        )

    # -- rows ------------------------------------------------------------------------------------------------------

    def row(
        self,
        kind: OpKind,
        dims: Sequence[int],
        batch_dim: int,
        cost: float,
        attrs: Mapping[str, Any],
        inputs: Sequence[int],
        outputs: Sequence[int],
    ) -> None:
        """Add a modelled row at the current module path."""
        self._emit(kind, dims, batch_dim, cost, attrs, inputs, outputs, self.target)

    def _emit(  # noqa: PLR0913  (a row has that many fields)
        self,
        kind: OpKind,
        dims: Sequence[int],
        batch_dim: int,
        cost: float,
        attrs: Mapping[str, Any],
        inputs: Sequence[int],
        outputs: Sequence[int],
        target: str,
        modelled: bool = True,  # noqa: FBT001, FBT002
    ) -> None:
        grows = any(self._batched[o] for o in outputs)
        self.builder.op(
            kind,
            dims,
            inputs,
            outputs,
            target=target,
            module=self.path,
            batch_dim=batch_dim if grows else -1,
            vector_cost=cost,
            modelled=modelled,
            attrs=attrs,
        )

    def _view_row(self, fn: str, target: str, source: int, *views: Tensor) -> int:
        """A VIEW row; index of its last result."""
        batched = self._batched[source]
        made = [self._like_view(v, source, batched=batched) for v in views]
        elements = sum(v.numel() for v in views)
        self._emit(
            OpKind.VIEW, (elements,), 0, 0.0, {"fn": fn, "rank": views[0].dim()}, [source], made, target
        )
        for view, index in zip(views, made, strict=True):
            self._bind(view, index)
            writes = self._writes.get(view.untyped_storage()._cdata)
            if writes:
                self._seen[id(view)] = len(writes)
        return made[-1]

    def bind_results(self, fn: str, source: int, outs: Sequence[Tensor]) -> None:
        """Let the results of an expanded operator stand for (views of) the last tensor written for it."""
        for out in outs:
            index = self._new(
                out.shape, out.dtype, TensorKind.ACTIVATION, batched=True, from_weight=False, view_of=source
            )
            self._emit(
                OpKind.VIEW,
                (out.numel(),),
                0,
                0.0,
                {"fn": fn, "rank": out.dim()},
                [source],
                [index],
                self.target,
            )
            self._bind(out, index)

    # -- dispatch --------------------------------------------------------------------------------------------------

    @override
    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        plan = _PLANS.get(func)
        if plan is None:
            plan = _PLANS[func] = plan_of(func)
        self.target = plan.target
        if plan.rule is None and plan.composite and not (plan.may_alias or plan.expand or plan.reads_value):
            with self:
                return func.decompose(*args, **kwargs)
        args, kwargs = self._on_meta(plan, args, kwargs)
        tensors = _tensors(args, kwargs, plan.written_names)
        result = func(*args, **kwargs)
        if plan.expand is not None:
            plan.expand(self, args, _flat(result))
            return result
        if isinstance(result, Tensor):
            outs: Sequence[Tensor] = (result,)
        elif isinstance(result, list | tuple):
            outs = [r for r in result if isinstance(r, Tensor)]
        else:
            return result
        if plan.written or plan.written_names:
            self._record_write(plan, args, kwargs, tensors, outs)
        elif plan.factory:
            for out in outs:
                self._bind(
                    out,
                    self._new(out.shape, out.dtype, TensorKind.CONSTANT, batched=False, from_weight=False),
                )
        elif plan.may_alias and self._record_view(plan, tensors, outs):
            pass
        elif plan.rule is None and plan.composite:
            with self:
                return func.decompose(*args, **kwargs)
        elif len(outs) == 1 and any(outs[0] is t for t in tensors):
            pass  # dropout and its like in evaluation mode hand their input back
        else:
            self._record(plan, args, kwargs, tensors, outs)
        return result

    def _on_meta(
        self, plan: Plan, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The same arguments with every tensor and every new result on the meta device."""
        if plan.device and (plan.factory or kwargs.get("device") is not None):
            kwargs = {**kwargs, "device": torch.device("meta")}
        if any(isinstance(a, Tensor) and not a.is_meta for a in args) or any(
            isinstance(a, list | tuple) and any(isinstance(t, Tensor) and not t.is_meta for t in a)
            for a in args
        ):
            args = [self._twin(a) for a in args]
        return args, kwargs

    def _twin(self, value: Any) -> Any:
        """The meta tensor that stands for a tensor with data."""
        if isinstance(value, list | tuple):
            return [self._twin(v) for v in value]
        if not isinstance(value, Tensor) or value.is_meta:
            return value
        twin = self._twins.get(id(value))
        if twin is None:
            twin = self._twins[id(value)] = value.to("meta")
            self._alive.append(value)
        return twin

    def _record_view(self, plan: Plan, tensors: Sequence[Tensor], outs: Sequence[Tensor]) -> bool:
        """Add a VIEW row where the results share memory with the first argument; False where they do not."""
        source = tensors[0]
        storage = source.untyped_storage()._cdata
        if any(o.untyped_storage()._cdata != storage for o in outs):
            return False
        new = [o for o in outs if o is not source]
        if plan.fn in _SAME:
            for out in new:
                self._bind(out, self.read(source))
        elif new:
            self._view_row(plan.fn, plan.target, self.read(source), *new)
        return True

    def _record_write(
        self,
        plan: Plan,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        tensors: Sequence[Tensor],
        outs: Sequence[Tensor],
    ) -> None:
        """Add the row of an in-place operator, and let the written memory hold its result."""
        written = [args[i] for i in plan.written if i < len(args)] + [
            kwargs[n] for n in plan.written_names if n in kwargs
        ]
        written = [w for w in written if isinstance(w, Tensor)]
        if not written:
            self._record(plan, args, kwargs, tensors, outs)
            return
        target = written[0]
        reads = [t for t in tensors if not (plan.overwrites and t is target)]
        ins = [self.read(t) for t in reads]
        if plan.fn in {"detach", "requires_grad"}:
            return
        batched = any(self._batched[i] for i in ins)
        storage = target.untyped_storage()
        whole = target.numel() * target.element_size() == storage.nbytes()
        old = None if whole else self.read(target)
        if not ins and old is None:
            kind = TensorKind.CONSTANT
        else:
            kind = TensorKind.ACTIVATION
        new = self._new(
            target.shape,
            target.dtype,
            kind,
            batched=batched,
            from_weight=not batched and any(self._from_weight[i] for i in ins),
            view_of=old,
        )
        if kind != TensorKind.CONSTANT:
            position = reads.index(target) if any(t is target for t in reads) else None
            self._emit_call(
                plan, Call(plan.fn, args, kwargs, reads, [target], []), ins, [new], inplace=position
            )
        self._bind(target, new)
        self._writes.setdefault(storage._cdata, []).append((new, whole))
        self._seen[id(target)] = len(self._writes[storage._cdata])

    def _record(
        self,
        plan: Plan,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        tensors: Sequence[Tensor],
        outs: Sequence[Tensor],
    ) -> None:
        """Add the row of an operator that makes new tensors."""
        ins = [self.read(t) for t in tensors]
        batched = any(self._batched[i] for i in ins)
        from_weight = not batched and any(self._from_weight[i] for i in ins)
        made = [
            self._bind(
                o,
                self._new(o.shape, o.dtype, TensorKind.ACTIVATION, batched=batched, from_weight=from_weight),
            )
            for o in outs
        ]
        self._emit_call(plan, Call(plan.fn, args, kwargs, tensors, outs, []), ins, made)

    def _emit_call(
        self, plan: Plan, call: Call, ins: Sequence[int], made: Sequence[int], inplace: int | None = None
    ) -> None:
        call.batched = [self._batched[i] for i in ins]
        if plan.rule is None:
            elements = sum(o.numel() for o in call.outs)
            self._emit(
                OpKind.UNKNOWN, (elements,), 0, 0.0, {"fn": plan.fn}, ins, made, plan.target, modelled=False
            )
            return
        kind, dims, batch_dim, cost, attrs = plan.rule(call)
        weights = [p for p, i in enumerate(ins) if self._from_weight[i]]
        if weights:
            attrs["weights"] = weights
        if inplace is not None:
            attrs["inplace"] = inplace
        self._emit(kind, dims, batch_dim, cost, attrs, ins, made, plan.target)


def _flat(result: Any) -> list[Tensor]:
    return [r for r in result if isinstance(r, Tensor)] if isinstance(result, list | tuple) else [result]


def _tensors(args: Sequence[Any], kwargs: Mapping[str, Any], skip: Sequence[str]) -> list[Tensor]:
    """Tensors among the arguments, in order; lists are opened."""
    found: list[Tensor] = []
    for a in args:
        if isinstance(a, Tensor):
            found.append(a)
        elif isinstance(a, list | tuple):
            found.extend(t for t in a if isinstance(t, Tensor))
    for name, a in kwargs.items():
        if isinstance(a, Tensor) and name not in skip:
            found.append(a)
    return found
