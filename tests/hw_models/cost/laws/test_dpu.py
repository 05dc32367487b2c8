"""The law of DPUs: cycles by hand, cores side by side, physics, rates that the zoo published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_models.cost.arrays import KernelClass
from hw_models.cost.chips import Chips
from hw_models.cost.laws import dpu
from hw_models.cost.laws.catalogue import law as found_law
from hw_models.cost.laws.catalogue import without_device
from hw_models.cost.roofline import DRAM, EXPOSED, ISSUE, MAC, Roofline
from hw_models.errors import InputError
from hw_models.lowering import lower
from hw_models.measured.devices import accelerator_from_row
from hw_models.measured.dpu_config import IN_STEP, with_dpu

BOARD = {
    "key": "board",
    "device": "FPGA board",
    "vendor": "nobody",
    "kind": "fpga npu",
    "int8_tops": 3.45,
    "memory": "DDR4 64-bit",
    "mem_bw_gb_s": 19.2,
}
EDGE = "3 * B4096 @ 281MHz"


def board(config=EDGE, **changes):
    return with_dpu(accelerator_from_row({**BOARD, **changes}), config)


def shaped(found, *dims):
    """Kernels with these loop dimensions (n, g, k, c, oy, ox, fy, fx)."""
    return replace(found, dims=np.array(dims, np.int64))


def terms(found, chip, law=None):
    chips = Chips.of([chip])
    law = law or dpu.law("ideal")
    return law.apply(Roofline().terms(found, chips).seconds, found, chips)[:, 0]


def test_a_convolution_takes_whole_steps_of_the_lanes(kernels) -> None:
    rows = [{"cls": KernelClass.CONV}, {"cls": KernelClass.CONV}, {"cls": KernelClass.GEMM}]
    found = shaped(
        kernels(rows, lowering="ideal"),
        (1, 1, 64, 64, 56, 56, 3, 3),
        (1, 1, 64, 3, 112, 112, 7, 7),
        (1, 1, 1000, 2048, 1, 1, 1, 1),
    )
    cycles = dpu.cycles(found, (8, 16, 16), np.ones(3))
    # 56 columns x 7 groups of 8 rows x 4 x 4 blocks of 16 channels x 9 taps
    assert cycles[0] == 56 * 7 * 4 * 4 * 9
    # 3 channels: 5 of 7 taps of a row lie side by side in the 16 lanes, so that a row takes 2 steps
    assert cycles[1] == 112 * 14 * 1 * 4 * 7 * 2
    # one "pixel" of eight: 128 x 63 blocks
    assert cycles[2] == 128 * 63


def test_terms_are_shares_of_the_core(kernels) -> None:
    law = dpu.law("ideal")
    c = law.cores["edge"]
    rows = [
        {"cls": KernelClass.CONV, "weight_bytes": 36864, "read_bytes": 2e5, "write_bytes": 2e5},
        {"cls": KernelClass.DEPTHWISE, "macs": 1e6},
    ]
    rows[0]["vector_ops"] = 3e5  # 2e5 activations are free with the convolution, 1e5 are sums
    found = shaped(kernels(rows, lowering="ideal"), (1, 1, 64, 64, 56, 56, 3, 3), (1, 32, 1, 1, 56, 56, 3, 3))
    seconds = terms(found, board())
    assert seconds[0, MAC] == pytest.approx(56 * 7 * 16 * 9 / (281e6 * c.mac))
    assert seconds[1, MAC] == pytest.approx(1e6 / (8 * 16 * 281e6 * c.depthwise))
    assert seconds[0, DRAM] == pytest.approx((36864 / c.weights + 4e5 / c.maps) / (32 * 281e6))
    assert seconds[0, EXPOSED] == pytest.approx(1e5 / (8 * 16 * 281e6 * c.add))
    assert (seconds[:, ISSUE] == c.issue).all()


def test_cores_share_the_frames_of_a_stream_and_the_memory(kernels) -> None:
    row = {"cls": KernelClass.CONV, "weight_bytes": 1e3, "read_bytes": 1e3, "write_bytes": 1e3}
    found = shaped(kernels([row], lowering="ideal"), (1, 1, 512, 512, 56, 56, 3, 3))
    law, chips = dpu.law("ideal"), Chips.of([board(), board("1 * B4096 @ 281MHz")])
    seconds = law.apply(Roofline().terms(found, chips).seconds, found, chips)
    three, one = law.stream(seconds, found, chips)[0]
    assert one / three == pytest.approx(3.0, rel=1e-3)
    # all bytes through 19.2 GB/s: no number of cores goes beyond it
    heavy = replace(found, weight_bytes=np.array([1e8]))
    seconds = law.apply(Roofline().terms(heavy, chips).seconds, heavy, chips)
    bound = 1e8 / (19.2e9 * law.cores["edge"].shared)
    assert law.stream(seconds, heavy, chips)[0, 0] >= bound


def test_cores_in_step_take_one_input_each(kernels) -> None:
    found = shaped(kernels([{"cls": KernelClass.CONV}], lowering="ideal"), (8, 1, 512, 512, 14, 14, 3, 3))
    one = shaped(kernels([{"cls": KernelClass.CONV}], lowering="ideal"), (1, 1, 512, 512, 14, 14, 3, 3))
    chip = board("8 DPUCAHX8H-DWC kernels running at 275Mhz in Gen3x4", memory="HBM2", mem_bw_gb_s=316)
    assert terms(found, chip)[0, MAC] == terms(one, chip)[0, MAC]
    law = dpu.law("ideal")
    assert {law.architectures[lanes] for lanes in IN_STEP} == {n for n, c in law.cores.items() if c.batched}


@pytest.mark.parametrize(
    ("slower", "faster"),
    [
        (board(), board("3 * B4096 @ 300MHz")),
        (board(mem_bw_gb_s=4.0), board()),
        (board("2 * B4096 @ 281MHz"), board()),
        (board("3 * B2304 @ 281MHz"), board()),
        (board("3 * B1600 @ 281MHz"), board("3 * B2304 @ 281MHz")),
    ],
)
def test_more_clock_lanes_cores_or_bandwidth_are_never_slower(slower, faster, conv_net) -> None:
    found = lower([conv_net], lowering="ideal", precision="int8")
    law, chips = dpu.law("ideal"), Chips.of([slower, faster])
    seconds = law.apply(Roofline().terms(found, chips).seconds, found, chips)
    streamed = law.stream(seconds, found, chips)[0]
    assert (seconds[:, 1].sum(axis=-1) <= seconds[:, 0].sum(axis=-1) * (1 + 1e-12)).all()
    assert streamed[1] <= streamed[0] * (1 + 1e-12)


def test_a_chip_that_tells_no_array_has_usual_cores() -> None:
    lanes, count, clock = dpu.cores_of(accelerator_from_row(BOARD))
    assert (lanes, count) == ((8, 16, 16), 3)
    assert 2 * 8 * 16 * 16 * count * clock == pytest.approx(3.45e12)


def test_the_law_is_that_of_the_runtime_and_of_what_it_never_saw() -> None:
    assert isinstance(found_law("npu", "ideal", "vitis_ai"), dpu.DpuLaw)
    whole, without = dpu.law("ideal"), dpu.law("ideal", without_device("zcu104"))
    assert without != whole
    # an architecture whose only board is left out has the constants of edge cores, and a wide interval
    unseen = dpu.law("ideal", without_device("vck5000"))
    assert unseen.cores["ai_engines"].mac == unseen.cores["edge"].mac
    assert unseen.cores["ai_engines"].high > unseen.cores["edge"].high
    with pytest.raises(InputError, match="no law of DPUs for lowering 'quick'"):
        dpu.law("quick")
