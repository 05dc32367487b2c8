"""Timeloop's notation, one line and YAML, against the same mapping written by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_models.cost.tiled.loopnest.mapping import LoopNest
from hw_models.cost.tiled.loopnest.reference import evaluate
from hw_models.cost.tiled.loopnest.timeloop import load_timeloop_mapping, parse_timeloop
from hw_models.errors import FileError, InputError
from tests.hw_models.cost.tiled.loopnest.conftest import SPREAD, gemm, machine

LINE = "L3[WIO] K2 - L2[IO] C2 - L1[O] N1 P1 C4X - L0[W] P8 K4X"
AXES = {"L1X": "rows", "L0X": "columns"}
YAML = """\
mapping:
  - {target: dram, type: temporal, factors: K=2 C=1, permutation: CK}
  - {target: buffer, type: temporal, factors: [C=2]}
  - {target: accumulator, type: spatial, factors: C4 K1, permutation: CK, split: 1}
  - {target: registers, type: temporal, factors: P8}
  - {target: registers, type: spatial, factors: K4}
  - {target: registers, type: bypass, keep: [Weights], bypass: [Inputs, Outputs]}
"""
BY_HAND = LoopNest(
    SPREAD,
    (("ox", 8), ("c", 2), ("k", 2)),
    {"output": (1, 2, 3), "weight": (1, 3), "input": (2, 3)},
)


def test_one_line() -> None:
    assert parse_timeloop(LINE, machine(), AXES) == BY_HAND


def test_yaml(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(YAML)
    axes = {"accumulator.X": "rows", "registers.X": "columns"}
    assert load_timeloop_mapping(file, machine(), axes) == BY_HAND


def test_it_is_costed_as_it_stands() -> None:
    """Sums of eight pixels do not lie in an accumulator of two."""
    with pytest.raises(InputError, match="accumulator would have to hold 256 bits; it has 64"):
        evaluate(machine(), gemm(), parse_timeloop(LINE, machine(), AXES))
    # With the pixels outside the accumulator, registers and accumulators keep what fits.
    line = "L3[WIO] K2 - L2[IO] C2 P8 - L1[O] C4X - L0[W] K4X"
    assert evaluate(machine(), gemm(), parse_timeloop(line, machine(), AXES)).latency.ideal == 32


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("L9[W] K2", "L9 is no memory of small; its memories are L0 to L3"),
        ("K2 - L0[W]", "'K2' is no level of a mapping"),
        ("L0[W] Z2", "'Z2' is no loop; expected one of R, S, P, Q, C, K, N, G"),
        ("L0[W] K4Y", "loop k is spread below L0 along Y; axes has no 'L0Y'"),
        ("L1[] C2", "L1 bypasses the output, which small keeps in accumulator"),
    ],
)
def test_what_is_no_mapping_of_this_machine(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("'", ".").replace("(", ".")):
        parse_timeloop(line, machine(), AXES)


def test_a_wrong_file_is_answered_with_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "map.yaml"
    file.write_text(YAML.replace("target: buffer", "target: bufer").replace("P8", "P-8"))
    with pytest.raises(FileError) as caught:
        load_timeloop_mapping(file, machine(), {})
    assert "map.yaml:3: mapping.1.target: is 'bufer'; the machine has registers" in str(caught.value)
    assert "map.yaml:5: mapping.3.factors: entry 0: 'P-8' is no loop" in str(caught.value)
