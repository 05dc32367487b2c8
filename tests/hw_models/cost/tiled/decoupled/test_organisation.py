"""The organisation as the tiled model sees it: terms, given mappings, what does not fit, the chip's file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.estimate import estimate
from hw_models.cost.tiled.calibration import Calibration, gemmini_calibration
from hw_models.cost.tiled.decoupled import DecoupledSystolic
from hw_models.cost.tiled.decoupled.machine import PARAMETERS, DecoupledMachine
from hw_models.cost.tiled.organisation import TakesMappings
from hw_models.cost.tiled.problem import Problems
from hw_models.cost.tiled.registry import misfits, organisation
from hw_models.errors import InputError

CONV = Problems.of([[1, 1, 64, 48, 14, 20, 3, 3]])
DECOUPLED = DecoupledSystolic()
BUSY = [RESOURCES.index(r) for r in ("mac", "dram", "sram")]
ACCURATE = 0.011
"""What a search that stops within one per cent may turn round."""


def latency(problems: Problems, chip: object) -> float:
    """Seconds of the slowest unit and of what it does not hide."""
    seconds = DECOUPLED.terms(problems, [chip]).seconds[0, 0]
    return float(np.max(seconds[BUSY]) + seconds[RESOURCES.index("exposed")])


def test_it_is_known_by_name_and_takes_mappings():
    assert isinstance(organisation("decoupled_systolic"), DecoupledSystolic)
    assert isinstance(DECOUPLED, TakesMappings)


def test_a_given_mapping_costs_what_the_layer_costs(gemmini):
    text = "L3[WIO] K48 - L2[WI] N1 K16X - L1[O] C48 P16 C16X - L0[W] P8"
    terms = DECOUPLED.terms_given(Problems.gemm(128, 768, 768), [gemmini], [text])
    assert terms.mapping[0, 0] == "tile 1x128x16 (rows x columns x filters), 768 channels, 1x1 taps"
    assert np.isnan(terms.gap[0, 0])
    seconds = terms.seconds[0, 0]
    # 48 tiles of 48 blocks of 128 pixels at 1 GHz
    assert seconds[RESOURCES.index("mac")] == pytest.approx(48 * 48 * 128e-9)
    # RTL: 566,626 cycles
    assert np.max(seconds[BUSY]) + seconds[RESOURCES.index("exposed")] == pytest.approx(566_626e-9, rel=0.15)
    searched = DECOUPLED.terms(Problems.gemm(128, 768, 768), [gemmini])
    assert np.nansum(searched.seconds) < np.nansum(terms.seconds)


def test_a_mapping_of_another_problem_is_refused(gemmini):
    with pytest.raises(InputError, match="does not cover its problem; P: factors multiply to 8"):
        DECOUPLED.terms_given(CONV, [gemmini], ["L1[WIO] K64 C48 Q14 R3 S3 - L0[W] P8"])
    with pytest.raises(InputError, match="0 mappings for 1 contractions"):
        DECOUPLED.terms_given(CONV, [gemmini], [])


def test_counts(gemmini):
    terms = DECOUPLED.terms(CONV, [gemmini])
    actions = dict(zip(ACTIONS, terms.actions[0, 0], strict=True))
    assert actions["mac"] == CONV.macs[0]
    assert actions["dram_write"] == 14 * 20 * 64
    assert actions["dram_read"] >= 9 * 48 * 64 + 14 * 20 * 48
    assert actions["sram_read"] >= actions["dram_read"]
    # each pixel passes each of 4 x 3 x 9 blocks once, 16 byte at a time, and comes back as 16 sums
    passes = 14 * 20 * 4 * 3 * 9
    assert actions["local_read"] == pytest.approx(
        passes * (16 + 64) + 108 * 256 * blocks_again(terms) + 17_920
    )


def blocks_again(terms: object) -> float:
    """How often all weights are loaded into the array: once for each tile of pixels."""
    rows, columns = (int(n) for n in terms.mapping[0, 0].split()[1].split("x")[:2])
    return -(-14 // rows) * -(-20 // columns)


def test_groups_run_one_after_the_other(gemmini):
    one, many = (Problems.gemm(50, 24, 40, batch=g) for g in (1, 12))
    assert latency(many, gemmini) == pytest.approx(12 * latency(one, gemmini))
    few, all_lines = (Problems.of([[1, g, 1, 1, 14, 14, 3, 3]]) for g in (1, 64))
    # channels of one pixel lie side by side: stores of neighbours go to one line only where there are few
    assert latency(all_lines, gemmini) < 0.5 * 64 * latency(few, gemmini)


def test_what_does_not_fit_says_how_much_it_needs(chip):
    small = chip(scratchpad=0.03125, accumulator=64)
    terms = DECOUPLED.terms(CONV, [small])
    assert terms.feasibility[0, 0] == Feasibility.CAPACITY
    # one pixel and one tap of one channel: a row of inputs, a row of weights, twice
    assert (terms.demand[0, 0], terms.bound[0, 0]) == (2 * 2 * 16, 32)
    assert np.isinf(terms.seconds).all()
    assert np.isnan(terms.actions).all()
    sums = DECOUPLED.terms(CONV, [chip(accumulator=0.0625)])
    assert (sums.demand[0, 0], sums.bound[0, 0]) == (2 * 16 * 4, 64)


def test_the_library_s_tiles_are_slower_and_take_time_to_find(chip):
    best, own = chip(), chip(own_tiler=1)
    assert latency(CONV, own) > latency(CONV, best)
    assert DECOUPLED.terms(CONV, [own]).mapping[0, 0].startswith("tile ")


levers = st.sampled_from(["scratchpad", "accumulator", "cache", "dram"])


@settings(max_examples=15, deadline=None)
@given(st.tuples(*[st.integers(1, 40)] * 4), st.sampled_from([1, 3]), levers, st.sampled_from([1.0, 4.0]))
def test_more_memory_or_bandwidth_is_never_slower(chip, size, taps, lever, start):
    k, c, q, p = size
    problems = Problems.of([[1, 1, k, c, q, p, taps, taps]])
    figure = {"scratchpad": 4.0, "accumulator": 2.0, "cache": 4.0, "dram": 1e9}[lever] * start
    assert latency(problems, chip(**{lever: 2 * figure})) <= latency(problems, chip(**{lever: figure})) * (
        1 + ACCURATE
    )


@pytest.mark.parametrize("side", [1, 4, 8, 32])
def test_other_arrays(chip, side):
    terms = DECOUPLED.terms(CONV, [chip(side=side)])
    assert terms.feasibility[0, 0] == Feasibility.OK
    assert terms.seconds[0, 0, RESOURCES.index("mac")] >= CONV.macs[0] / (side * side) * 1e-9


def test_a_chip_that_lacks_a_figure_says_which(gemmini):
    data = gemmini.model_dump()
    data["engines"][0]["memory"] = data["engines"][0]["memory"][1:]
    data["engines"][0]["array"]["dims"] = (16, 8)
    data["memory"][0]["capacity"] = None
    assert DECOUPLED.missing(type(gemmini).model_validate(data)) == (
        "engines.npu.array: as many rows as columns",
        "engines.npu.memory: one that holds outputs",
        "memory: a shared cache and its capacity",
    )
    assert DECOUPLED.missing(gemmini) == ()
    assert misfits(gemmini.main_engine.dataflow) == ()


def test_fitted_scalars_are_few_and_a_chip_may_state_its_own(chip, gemmini):
    calibration = gemmini_calibration()
    assert len(calibration.scalars) <= 8
    for name, scalar in calibration.scalars.items():
        assert scalar.low <= scalar.value <= scalar.high, name
        assert scalar.prior > 0
        assert PARAMETERS[name].default == scalar.value
        assert "gemmini_rtl" in PARAMETERS[name].source
    assert DecoupledMachine.of(gemmini).core.pair == calibration.values["pair_cycles"]
    assert DecoupledMachine.of(chip(pair_cycles=5.0)).core.pair == 5.0


def test_a_calibration_of_another_format_is_refused():
    with pytest.raises(ValueError, match="2"):
        Calibration.of({"schema_version": 2})


def test_a_network_on_gemmini(net, gemmini):
    cost = estimate(net().conv(64, 48, 14).finish(), gemmini, precision="int8", model="tiled")
    assert cost.latency.value > 0
    assert cost.to_frame()["mapping"][0].startswith("tile ")


HOSTILE = {
    "a byte a second": {"dram": 1.0},
    "an array of one": {"side": 1},
    "a huge array": {"side": 4096},
    "hardly any cache": {"cache": 0.001},
    "hardly any scratchpad": {"scratchpad": 0.001},
}


@pytest.mark.parametrize("figures", HOSTILE.values(), ids=HOSTILE)
def test_hostile_chips_are_answered_with_a_number_or_a_code(net, chip, figures):
    network = net().conv(5, 3, 9).conv(8, 8, 9, groups=8).gemm(1, 1, 1).gemm(40, 70, 30).finish()
    cost = estimate(network, chip(**figures), precision="int8", model="tiled")
    terms = DECOUPLED.terms(CONV, [chip(**figures)])
    if terms.feasibility[0, 0] == Feasibility.OK:
        assert 0 < cost.latency.value < np.inf
    else:
        assert terms.demand[0, 0] > terms.bound[0, 0]
