"""The law of NPUs: hand arithmetic, physics, public figures that nobody states, constants left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from hw_models.cost.arrays import KernelClass, Kernels
from hw_models.cost.chips import Chips
from hw_models.cost.combine import kernel_seconds
from hw_models.cost.laws.catalogue import law_of, without_device, without_family
from hw_models.cost.laws.constants import ConstantsLaw
from hw_models.cost.laws.figures import class_figures
from hw_models.cost.laws.npu import NpuLaw, law, padding, scratchpad_seconds, vector_seconds
from hw_models.cost.roofline import DRAM, EXPOSED, MAC, SRAM, Roofline
from hw_models.errors import InputError
from hw_models.measured.devices import accelerator_from_row
from hw_models.measured.stand_ins import running
from hw_models.spec.load import load_chip
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

ROW = {
    "key": "some_phone",
    "device": "Some phone",
    "vendor": "nobody",
    "kind": "mobile npu",
    "process_nm": 4.0,
    "int8_tops": 45.0,
    "memory": "LPDDR5X-4800 64-bit",
    "mem_bw_gb_s": 76.8,
    "external_dram": "yes",
    "confidence": "C",
}


def phone(**changes: Any) -> Accelerator:
    """A phone by a row of devices.csv, seen to run fp16."""
    return running(accelerator_from_row(ROW | changes), "fp16")


def seconds(found: NpuLaw, kernels: Kernels, *chips: Accelerator) -> np.ndarray:
    """(W, C) s of one inference."""
    arrays = Chips.of(chips)
    terms = found.apply(Roofline().terms(kernels, arrays).seconds, kernels, arrays)
    total: np.ndarray = kernels.counts @ kernel_seconds(terms, found.overlap) + found.start(arrays)
    return total


@pytest.fixture(scope="module")
def found() -> NpuLaw:
    """The law that ships."""
    return law("ideal")


@pytest.fixture(scope="module")
def layers(kernels: Callable[..., Kernels]) -> Callable[..., Kernels]:
    """A convolution of 64 channels on 56 x 56, a depthwise one, a ReLU alone, a linear layer."""

    def make(precision: str = "int8") -> Kernels:
        rows = [
            {"cls": KernelClass.CONV, "macs": 115.6e6, "weight_bytes": 36864, "reuse_bytes": 2e5},
            {"cls": KernelClass.DEPTHWISE, "macs": 1.8e6, "weight_bytes": 576, "reuse_bytes": 2e5},
            {"cls": KernelClass.ELEMENTWISE, "vector_ops": 2e5, "reuse_bytes": 2e5},
            {"cls": KernelClass.GEMM, "macs": 4.1e6, "weight_bytes": 4.1e6, "reuse_bytes": 4e3},
        ]
        made = kernels([{"read_bytes": 2e5, "write_bytes": 2e5, **r} for r in rows], precision=precision)
        made.dims[0] = (1, 1, 64, 64, 56, 56, 3, 3)
        made.dims[1] = (1, 64, 1, 1, 56, 56, 3, 3)
        made.dims[3] = (1, 1, 1000, 1024, 1, 1, 1, 1)
        return made

    return make


def test_whole_blocks_of_channels(kernels: Callable[..., Kernels]) -> None:
    """32 channels at once: 64 in, 64 out fit; 16 of 32; 3 channels of 7 pixels a row fill 21 of 32."""
    made = kernels([{"cls": KernelClass.CONV, "macs": 1.0}] * 3 + [{"cls": KernelClass.ELEMENTWISE}])
    made.dims[0] = (1, 1, 64, 64, 8, 8, 3, 3)
    made.dims[1] = (1, 1, 16, 16, 8, 8, 1, 1)
    made.dims[2] = (1, 1, 64, 3, 112, 112, 7, 7)
    np.testing.assert_allclose(padding(made, 32.0), [1.0, 4.0, 32 / 21, 1.0])


def test_hand_arithmetic_of_a_layer(found: NpuLaw, layers: Callable[..., Kernels]) -> None:
    """On the typical chip: MACs over the share of the peak, weights over their rate, bytes over theirs."""
    made, c = layers(), found.constants
    typical = phone(mem_bw_gb_s=67.0, memory="LPDDR5X 64-bit")
    arrays = Chips.of([typical])
    terms = found.apply(Roofline().terms(made, arrays).seconds, made, arrays)[:, 0]
    np.testing.assert_allclose(terms[0, MAC], 2 * 115.6e6 / 45e12 / min(c.compute["int8"]["conv"], 1.0))
    np.testing.assert_allclose(terms[0, SRAM], 4e5 / c.scratchpad)
    np.testing.assert_allclose(terms[2, SRAM], 4e5 / c.alone["int8"])
    hidden = 1 / (1 + 4.1e6 / c.prefetch)
    spilt = (4e5 / c.spill) / (1 + (c.capacity / 4e3) ** 2)
    np.testing.assert_allclose(terms[3, DRAM], 4.1e6 / c.weights * hidden + spilt)
    np.testing.assert_allclose(terms[3, EXPOSED], 4.1e6 / c.weights * (1 - hidden))


def test_integers_pay_where_nothing_takes_pointwise_work_along(
    found: NpuLaw, layers: Callable[..., Kernels]
) -> None:
    """Alone, an element costs more quantised than in floats: DenseNet-121 on AI Hub is slower in w8a8."""
    per_element = {p: scratchpad_seconds(layers(p), found.constants)[2] for p in ("fp16", "int8")}
    assert per_element["int8"] > per_element["fp16"] / 2
    w8a16 = scratchpad_seconds(layers("w8a16"), found.constants)[2]
    np.testing.assert_allclose(w8a16, per_element["int8"] / 2)  # as many bytes are half the elements


def test_special_functions_of_integers(found: NpuLaw, kernels: Callable[..., Kernels]) -> None:
    """What integers cannot do runs at its own rate."""
    row = {"cls": KernelClass.SOFTMAX, "vector_ops": 1e6}
    made = kernels([row, {**row, "vector_math": Precision.FP16}])
    expected = [1e6 / found.constants.vector[name] for name in ("int8", "special")]
    np.testing.assert_allclose(vector_seconds(made, found.constants.vector), expected)


@pytest.mark.parametrize(
    "lever", ["peak", "dram_bandwidth", "sram_capacity", "sram_bandwidth", "vector_peak", "clock"]
)
@pytest.mark.parametrize("factor", [1.1, 2.0, 8.0])
def test_more_is_never_slower(
    found: NpuLaw, layers: Callable[..., Kernels], lever: str, factor: float, toy: Callable[..., Accelerator]
) -> None:
    """Physics, on a phone and on a chip that states its scratchpad."""
    for chip in (phone(), toy()):
        before, after = seconds(found, layers(), chip, chip.scaled(**{lever: factor}))[0]
        assert after <= before * (1 + 1e-12)


def test_no_term_beats_the_peak(found: NpuLaw, layers: Callable[..., Kernels]) -> None:
    """MACs take at least their time at the public peak, however fast the memory is."""
    made, arrays = layers(), Chips.of([phone(mem_bw_gb_s=1000.0, memory="LPDDR5X 64-bit")])
    bare = Roofline().terms(made, arrays).seconds
    assert (found.apply(bare, made, arrays)[..., MAC] >= bare[..., MAC]).all()


def test_a_wider_bus_is_not_a_faster_npu(found: NpuLaw) -> None:
    """Twice the bits at the same rate serve others; a faster rate tells a newer part."""
    narrow, wide = phone(), phone(memory="LPDDR5X-4800 128-bit", mem_bw_gb_s=153.6)
    figures = class_figures()
    np.testing.assert_allclose(*(figures.relative_bandwidth(Chips.of([c])) for c in (narrow, wide)))
    faster = phone(memory="LPDDR5X 64-bit", mem_bw_gb_s=85.3)
    assert found.pace(Chips.of([faster])) > found.pace(Chips.of([narrow]))


def test_figures_that_nobody_states(found: NpuLaw, layers: Callable[..., Kernels]) -> None:
    """Without peak and bandwidth a phone is the typical one of its memory, whatever a stand-in's range."""
    bare = phone(int8_tops=None, mem_bw_gb_s=None, memory="LPDDR5")
    figures, chips = class_figures(), Chips.of([bare])
    np.testing.assert_allclose(figures.relative_peak(chips), 1.0)
    np.testing.assert_allclose(figures.relative_bandwidth(chips), 51.2 / 67.0)
    stated = phone(mem_bw_gb_s=51.2, memory="LPDDR5 64-bit")
    one, other = seconds(found, layers("fp16"), bare, stated)[0]
    np.testing.assert_allclose(one, other)
    low, high = chips.ends
    for edge in (low, high):
        terms = found.apply(
            Roofline().terms(layers("fp16"), edge).seconds, layers("fp16"), edge
        )  # the law's interval has that range in it
        at_edge = kernel_seconds(terms, found.overlap).sum() + found.start(edge)
        np.testing.assert_allclose(at_edge, one)


def test_interval_and_start(found: NpuLaw) -> None:
    """The interval has the value inside; an inference starts sooner on a faster chip."""
    chips = Chips.of([phone(), phone(int8_tops=90.0)])
    low, high = found.interval(chips)
    assert (low < 1).all()
    assert (high > 1).all()
    slow, fast = found.start(chips)
    assert 0 < fast < slow < 1e-3


def test_constants_left_out(found: NpuLaw) -> None:
    """A fold of families and a device have constants of their own; what was never seen has the law's."""
    assert law("ideal", without_family("resnet")) != found
    assert law("ideal", without_device("s24")) != found
    assert law("ideal", without_device("no_such_device")).constants == found.constants
    assert "qualcomm_aihub_latency" in found.source


def test_no_such_lowering() -> None:
    """The message lists what there is."""
    with pytest.raises(InputError, match=r"no law of NPUs for lowering 'idael'; known: ideal, eager"):
        law("idael")


@pytest.mark.parametrize("name", ["ethos_u55_128_high_end", "nvdla_256", "gemmini_16x16"])
def test_a_chip_far_smaller_than_those_fitted_on_goes_by_the_constants_of_its_class(name: str) -> None:
    chip = load_chip(name)
    assert isinstance(law_of(chip, "ideal"), ConstantsLaw)
    assert not isinstance(law_of(load_chip("qcs8550"), "ideal"), ConstantsLaw)
