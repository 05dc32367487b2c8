"""The counts against a walk through the loops, tile after tile, that keeps what the next tile needs again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from hw_models.cost.tiled.nest.count import COUNTS, Mappings, count
from hw_models.cost.tiled.nest.machine import machine
from hw_models.cost.tiled.nest.organisations import OutputStationary, WeightStationary
from hw_models.cost.tiled.problem import Problems

GROUP, FILTER, REDUCTION, PIXEL = (1,), (2,), (3, 6, 7), (0, 4, 5)
ORDERS = {
    "weight": (*GROUP, *FILTER, *REDUCTION, *PIXEL),
    "input": (*GROUP, *PIXEL, *REDUCTION, *FILTER),
    "output": (*GROUP, *PIXEL, *FILTER, *REDUCTION),
}
"""Loops outermost first: those that the operand which stays does not have run innermost."""


def _steps(extents: list[range], tile: list[int], order: tuple[int, ...]) -> Iterator[list[range]]:
    cuts = [
        [range(a, min(a + t, r.stop)) for a in range(r.start, r.stop, t)]
        for r, t in zip(extents, tile, strict=True)
    ]
    for chosen in product(*(cuts[loop] for loop in order)):
        found = list(extents)
        for loop, part in zip(order, chosen, strict=True):
            found[loop] = part
        yield found


def _rows(o: range, f: range, problem: Problems, axis: int) -> set[int]:
    stride, dilation = problem.stride[0, axis], problem.dilation[0, axis]
    pad, size = problem.pad[0, axis], problem.in_size[0, axis]
    touched = {int(y * stride + t * dilation - pad) for y in o for t in f}
    return {row for row in range(max(min(touched), 0), min(max(touched) + 1, int(size)))}


def _traffic(problem: Problems, extents: list[range], tile: list[int], operand: str) -> dict[str, float]:
    """Elements that cross a boundary: weights and inputs loaded, outputs written, sums read back."""
    moved = dict.fromkeys(("weight", "input", "write", "read"), 0.0)
    last: dict[str, Any] = {}
    seen: set[Any] = set()
    for t in _steps(extents, tile, ORDERS[operand]):
        size = [len(r) for r in t]
        weight = tuple(t[i] for i in (1, 2, 3, 6, 7))
        inputs = tuple(t[i] for i in (0, 1, 3, 4, 5, 6, 7))
        output = tuple(t[i] for i in (0, 1, 2, 4, 5))
        if last.get("weight") != weight:
            moved["weight"] += float(np.prod([size[i] for i in (1, 2, 3, 6, 7)]))
        if last.get("input") != inputs:
            windows = len(_rows(t[4], t[6], problem, 0)) * len(_rows(t[5], t[7], problem, 1))
            moved["input"] += size[0] * size[1] * size[3] * windows
        if last.get("output") != output:
            elements = float(np.prod([size[i] for i in (0, 1, 2, 4, 5)]))
            moved["write"] += elements
            moved["read"] += elements if output in seen else 0.0
            seen.add(output)
        last = {"weight": weight, "input": inputs, "output": output}
    return moved


LOCAL, OUTER = (1, 1, 2, 1, 1, 2, 3, 3), (1, 1, 4, 2, 2, 4, 3, 3)
CASES = {
    "conv": (Problems.of([[2, 1, 8, 4, 4, 7, 3, 3]], pad=1, in_size=(4, 7)), LOCAL, OUTER),
    "taps": (
        Problems.of([[1, 1, 8, 4, 4, 7, 3, 2]]),
        (1, 1, 2, 1, 1, 2, 1, 1),
        (1, 1, 4, 2, 2, 4, 2, 1),
    ),
    "strided": (Problems.of([[1, 1, 8, 4, 4, 8, 3, 3]], stride=2), LOCAL, OUTER),
    "dilated": (Problems.of([[1, 1, 7, 4, 4, 7, 3, 3]], dilation=2), LOCAL, OUTER),
    "grouped": (Problems.of([[1, 5, 7, 4, 4, 8, 1, 1]]), (1, 1, 2, 1, 1, 2, 1, 1), (1, 2, 4, 2, 2, 4, 1, 1)),
    "gemm": (Problems.gemm(12, 11, 8), (1, 1, 2, 2, 1, 3, 1, 1), (1, 1, 4, 4, 1, 6, 1, 1)),
}
"""Problem, local and outer tile; every group of loops takes several local tiles in every outer one, the last
included: where it takes one, a walk may keep a tile that the counts load again."""


@pytest.mark.parametrize("dram", ORDERS)
@pytest.mark.parametrize("near", ORDERS)
@pytest.mark.parametrize("case", CASES)
def test_counts_equal_the_walk(case: str, near: str, dram: str, chip: Callable[..., Any]) -> None:
    problem, local, outer = CASES[case]
    toy = chip(2, 2, local=[{"capacity": 1e6, "bandwidth": 1e9}])
    nest = WeightStationary()
    built = machine(toy, nest.parameters)
    codes = ("weight", "input", "output")
    mapping = Mappings(
        np.array([local]), np.array([outer]), np.array([codes.index(near)]), np.array([codes.index(dram)])
    )
    counted = count(problem, 0, built.build, nest.layouts(built.build)[0], mapping)[0]
    c = dict(zip(COUNTS, counted, strict=True))
    whole = [range(int(n)) for n in problem.dims[0]]
    far = _traffic(problem, whole, list(outer), dram)
    assert (c["dram_weight"], c["dram_input"]) == (far["weight"], far["input"])
    outputs = float(problem.output_elements[0])
    spilled = far["write"] - outputs
    assert c["dram_output"] == outputs + 4 * spilled
    assert c["dram_sum"] == 4 * far["read"]
    inside = [_traffic(problem, part, list(local), near) for part in _steps(whole, list(outer), ORDERS[dram])]
    total = {name: sum(part[name] for part in inside) for name in inside[0]}
    assert (c["fill_weight"], c["fill_input"]) == (total["weight"], total["input"])
    # a sum that an earlier outer tile began comes in as well
    assert c["drain"] == outputs + 4 * (total["write"] - outputs)
    assert c["fill_sum"] == 4 * (total["write"] - outputs)


def test_array_traffic_by_hand(chip: Callable[..., Any]) -> None:
    """5 x 6 by 6 x 3 on 4 x 2, one tile: 2 folds of the reduction, 2 of the filters (or 2 of the pixels)."""
    problem = Problems.gemm(5, 3, 6)
    toy = chip(4, 2, local=[{"capacity": 1e6, "bandwidth": 1e9}])
    for nest, expected in (
        (
            WeightStationary(),
            {"array_weight": 18, "array_input": 60, "array_sum_write": 120, "array_sum_read": 60},
        ),
        (
            OutputStationary(),
            {"array_weight": 36, "array_input": 60, "array_sum_write": 60, "array_sum_read": 0},
        ),
    ):
        built = machine(toy, nest.parameters)
        whole = problem.dims
        mapping = Mappings(whole, whole, np.array([2]), np.array([2]))
        counted = count(problem, 0, built.build, nest.layouts(built.build)[0], mapping)[0]
        assert {name: counted[COUNTS.index(name)] for name in expected} == expected
