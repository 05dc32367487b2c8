"""Chip families: the contract of a space, chips without a doubt, figures that follow from the knobs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.errors import InputError, UnknownNameError
from hw_models.spec.accelerator import Accelerator
from hw_models.spec.dump import dump_chip
from hw_models.spec.lint import lint
from hw_models.spec.load import load_chip
from search_spaces.candidate import Candidate
from search_spaces.catalogue import list_spaces, load_space
from search_spaces.chips import ChipFamily, Soc, Systolic, Vector
from search_spaces.chips.parts import DRAMS
from search_spaces.testing.conformance import problems
from search_spaces.testing.plain_cnn import PlainCnn

FAMILIES = (Systolic(), Vector(), Soc())
BASE = Candidate(
    rows=32,
    cols=32,
    cores=2,
    dataflow="weight_stationary",
    accumulator_kib=64,
    sram_kib=1024,
    dram="lpddr4_32",
    clock_mhz=800,
    formats="int8",
)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_they_are_spaces(family: ChipFamily) -> None:
    assert problems(family, samples=8) == []
    assert family.name in list_spaces()
    assert load_space(family.name) == family


def test_sizes_count_what_can_be_built() -> None:
    # accumulators of all arrays fit the SRAM: of 3 x 6 x 7 combinations 4 are moved to another
    assert Systolic().size == 5 * 5 * 3 * 5 * 5 * 3 * len(
        {
            Systolic().canonical(BASE.replace(cores=c, accumulator_kib=a, sram_kib=s))
            for c in (1, 2, 4)
            for a in (8, 16, 32, 64, 128, 256)
            for s in (256, 512, 1024, 2048, 4096, 8192, 16384)
        }
    )
    assert Soc().size == 4 * 3 * 2 * 4 * 7 * 5 * 5


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_chip_is_without_a_doubt(family: ChipFamily, seed: int) -> None:
    built = family.build(family.sample(np.random.default_rng(seed)))
    assert [str(found) for found in lint(built)] == []
    assert built.costable
    assert Accelerator.model_validate_json(built.model_dump_json()) == built
    for figure in (built.die_area, built.tdp, built.idle_power, built.price):
        assert figure is not None
        assert 0 < figure.range[0] <= figure.value <= figure.range[1]
    assert built.idle_power is not None
    assert built.tdp is not None
    assert built.idle_power.value < built.tdp.value


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_a_chip_can_be_kept_as_a_file(family: ChipFamily, tmp_path: Path) -> None:
    built = family.build(family.sample(np.random.default_rng(1)))
    file = tmp_path / f"{built.name}.yaml"
    file.write_text(dump_chip(built))
    assert load_chip(str(file)) == built


@pytest.mark.parametrize("knob", ["rows", "cols", "cores", "accumulator_kib", "sram_kib", "dram"])
def test_more_of_anything_is_more_area_and_price(knob: str) -> None:
    family = Systolic()
    # with room for every accumulator, so that no other knob moves along
    base = BASE.replace(sram_kib=4096)
    order = ["lpddr4_32", "lpddr5_32", "lpddr4_64"] if knob == "dram" else list(family.knobs[knob])
    built = [family.build(base.replace(**{knob: value})) for value in order]
    for quantity in ("die_area", "tdp", "idle_power", "price"):
        values = [getattr(c, quantity).value for c in built]
        assert values == sorted(values), quantity
        assert values[0] < values[-1], quantity


def test_figures_follow_from_the_knobs() -> None:
    built = Systolic().build(BASE)
    engine, sram, dram = built.main_engine, built.memory[0], built.memory[1]
    assert built.name == "systolic_32_32_2_weight_stationary_64_1024_lpddr4_32_800_int8"
    assert engine.peak["int8"].value == 2 * 2 * 32 * 32 * 800e6
    assert engine.array is not None
    assert (engine.array.dims, engine.array.count) == ((32, 32), 2)
    assert engine.memory[0].capacity is not None
    assert engine.memory[0].capacity.value == 2 * 64 * 1024
    assert engine.memory[0].read_bandwidth is not None
    assert engine.memory[0].read_bandwidth.value == 2 * 32 * 4 * 800e6
    # 2 x (32 + 64) byte a cycle need 12 banks of 16 byte, 17 GB/s of DRAM at 800 MHz another 2
    assert sram.bandwidth is not None
    assert sram.bandwidth.value == 14 * 16 * 800e6
    assert dram.bandwidth is not None
    assert dram.bandwidth.value == DRAMS["lpddr4_32"][1] / 8 * DRAMS["lpddr4_32"][2]
    assert set(built.sources) == {"derived", "derived_silicon"}


def test_formats_set_rates_and_area() -> None:
    plain, wide, narrow = (
        Systolic().build(BASE.replace(formats=f)) for f in ("int8", "int8_fp16", "int8_int4")
    )
    assert set(wide.precisions) == {"int8", "fp16"}
    assert narrow.main_engine.peak["int4"].value == 2 * narrow.main_engine.peak["int8"].value
    assert plain.die_area is not None
    assert wide.die_area is not None
    assert wide.die_area.value > plain.die_area.value


def test_accumulators_that_do_not_fit_become_the_largest_that_do() -> None:
    moved = Systolic().canonical(BASE.replace(cores=4, accumulator_kib=256, sram_kib=256))
    assert moved == BASE.replace(cores=4, accumulator_kib=64, sram_kib=256)
    assert Systolic().build(moved) is Systolic().build(
        BASE.replace(cores=4, accumulator_kib=256, sram_kib=256)
    )


def test_what_a_family_does_not_have_is_refused() -> None:
    with pytest.raises(
        UnknownNameError, match="unknown knob of the space 'systolic' 'row'; did you mean 'rows'"
    ):
        Systolic().build(BASE.replace(row=8))
    with pytest.raises(
        InputError, match="'rows' of the space 'systolic': 24 given, expected one of 8, 16, 32"
    ):
        Systolic().build(BASE.replace(rows=24))


def test_the_soc_hands_over_what_its_npu_cannot_run() -> None:
    built = Soc().build(Soc().sample(np.random.default_rng(0)).replace(npu_operators="cnn"))
    npu, dsp = built.engines
    assert npu.fallback == dsp.name
    assert npu.operators is not None
    assert "softmax" not in npu.operators
    assert dsp.operators is None


def test_prices_of_package_and_dram_are_part_of_it_where_they_are_given() -> None:
    bare, packed = Systolic().build(BASE), Systolic(package_usd=2.0, dram_usd=10.0).build(BASE)
    assert bare.price is not None
    assert packed.price is not None
    assert packed.price.value == pytest.approx(bare.price.value + 12.0)
    assert bare.package_price is None


def test_a_coarser_node_is_larger() -> None:
    fine, coarse = (Systolic(process_nm=n).build(BASE) for n in (7.0, 28.0))
    assert fine.die_area is not None
    assert coarse.die_area is not None
    assert fine.die_area.value < coarse.die_area.value


def test_networks_times_a_family_is_a_space() -> None:
    joint = PlainCnn() * Systolic()
    assert problems(joint, samples=4) == []
    network, built = joint.build(joint.sample(np.random.default_rng(2)))
    assert isinstance(built, Accelerator)
    assert network is not None
