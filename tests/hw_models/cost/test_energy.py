"""Energies: figures of the chip, priors by node and memory technology, and power, by hand."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from hw_models.cost.energy_laws import bank_energy
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
    assert parts["mac"][0, 0, 0] == pytest.approx(2e9 * 0.05e-12 * 3)
    assert parts["mac"][1, 0, 0] == pytest.approx(
        2e9 * 0.05e-12 * 3 / np.exp(np.hypot(np.log(3 / 0.7), np.log(1 / 0.81)))
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


LOCAL = {**ROOFLINE, "local_read": 3e9, "local_write": 1e9, "noc": 0.0}
AT_7NM = {"value": 7, "source": "s"}


@pytest.mark.parametrize(
    ("size", "nm", "pj"),
    [(8192, 45, 10 / 8), (32768, 45, 20 / 8), (2**20, 45, 100 / 8), (8192, 7, 7.5 / 8), (2**20, 7, 14 / 8)],
)
def test_sram_of_a_bank_is_the_table_of_the_sources(size, nm, pj):
    """Horowitz 2014 and Jouppi 2021: 10, 20, 100 pJ at 45 nm, 7.5 and 14 at 7 nm, for 64 bit."""
    assert bank_energy(np.array([size]), np.array([nm]))[0, 0] == pytest.approx(pj * 1e-12)


def test_register_file_and_buffer_stand_in_the_ratios_of_eyeriss():
    """Chen 2016, Table IV, per 16 bit at 65 nm: register file 1, buffer of 100 KiB 6 times a MAC."""
    mac = 2 * at_node(energy_priors()["operations"]["int16"]["pj"], np.array([65.0]))[0, 0]
    register, buffer = (2 * bank_energy(np.array([s]), np.array([65.0]))[0, 0] for s in (512, 100 * 1024))
    assert register == pytest.approx(mac, rel=1e-3)
    spread = energy_priors()["bank_spread"]
    assert spread["low"] <= 6 * mac / buffer <= spread["high"]


def test_a_larger_bank_never_costs_less_and_many_banks_less_than_one():
    sizes = np.geomspace(1, 2**30, 61)
    assert (np.diff(bank_energy(sizes, np.full(61, 16.0))[0]) >= 0).all()


def test_memory_of_many_instances_costs_what_one_of_them_costs(toy):
    whole = {"capacity": {"value": 2**20, "source": "s"}}
    split = {**whole, "instances": {"value": 128, "source": "s"}}
    energies = Energies.of(Chips.of([toy(sram=whole, process_nm=AT_7NM), toy(sram=split, process_nm=AT_7NM)]))
    assert energies.of_move("sram_read")[0] == pytest.approx([1.75e-12, 7.5 / 8 * 1e-12])


@pytest.mark.parametrize(("volts", "factor"), [(0.7, 1.0), (0.35, 0.25), (1.4, 4.0)])
def test_energy_goes_with_the_square_of_the_supply(toy, volts, factor):
    """7 nm runs at 0.7 V (Sinha, DAC 2012)."""
    usual = Energies.of(Chips.of([toy(process_nm=AT_7NM)]))
    stated = Energies.of(Chips.of([toy(process_nm=AT_7NM, voltage={"value": volts, "source": "s"})]))
    for name in ("op", "fed_op"):
        found, base = getattr(stated, name), getattr(usual, name)
        assert found[0, 0, Precision.INT8] == pytest.approx(factor * base[0, 0, Precision.INT8])
    assert stated.of_move("sram_read")[0, 0] == pytest.approx(factor * usual.of_move("sram_read")[0, 0])
    assert stated.of_move("dram_read")[0, 0] == usual.of_move("dram_read")[0, 0]


def test_a_known_supply_narrows_the_interval(toy):
    def width(chip):
        value, low, high = Energies.of(Chips.of([chip])).of_move("sram_read")[:, 0]
        return (high - low) / value

    assert width(toy(process_nm=AT_7NM, voltage={"value": 0.7, "source": "s"})) < width(
        toy(process_nm=AT_7NM)
    )


def test_an_op_does_not_pay_for_operands_that_are_counted(kernels, toy):
    """1e9 MACs of 2 x 0.05 pJ: x 3 with delivery, x 1.5 with the 4 byte of each counted apart."""
    chip = toy(process_nm=AT_7NM)
    _, alone = joules(kernels, chip)
    _, fed = joules(kernels, chip, moved=LOCAL)
    assert alone["mac"][0, 0, 0] == pytest.approx(1e9 * 2 * 0.05e-12 * 3)
    assert alone["local"].tolist() == np.zeros((3, 1, 1)).tolist()
    assert fed["mac"][0, 0, 0] == pytest.approx(1e9 * 2 * 0.05e-12 * 1.5)
    assert fed["local"][0, 0, 0] == pytest.approx(4e9 * 0.176e-12)


def test_the_stated_energy_of_an_op_includes_what_the_file_does_not_tell_apart(kernels, toy):
    op = {"energy_per_op": {"int8": {"value": 1e-12, "source": "s"}}}
    _, parts = joules(kernels, toy(engine=op), moved={**LOCAL, "noc": 1e9})
    assert parts["mac"][0, 0, 0] == pytest.approx(2e-3)
    assert parts["local"][0, 0, 0] == parts["noc"][0, 0, 0] == 0
    inner = {"name": "rf", "kind": "sram", "read_energy": {"value": 0.5e-12, "source": "s"}}
    _, parts = joules(kernels, toy(engine={**op, "memory": [inner]}), moved=LOCAL)
    own, prior = 3e9 * 0.5e-12, Energies.of(Chips.of([toy()])).of_move("local_write")[0, 0]
    assert parts["local"][0, 0, 0] == pytest.approx(own + 1e9 * prior)


def test_reading_and_writing_may_cost_apart(kernels, toy):
    dram = {"read_energy": {"value": 1e-12, "source": "s"}, "write_energy": {"value": 3e-12, "source": "s"}}
    _, parts = joules(kernels, toy(dram=dram), moved={**ROOFLINE, "dram_write": 2e6})
    assert parts["dram"][0, 0, 0] == pytest.approx(1e6 * 1e-12 + 2e6 * 3e-12)


def test_traffic_that_is_not_counted_leaves_the_energy_unknown_and_none_costs_none(kernels, toy):
    chip = toy(dram={"technology": None})
    assert np.isnan(joules(kernels, toy(), moved={**ROOFLINE, "sram_read": np.nan})[0].value).all()
    nothing_outside = {**ROOFLINE, "dram_read": 0.0, "dram_write": 0.0}
    assert np.isfinite(joules(kernels, chip, moved=nothing_outside)[0].value).all()


@pytest.mark.parametrize(
    ("figures", "watts", "source"),
    [
        ({"tdp": {"value": 10.0, "source": "s"}}, 2.1, "prior"),
        ({"idle_power": {"value": 0.5, "source": "s"}}, 0.5, "stated"),
        (
            {
                "engine": {"leakage": {"value": 0.2, "source": "s"}},
                "dram": {"leakage": {"value": 0.1, "source": "s"}},
            },
            0.3,
            "leakage",
        ),
        ({"tdp": None}, np.nan, ""),
    ],
)
def test_power_while_on_is_stated_or_leakage_or_a_share_of_the_tdp(kernels, toy, figures, watts, source):
    energies = Energies.of(Chips.of([toy(**figures)]))
    assert energies.idle[0, 0] == pytest.approx(watts, nan_ok=True)
    assert energies.idle_from.tolist() == [source]
    _, parts = joules(kernels, toy(**figures), np.array([[2.0]]))
    assert parts["idle"][0, 0, 0] == pytest.approx(np.nan_to_num(2 * watts))


amounts = st.lists(st.floats(0, 1e12), min_size=9, max_size=9)


@given(amounts, st.floats(1e-6, 10), st.sampled_from([3, 7, 16, 28, 45, 65]), st.floats(0.5, 1.2))
@settings(max_examples=60, deadline=None)
def test_laws_of_energy(kernels, toy, amounts, seconds, node, volts):
    """Never below zero, value within its range, parts sum to it, twice the actions cost twice as much."""
    chip = toy(process_nm={"value": node, "source": "s"}, voltage={"value": volts, "source": "s"})
    k, energies, t = kernels([ROW]), Energies.of(Chips.of([chip])), np.array([[seconds]])
    once, twice = (Counts.of(k, np.array([[amounts]]) * n) for n in (1, 2))
    found, parts, more = (
        energy(once, energies, t),
        energy_parts(once, energies, t),
        energy_parts(twice, energies, t),
    )
    assert 0 <= found.low[0, 0] <= found.value[0, 0] <= found.high[0, 0]
    assert sum(p[0, 0, 0] for p in parts.values()) == pytest.approx(found.value[0, 0])
    for name, part in parts.items():
        assert more[name][0, 0, 0] == pytest.approx(part[0, 0, 0] * (1 if name == "idle" else 2))


REFERENCE = Path(os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[4] / "shared" / "reference"))


def test_priors_hold_the_average_power_of_every_size_of_nvdla(kernels, toy):
    """The primer's power over its frame rate, int8 ResNet-50 (3.86 GMAC), 16 nm, DRAM not included."""
    file = REFERENCE / "cost_models" / "nvdla_resnet50_configs.csv"
    if not file.exists():
        pytest.skip(f"{file} is not here")
    for row in csv.DictReader(line for line in file.read_text().splitlines() if not line.startswith("#")):
        seconds = 1 / float(row["resnet50_fps"])
        chip = toy(tdp={"value": float(row["peak_mw_16nm"]) * 1e-3, "source": "s"})
        k = kernels([{"cls": KernelClass.CONV, "macs": 3.86e9}])
        actions = np.array([[[3.86e9, 0, 0, 0, 40e6, 10e6, np.nan, np.nan, np.nan]]])
        found = energy(Counts.of(k, actions), Energies.of(Chips.of([chip])), np.array([[seconds]]))
        told = float(row["avg_mw_16nm"]) * 1e-3 * seconds
        assert found.low[0, 0] <= told <= found.high[0, 0], row["macs"]


def test_the_range_of_the_latency_reaches_the_energy_drawn_meanwhile(kernels, toy):
    chip = toy(idle_power={"value": 0.5, "source": "s"})
    seconds = GridQuantity(*(np.array([[t]]) for t in (1.0, 0.5, np.nan)), np.zeros((1, 1), np.int8))
    _, parts = joules(kernels, chip, seconds.ends)
    assert parts["idle"][:, 0, 0].tolist() == [0.5, 0.25, 0.5]


def test_counts_of_parts_add_up(kernels, toy):
    k = kernels([ROW, {**ROW, "macs": 3e8}], [[0, 1, 1], [1]])
    actions = np.arange(2 * 1 * 9, dtype=float).reshape(2, 1, 9)
    whole = Counts.of(k, actions)
    assert whole.mac_ops[:, 0, 0].tolist() == [2 * (0 + 9 + 9), 2 * 9]
    assert whole.fed_mac_ops.tolist() == whole.mac_ops.tolist()
    assert whole.of_move("dram_read")[:, 0].tolist() == [2 + 11 + 11, 11]
    assert whole.dram_bytes[1, 0] == 11 + 12


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
