"""What the recorder must know of an ATen overload before it runs it, worked out once per overload and process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import torch

from hw_models.workload.from_torch import recurrent, vector
from hw_models.workload.from_torch.rules import Rule, rule_table

_FACTORIES: Final = frozenset(
    "arange empty empty_strided empty_permuted eye full linspace logspace ones rand randint randn randperm scalar_tensor zeros"
    " empty_like full_like ones_like rand_like randint_like randn_like zeros_like new_empty new_empty_strided new_full new_ones"
    " new_zeros tril_indices triu_indices hann_window hamming_window blackman_window bartlett_window kaiser_window"
    " bernoulli multinomial normal".split()
)
"""Results that depend on no tensor's values (or on chance alone)."""

_OVERWRITING: Final = frozenset(
    "copy_ fill_ zero_ uniform_ normal_ bernoulli_ random_ exponential_ geometric_ cauchy_ log_normal_".split()
)
"""In-place operators that do not read what they overwrite."""

_VALUE_READS: Final = frozenset("_local_scalar_dense item is_nonzero equal allclose".split())
"""Operators that hand a tensor's value to Python."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One overload, as the recorder treats it.

    Attributes:
        fn: name of the function for rows: no overload, no trailing underscore.
        target: name for tables ("aten.relu_").
        rule: its rule; None where the table has none.
        expand: for operators that are many rows at once (recurrent layers): what writes them.
        factory: makes a constant.
        reads_value: hands a value to Python.
        written: positions of the arguments it overwrites; `written_names`: of the keyword arguments.
        overwrites: does not read what it overwrites.
        may_alias: its result may be a view of an argument.
        composite: torch defines it by other operators.
        device: takes a keyword `device`.
    """

    fn: str
    target: str
    rule: Rule | None
    expand: Callable[..., Any] | None
    factory: bool
    reads_value: bool
    written: tuple[int, ...]
    written_names: tuple[str, ...]
    overwrites: bool
    may_alias: bool
    composite: bool
    device: bool


@cache
def _rules() -> dict[str, Rule]:
    return rule_table()


def plan_of(func: torch._ops.OpOverload) -> Plan:
    """The plan of one overload."""
    schema = func._schema
    packet = schema.name.split("::")[-1]
    aten = schema.name.startswith("aten::")
    arguments = schema.arguments
    written = tuple(i for i, a in enumerate(arguments) if not a.kwarg_only and _is_written(a))
    names = tuple(a.name for a in arguments if a.kwarg_only and _is_written(a))
    fn = packet[:-1] if written and packet.endswith("_") else packet
    rules = _rules() if aten else {}
    rule = rules.get(packet) or rules.get(fn)
    if rule is None and aten and torch.Tag.pointwise in func.tags:
        rule = vector.assumed_elementwise
    return Plan(
        fn=fn,
        target=schema.name.replace("::", "."),
        rule=rule,
        expand=recurrent.EXPANSIONS.get(packet) if aten else None,
        factory=aten and fn in _FACTORIES,
        reads_value=aten and packet in _VALUE_READS,
        written=written,
        written_names=names,
        overwrites=packet in _OVERWRITING or bool(names),
        may_alias=any(a.alias_info is not None and not a.alias_info.is_write for a in arguments),
        composite=torch._C._dispatch_has_kernel_for_dispatch_key(
            schema.name + _overload_suffix(schema), "CompositeImplicitAutograd"
        ),
        device=any(a.name == "device" for a in arguments),
    )


def _overload_suffix(schema: Any) -> str:
    return f".{schema.overload_name}" if schema.overload_name else ""


def _is_written(argument: Any) -> bool:
    return argument.alias_info is not None and bool(argument.alias_info.is_write)
