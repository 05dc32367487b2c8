"""Kernels without MACs, by hand: bytes by level, second passes, gathers, recurrences."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.cost.arrays import ACTIONS, RESOURCES
from hw_models.cost.chips import Chips
from hw_models.cost.tiled.streaming import run_overhead, streamed
from hw_models.lowering import lower
from hw_models.workload.op import OpKind

MAC, VECTOR, DRAM, SRAM, LOCAL, NOC, EXPOSED, ISSUE = range(len(RESOURCES))
ROWS, WIDTH = 8, 1000
SIZE = ROWS * WIDTH


def softmax(net, chip, miss=1.0, kind=OpKind.SOFTMAX, **dims):
    rows, width = dims.get("rows", ROWS), dims.get("width", WIDTH)
    kernels = lower([net().rows(kind, rows, width).finish()], lowering="ideal", precision="int8")
    return kernels, streamed(kernels, Chips.of([chip]), np.full((1, 1), miss))


def counted(found):
    return dict(zip(ACTIONS, found.actions[0, 0], strict=True))


def test_a_softmax_reads_its_rows_twice_on_the_chip(net, npu):
    _, found = softmax(net, npu())
    moved = counted(found)
    assert (moved["dram_read"], moved["dram_write"]) == (SIZE, SIZE)
    assert moved["sram_read"] == 2 * SIZE + SIZE, "twice by the vector unit, once on the way out"
    assert moved["sram_write"] == SIZE + SIZE
    assert found.seconds[0, 0, DRAM] == pytest.approx(2 * SIZE / 8e9)
    assert found.seconds[0, 0, SRAM] == pytest.approx(5 * SIZE / 64e9)
    assert found.seconds[0, 0, VECTOR] == pytest.approx(4 * SIZE / 8e9), "special functions run in fp16"
    assert found.seconds[0, 0, MAC] == 0


def test_rows_that_fit_beside_the_vector_unit_are_kept_there(net, npu):
    local = {"name": "registers", "kind": "sram", "capacity": {"value": 8192, "source": "s"}}
    buffer = {"name": "buffer", "kind": "sram", "capacity": {"value": 262144, "source": "s"}}
    chip = npu(engine={"memory": [local | {"instances": {"value": 4, "source": "s"}}, buffer]})
    moved = counted(softmax(net, chip)[1])
    assert moved["sram_read"] == SIZE + SIZE
    assert (moved["local_write"], moved["local_read"]) == (SIZE, 2 * SIZE)
    wide = counted(softmax(net, chip, width=1025)[1])
    assert wide["local_read"] == 0, "2 byte x 1025 are more than one instance of 2 KiB"
    assert wide["sram_read"] == 3 * ROWS * 1025


def test_rows_larger_than_the_chip_come_twice(net, npu):
    moved = counted(softmax(net, npu(sram=512))[1])
    assert moved["dram_read"] == 2 * SIZE
    assert moved["sram_write"] == 3 * SIZE


def test_what_is_on_the_chip_does_not_cross(net, npu):
    moved = counted(softmax(net, npu(), miss=0.25)[1])
    assert (moved["dram_read"], moved["dram_write"]) == (SIZE / 4, SIZE / 4)


def test_separate_ports_work_side_by_side(net, npu):
    ports = {
        "read_bandwidth": {"value": 32e9, "source": "s"},
        "write_bandwidth": {"value": 1e9, "source": "s"},
    }
    buffer = {"name": "buffer", "kind": "sram", "capacity": {"value": 262144, "source": "s"}, **ports}
    _, found = softmax(net, npu(engine={"memory": [buffer]}))
    assert found.seconds[0, 0, SRAM] == pytest.approx(2 * SIZE / 1e9)


def test_the_first_byte_waits_for_the_memory(net, npu):
    chip = npu(dram={"latency": {"value": 1e-7, "source": "s"}})
    assert softmax(net, chip)[1].seconds[0, 0, EXPOSED] == 1e-7
    assert softmax(net, chip, miss=0.0)[1].seconds[0, 0, EXPOSED] == 0


def test_gathers_fill_whole_bursts(net, npu):
    kernels, _ = softmax(net, npu(), kind=OpKind.GATHER)
    kernels.geometry[0, 4:6] = 1, 24
    chips = Chips.of([npu(dram={"burst": {"value": b, "source": "s"}}) for b in (8, 32, 64)] + [npu()])
    assert run_overhead(kernels, chips)[0] == pytest.approx([1, 32 / 24, 64 / 24, 1])


def test_a_recurrence_takes_a_cycle_a_step(net, npu):
    network = net().rows(OpKind.SCAN, 1000, 2, cost=1.0).finish()
    kernels = lower([network], lowering="ideal", precision="int8")
    found = streamed(kernels, Chips.of([npu(clock=1e8), npu()]), np.ones((1, 2)))
    assert found.seconds[0, :, VECTOR] == pytest.approx([1000 / 1e8, 1000 / 1e9])
