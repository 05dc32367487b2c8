"""What really runs: many networks to one table of kernels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import numpy as np

from hw_models.errors import InputError, UnknownNameError
from hw_models.lowering.precision import Scheme, scheme_of
from hw_models.lowering.pricing import PricedNetwork, kernel_table, price
from hw_models.lowering.recipes import ONE_TYPE, RECIPES

if TYPE_CHECKING:
    from hw_models.cost.arrays import Kernels
    from hw_models.lowering.network import LoweredNetwork
    from hw_models.workload.graph import Workload

LOWERINGS: Final = tuple(RECIPES)
"""Choices of what runs a network; `hw_models.lowering.recipes` says what each of them does."""

_structures: WeakKeyDictionary[Workload, dict[tuple[str, bool], LoweredNetwork]] = WeakKeyDictionary()
_priced: WeakKeyDictionary[Workload, dict[tuple[str, str, int], PricedNetwork]] = WeakKeyDictionary()


def lower(
    workloads: Sequence[Workload],
    *,
    lowering: str = "compiled",
    precision: str = "fp16",
    batch: int | Sequence[int] | None = None,
) -> Kernels:
    """Kernels of all networks, equal ones only once.

    Args:
        workloads: the networks.
        lowering: one of `LOWERINGS`.
        precision: one of `hw_models.lowering.precision.SCHEMES`.
        batch: images per inference, one for all or one each; None: as each network was read.

    Raises:
        UnknownNameError: no such lowering or precision.
        InputError: a batch below 1, or as many batches as networks are not given.
    """
    scheme = scheme_of(precision)
    batches = _batches(workloads, batch)
    pairs = zip(workloads, batches, strict=True)
    return kernel_table([_priced_network(w, lowering, scheme, n) for w, n in pairs], lowering)


def lowered(workload: Workload, *, lowering: str = "compiled", precision: str = "fp16") -> LoweredNetwork:
    """One network under one choice, before batch and formats: kernels and the edges of their traffic.

    Memoised as long as the workload lives.

    Raises:
        UnknownNameError: no such lowering or precision.
    """
    if lowering not in RECIPES:
        raise UnknownNameError("lowering", lowering, LOWERINGS, f"choose one of {', '.join(LOWERINGS)}")
    mixed = scheme_of(precision).mixed and lowering not in ONE_TYPE
    memo = _structures.setdefault(workload, {})
    if (lowering, mixed) not in memo:
        memo[lowering, mixed] = RECIPES[lowering](workload, mixed)
    return memo[lowering, mixed]


def _priced_network(workload: Workload, lowering: str, scheme: Scheme, batch: int) -> PricedNetwork:
    memo = _priced.setdefault(workload, {})
    key = (lowering, scheme.name, batch)
    if key not in memo:
        memo[key] = price(lowered(workload, lowering=lowering, precision=scheme.name), scheme, batch)
    return memo[key]


def _batches(workloads: Sequence[Workload], batch: int | Sequence[int] | None) -> list[int]:
    """One batch for each network."""
    if batch is None:
        return [w.batch for w in workloads]
    batches = [batch] * len(workloads) if isinstance(batch, int | np.integer) else [int(b) for b in batch]
    if len(batches) != len(workloads):
        raise InputError(
            f"{len(batches)} batches given for {len(workloads)} networks; give one for all, or one each"
        )
    if any(b < 1 for b in batches):
        raise InputError(f"batch {min(batches)} given, expected at least 1")
    return [int(b) for b in batches]
