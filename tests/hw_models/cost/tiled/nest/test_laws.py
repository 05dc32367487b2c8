"""Laws of physics on random contractions and chips, and what is answered where nothing can run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.tiled.nest.machine import machine
from hw_models.cost.tiled.nest.organisations import (
    InputStationary,
    OutputStationary,
    Vector,
    WeightStationary,
)
from hw_models.cost.tiled.nest.portfolio import Portfolio
from hw_models.cost.tiled.nest.solve import Effort
from hw_models.cost.tiled.problem import Problems
from hw_models.errors import InputError

NESTS = (WeightStationary(), OutputStationary(), InputStationary(), Vector())
R = {name: i for i, name in enumerate(RESOURCES)}
A = {name: i for i, name in enumerate(ACTIONS)}


def latency(terms: Any) -> Any:
    """(D, C) of perfect overlap."""
    s = terms.seconds
    hidden = np.fmax.reduce(s[..., [R["mac"], R["dram"], R["sram"], R["local"]]], axis=-1)
    return hidden + s[..., R["exposed"]]


extents = st.tuples(*(st.integers(1, top) for top in (2, 6, 48, 48, 9, 9, 3, 3)))
chips = st.fixed_dictionaries(
    {
        "rows": st.sampled_from([1, 4, 16]),
        "cols": st.sampled_from([1, 8]),
        "count": st.sampled_from([1, 2]),
        "sram": st.integers(64, 20_000),
        "local": st.sampled_from([None, 64, 600]),
        "near": st.booleans(),
    }
)


def _build(chip: Callable[..., Any], drawn: dict[str, Any], **changes: float) -> Any:
    """The drawn chip with some of its figures multiplied."""
    by = {"sram": 1.0, "local": 1.0, "sram_rate": 1.0, "local_rate": 1.0, "dram_rate": 1.0} | changes
    holds = {"holds": ("output",)} if drawn["near"] else {}
    inner = None
    if drawn["local"]:
        inner = [{"capacity": drawn["local"] * by["local"], "bandwidth": 30e9 * by["local_rate"], **holds}]
    return chip(
        drawn["rows"],
        drawn["cols"],
        drawn["count"],
        sram={"capacity": drawn["sram"] * by["sram"], "bandwidth": 20e9 * by["sram_rate"]},
        local=inner,
        dram={"bandwidth": 4e9 * by["dram_rate"], "burst": 16.0},
    )


@settings(deadline=None, max_examples=80)
@given(
    dims=extents,
    stride=st.integers(1, 2),
    drawn=chips,
    lever=st.sampled_from(["sram", "local", "sram_rate", "local_rate", "dram_rate"]),
    factor=st.floats(1.0, 8.0),
    kind=st.integers(0, 3),
)
def test_more_is_never_slower_and_nothing_beats_the_roofline(
    dims: tuple[int, ...],
    stride: int,
    drawn: dict[str, Any],
    lever: str,
    factor: float,
    kind: int,
    chip: Callable[..., Any],
) -> None:
    problems, nest = Problems.of([dims], stride=stride), NESTS[kind]
    plain, better = (_build(chip, drawn, **changes) for changes in ({}, {lever: factor}))
    found = nest.terms(problems, [plain, better, plain.scaled(peak=2.0)])
    if found.feasibility[0, 0] != Feasibility.OK:
        assert found.feasibility[0, 0] == Feasibility.CAPACITY
        assert found.demand[0, 0] > found.bound[0, 0] > 0
        assert np.isinf(found.seconds[0, 0]).all()
        return
    slow, quick, hot = latency(found)[0]
    assert quick <= slow * (1 + 1e-12)
    assert hot <= slow * (1 + 1e-12)
    compulsory = problems.weight_elements + problems.input_elements + problems.output_elements
    traffic = found.actions[0, 0, A["dram_read"]] + found.actions[0, 0, A["dram_write"]]
    assert traffic >= compulsory[0]
    assert slow >= max(
        problems.macs[0] / (1e9 * drawn["rows"] * drawn["cols"] * drawn["count"]), traffic / 4e9
    )
    assert (found.seconds[0, 0, R["exposed"]]) >= 0.0
    assert found.actions[0, 0, A["mac"]] == problems.macs[0]


@settings(deadline=None, max_examples=40)
@given(dims=extents, lanes=st.sampled_from([1, 2, 8, 16]), sram=st.integers(200, 20_000))
def test_twice_the_lanes_are_never_slower(
    dims: tuple[int, ...], lanes: int, sram: int, chip: Callable[..., Any]
) -> None:
    """Of independent lanes; a systolic array twice the size fills for longer, which small work feels."""
    few, many = (chip(n, 1, kind="vector", sram={"capacity": float(sram)}) for n in (lanes, 2 * lanes))
    found = Vector().terms(Problems.of([dims]), [few, many])
    if found.feasibility[0, 0] == Feasibility.OK:
        assert latency(found)[0, 1] <= latency(found)[0, 0] * (1 + 1e-12)


def test_array_of_one_by_hand(chip: Callable[..., Any]) -> None:
    one = chip(1, 1, sram={"capacity": 1e6, "bandwidth": 1e15}, dram={"bandwidth": 1e15})
    found = OutputStationary().terms(Problems.gemm(5, 7, 3), [one])
    assert found.seconds[0, 0, R["mac"]] == pytest.approx(105e-9)


def test_fold_after_fold_is_the_closed_form(chip: Callable[..., Any]) -> None:
    """256 x 256 by 256 x 128 on 32 x 32: 32 folds of 2 R + C + T - 2 = 350. Source: SCALE-Sim golden."""
    toy = chip(32, 32, sram={"capacity": 1e6, "bandwidth": 1e15}, dram={"bandwidth": 1e15}, array_buffers=1.0)
    found = WeightStationary().terms(Problems.gemm(256, 128, 256), [toy])
    assert found.seconds[0, 0, R["mac"]] == pytest.approx(32 * 350e-9)


def test_what_cannot_run_has_a_code(chip: Callable[..., Any]) -> None:
    problems = Problems.gemm(8, 8, 8)
    tiny = WeightStationary().terms(problems, [chip(sram={"capacity": 3.0})])
    assert tiny.feasibility[0, 0] == Feasibility.CAPACITY
    assert (tiny.demand[0, 0], tiny.bound[0, 0]) == (12.0, 3.0)  # two weights, two inputs, two sums of four
    wide = WeightStationary().terms(Problems.gemm(8, 8, 8, bits=(16.0, 16.0, 16.0)), [chip()])
    assert wide.feasibility[0, 0] == Feasibility.PRECISION
    open_chip = chip(sram={"bandwidth": None})
    found = WeightStationary().terms(problems, [open_chip])
    assert np.isnan(found.seconds[0, 0, R["sram"]])
    assert np.isfinite(latency(found)[0, 0])
    assert WeightStationary().missing(chip(sram={"capacity": None})) == ("memory.sram.capacity",)
    lacking = WeightStationary().terms(problems, [chip(sram={"capacity": None})])
    assert lacking.feasibility[0, 0] == Feasibility.UNKNOWN


def test_unroll_that_cannot_be(chip: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="puts k along axis 0 of the array; expected c, fy, fx"):
        WeightStationary().terms(Problems.gemm(8, 8, 8), [chip(unroll=(("k",), ("k",)))])


def test_channels_alone_along_the_rows_take_more_folds(chip: Callable[..., Any]) -> None:
    problems = Problems.of([[1, 1, 8, 3, 8, 8, 3, 3]])
    flat, apart = (WeightStationary().terms(problems, [chip(unroll=u)]) for u in ((), (("c",), ("k",))))
    assert apart.seconds[0, 0, R["mac"]] == pytest.approx(9 / 4 * flat.seconds[0, 0, R["mac"]])


def test_a_portfolio_is_close_quick_and_monotone(chip: Callable[..., Any]) -> None:
    problems = Problems.of([[1, 1, 64, 32, 14, 14, 3, 3], [1, 1, 96, 64, 1, 49, 1, 1]])
    nest = WeightStationary()

    def made(rate: float, sram: float) -> Any:
        inner = [{"capacity": 4096.0, "bandwidth": 64e9}]
        return chip(16, 16, sram={"capacity": sram}, local=inner, dram={"bandwidth": rate})

    reference = [made(rate, sram) for rate in (2e9, 8e9, 32e9) for sram in (32768.0, 65536.0)]
    portfolio = Portfolio.of(nest, problems, reference, Effort())
    unseen = [machine(made(rate, 65536.0), nest.parameters) for rate in (3e9, 5e9, 12e9, 20e9)]
    quick = portfolio.solve(unseen).priced[..., 0]
    best = latency(nest.terms(problems, [made(rate, 65536.0) for rate in (3e9, 5e9, 12e9, 20e9)]))
    assert (quick >= best * (1 - 1e-12)).all()
    assert (quick <= best * 1.25).all()
    assert (np.diff(quick, axis=1) <= 0).all()
