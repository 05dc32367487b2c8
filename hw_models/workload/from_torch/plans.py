"""What the recorder must know of an ATen overload, worked out once per overload and process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import torch

from hw_models.workload.from_torch import recurrent, vector
from hw_models.workload.from_torch.rules import Rule, rule_table
from hw_models.workload.from_torch.shapes import SHORTCUTS, Shortcut

if TYPE_CHECKING:
    from torch._ops import OpOverload


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FACTORIES: Final = _names(
    "arange bartlett_window bernoulli blackman_window empty empty_like empty_permuted empty_strided eye full"
    " full_like hamming_window hann_window kaiser_window linspace logspace multinomial new_empty"
    " new_empty_strided new_full new_ones new_zeros normal ones ones_like rand rand_like randint randint_like"
    " randn randn_like randperm scalar_tensor tril_indices triu_indices zeros zeros_like"
)
"""Results that depend on no tensor's values, or on chance alone."""

_OVERWRITING: Final = _names(
    "bernoulli_ cauchy_ copy_ exponential_ fill_ geometric_ log_normal_ normal_ random_ uniform_ zero_"
)
"""In-place operators that do not read what they overwrite."""

_VALUE_READS: Final = _names("_local_scalar_dense item is_nonzero equal allclose")
"""Operators that hand a tensor's value to Python."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One overload, as the recorder treats it.

    Attributes:
        fn: name of the function for rows: no overload, no trailing underscore.
        target: name for tables ("aten.relu_").
        rule: its rule; None where the table has none.
        expand: for operators that are many rows at once (recurrent layers): what writes them.
        shortcut: its result on the meta device without asking torch, where one is known.
        factory: makes a constant.
        reads_value: hands a value to Python.
        written: positions of the arguments it overwrites; `written_names`: of the keyword arguments.
        overwrites: does not read what it overwrites.
        may_alias: its result may be a view of an argument.
        decompose: composite, and without a rule of its own.
        composite: torch defines it by other operators.
        device: takes a keyword `device`.
    """

    fn: str
    target: str
    rule: Rule | None
    expand: Callable[..., Any] | None
    shortcut: Shortcut | None
    factory: bool
    reads_value: bool
    written: tuple[int, ...]
    written_names: tuple[str, ...]
    overwrites: bool
    may_alias: bool
    decompose: bool
    composite: bool
    device: bool


@cache
def _rules() -> dict[str, Rule]:
    return rule_table()


def plan_of(func: OpOverload[..., Any]) -> Plan:
    """The plan of one overload."""
    schema = func._schema
    packet = schema.name.split("::")[-1]
    aten = schema.name.startswith("aten::")
    arguments = schema.arguments
    written = tuple(i for i, a in enumerate(arguments) if not a.kwarg_only and _is_written(a))
    names = tuple(a.name for a in arguments if a.kwarg_only and _is_written(a))
    fn = packet[:-1] if written and packet.endswith("_") else packet
    rule = (_rules().get(packet) or _rules().get(fn)) if aten else None
    if rule is None and aten and torch.Tag.pointwise in func.tags:
        rule = vector.assumed_elementwise
    expand = recurrent.EXPANSIONS.get(packet) if aten and schema.overload_name == "input" else None
    may_alias = any(a.alias_info is not None and not a.alias_info.is_write for a in arguments)
    composite = _is_composite(func)
    reads_value = aten and packet in _VALUE_READS
    has_rule = rule is not None or expand is not None or reads_value
    return Plan(
        fn=fn,
        target=schema.name.replace("::", "."),
        rule=rule,
        expand=expand,
        shortcut=SHORTCUTS.get(packet) if aten else None,
        factory=aten and fn in _FACTORIES,
        reads_value=reads_value,
        written=written,
        written_names=names,
        overwrites=packet in _OVERWRITING or bool(names),
        may_alias=may_alias,
        decompose=not has_rule and not may_alias and composite,
        composite=composite,
        device=any(a.name == "device" for a in arguments),
    )


def _is_composite(func: OpOverload[..., Any]) -> bool:
    """Whether torch defines the operator by other operators."""
    name: str = func.name()  # type: ignore[no-untyped-call]
    return torch._C._dispatch_has_kernel_for_dispatch_key(name, "CompositeImplicitAutograd")


def _is_written(argument: Any) -> bool:
    return argument.alias_info is not None and bool(argument.alias_info.is_write)
