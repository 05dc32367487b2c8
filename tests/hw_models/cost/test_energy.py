"""Energies: figures of the chip, priors by node and memory technology, and power, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.cost.arrays import ACTIONS, Fidelity, GridQuantity, KernelClass
from hw_models.cost.chips import Chips
from hw_models.cost.energy import (
    Counts,
    Energies,
    at_node,
    dram_prior,
    energy,
    energy_parts,
    energy_priors,
    power,
)
from hw_models.workload.op import Precision

ROW = {"cls": KernelClass.CONV, "macs": 1e9, "vector_ops": 1e6, "read_bytes": 1e6, "write_bytes": 1e6}
SECOND = np.array([[1.0]])


ROOFLINE = {"dram_read": 1e6, "dram_write": 1e6, "sram_read": 1e6, "sram_write": 1e6}


def joules(kernels, chip, seconds=SECOND, moved=ROOFLINE):
    """Of one kernel that moves so many bytes; what is not named is not counted."""
    k, chips = kernels([ROW]), Chips.of([chip])
    counted = {"mac": ROW["macs"], "vector_op": ROW["vector_ops"], **moved}
    actions = np.array([[[counted.get(name, np.nan) for name in ACTIONS]]])
    counts, energies = Counts.of(k, actions), Energies.of(chips)
    return energy(counts, energies, seconds), energy_parts(counts, energies, seconds)


@pytest.mark.parametrize(("nm", "pj"), [(45, 0.15), (7, 0.05), ((45 * 7) ** 0.5, (0.15 * 0.05) ** 0.5)])
def test_int8_op_at_the_nodes_of_the_sources(nm, pj):
    """Horowitz 2014: int8 mul 0.2, int32 add 0.1 pJ at 45 nm; Jouppi 2021: 0.07, 0.03 at 7 nm; halved."""
    assert at_node((0.15, 0.05), np.array([nm]))[0, 0] == pytest.approx(pj * 1e-12)


def test_no_prior_beyond_the_nodes():
    assert np.isnan(at_node((0.15, 0.05), np.array([180.0, 2.0, np.nan]))).all()


def test_below_the_finest_node_the_interval_reaches_its_figure():
    value, low, high = at_node((0.15, 0.05), np.array([4.0]))[:, 0]
    assert low == value < high == pytest.approx(0.05e-12)


@pytest.mark.parametrize(
    ("technology", "name"),
    [
        ("LPDDR4X", "lpddr4"),
        ("LPDDR4/4X/5", "lpddr4"),
        ("GDDR6X", "gddr6"),
        ("HBM2e", "hbm2"),
        ("DDR4-2933", "ddr4"),
        ("LPDDR5X", "lpddr5"),
        ("MCDRAM", None),
        (None, None),
    ],
)
def test_memory_technology(technology, name):
    found = dram_prior(technology)
    assert (found[0] if found else None) == name


def test_every_prior_is_in_order_and_cites_a_source():
    priors = energy_priors()
    factors = ("control", "bank_spread", "register_file", "noc", "idle_of_tdp")
    delivery = [*priors["delivery"].values(), *(priors[name] for name in factors)]
    for row in [*priors["dram"].values(), *delivery]:
        assert 0 < row["low"] <= row["value"] <= row["high"]
    for row in [
        *priors["dram"].values(),
        *priors["operations"].values(),
        *priors["banks"],
        priors["idle_of_tdp"],
        *delivery,
    ]:
        assert set(row["source"]) <= set(priors["sources"])


def test_priors_by_hand(kernels, toy):
    found, parts = joules(kernels, toy(process_nm={"value": 7, "source": "s"}))
    assert parts["mac"][0, 0, 0] == pytest.approx(2e9 * 0.05e-12 * 5)
    assert parts["mac"][1, 0, 0] == pytest.approx(
        2e9 * 0.05e-12 * 5 / np.exp(np.hypot(np.log(5 / 2), np.log(1 / 0.81)))
    )
    assert parts["dram"][:, 0, 0] == pytest.approx(2e6 * 8 * 1e-12 * np.array([8, 4.8, 31.25]))
    assert found.value[0, 0] == pytest.approx(sum(p[0, 0, 0] for p in parts.values()))
    assert found.low[0, 0] < found.value[0, 0] < found.high[0, 0]
    assert found.fidelity[0, 0] == Fidelity.PRIOR


def test_figures_of_the_chip_come_first(kernels, toy):
    op = {"energy_per_op": {"int8": {"value": 1e-12, "low": 0.5e-12, "source": "s"}}}
    access = {"access_energy": {"value": 10e-12, "source": "s"}}
    chip = toy(engine=op, dram=access, sram=access, idle_power={"value": 0.25, "source": "s"})
    assert Energies.of(Chips.of([chip])).idle_from.tolist() == ["stated"]
    found, parts = joules(kernels, chip)
    assert parts["mac"][:, 0, 0] == pytest.approx([2e-3, 1e-3, 2e-3])
    assert parts["dram"][:, 0, 0] == pytest.approx([20e-6] * 3)
    assert parts["idle"][:, 0, 0] == pytest.approx([0.25] * 3)
    assert found.fidelity[0, 0] == Fidelity.ROOFLINE


@pytest.mark.parametrize(
    "gap", [{"process_nm": None}, {"dram": {"technology": None}}, {"dram": {"technology": "MCDRAM"}}]
)
def test_no_figure_and_no_prior_is_unknown(kernels, toy, gap):
    found, _ = joules(kernels, toy(**gap))
    assert np.isnan(found.value).all()
    assert found.fidelity[0, 0] == -1


def test_precisions_that_are_not_used_need_no_energy(kernels, toy):
    chips = Chips.of([toy()])
    assert np.isnan(Energies.of(chips).op[0, 0, Precision.FP64])
    assert np.isfinite(joules(kernels, toy())[0].value).all()


def grid(*columns):
    value, low, high = (np.array([[c]]) for c in columns)
    return GridQuantity(value, low, high, np.where(np.isnan(value), -1, 0).astype(np.int8))


@pytest.mark.parametrize(
    ("modelled", "watts", "source"),
    [
        ((0.02, 0.01, 0.05), (2.0, 1.0, 5.0), "modelled"),
        ((0.2, 0.01, 0.5), (10, 1, 10), "cap"),
        ((np.nan,) * 3, (10, np.nan, 10), "cap"),
    ],
)
def test_power_is_energy_times_rate_or_the_cap(toy, modelled, watts, source):
    seconds = grid(0.01, 0.01, 0.01)
    found, label = power(grid(*modelled), seconds, Chips.of([toy()]))
    assert [found.value[0, 0], found.low[0, 0], found.high[0, 0]] == pytest.approx(watts, nan_ok=True)
    assert label[0, 0] == source


def test_the_cap_of_the_mode_in_force_comes_before_the_tdp(toy):
    chip = toy(power_modes=[{"name": "5W", "cap": {"value": 5.0, "source": "s"}}]).at_mode("5W")
    found, label = power(grid(*(np.nan,) * 3), grid(0.01, 0.01, 0.01), Chips.of([chip]))
    assert (found.value[0, 0], label[0, 0]) == (5.0, "cap")


def test_no_energy_and_no_cap_is_unknown_never_zero(toy):
    found, label = power(grid(*(np.nan,) * 3), grid(0.01, 0.01, 0.01), Chips.of([toy(tdp=None)]))
    assert np.isnan(found.value[0, 0])
    assert label[0, 0] == ""
