"""Records every ATen operator that a forward pass dispatches on meta tensors, with the edges between them.

In inference mode torch hands composite operators (`conv2d`, `linear`, `layer_norm`,
`scaled_dot_product_attention`) to a dispatch mode whole, so that one row is one operator as its author wrote
it. Operators without a rule are taken apart where torch can, and become rows of kind UNKNOWN where it cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from hw_models.errors import TraceError
from hw_models.workload.from_torch.plans import Plan, plan_of
from hw_models.workload.from_torch.rules import Call, Row
from hw_models.workload.from_torch.shapes import META
from hw_models.workload.op import OpKind, TensorKind

if TYPE_CHECKING:
    from hw_models.workload.from_torch.ledger import Ledger

_SAME: Final = frozenset({"detach", "alias", "lift_fresh"})
"""Views with the shape and the meaning of what they view: no row."""

_plans: dict[Any, Plan] = {}

Args = Sequence[Any]
Kwargs = Mapping[str, Any]


class DataDependentError(TraceError):
    """The forward pass asks for a value that is known only when the network runs."""


class Recorder(TorchDispatchMode):
    """Dispatch mode that writes what it sees into a `Ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ledger = ledger
        self._twins: dict[int, Tensor] = {}

    @classmethod
    @override
    def _should_skip_dynamo(cls) -> bool:
        """Not wrapped against torch.compile: that imports the compiler and costs more than a row does."""
        return False

    @override
    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Args = (), kwargs: Kwargs | None = None
    ) -> Any:
        kwargs = kwargs or {}
        plan = _plans.get(func)
        if plan is None:
            plan = _plans[func] = plan_of(func)
        self.ledger.target = plan.target
        if plan.decompose:
            with self:
                return func.decompose(*args, **kwargs)
        if plan.device and not plan.factory:
            brought = self._brought_to_cpu(args, kwargs)
            if brought is not None:
                return brought
        args, kwargs = self._on_meta(plan, args, kwargs)
        if plan.reads_value:
            return self._value(func, args, kwargs)
        result = plan.shortcut(args) if plan.shortcut is not None else None
        if result is None:
            try:
                result = self._run(func, args, kwargs)
            except DataDependentError:
                if not plan.composite:
                    raise
                with self:
                    return func.decompose(*args, **kwargs)
        outs = _tensors([result], {})
        if outs or plan.written or plan.written_names:
            self._record(plan, func, args, kwargs, outs)
        return result

    # -- running ---------------------------------------------------------------------------------------

    def _on_meta(self, plan: Plan, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """The same arguments with every tensor and every new result on the meta device."""
        if plan.device:
            args = [META if isinstance(a, torch.device) else a for a in args]
            if plan.factory or kwargs.get("device") is not None:
                kwargs = {**kwargs, "device": META}
        if any(not t.is_meta for t in _tensors(args, kwargs)):
            args = [self._twin(a) for a in args]
            kwargs = {k: self._twin(v) for k, v in kwargs.items()}
        return args, kwargs

    def _brought_to_cpu(self, args: Args, kwargs: Kwargs) -> Tensor | None:
        """A constant that the forward pass asks for on the CPU, to look at it; None where it is none."""
        asked = next((a for a in (*args, *kwargs.values()) if isinstance(a, torch.device)), None)
        if asked is None or asked.type != "cpu" or not args[0].is_meta:
            return None
        index = self.ledger.read(args[0])
        if not self.ledger.values.knows([index]):
            return None
        value = self.ledger.values.of(index)
        self._twins.setdefault(id(value), args[0])
        return value

    def _twin(self, value: Any) -> Any:
        """The meta tensor that stands for a tensor with data."""
        if isinstance(value, list | tuple):
            return [self._twin(v) for v in value]
        if not isinstance(value, Tensor) or value.is_meta:
            return value
        twin = self._twins.get(id(value))
        if twin is None:
            twin = self._twins[id(value)] = value.to(META)
            self.ledger.store(twin, TensorKind.CONSTANT, value)
        return twin

    def _run(self, func: Any, args: Args, kwargs: Kwargs) -> Any:
        """The operator on the meta device; where that needs values, with those of constants."""
        try:
            return func(*args, **kwargs)
        except RuntimeError as error:  # also NotImplementedError, its child
            if not isinstance(error, NotImplementedError) and "meta tensor" not in str(error):
                raise
            reads = [self.ledger.read(t) for t in _tensors(args, kwargs)]
            if self.ledger.values.knows(reads):
                return self._constants(self.ledger.values.run(func, args, kwargs, reads))
            selected = self._selections(args)
            if selected is None:
                raise DataDependentError("the shape of its result") from error
            return func(*selected, **kwargs)

    def _constants(self, result: Any) -> Any:
        """Results that were computed for real, as meta tensors whose values are known."""
        if isinstance(result, list | tuple):
            return type(result)(self._constants(r) for r in result)
        return self._twin(result)

    def _selections(self, args: Args) -> Args | None:
        """Arguments with boolean masks turned into positions; None without a mask whose value is known."""
        masks = [t for a in args if isinstance(a, list | tuple) for t in a if _is_mask(t)]
        if not masks or not self.ledger.values.knows([self.ledger.read(m) for m in masks]):
            return None

        def positions(mask: Any) -> list[Any]:
            if not _is_mask(mask):
                return [mask]
            return [p.to(META) for p in self.ledger.values.of(self.ledger.read(mask)).nonzero(as_tuple=True)]

        return [[p for t in a for p in positions(t)] if isinstance(a, list | tuple) else a for a in args]

    def _value(self, func: Any, args: Args, kwargs: Kwargs) -> Any:
        """A value that the forward pass asks for: of a constant, or nobody knows it."""
        reads = [self.ledger.read(t) for t in _tensors(args, kwargs)]
        if self.ledger.values.knows(reads):
            return self.ledger.values.run(func, args, kwargs, reads)
        raise DataDependentError("what the forward pass does next")

    # -- recording -------------------------------------------------------------------------------------

    def _record(self, plan: Plan, func: Any, args: Args, kwargs: Kwargs, outs: Sequence[Tensor]) -> None:
        ledger = self.ledger
        if plan.expand is not None:
            plan.expand(ledger, args, outs)
            return
        if plan.factory:
            made = [ledger.constant(o) for o in outs]
            ledger.values.remember(made, (), func, args, kwargs)
            return
        tensors = _tensors(args, kwargs, plan.written_names)
        written = _written(plan, args, kwargs)
        if plan.fn in _SAME and written:
            return  # `x.detach_()` changes nothing that a graph shows
        if written and (not outs or any(o is w for o in outs for w in written)):
            self._record_write(plan, func, Call(plan.fn, args, kwargs, tensors, written))
        elif plan.may_alias and _shares_memory(tensors[0], outs):
            self._record_view(plan, func, Call(plan.fn, args, kwargs, tensors[:1], outs))
        elif len(outs) != 1 or not any(outs[0] is t for t in tensors):  # else: handed back as it was
            self._record_result(plan, func, Call(plan.fn, args, kwargs, tensors, outs))

    def _record_view(self, plan: Plan, func: Any, call: Call) -> None:
        source = self.ledger.read(call.ins[0])
        new = [o for o in call.outs if o is not call.ins[0]]
        if plan.fn in _SAME:
            for out in new:
                self.ledger.same(source, out)
        elif new:
            made = self.ledger.views(source, new, plan.fn)
            if not self.ledger.batched[source]:
                self.ledger.values.remember(made, [source], func, call.args, call.kwargs)

    def _record_result(self, plan: Plan, func: Any, call: Call) -> None:
        ins = [self.ledger.read(t) for t in call.ins]
        batched = any(self.ledger.batched[i] for i in ins)
        made = [self.ledger.result(o, batched=batched) for o in call.outs]
        if not batched:
            self.ledger.values.remember(made, ins, func, call.args, call.kwargs)
        self._emit(plan, call, ins, made)

    def _record_write(self, plan: Plan, func: Any, call: Call) -> None:
        """An in-place operator: what it leaves is a new tensor."""
        if plan.overwrites:
            call.ins = [t for t in call.ins if not any(t is w for w in call.outs)]
        ins = [self.ledger.read(t) for t in call.ins]
        batched = any(self.ledger.batched[i] for i in ins)
        constant = not ins
        if not constant:
            call.inplace = next((p for p, t in enumerate(call.ins) if t is call.outs[0]), None)
        made = [self.ledger.written(w, batched=batched, constant=constant) for w in call.outs]
        if not constant:
            if not (batched or plan.overwrites):
                self.ledger.values.remember(made, ins, func, call.args, call.kwargs)
            self._emit(plan, call, ins, made)

    def _emit(self, plan: Plan, call: Call, ins: Sequence[int], made: Sequence[int]) -> None:
        call.batched = [self.ledger.batched[i] for i in ins]
        if plan.rule is None:
            row = Row(OpKind.UNKNOWN, (sum(o.numel() for o in call.outs),), 0, 0.0, {"fn": plan.fn})
        else:
            row = plan.rule(call)
        weights = [position for position, batched in enumerate(call.batched) if not batched]
        if weights:
            row.attrs["weights"] = weights
        if call.inplace is not None:
            row.attrs["inplace"] = call.inplace
        self.ledger.emit(row, ins, made, modelled=plan.rule is not None)


def _tensors(args: Args, kwargs: Kwargs, skip: Sequence[str] = ()) -> list[Tensor]:
    """Tensors among the arguments, in order; lists are opened."""
    found: list[Tensor] = []
    for a in args:
        if isinstance(a, Tensor):
            found.append(a)
        elif isinstance(a, list | tuple):
            found.extend(t for t in a if isinstance(t, Tensor))
    if kwargs:
        found.extend(a for name, a in kwargs.items() if isinstance(a, Tensor) and name not in skip)
    return found


def _written(plan: Plan, args: Args, kwargs: Kwargs) -> list[Tensor]:
    """Tensors that the operator overwrites."""
    if not plan.written and not plan.written_names:
        return []
    given = [args[i] for i in plan.written if i < len(args)] + [kwargs.get(n) for n in plan.written_names]
    return _tensors(given, {})


def _shares_memory(source: Tensor, outs: Sequence[Tensor]) -> bool:
    storage = source.untyped_storage()._cdata
    return all(o.untyped_storage()._cdata == storage for o in outs)


def _is_mask(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bool
