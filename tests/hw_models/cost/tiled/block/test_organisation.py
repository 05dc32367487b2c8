"""Terms of the organisation "block" on whole networks and odd chips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.chips import Chips
from hw_models.cost.combine import kernel_seconds
from hw_models.cost.estimate import estimate
from hw_models.cost.models import cost_model
from hw_models.cost.tiled.block import Block
from hw_models.cost.tiled.block.arena import arena_bytes, bricks
from hw_models.cost.tiled.block.machine import BlockMachine
from hw_models.cost.tiled.block.streams import softmax_bytes, stream_cycles
from hw_models.cost.tiled.problem import Problems
from hw_models.lowering import lower, lowered
from hw_models.spec.load import list_chips, load_chip
from hw_models.validation.truth.int8_networks import workload_of

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

U55, U85 = "ethos_u55_256_high_end", "ethos_u85_256_dram_low"
MAC, DRAM, SRAM = (RESOURCES.index(r) for r in ("mac", "dram", "sram"))
SMALL = [
    "input 32x32x3",
    "conv 16 3x3 /2 relu",
    "dw 3x3 /1 relu",
    "conv 32 1x1",
    "mean",
    "reshape 1x32",
    "fc 10",
]


EVERYTHING = [
    "input 48x48x3",
    "conv 16 3x3 /2",
    "hardswish",
    "dw 5x5 /1 relu6",
    "mean",
    "conv 16 1x1",
    "sigmoid",
    "from @3",
    "mul @6",
    "add @2 relu",
    "pool max 3x3 /2 same",
    "resize 2",
    "tanh",
    "conv 64 1x1",
    "reshape 1x1x576x64",
    "softmax",
]


def seconds(lines: list[str], chip: Accelerator) -> float:
    value = estimate(workload_of("net", lines), chip, precision="int8", model="tiled").latency.value
    assert value is not None
    return value


def cycles(lines: list[str], chip: Accelerator | str) -> float:
    accelerator = load_chip(chip) if isinstance(chip, str) else chip
    clock = accelerator.main_engine.clock
    assert clock is not None
    return seconds(lines, accelerator) * clock.value


def with_banks(chip: Accelerator, banks: float) -> Accelerator:
    engine = chip.main_engine
    assert engine.dataflow is not None
    figures = dict(engine.dataflow.parameters)
    figures["banks"] = figures["banks"].model_copy(update={"value": banks})
    dataflow = engine.dataflow.model_copy(update={"parameters": figures})
    return chip.model_copy(update={"engines": (engine.model_copy(update={"dataflow": dataflow}),)})


def test_what_does_not_fit_is_a_code_with_its_bytes() -> None:
    tiny = with_banks(load_chip(U55), 6.0)
    found = Block().terms(Problems.of([[1, 1, 64, 64, 8, 8, 3, 3]], pad=1), [tiny])
    assert found.feasibility.tolist() == [[Feasibility.CAPACITY]]
    assert found.demand[0, 0] > 0
    assert found.bound[0, 0] == 2 * 1024
    assert np.isinf(found.seconds).all()
    assert np.isnan(found.actions).all()


def test_missing_fields_are_named() -> None:
    chip = load_chip(U55)
    engine = with_banks(chip, 0.0).main_engine.model_copy(update={"clock": None})
    bare = chip.model_copy(update={"engines": (engine,), "memory": chip.memory[1:]})
    assert Block().missing(bare) == (
        "engines.npu.clock",
        "engines.npu.dataflow.parameters.banks, or accumulators and inputs",
        "memory: one that is not off the chip",
    )
    assert Block().missing(chip) == ()


def test_actions_count_every_mac_and_every_byte_once_at_least() -> None:
    problems = Problems.of([[1, 1, 32, 16, 28, 28, 3, 3], [1, 24, 1, 1, 14, 14, 3, 3]], pad=1)
    found = Block().terms(problems, [load_chip(U55), load_chip(U85)])
    action = {name: found.actions[..., i] for i, name in enumerate(ACTIONS)}
    assert (action["mac"] == problems.macs[:, None]).all()
    assert (action["dram_read"] >= (problems.input_elements + problems.weight_elements)[:, None]).all()
    assert (action["dram_write"] == problems.output_elements[:, None]).all()
    assert (action["sram_read"] >= problems.input_elements[:, None]).all()


def test_an_activation_is_free_and_a_looked_up_one_is_not() -> None:
    plain = cycles(["input 16x16x8", "conv 32 1x1"], U55)
    assert cycles(["input 16x16x8", "conv 32 1x1 relu"], U55) == pytest.approx(plain)
    # 16 x 16 x 32 elements at one cycle take longer than the convolution itself
    looked_up = cycles(["input 16x16x8", "conv 32 1x1", "sigmoid"], U55)
    assert looked_up >= 16 * 16 * 32 > plain / 2


def test_an_addition_follows_its_convolution() -> None:
    before = ["input 16x16x32", "conv 32 3x3", "conv 32 3x3", "conv 32 3x3"]
    # 16 x 16 x 32 elements at 0.75 cycles
    added = cycles([*before, "add @1"], U55) - cycles(before, U55)
    assert added == pytest.approx(0.75 * 16 * 16 * 32, rel=0.02)


def test_a_product_of_activations_runs_as_element_wise_work_on_u55() -> None:
    lines = ["input 1x32x64", "reshape 1x1x32x64", "transpose 0 1 3 2", "from @1", "matmul @2"]
    assert cycles(lines, U55) > 0.5 * 32 * 32 * 64 > 4 * cycles(lines, U85) / 2


def test_an_addition_works_on_whole_bricks_of_channels() -> None:
    before = ["input 16x16x20", "conv 20 3x3", "conv 20 3x3", "conv 20 3x3"]
    # 20 channels lie in two bricks of 16: 16 x 16 x 32 elements at 0.75 cycles
    added = cycles([*before, "add @1"], U55) - cycles(before, U55)
    assert added == pytest.approx(0.75 * 16 * 16 * 32, rel=0.02)


def test_a_mean_behind_a_convolution_runs_as_a_depthwise_layer() -> None:
    """Vela's report: 53008 cycles for 28 x 28 x 192, 24739 for 28 x 28 x 96."""
    machine = BlockMachine.of(load_chip("ethos_u85_2048_dram_high"))
    for channels, reported in ((192, 53008), (96, 24739)):
        lines = ["input 28x28x8", f"conv {channels} 1x1 relu", "mean"]
        kernels = lower([workload_of("net", lines)], lowering="ideal", precision="int8")
        after = stream_cycles(kernels, machine)[:, RESOURCES.index("exposed")]
        assert after.tolist() == [pytest.approx(reported, rel=0.1)]


def test_a_gate_is_a_product_with_one_number_a_channel() -> None:
    lines = ["input 28x28x32", "conv 32 1x1 relu", "mean", "conv 32 1x1", "sigmoid", "from @1"]
    # 28 x 28 x 32 elements at 0.375 cycles, and not at the 0.75 of an addition
    gated = cycles([*lines, "mul @4"], U55) - cycles(lines[:4], U55)
    assert gated == pytest.approx(0.375 * 28 * 28 * 32, rel=0.1)


def test_wide_tensors_of_a_softmax_that_do_not_fit_lie_outside() -> None:
    lines = ["input 1x64x64", "reshape 1x1x64x64", "softmax"]
    kernels = lower([workload_of("net", lines)], lowering="ideal", precision="int8")
    chip = load_chip("ethos_u65_512_high_end")
    capacity = chip.memory[0].capacity
    assert capacity is not None
    # 4096 elements: two tensors of 16 KiB, one, or none of them beside the input and output
    for room, per_element in ((64, 6.0), (24, 3.0), (12, 0.0)):
        smaller = chip.scaled(sram_capacity=room * 1024 / capacity.value)
        assert softmax_bytes(kernels, BlockMachine.of(smaller)).max() == per_element * 4096


def test_what_a_long_skip_brings_is_read_back() -> None:
    """A cascade of stripes keeps a chain of layers on the chip, and not what was made long before."""
    chip = load_chip("ethos_u85_512_dram_mid")
    chain = ["input 160x160x3", *["conv 24 3x3"] * 3]
    skip = ["input 160x160x3", "conv 12 3x3", "conv 24 3x3 /2", *["conv 24 3x3"] * 8, "conv 12 3x3"]
    skip += ["resize 2", "concat @1", "conv 24 3x3"]

    def last_read(lines: list[str]) -> float:
        kernels = lower([workload_of("net", lines)], lowering="ideal", precision="int8")
        terms = cost_model("tiled").provider.terms(kernels, Chips.of([chip]))
        read: float = terms.seconds[kernels.index[-1], 0, DRAM]
        return read

    assert last_read(skip) > 2 * last_read(chain)


def test_activations_lie_in_bricks_of_sixteen_channels() -> None:
    net = lowered(
        workload_of("net", ["input 8x8x3", "conv 20 3x3 relu", "conv 16 1x1", "conv 10 1x1"]),
        lowering="ideal",
        precision="int8",
    )
    sizes = sorted(bricks(net)[np.union1d(net.lifetimes.value, net.outputs)].tolist())
    # what the network reads and returns lies as it is: 3 and 10 channels; 20 take two bricks
    assert sizes == [64 * c for c in (3, 10, 16, 32)]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([U55, U85, "ethos_u65_512_high_end", "ethos_u85_2048_dram_high"]),
    st.sampled_from(["peak", "vector_peak", "dram_bandwidth", "sram_bandwidth", "sram_capacity", "clock"]),
    st.floats(1.0, 8.0),
)
def test_a_better_chip_is_never_slower(name: str, what: str, factor: float) -> None:
    chip = load_chip(name)
    for lines in (SMALL, EVERYTHING):
        assert seconds(lines, chip.scaled(**{what: factor})) <= seconds(lines, chip) * (1 + 1e-9)


@pytest.mark.parametrize("name", [c for c in list_chips("ethos_u*") if c != "ethos_u85_2048"])
def test_no_operator_beats_its_roofline_on_any_shipped_chip(name: str) -> None:
    """A table look-up gives a function of one byte as fast as any other: the vector peak must be that."""
    kernels = lower([workload_of("net", EVERYTHING)], lowering="ideal", precision="int8")
    chips, model, bound = Chips.of([load_chip(name)]), cost_model("tiled"), cost_model("roofline_bound")
    took = kernel_seconds(model.provider.terms(kernels, chips).seconds, model.overlap)
    least = kernel_seconds(bound.provider.terms(kernels, chips).seconds, bound.overlap)
    started = load_chip(name).main_engine.issue
    assert started is not None
    assert (took + started.value >= least * (1 - 1e-9)).all()


def test_same_input_same_bytes() -> None:
    problems = Problems.of([[1, 1, 40, 24, 20, 20, 3, 3]], pad=1)
    one, two = (Block().terms(problems, [load_chip(U85)]).seconds.tobytes() for _ in range(2))
    assert one == two


def test_a_batch_of_problems_is_what_each_is_alone() -> None:
    problems = Problems.of([[1, 1, 40, 24, 20, 20, 3, 3], [1, 1, 8, 8, 5, 5, 1, 1]])
    together = Block().terms(problems, [load_chip(U55), load_chip(U85)]).seconds
    alone = [
        Block().terms(problems.take([d]), [load_chip(c)]).seconds[0, 0] for d in (0, 1) for c in (U55, U85)
    ]
    assert np.array_equal(together.reshape(4, -1), np.array(alone), equal_nan=True)


def test_the_arena_by_hand() -> None:
    live, weights = np.array([1000.0, 600.0, 600.0]), np.array([100.0, 5000.0, 80.0])
    cycles_of = np.array([400.0, 900.0, 10.0])
    # at 1 byte a cycle, 400 of the second kernel's 5000 bytes come ahead, so two buffers of 400 take turns;
    # the third's 80 come ahead entirely
    assert arena_bytes(live, weights, cycles_of, np.array([True, True, True]), 1.0) == max(
        1008 + 100 + 400, 608 + 800 + 80, 608 + 80
    )
    assert arena_bytes(live, weights, cycles_of, np.zeros(3, np.bool_), 1.0) == 1008


def test_a_unit_that_the_file_leaves_out_is_named() -> None:
    chip = load_chip("ethos_u55_128_high_end")
    flow = chip.main_engine.dataflow
    assert flow is not None
    left = {name: x for name, x in flow.parameters.items() if name != "unit_k"}
    engine = chip.main_engine.model_copy(update={"dataflow": flow.model_copy(update={"parameters": left})})
    without = chip.model_copy(update={"engines": (engine, *chip.engines[1:])})
    assert Block().missing(without) == ("engines.npu.dataflow.parameters.unit_k",)
