"""A small machine that hand arithmetic can follow, and layers to put on it."""

from __future__ import annotations

import pytest

from hw_models.cost.tiled.loopnest.layer import Layer
from hw_models.cost.tiled.loopnest.machine import Machine, Port, Store, Way
from hw_models.cost.tiled.loopnest.mapping import INPUT, OUTPUT, WEIGHT
from hw_models.cost.tiled.problem import Problems

DOWN, UP, OUT, BACK = Way.READ_DOWN, Way.WRITE_UP, Way.READ_UP, Way.WRITE_DOWN


def machine(weight_bits: int = 16 * 8, buffer_bits: int = 4096 * 8, *, halved: bool = False) -> Machine:
    """4 x 4 MACs, a weight register file per MAC, an accumulator per column, one buffer, DRAM."""
    registers = Store(
        "registers",
        weight_bits,
        0.1,
        0.2,
        (WEIGHT,),
        (),
        (Port("r", 8, 8, ((WEIGHT, DOWN),)), Port("w", 8, 8, ((WEIGHT, BACK),))),
    )
    accumulator = Store(
        "accumulator",
        64,
        0.3,
        0.4,
        (OUTPUT,),
        ("rows",),
        (
            Port("r1", 32, 32, ((OUTPUT, DOWN),)),
            Port("r2", 32, 32, ((OUTPUT, OUT),)),
            Port("w1", 32, 32, ((OUTPUT, BACK),)),
            Port("w2", 32, 32, ((OUTPUT, UP),)),
        ),
    )
    buffer = Store(
        "buffer",
        buffer_bits,
        10.0,
        12.0,
        (INPUT, OUTPUT),
        ("rows", "columns"),
        (
            Port("r", 16, 64, ((INPUT, DOWN), (OUTPUT, DOWN), (OUTPUT, OUT))),
            Port("w", 16, 64, ((INPUT, BACK), (OUTPUT, BACK), (OUTPUT, UP))),
        ),
        halved,
    )
    everything = tuple((op, way) for op in (INPUT, WEIGHT, OUTPUT) for way in (DOWN, UP, OUT, BACK))
    served = tuple(s for s in everything if s[0] == OUTPUT or s[1] in {DOWN, BACK})
    dram = Store(
        "dram",
        10**10,
        100.0,
        120.0,
        (INPUT, WEIGHT, OUTPUT),
        ("rows", "columns"),
        (Port("rw", 64, 64, served),),
    )
    return Machine(
        "small", {"rows": 4, "columns": 4}, 0.5, (registers, accumulator, buffer, dram), frozenset({"rows"})
    )


@pytest.fixture
def small() -> Machine:
    """The machine with its usual sizes."""
    return machine()


def gemm(m: int = 8, k: int = 8, c: int = 8) -> Layer:
    """A product of (m x c) by (c x k) in 8 bits with 32-bit sums."""
    return Layer.of_problem(Problems.gemm(m, k, c), name="gemm")


def conv(k: int, c: int, size: int, taps: int, stride: int = 1) -> Layer:
    """A square convolution without padding."""
    problems = Problems.of([[1, 1, k, c, size, size, taps, taps]], stride=stride)
    return Layer.of_problem(problems, name="conv")


SPREAD = {"rows": (("c", 4),), "columns": (("k", 4),)}
