"""The rule table: ATen operator -> kind, loop dimensions, vector cost, attributes.

A rule is a function of one dispatched call and returns one `Row`. The table is keyed by the name of the
operator without its overload ("conv2d", "add_"); an in-place operator follows the rule of its functional
twin. What aliases its input is a view and never reaches a rule; what has neither a rule nor a decomposition
becomes a row of kind UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

    from hw_models.workload.op import OpKind


class Row(NamedTuple):
    """What a rule finds out about one call.

    Attributes:
        kind: class of operator.
        dims: loop dimensions in the order of `LOOP_DIMS[kind]`.
        batch_dim: position of the loop dimension that grows with the batch, if the result depends on the
            input at all.
        cost: vector operations per iteration of the loop nest.
        attrs: what lowering must know beyond the dimensions.
    """

    kind: OpKind
    dims: Sequence[int]
    batch_dim: int
    cost: float
    attrs: dict[str, Any]


@dataclass(slots=True)
class Call:
    """One dispatched operator with its results.

    Attributes:
        fn: name of the function, without overload, leading and trailing underscores.
        args, kwargs: as dispatched; keyword arguments are those that the schema makes keyword-only.
        ins: tensors it reads, in the operator's own order.
        outs: tensors it wrote.
        batched: for each of `ins`, whether it depends on the network's input.
        inplace: which of `ins` it overwrites, if any.
    """

    fn: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    ins: Sequence[Tensor]
    outs: Sequence[Tensor]
    batched: Sequence[bool] = ()
    inplace: int | None = None

    def arg(self, position: int, name: str = "", default: Any = None) -> Any:
        """Argument by position, or by name where it was given as a keyword."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)


Rule = Callable[[Call], Row]


def planes(sizes: Sequence[int]) -> tuple[int, int]:
    """Spatial sizes as (y, x): one axis becomes (1, x), three become (z * y, x)."""
    return prod(sizes[:-1]), sizes[-1]


def rule_table() -> dict[str, Rule]:
    """All rules by operator name."""
    from hw_models.workload.from_torch import contractions, movement, reductions, vector

    return {**vector.RULES, **reductions.RULES, **movement.RULES, **contractions.RULES}
