"""The public way to a cost: what comes out, how it shows itself, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.cost.arrays import Feasibility
from hw_models.cost.base import Cost, Estimate, show
from hw_models.cost.estimate import as_accelerator, compare, estimate, estimate_many
from hw_models.errors import InputError, NotCostableError, UnknownNameError

MACS = 16 * 16 * 9 * 1024 + 32 * 16 * 1024 + 320


def test_values_of_a_cost(conv_net, toy):
    cost = estimate(conv_net, toy(), precision="int8")
    frame = cost.to_frame()
    assert frame["macs"].sum() == MACS
    assert frame["time_us"].sum() * 1e-6 == pytest.approx(cost.latency.value, rel=1e-12)
    assert frame["time_share"].sum() == pytest.approx(1)
    assert cost.latency.low < cost.latency.value < cost.latency.high
    assert (cost.latency.unit, cost.latency.fidelity) == ("s", "roofline")
    assert (cost.energy.unit, cost.energy.fidelity) == ("J", "prior")
    assert cost.power.value == pytest.approx(cost.energy.value / cost.latency.value)
    assert (
        cost.peak_memory.value
        == cost.detail.kernels.peak_activation_bytes[0] + cost.detail.kernels.weights_bytes[0]
    )
    assert not cost.area.is_known
    assert not cost.price.is_known
    assert cost.feasibility == Feasibility.OK


def test_defaults_are_shown(conv_net, toy):
    cost = estimate(conv_net, toy())
    assert (cost.precision, cost.lowering, cost.batch, cost.model) == ("fp16", "ideal", 1, "roofline")
    for said in ("fp16", "ideal", "batch 1", "roofline", "latency", "(roofline)", "modelled"):
        assert said in repr(cost)
    assert "\n" not in repr(cost)
    assert "fp16, batch 1" in cost._repr_html_()


def test_the_scalar_is_the_grid_of_one(conv_net, toy):
    chips = [toy(), toy(name="fast").scaled(peak=3, dram_bandwidth=2), toy(name="gpu", kind="gpu")]
    grid = estimate_many([conv_net, conv_net], chips, precision="int8", batch=4)
    for c, chip in enumerate(chips):
        cost = estimate(conv_net, chip, precision="int8", batch=4)
        for name, alone in cost.quantities.items():
            cell = Estimate.at(grid.quantities[name], 1, c, alone.unit)
            assert cell.fidelity == alone.fidelity
            for field in ("value", "low", "high") if alone.is_known else ():
                assert getattr(cell, field) == pytest.approx(getattr(alone, field), rel=1e-12)


def test_a_precision_for_each_chip(conv_net, toy):
    only8 = toy(name="only8", engine={"peak": {"int8": {"value": 4e12, "source": "s"}}})
    grid = estimate_many([conv_net], [only8, toy(), only8], precision=None)
    assert grid.precision == ("int8", "fp16", "int8")
    assert grid.chips == ("only8", "toy", "only8")
    value = grid.quantities["latency"].value[0]
    assert (
        value[0]
        == value[2]
        == pytest.approx(estimate(conv_net, only8, precision="int8").latency.value, rel=1e-12)
    )
    assert value[1] == pytest.approx(estimate(conv_net, toy(), precision="fp16").latency.value, rel=1e-12)
    with pytest.raises(InputError, match="2 precisions given for 3 chips"):
        estimate_many([conv_net], [only8] * 3, precision=["int8", "int8"])


def test_grid_as_a_table(conv_net, toy):
    frame = estimate_many([conv_net], [toy(), toy(name="blank", engine={"peak": {}})]).to_frame()
    assert list(frame["chip"]) == ["toy", "blank"]
    assert list(frame["feasibility"]) == ["ok", "unknown"]
    assert {"latency_s", "energy_j", "power_w", "peak_memory_bytes", "area_m2", "price_usd"} <= set(
        frame.columns
    )
    assert np.isnan(frame["latency_s"][1])
    assert np.isnan(frame["power_w"][1])
    assert list(frame["latency_fidelity"]) == ["roofline", ""]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"engine": {"peak": {}}}, r"toy is not costable: engines.npu.peak: .*codesign chips show toy"),
        ({"dram": {"bandwidth": None}}, r"toy is not costable: memory.dram.bandwidth: "),
    ],
)
def test_a_chip_that_lacks_a_figure_is_refused_by_name(conv_net, toy, changes, said):
    with pytest.raises(NotCostableError, match=said):
        estimate(conv_net, toy(**changes))
    assert estimate_many([conv_net], [toy(**changes)]).feasibility[0, 0] == Feasibility.UNKNOWN


def test_a_precision_the_chip_lacks(conv_net, toy):
    with pytest.raises(
        NotCostableError, match=r"no known peak at bf16 \(engines.npu.peak.bf16\); known: int8 4 Top/s"
    ):
        estimate(conv_net, toy(), precision="bf16")
    grid = estimate_many([conv_net], [toy()], precision="bf16")
    assert grid.feasibility[0, 0] == Feasibility.PRECISION
    assert np.isnan(grid.quantities["latency"].value[0, 0])
    assert np.isnan(grid.quantities["power"].value[0, 0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precision": "int9"}, "unknown precision 'int9'; did you mean"),
        ({"model": "rooflin"}, "unknown cost model 'rooflin'; did you mean 'roofline'"),
        ({"lowering": "compild"}, "unknown lowering 'compild'; did you mean 'compiled'"),
    ],
)
def test_unknown_names(conv_net, toy, options, said):
    with pytest.raises(UnknownNameError, match=said.replace("?", r"\?")):
        estimate(conv_net, toy(), **options)


def test_memory_that_is_too_small_is_a_result_with_its_figures(conv_net, toy):
    cost = estimate(conv_net, toy(dram={"capacity": {"value": 1024, "source": "s"}}))
    assert cost.feasibility == Feasibility.CAPACITY
    assert "do not fit the 1 KiB of memory" in cost.reason
    assert cost.reason in cost.warnings
    assert cost.latency.is_known


def test_activations_must_stay_on_a_chip_with_flash(conv_net, toy):
    chip = toy(dram={"kind": "flash", "name": "flash"}, sram={"capacity": {"value": 1024, "source": "s"}})
    assert "of live activations do not fit the 1 KiB on the chip" in estimate(conv_net, chip).reason


def test_an_operator_nobody_runs(conv_net, toy):
    cost = estimate(conv_net, toy(engine={"operators": ("conv", "reduce")}))
    assert cost.feasibility == Feasibility.OPERATOR
    assert "npu does not run gemm and no fallback does" in cost.reason
    assert cost.latency.value is None
    assert str(cost.latency) == "unknown"


def test_a_vector_rate_from_the_class_makes_latency_a_prior(conv_net, toy):
    cost = estimate(conv_net, toy(engine={"vector_peak": {}}))
    assert cost.latency.fidelity == "prior"
    assert "unknown rate of the vector unit: class figures stand in, so latency is a prior" in cost.warnings
    assert "vector rate  " in str(cost.explain())
    bound = estimate(conv_net, toy(engine={"vector_peak": {}}), model="roofline_bound")
    assert bound.latency.fidelity == "roofline"
    assert "time of the vector unit: its rate is unknown" in bound.not_modelled


def test_an_on_chip_capacity_from_the_class_makes_latency_a_prior(conv_net, toy):
    chip = toy(sram={"capacity": None})
    cost = estimate(conv_net, chip)
    assert cost.latency.fidelity == "prior"
    assert "unknown on-chip capacity: class figures stand in, so latency is a prior" in cost.warnings
    assert "prior of the class" in str(cost.explain())
    bound = estimate(conv_net, chip, model="roofline_bound")
    assert bound.latency.fidelity == "roofline"
    assert bound.latency.value <= cost.latency.value


def test_lowering_goes_by_the_kind_of_engine(conv_net, toy):
    kinds = ("gpu", "cpu", "npu", "dsp", "mcu")
    chips = [toy(kind=kind, name=kind) for kind in kinds]
    assert estimate_many([conv_net], chips).lowering == ("compiled", "compiled", "ideal", "ideal", "ideal")
    assert estimate_many([conv_net], chips, lowering="eager").lowering == ("eager",) * 5


def test_a_range_of_the_issue_time_shows_where_it_matters(conv_net, toy):
    """One small image on a GPU is bound by starting kernels, known poorly; a big batch is not."""
    small, big = (estimate(conv_net, toy(kind="gpu"), batch=n).latency for n in (1, 4096))
    assert small.high / small.value > big.high / big.value


def test_ranges_of_the_chip_widen_the_interval(conv_net, toy):
    slow_link = {"bandwidth": {"value": 1e9, "low": 0.5e9, "high": 4e9, "source": "s"}}
    ranged, plain = (
        estimate(conv_net, toy(dram=d)).latency
        for d in (slow_link, {"bandwidth": {"value": 1e9, "source": "s"}})
    )
    assert ranged.value == plain.value
    assert ranged.low < plain.low
    assert ranged.high > plain.high


def test_power_above_the_cap_is_said(conv_net, toy):
    cost = estimate(conv_net, toy(tdp={"value": 1e-3, "source": "s"}))
    assert (cost.power.value, cost.power_source) == (1e-3, "cap")
    assert any("is above the cap of 1 mW" in w for w in cost.warnings)


def test_compare_keeps_chips_that_cannot_be_costed(conv_net, toy):
    found = compare(conv_net, [toy(), toy(name="blank", engine={"peak": {}})], precision="int8")
    frame = found.to_frame()
    assert list(frame["feasibility"]) == ["ok", "unknown"]
    assert "engines.npu.peak" in frame["note"][1]
    assert "blank unknown" in repr(found)
    assert "<table" in found._repr_html_()


@pytest.mark.parametrize("what", ["latency", "energy", "power", "peak_memory", "area", "price"])
def test_every_quantity_explains_itself(conv_net, toy, what):
    explanation = estimate(conv_net, toy(), precision="int8").explain(what)
    assert str(explanation).startswith(what.replace("_", " "))
    assert explanation.to_dict()["what"] == what
    assert "<table" in explanation._repr_html_()
    assert "host work before and after the network" in str(explanation)


def test_explanation_of_latency_has_bound_numbers_sources_and_sensitivities(conv_net, toy):
    cost = estimate(conv_net, toy(), precision="int8")
    said = str(cost.explain())
    for part in (
        "bounding resource",
        f"{MACS:,} (",
        "4 TOPS: invented for the tests",
        "class efficiency",
        "90 % interval",
    ):
        assert part in said
    lines = dict(next(s for s in cost.explain().sections if s.title.startswith("Latency change")).lines)
    change = {name: float(text.split(" %")[0]) for name, text in lines.items()}
    alone = ("peak of the MAC units", "rate of the vector unit", "speed of starting a kernel")
    assert sum(change[n] for n in (*alone, "bandwidth of the external memory")) == pytest.approx(-1, abs=0.01)
    assert list(change.values()) == sorted(change.values()), "what gains most comes first"


def test_explanation_of_energy_cites_priors(conv_net, toy):
    said = str(estimate(conv_net, toy(), precision="int8").explain("energy"))
    assert (
        "prior at 16 nm, usual supply, h14 + tpu4i (int8 mul + int32 add), x 3 for operand delivery" in said
    )
    assert "prior lpddr4" in said


def sections(cost, what):
    return {section.title: dict(section.lines) for section in cost.explain(what).sections}


def test_explanation_of_energy_names_every_move_that_was_counted(conv_net, toy):
    lines = sections(estimate(conv_net, toy(), precision="int8"), "energy")["Energies"]
    told = lines["one byte from or to the last on-chip memory"]
    assert "prior at 16 nm, usual supply of a bank of 1 MiB" in told
    dram = {"read_energy": {"value": 1e-11, "source": "s"}}
    lines = sections(estimate(conv_net, toy(dram=dram), precision="int8"), "energy")["Energies"]
    assert lines["one byte read from external memory"].startswith("10 pJ/byte")
    assert "prior lpddr4" in lines["one byte written to external memory"]


def test_explanation_of_an_unknown_energy_says_which_part_and_what_would_help(conv_net, toy):
    cost = estimate(conv_net, toy(process_nm=None), precision="int8")
    assert cost.energy.value is None
    assert any(
        said == "energy: that of mac, vector, sram is not in the chip's file and has no prior; process_nm "
        "would give a prior"
        for said in cost.not_modelled
    )
    said = str(cost.explain("energy"))
    assert "unknown, and so is the sum" in said
    assert "no prior without process_nm of the chip's file" in said
    assert "nan" not in said


def test_explanation_of_peak_memory_names_what_is_alive_the_order_and_the_bound(conv_net, toy):
    """Ideal: each convolution takes what follows it along, so the first has most: 16 KiB in, 16 KiB out."""
    told = sections(estimate(conv_net, toy(), precision="int8"), "peak_memory")
    assert told["Parts, over the lowered order"]["live activations at their peak"] == "32 KiB"
    alive = list(told["Alive at the peak"].items())
    assert alive[0][1].startswith("1 of 3, ")
    assert [text for _, text in alive[1:]] == ["16 KiB", "16 KiB"]
    assert alive[1][0] == "input 0 of the network"
    order = told["Order of the kernels, live activations"]
    assert order["best order found"] == "as lowered"
    assert order["lower bound of any order"] == "32 KiB, reached: no order needs less"
    assert told["Where it lies"]["sram, 2 MiB"].startswith("live activations fit in 3 of 3 kernels")


def test_unknown_quantity(conv_net, toy):
    with pytest.raises(UnknownNameError, match="did you mean 'latency'"):
        estimate(conv_net, toy()).explain("latencie")


def test_mode_is_named_once(toy):
    chip = toy(power_modes=[{"name": "5W", "cap": {"value": 5.0, "source": "s"}}])
    assert as_accelerator(chip, "5W").label == "toy@5W"
    with pytest.raises(InputError, match="names the power mode '15W', and mode='30W' another"):
        as_accelerator("jetson_agx_orin_64@15W", "30W")
    assert as_accelerator("jetson_agx_orin_64@15W").label == "jetson_agx_orin_64@15W"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3.42e-3, "s", "3.42 ms"),
        (None, "J", "unknown"),
        (float("nan"), "W", "unknown"),
        (0.0, "J", "0 nJ"),
        (2**21, "byte", "2 MiB"),
    ],
)
def test_numbers_as_people_read_them(value, unit, text):
    assert show(value, unit) == text


def test_a_cost_is_frozen(conv_net, toy):
    cost = estimate(conv_net, toy())
    assert isinstance(cost, Cost)
    with pytest.raises(AttributeError):
        cost.batch = 2
