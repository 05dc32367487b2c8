"""Area, price and power that a description implies: by hand, laws, published silicon, what cannot be told."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_models.cost.energy_laws import energy_priors
from hw_models.errors import InputError
from hw_models.spec.accelerator import Accelerator
from hw_models.spec.area import implied_area, mac_area, sram_area
from hw_models.spec.core_power import average_power, dram_power, leakage, mac_energy, peak_power
from hw_models.spec.die_cost import Wafer, die_cost, dies_per_wafer, implied_price, yield_of
from hw_models.spec.load import load_chip
from hw_models.spec.silicon import Implied, Part, along_nodes, silicon_priors

MM2 = 1e-6


def chip(*, macs: float = 1024, sram: float = 2**20, node: float | None = 16.0, **more: Any) -> Accelerator:
    def figure(value: float) -> dict[str, Any]:
        return {"value": value, "source": "inv"}

    engine = {
        "name": "npu",
        "clock": figure(1e9),
        "macs": {"int8": figure(macs)},
        "peak": {"int8": figure(2e9 * macs)},
        "memory": [{"name": "sram", "capacity": figure(sram)}],
    }
    dram = {"name": "dram", "technology": "LPDDR4", "bandwidth": figure(32e9)}
    fields = {
        "name": "toy",
        "sources": {"inv": "invented"},
        "engines": [engine],
        "memory": [dram],
        "process_nm": None if node is None else figure(node),
        **more,
    }
    return Accelerator.model_validate(fields)


def test_the_parts_by_hand() -> None:
    # 419 um2 of arithmetic and 3,030 beside it at 40 nm; bit cells 0.242 and 0.074 um2
    assert mac_area("int8", 1000, 40.0).value == pytest.approx(3449 * 1000e-12)
    assert mac_area("int8", 1000, 16.0).value == pytest.approx(3449 * 0.074 / 0.242 * 1000e-12)
    assert sram_area(2**20, 16.0).value == pytest.approx(2**23 * 0.074e-12 / 0.317)
    assert sram_area(2**20, 16.0, banks=2048).value == pytest.approx(2 * sram_area(2**20, 16.0).value)
    area = implied_area(chip())
    assert area is not None
    assert [p.name for p in area] == [
        "engines.npu.macs",
        "engines.npu.control",
        "engines.npu.memory.sram",
        "memory.dram.phy",
    ]
    assert area.value == pytest.approx(sum(p.value for p in area))
    assert area.low < area.value < area.high
    assert all(p.source for p in area)
    assert list(area.to_frame().columns) == ["part", "m2", "m2_low", "m2_high", "source"]


def test_published_silicon_is_met() -> None:
    """Dies that the constants were not fitted on, within the range given; none of them is a whole chip."""
    # Simba, 16 nm: 4.01 TOPS at 1.29 TOPS/mm2; 1,024 MACs, 64 KiB and 16 x 43 KiB. Source: Shao, MICRO 2019
    simba = implied_area(chip(macs=1024, sram=752 * 1024, device_class="npu_ip"))
    assert simba is not None
    assert simba.low < 4.01 / 1.29 * MM2 < simba.high
    # TPUv4i: 128 MiB in 112 mm2 of 7 nm
    common = sram_area(2**27, 7.0)
    assert common.low < 112 * MM2 < common.high
    # TPU v1, 28 nm: a quarter of at most 331 mm2 is 65,536 MACs
    matrix = mac_area("int8", 65_536, 28.0)
    assert matrix.low < 0.24 * 331 * MM2 < matrix.high


@pytest.mark.parametrize("node", [None, 2.0, 90.0])
def test_without_a_node_that_is_covered_nothing_is_told(node: float | None) -> None:
    bare = chip(node=node)
    assert implied_area(bare) is None
    assert implied_price(bare) is None
    assert peak_power(bare) is None
    assert average_power(bare) is None


def test_an_engine_without_macs_is_not_guessed() -> None:
    assert implied_area(load_chip("hailo_8")) is None


@given(factor=st.floats(1.0, 50.0))
def test_more_is_never_smaller_or_cheaper(factor: float) -> None:
    small = chip()
    for larger in (chip(macs=1024 * factor), chip(sram=2**20 * factor)):
        for implied in (implied_area, implied_price, peak_power):
            before, after = implied(small), implied(larger)
            assert before is not None
            assert after is not None
            assert 0 < before.value <= after.value


@given(node=st.floats(3.0, 65.0), factor=st.floats(1.0, 1.5))
def test_a_finer_node_is_smaller_and_saves_energy(node: float, factor: float) -> None:
    coarser = min(node * factor, 65.0)
    assert mac_area("fp16", 1, node).value <= mac_area("fp16", 1, coarser).value * (1 + 1e-9)
    assert mac_energy("fp16", node) <= mac_energy("fp16", coarser) * (1 + 1e-9)


def test_yield_and_dies_by_hand() -> None:
    # 100 mm2 on 300 mm: 706.9 - 66.6; (1 + 0.1 / 3)^-3
    assert dies_per_wafer(100 * MM2) == math.floor(math.pi * 150**2 / 100 - math.pi * 300 / math.sqrt(200))
    assert yield_of(100 * MM2, 0.1, 3.0) == pytest.approx((1 + 0.1 / 3) ** -3)
    area = Implied((Part("die", 100 * MM2, 100 * MM2, 100 * MM2, "given"),), "m2")
    found = die_cost(area, 16.0, Wafer(price=6400.0, defects=0.1, clustering=3.0))
    assert found is not None
    assert found.value == found.low == found.high == pytest.approx(6400 / 640 / (1 + 0.1 / 3) ** -3)


def test_a_die_larger_than_a_wafer_has_no_price() -> None:
    huge = Implied((Part("die", 0.1, 0.1, 0.1, "given"),), "m2")
    assert die_cost(huge, 16.0) is None
    with pytest.raises(InputError, match=r"wafer price -1\.0 given, expected a number above 0"):
        Wafer(price=-1.0)


def test_stated_prices_are_added() -> None:
    bare = implied_price(chip())
    packed = implied_price(chip(package_price={"value": 3.0, "source": "inv"}))
    assert bare is not None
    assert packed is not None
    assert packed.value == pytest.approx(bare.value + 3.0)
    assert [p.name for p in packed] == ["die", "package"]


def test_power_by_hand() -> None:
    energy = mac_energy("int8", 45.0)
    assert energy == pytest.approx(0.30e-12 * 2.07)
    found = peak_power(chip(node=45.0))
    assert found is not None
    assert found.value == pytest.approx(1e9 * energy * (1024 + 78 + 1024 * 0.16))
    mean = average_power(chip(node=45.0))
    assert mean is not None
    assert mean.value == pytest.approx(0.376 * found.value)
    assert leakage(2 * MM2).value == pytest.approx(20e-3)
    memory = chip().memory[0]
    dram = dram_power(memory)
    assert dram is not None
    assert dram.value == pytest.approx(32e9 * 8 * 8e-12)
    assert dram_power(memory.model_copy(update={"technology": None})) is None


def test_energies_agree_with_those_of_the_costs() -> None:
    """Half a MAC is an op: both tables hold the same figures of the same sources."""
    here, there = silicon_priors()["power"]["mac_pj"], energy_priors()["operations"]
    for precision, pair in here.items():
        assert [x / 2 for x in pair] == pytest.approx(there[precision]["pj"], rel=0.03)


def test_between_the_nodes_the_line_is_straight() -> None:
    table = {28.0: 4.0, 7.0: 1.0}
    assert along_nodes(table, 14.0) == pytest.approx(2.0)
    assert along_nodes(table, 56.0) == pytest.approx(8.0)
    assert along_nodes(table, 3.5) == pytest.approx(1.0)
