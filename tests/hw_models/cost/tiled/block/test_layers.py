"""Single layers: the block that is picked and its cycles, as Vela reports them and by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from hw_models.cost.tiled.block.cycles import chosen, counted
from hw_models.cost.tiled.block.layers import Layers, squarest
from hw_models.cost.tiled.block.machine import BlockMachine
from hw_models.cost.tiled.block.organisation import ORDERS
from hw_models.cost.tiled.block.traffic import moved
from hw_models.cost.tiled.problem import Problems
from hw_models.spec.load import load_chip

REPORTED = Path(__file__).parent / "layers_of_vela.csv"


def reported() -> list[dict[str, str]]:
    lines = [line for line in REPORTED.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def layer(row: dict[str, str]) -> Problems:
    size, taps, stride = [int(row["in_y"]), int(row["in_x"])], int(row["taps"]), int(row["stride"])
    c, k = int(row["in_c"]), int(row["out_c"])
    out = [-(-s // stride) for s in size]
    groups = [1, c, 1, 1] if row["kind"] == "dw" else [1, 1, k, c]
    return Problems.of([[*groups, *out, taps, taps]], stride=stride, in_size=[size])


@pytest.mark.parametrize(
    "row", reported(), ids=lambda r: f"{r['chip']}-{r['kind']}{r['in_y']}x{r['in_c']}x{r['taps']}"
)
def test_blocks_and_cycles_are_those_that_vela_reports(row: dict[str, str]) -> None:
    machine, layers = BlockMachine.of(load_chip(row["chip"])), Layers.of(layer(row))
    at = chosen(layers, machine)
    cycles = counted(layers, at, machine)
    assert "x".join(map(str, at.block[0].tolist())) == row["block"]
    assert ORDERS[at.order[0]] == row["order"]
    slower, other = max(cycles.mac[0], cycles.output[0]), min(cycles.mac[0], cycles.output[0])
    assert slower <= float(row["mac_cycles"]) <= slower + other
    # what leads in and out of the blocks is known to a few per cent
    assert cycles.total[0] == pytest.approx(float(row["operator_cycles"]), rel=0.08)


def test_one_block_by_hand() -> None:
    # U55-256, 8x8x32 -> 8x8x8, 1x1: 4 x 4 units of 2x2x8, 4 cycles each; 512 outputs at 0.25 cycles, then the
    # first input block (32 + 2048 / 8 cycles) and the last output (32 + 512 / 8): 64 + 128 + 288 + 96 = 576
    machine = BlockMachine.of(load_chip("ethos_u55_256_high_end"))
    layers = Layers.of(Problems.of([[1, 1, 8, 32, 8, 8, 1, 1]]))
    at = chosen(layers, machine)
    cycles = counted(layers, at, machine)
    assert at.block.tolist() == [[8, 8, 8]]
    assert (cycles.mac[0], cycles.output[0], cycles.total[0]) == (64.0, 128.0, 576.0)


def test_traffic_by_hand() -> None:
    # U55-256, 14x14x256 -> 14x14x512, 1x1 in blocks of 4x14x64: 4 rows of blocks, 8 deep, each reads 4x14x256
    machine = BlockMachine.of(load_chip("ethos_u55_256_high_end"))
    problems = Problems.of([[1, 1, 512, 256, 14, 14, 1, 1]])
    layers = Layers.of(problems)
    traffic = moved(layers, problems, chosen(layers, machine), machine)
    assert traffic.inputs[0] == 4 * 8 * 4 * 14 * 256
    assert traffic.outputs[0] == 14 * 14 * 512
    assert traffic.records[0] == 10 * 512 * 4
    assert traffic.weight_reads[0] == 4 * 256 * 512


def test_weights_that_are_read_once_are_not_copied() -> None:
    machine = BlockMachine.of(load_chip("ethos_u55_256_high_end"))
    problems = Problems.gemm(1, 1000, 1024)
    layers = Layers.of(problems)
    traffic = moved(layers, problems, chosen(layers, machine), machine)
    assert traffic.weight_reads[0] == traffic.weight_writes[0] == 0
    assert traffic.weights[0] == 1000 * 1024


def test_rows_of_a_product_become_the_squarest_image() -> None:
    layers = Layers.of(Problems.gemm(64, 16, 32))
    assert layers.shape[0, :3].tolist() == [8, 8, 16]
    assert [squarest(n) for n in (1, 7, 12, 49, 196)] == [1, 1, 3, 7, 14]


def test_a_depthwise_layer_keeps_its_channels_together() -> None:
    layers = Layers.of(Problems.of([[2, 32, 1, 1, 8, 8, 3, 3]], pad=1))
    assert layers.shape[0, [2, 5]].tolist() == [32, 32]
    assert layers.times.tolist() == [2.0]


def test_groups_run_one_by_one() -> None:
    layers = Layers.of(Problems.of([[1, 4, 8, 8, 8, 8, 3, 3]], pad=1))
    assert layers.times.tolist() == [4.0]
    assert layers.shape[0, [2, 5]].tolist() == [8, 8]


def test_no_mac_unit_works_faster_than_it_can() -> None:
    random = np.random.default_rng(3)
    dims = np.ones((60, 8), np.int64)
    dims[:, 2:6] = random.integers(1, 70, (60, 4))
    dims[:, 6:] = random.integers(1, 10, (60, 1))
    problems = Problems.of(dims, stride=random.integers(1, 4, (60, 2)))
    for name in ("ethos_u55_32_high_end", "ethos_u65_512_high_end", "ethos_u85_2048_dram_high"):
        chip = load_chip(name)
        layers, machine = Layers.of(problems), BlockMachine.of(chip)
        cycles = counted(layers, chosen(layers, machine), machine)
        assert (cycles.mac * chip.main_engine.macs["int8"].value >= 0.999 * problems.macs).all()
        assert (cycles.total >= np.maximum(cycles.mac, cycles.output)).all()
