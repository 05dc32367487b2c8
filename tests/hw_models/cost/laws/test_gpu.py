"""The law of GPUs: hand arithmetic of its factors, and what must hold for any GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.arrays import KernelClass, Kernels
from hw_models.cost.chips import Chips
from hw_models.cost.combine import kernel_seconds
from hw_models.cost.laws.catalogue import law as law_of
from hw_models.cost.laws.gpu import GpuConstants, law, sustained_clock
from hw_models.cost.roofline import DRAM, ISSUE, MAC, SRAM, VECTOR, Roofline
from hw_models.errors import UnknownNameError
from hw_models.spec.load import load_chip
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from hw_models.cost.laws.base import Law

GEMM, CONV, DEPTHWISE = KernelClass.GEMM, KernelClass.CONV, KernelClass.DEPTHWISE
GPUS = (
    "rtx3090",
    "rtx4090",
    "t4",
    "a100_pcie_40gb",
    "h100_sxm_80gb",
    "v100_pcie_32gb",
    "l4",
    "p100_pcie_16gb",
)


def kernels_of(*rows: dict) -> Kernels:
    """One network of these kernels: class, dims, bytes; MACs as the dims say, FP16."""
    n = len(rows)
    kinds = {GEMM: OpKind.GEMM, CONV: OpKind.CONV, DEPTHWISE: OpKind.CONV}
    dims = np.array([[*r["dims"], *[1] * (8 - len(r["dims"]))] for r in rows], np.int64)
    product = np.array([r["cls"] in kinds for r in rows])
    column = {k: np.array([float(r.get(k, 0.0)) for r in rows]) for k in ("read", "write", "vector")}
    return Kernels(
        cls=np.array([r["cls"] for r in rows], np.int8),
        dims=dims,
        geometry=np.array([[r.get("stride", 1)] * 2 + [1, 1, 0, 0, 0, 0, 0] for r in rows], np.int64),
        kind=np.array([r.get("kind", kinds.get(r["cls"], OpKind.ELEMENTWISE)) for r in rows], np.int8),
        math=np.full(n, Precision.FP16, np.int8),
        vector_math=np.full(n, Precision.FP16, np.int8),
        macs=np.where(product, dims.prod(axis=1), 0).astype(float),
        vector_ops=column["vector"],
        weight_bytes=np.zeros(n),
        read_bytes=column["read"],
        write_bytes=column["write"],
        reuse_bytes=np.full(n, np.nan),
        out_elements=column["write"] / 2,
        network_ptr=np.array([0, n]),
        index=np.arange(n),
        op_ptr=np.arange(n + 1),
        op_index=np.zeros(n, np.int64),
        labels=("kernel",) * n,
        network=("net",),
        batch=np.ones(1, np.int64),
        peak_activation_bytes=np.ones(1),
        weights_bytes=np.ones(1),
        lowering=("compiled",),
        precision=("fp16",),
        layout=np.array([r.get("layout", 0) for r in rows], np.int8),
    )


def ratio(kernels: Kernels, chip: str, lowering: str = "compiled") -> np.ndarray:
    """(U, R) adjusted over bare terms."""
    chips = Chips.of([load_chip(chip)])
    bare = Roofline().terms(kernels, chips).seconds
    with np.errstate(invalid="ignore", divide="ignore"):
        return (law(lowering).apply(bare, kernels, chips) / bare)[:, 0]


def constants(lowering: str = "compiled") -> GpuConstants:
    return law(lowering).constants


def test_it_is_the_law_of_the_class():
    found: Law = law_of("gpu", "compiled")
    assert found.overlap == constants().overlap
    assert law_of("gpu", "compiled", runtime="torch 2.4.0") == found


def test_a_full_product_pays_its_class_and_its_short_sum():
    """4096 x 4096 outputs, sums of 4096: whole tiles, aligned rows, RTX 4090 at its rated clock."""
    c = constants()
    found = ratio(
        kernels_of({"cls": GEMM, "dims": (1, 4096, 4096, 4096), "read": 1e8, "write": 3e7}), "rtx4090"
    )
    assert found[0, MAC] == pytest.approx(c.compute["gemm"] * (1 + c.short_sum["gemm"] / 4096))
    assert found[0, DRAM] == pytest.approx(c.memory["gemm"])


def test_a_narrow_product_fills_a_quarter_of_its_tile():
    """16 columns of 64: part_tile is the exponent of 4; 16 is aligned, but no whole step."""
    c = constants()
    wide, narrow = ratio(
        kernels_of(*({"cls": GEMM, "dims": (1, 4096, n, 1024), "read": 1e7, "write": 1e6} for n in (64, 16))),
        "rtx4090",
    )[:, MAC]
    assert narrow / wide == pytest.approx(4**c.part_tile * c.unaligned["step"])


def test_unaligned_rows_pay_more_than_loose_steps():
    c = constants()
    rows = ({"cls": GEMM, "dims": (1, 4096, 4096, k), "read": 1e7, "write": 1e6} for k in (1024, 1000, 1001))
    full, loose, odd = ratio(kernels_of(*rows), "rtx4090")[:, MAC]
    assert loose / full == pytest.approx(c.unaligned["step"], rel=0.01)
    assert odd / full == pytest.approx(c.unaligned["row"], rel=0.01)


@pytest.mark.parametrize(("layout", "table"), [(0, "taps"), (1, "taps_last")])
def test_depthwise_windows_by_how_channels_lie(layout, table):
    c, taps = constants(), getattr(constants(), table)
    rows = [
        {"cls": DEPTHWISE, "dims": (64, 128, 1, 1, 28, 28, k, k), "read": 1e7, "write": 1e7, "layout": layout}
        for k in (3, 5, 7, 9, 13)
    ]
    strided = rows[0] | {"stride": 2}
    found = ratio(kernels_of(*rows, strided), "rtx4090")[:, VECTOR]
    expected = [taps[k] for k in ("3", "5", "7", "9", "9")]
    assert found[:5] == pytest.approx(c.compute["depthwise"] * np.array(expected))
    assert found[5] / found[0] == pytest.approx(taps["stride"])


def test_work_out_of_order_and_long_functions_read_slower():
    c = constants("eager")
    plain = {"cls": KernelClass.ELEMENTWISE, "dims": (1 << 20,), "read": 2e6, "write": 2e6, "vector": 1e6}
    rows = (plain, plain | {"layout": 1}, plain | {"vector": 40e6}, plain | {"kind": OpKind.RESIZE})
    found = ratio(kernels_of(*rows), "rtx3090", "eager")[:, DRAM]
    slower = [1.0, c.slower["mixed"], c.slower["function"], c.slower["resize"]]
    assert found == pytest.approx(c.memory["elementwise"] * np.array(slower))


def test_all_bytes_pass_the_cache():
    """RTX 4090: 128 multiprocessors at 2.52 GHz."""
    kernels = kernels_of({"cls": KernelClass.COPY, "dims": (1000,), "read": 1e6, "write": 1e6})
    chips = Chips.of([load_chip("rtx4090")])
    seconds = law("eager").apply(Roofline().terms(kernels, chips).seconds, kernels, chips)
    assert seconds[0, 0, SRAM] == pytest.approx(2e6 / (128 * 2.52e9 * constants("eager").cache_bytes))
    assert seconds[0, 0, ISSUE] == constants("eager").issue


def test_matrix_units_of_data_centre_parts_wait_for_their_tiles():
    """H100: 989 TFLOPS of 132 multiprocessors at 1.755 GHz ask for 50 byte/clock, 35 come; RTX 4090: 6."""
    kernels = kernels_of({"cls": GEMM, "dims": (1, 8192, 8192, 8192), "read": 3e8, "write": 1.5e8})
    bytes_per_mac = 2 * (1 / 256 + 1 / 128)
    for chip in ("h100_sxm_80gb", "rtx4090"):
        chips = Chips.of([load_chip(chip)])
        seconds = law("compiled").apply(Roofline().terms(kernels, chips).seconds, kernels, chips)[0, 0]
        clocks = float((chips.units * chips.clock)[0])
        assert seconds[SRAM] == pytest.approx(8192**3 * bytes_per_mac / (clocks * 35))
        assert bool(seconds[SRAM] > seconds[MAC]) is (chip != "rtx4090")


@pytest.mark.parametrize(
    ("chip", "measured", "off"),
    [("t4", 0.61, 0.02), ("a100_pcie_40gb", 0.87, 0.08), ("v100_pcie_32gb", 0.98, 0.03)],
)
def test_power_caps_the_clock(chip, measured, off):
    """Source: FP32 GEMM of DeepBench and NeuSight, 99th percentile of achieved over rated peak."""
    assert sustained_clock(Chips.of([load_chip(chip)]))[0] == pytest.approx(measured, abs=off)


def test_unknown_power_caps_nothing():
    chips = Chips.of([load_chip("t4")])
    assert sustained_clock(replace(chips, tdp=np.array([np.nan])))[0] == 1.0


KERNELS = kernels_of(
    {"cls": GEMM, "dims": (1, 2000, 300, 77), "read": 1e7, "write": 1e7},
    {"cls": CONV, "dims": (8, 1, 64, 64, 56, 56, 3, 3), "read": 3e6, "write": 3e6},
    {"cls": DEPTHWISE, "dims": (8, 64, 1, 1, 56, 56, 5, 5), "read": 3e6, "write": 3e6, "layout": 1},
    {"cls": KernelClass.NORM, "dims": (64, 50000), "read": 6e6, "write": 6e6, "vector": 1e7},
)


def latency(chips: Chips, lowering: str) -> np.ndarray:
    """(U, C) s."""
    found = law(lowering)
    seconds = found.apply(Roofline().terms(KERNELS, chips).seconds, KERNELS, chips)
    return kernel_seconds(seconds, found.overlap)


@settings(max_examples=30, deadline=None)
@given(
    chip=st.sampled_from(GPUS),
    field=st.sampled_from(("mac_peak", "dram_bandwidth", "tdp", "vector_peak")),
    factor=st.floats(1.0, 8.0),
    lowering=st.sampled_from(("compiled", "eager")),
)
def test_better_figures_are_never_slower(chip, field, factor, lowering):
    chips = Chips.of([load_chip(chip)])
    better = replace(chips, **{field: getattr(chips, field) * factor})
    assert (latency(better, lowering) <= latency(chips, lowering) * (1 + 1e-12)).all()


@pytest.mark.parametrize("lowering", ["compiled", "eager", "ideal", "folded", "eager_nhwc"])
def test_every_gpu_has_a_time_of_its_own_scale(lowering):
    """No GPU beats its roofline by more than the boost of clocks, and none is a hundred times slower."""
    chips = Chips.of([load_chip(g) for g in GPUS])
    bare = Roofline().terms(KERNELS, chips).seconds
    floor = kernel_seconds(bare, np.inf)
    found = latency(chips, lowering)
    assert (found >= floor / 1.15).all()
    assert (found <= 100 * floor + 1e-5).all()


def test_unknown_stays_unknown():
    chips = replace(Chips.of([load_chip("t4")]), dram_bandwidth=np.array([np.nan]))
    assert np.isnan(latency(chips, "compiled")).all()


@pytest.mark.parametrize("lowering", ["compiled", "eager"])
def test_constants_are_within_what_physics_allows(lowering):
    c = constants(lowering)
    assert min(c.compute.values()) >= 1 / 1.15 - 1e-3
    assert min(*c.memory.values(), *c.slower.values(), *c.unaligned.values(), c.vector) >= 0.999
    assert min(*c.unhidden.values(), *c.short_sum.values(), c.issue, c.part_tile) > 0


@pytest.mark.parametrize("lowering", ["compiled", "eager"])
def test_each_fold_has_constants_of_its_own(lowering):
    whole = law(lowering)
    folds = [law(lowering, f"family:{k}") for k in range(5)]
    assert len({str(f.constants) for f in (whole, *folds)}) == 6
    for fold in folds:
        drift = [fold.constants.compute[k] / v for k, v in whole.constants.compute.items()]
        assert np.allclose(drift, 1.0, atol=0.35)


def test_a_device_left_out_is_unseen():
    chips = Chips.of([load_chip("rtx3090"), load_chip("rtx4090"), load_chip("t4")])
    seen, left_out = law("eager").interval(chips), law("eager", "device:rtx3090").interval(chips)
    assert seen[1, 0] == seen[1, 1] < seen[1, 2]
    assert left_out[1, 1] < left_out[1, 0] == left_out[1, 2]
    assert law("eager", "device:a40") == law("eager")
    assert law("eager").start(chips).tolist() == [0.0, 0.0, 0.0]


def test_unknown_lowering_is_told():
    with pytest.raises(UnknownNameError, match="unknown lowering 'compild'; did you mean 'compiled'"):
        law("compild")
