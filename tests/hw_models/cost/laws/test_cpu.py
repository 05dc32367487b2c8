"""The law of CPUs: hand arithmetic of its terms, physics, what boards measured."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hw_models.measured
from hw_models.cost.chips import Chips, default_lowering
from hw_models.cost.combine import kernel_seconds
from hw_models.cost.laws.catalogue import law as found_law
from hw_models.cost.laws.cpu import TERMS, Constants, CpuLaw, Power, Shape, law, term_seconds
from hw_models.cost.roofline import DRAM, ISSUE, MAC, SRAM, VECTOR, Roofline
from hw_models.errors import InputError
from hw_models.lowering import lower
from hw_models.measured.devices import accelerator_from_row
from hw_models.measured.stand_ins import running
from hw_models.workload import OpKind, Precision, TensorKind, WorkloadBuilder

ROW = {
    "key": "board",
    "device": "Board (4x Cortex-A72 1.5 GHz)",
    "vendor": "Somebody",
    "kind": "cpu",
    "fp32_tflops": 0.048,
    "mem_bw_gb_s": 12.8,
    "memory": "LPDDR4",
    "l2_or_sram_mb": 1.0,
    "units": 4.0,
    "clock_mhz": 1500.0,
    "external_dram": "yes",
}
RUNTIMES = (
    "torch 2.4.0",
    "onnxruntime 1.20",
    "TFLite v2.7.1 (ruy)",
    "TFLite vmaster (xnnpack)",
    "ArmNN v22.11 (Neon)",
)
DATA = Path(hw_models.measured.__file__).parent / "data"


def board(**changes):
    cells = {
        **dict.fromkeys(("process_nm", "fp16_tflops", "int8_tops", "tdp_w", "confidence", "note")),
        **ROW,
    }
    return accelerator_from_row({**cells, **changes})


def convolution(channels=32, side=16, taps=3, groups=1, precision="fp32"):
    """One convolution, stride 1, as many inputs as outputs."""
    b = WorkloadBuilder("conv")
    each = channels // groups
    x = b.tensor((1, channels, side, side), Precision.FP32, TensorKind.INPUT, batched=True)
    w = b.tensor((channels, each, taps, taps), Precision.FP32, TensorKind.WEIGHT, batched=False)
    y = b.tensor((1, channels, side, side), Precision.FP32, TensorKind.ACTIVATION, batched=True)
    dims = (1, groups, each, each, side, side, taps, taps)
    b.op(OpKind.CONV, dims, [x, w], [y], target="conv", attrs={"fn": "conv"}, batch_dim=0)
    return lower([b.finish([y])], lowering="folded", precision=precision)


def seconds(kernels, chip, runtime="TFLite v2.7.1 (ruy)"):
    chips = Chips.of([chip])
    of = law("folded", None, runtime)
    terms = of.apply(Roofline().terms(kernels, chips).seconds, kernels, chips)
    return float((kernels.counts @ kernel_seconds(terms, of.overlap))[0, 0])


def only(**factors):
    """A law of a few terms."""
    constants = Constants(tuple(factors.get(t, 0.0) for t in TERMS), Shape())
    return CpuLaw(constants, constants, Power(2.0, 1e-10, 1e-10, 0.5, 2.0), 0.5, 2.0, "")


def applied(of, kernels, chip):
    chips = Chips.of([chip])
    return of.apply(Roofline().terms(kernels, chips).seconds, kernels, chips)[0, 0]


def test_terms_by_hand():
    kernels, chip = convolution(), board()
    found = applied(only(conv=2.0, operands=3.0, relaid=0.5, dram=1.0, library=1e-5), kernels, chip)
    ops, weights, moved = 2 * 32 * 32 * 9 * 256, 4 * 32 * 32 * 9, 2 * 4 * 32 * 256
    assert found[MAC] == pytest.approx(2.0 * ops / 48e9)
    assert found[SRAM] == pytest.approx(3.0 * moved / 48e9)
    assert found[DRAM] == pytest.approx((0.5 * weights + weights + moved) / 12.8e9)
    assert found[ISSUE] == pytest.approx(1e-5)


@pytest.mark.parametrize(("channels", "padded"), [(32, 32), (24, 32), (33, 48)])
def test_channels_are_padded_to_blocks_of_16(channels, padded):
    found = applied(only(conv=1.0), convolution(channels), board())
    assert found[MAC] == pytest.approx(2 * padded**2 * 9 * 256 / 48e9)


@pytest.mark.parametrize(
    ("groups", "channels", "ragged"), [(32, 32, 0.0), (30, 30, 1.0), (4, 64, 0.0), (4, 32, 1.0)]
)
def test_groups_that_fill_no_block_cost_more(groups, channels, ragged):
    kernels = convolution(channels, groups=groups)
    found = applied(only(grouped_ragged=1.0, depthwise_ragged=1.0), kernels, board())
    assert found[MAC] == pytest.approx(ragged * 2 * kernels.macs[0] / 48e9)


def test_a_depthwise_output_costs_its_own():
    found = applied(only(window=5.0), convolution(32, groups=32), board())
    assert found[VECTOR] == pytest.approx(5.0 * 2 * 32 * 256 / 48e9)


@pytest.mark.parametrize(
    ("shape", "factor"),
    [
        (Shape(threads=1), 4.0),
        (Shape(width=0.5), 1.0),
        (Shape(lanes=8.0), 1.0),
    ],
    ids=["one of four cores", "narrow SIMD loses nothing", "lanes are of 8 bits"],
)
def test_rates_of_float_products(shape, factor):
    chips = Chips.of([board()])
    assert shape.rates(chips).mac[0, Precision.FP32] == pytest.approx(48e9 / factor)


def test_wide_simd_loses_by_its_exponent():
    chips = Chips.of([board(fp32_tflops=0.384)])
    assert Shape(width=0.5).rates(chips).vector[0] == pytest.approx(384e9 / math.sqrt(2.0))


@pytest.mark.parametrize(("vendor", "reached"), [("Somebody", 64), ("Intel", 16)])
def test_lanes_of_8_bits_that_a_runtime_reaches_for(vendor, reached):
    chips = Chips.of([board(vendor=vendor, int8_tops=1.0)])
    rates = Shape(lanes=64.0, lanes_x86=16.0).rates(chips)
    assert rates.mac[0, Precision.INT8] == pytest.approx(reached * 4 * 1.5e9)


def test_calls_are_slower_on_slow_cores():
    chips = Chips.of([board(), board(fp32_tflops=0.024)])
    assert Shape(call=1.0).rates(chips).call == pytest.approx([20 / 12, 20 / 6])


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize(
    "better",
    [
        {"fp32_tflops": 0.096, "int8_tops": 0.4},
        {"mem_bw_gb_s": 34.0},
        {"clock_mhz": 3000.0},
        {"l2_or_sram_mb": 8.0},
    ],
    ids=["peak", "bandwidth", "clock", "cache"],
)
def test_more_is_never_slower(runtime, precision, better):
    for kernels in (
        convolution(48, 14, precision=precision),
        convolution(48, 14, groups=48, precision=precision),
    ):
        base = board(int8_tops=0.2)
        assert seconds(kernels, board(**{"int8_tops": 0.2, **better}), runtime) <= seconds(
            kernels, base, runtime
        )


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_never_far_below_the_roofline(runtime):
    kernels, chips = convolution(64, 28), Chips.of([board()])
    bare = Roofline().terms(kernels, chips).seconds
    bound = float(kernel_seconds(bare, np.inf).sum())
    assert seconds(kernels, board(), runtime) >= bound / 1.15


def test_unknown_and_impossible_stay():
    kernels, chip = convolution(precision="int8"), board()
    assert np.isinf(seconds(kernels, chip)), "no int8 peak is told"
    chips = Chips.of([running(chip, "int8")])
    terms = Roofline().terms(kernels, chips).seconds
    terms[..., DRAM] = np.nan
    of = law("folded", None, "TFLite (ruy)")
    assert np.isnan(kernel_seconds(of.apply(terms, kernels, chips), 1.0)).all()


def test_the_same_arguments_the_same_bytes():
    kernels, chips = convolution(), Chips.of([board()])
    terms = Roofline().terms(kernels, chips).seconds
    of = law("folded")
    assert of.apply(terms, kernels, chips).tobytes() == of.apply(terms, kernels, chips).tobytes()


@pytest.mark.parametrize(
    ("runtime", "lowering", "word"),
    [
        ("torch 2.4.0", "compiled", "timm_throughput"),
        ("onnxruntime 1.20", "folded", "epyc"),
        ("TFLite v2.7.1 (ruy)", "folded", "ruy"),
        ("TFLite vmaster (xnnpack)", "folded", "XNNPACK"),
        ("ArmNN TFLite v22.11 using neon", "folded", "ArmNN"),
        (None, "compiled", "timm_throughput"),
        (None, "folded", "epyc"),
    ],
)
def test_runtimes_are_told_by_their_names(runtime, lowering, word):
    of = found_law("cpu", lowering, runtime)
    assert word in of.source
    assert of.interval(Chips.of([board()])).tolist() == [[of.low], [of.high]]
    assert of.low < 1.0 < of.high


def test_no_law_for_that_lowering():
    with pytest.raises(
        InputError, match="no law of CPUs for lowering 'melted'; known: compiled, eager, folded, ideal"
    ):
        law("melted")


def test_crossfit_has_other_constants_and_the_law_itself_where_it_never_saw_it():
    whole = law("folded", None, "TFLite (ruy)")
    assert law("folded", "device:rpi4", "TFLite (ruy)") != whole
    assert law("folded", "device:elsewhere", "TFLite (ruy)") is whole
    folds = [law("compiled", f"family:{i}", "torch") for i in range(5)]
    assert len({f.floats for f in folds}) == 5


def test_terms_are_all_named_once():
    kernels, chips = convolution(), Chips.of([board()])
    found = term_seconds(Roofline().terms(kernels, chips).seconds, kernels, chips, Shape())
    assert tuple(name for name, _, _ in found) == TERMS


def test_power_at_the_wall():
    watts = only().board_power(Chips.of([board()]))
    assert watts[:, 0] == pytest.approx([8.08, 4.04, 16.16])


def test_power_is_unknown_without_a_peak():
    chips = Chips.of([board()])
    chips.vector_peak[:] = np.nan
    assert np.isnan(only().board_power(chips)).all()


@pytest.mark.parametrize(
    ("runtime", "lowering"), [("onnxruntime 1.20", "folded"), ("torch", "compiled"), (None, "compiled")]
)
def test_lowering_by_runtime(runtime, lowering):
    assert default_lowering(board(), runtime) == lowering


def test_a_measured_board_from_its_row_alone():
    """MobileNet v1 on a Raspberry Pi 4, constants that never saw the board, against the published time."""
    from hw_models.workload.named import NamedNetwork
    from search_spaces.published.catalogue import published_network

    name = "mobilenet-v1-1.0-224-non-quantized"
    with gzip.open(DATA / "mlperf_edge_grid.csv.gz", "rt", encoding="utf-8") as file:
        rows = pd.read_csv(file, comment="#")
    ruy = (
        rows["framework"].str.contains("ruy") & (rows["board"] == "raspberry-pi-4") & (rows["model"] == name)
    )
    measured = rows[ruy]
    kernels = lower(
        [published_network(NamedNetwork("mlperf_edge_grid", name))], lowering="folded", precision="fp32"
    )
    chips = Chips.of([board()])
    of = law("folded", "device:rpi4", "TFLite v2.7.1 (ruy)")
    terms = of.apply(Roofline().terms(kernels, chips).seconds, kernels, chips)
    predicted = float((kernels.counts @ kernel_seconds(terms, of.overlap))[0, 0])
    assert predicted == pytest.approx(measured["latency_mean_ms"].median() / 1e3, rel=0.3)
    watts = of.board_power(chips)[0, 0]
    assert watts == pytest.approx(measured["avg_power_w"].median(), rel=0.3)
