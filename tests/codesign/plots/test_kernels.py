"""Kernels as rows: the parts sum to the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codesign.plots import kernel_rows

if TYPE_CHECKING:
    from hw_models.cost.base import Cost


def test_times_sum_to_the_latency_and_energies_to_the_energy(costs: list[Cost]) -> None:
    for cost in costs:
        rows = kernel_rows(cost)
        assert sum(r.time_s for r in rows) == pytest.approx(cost.latency.value)
        assert sum(r.share for r in rows) == pytest.approx(1.0)
        if cost.energy.value is None:
            assert all(r.energy_j is None for r in rows)
        else:
            assert sum(r.energy_j or 0.0 for r in rows) == pytest.approx(cost.energy.value)


def test_a_mac_is_two_operations(costs: list[Cost]) -> None:
    rows = kernel_rows(costs[0])
    assert sum(r.macs for r in rows) == costs[0].detail.workload.macs
    assert all(r.operations == 2 * r.macs + r.vector_ops for r in rows)


def test_some_chip_has_no_energy_model(costs: list[Cost]) -> None:
    assert [c.energy.value is None for c in costs] == [False, True, False]
