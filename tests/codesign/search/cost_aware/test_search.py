from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from codesign.search.cost_aware.archive import Forecast, Settings, Told
from codesign.search.cost_aware.budgets import Box, Budgets
from codesign.search.cost_aware.known import KnownPoints, code_of
from codesign.search.cost_aware.model import Archive, layer
from codesign.search.cost_aware.pool import PoolSize
from codesign.search.cost_aware.search import CostAwareSearch
from search_spaces.candidate import Candidate
from search_spaces.knobs import Bool, Choice, IntRange
from search_spaces.tabular.table import TableSpace

SMALL = Settings(size=PoolSize(edits=100, near=30, crossovers=20, random=40, rounds=1, best=5))
WIDTHS, DEPTHS, KINDS = range(8, 72, 8), range(1, 9), ("a", "b", "c")


def table(seed: int = 0, shuffled: bool = False) -> TableSpace:
    rows = pd.DataFrame([(w, d, k) for w in WIDTHS for d in DEPTHS for k in KINDS], columns=["w", "d", "k"])
    rng = np.random.default_rng(seed)
    kind = rows["k"].map({"a": 0.0, "b": 4.0, "c": 1.0}).to_numpy()
    error = 60 / np.log(rows["w"] * rows["d"] + 2) + kind + rng.normal(0, 0.2, len(rows))
    error = rng.permutation(error) if shuffled else error
    rows = rows.assign(error=error, cost=rows["w"] * rows["d"] * (1.0 + 0.2 * kind))
    knobs = {
        "w": Choice(tuple(WIDTHS), ordered=True),
        "d": Choice(tuple(DEPTHS), ordered=True),
        "k": Choice(KINDS),
    }
    return TableSpace("toy", knobs, rows)


def cost_of(space: TableSpace, most: float = np.inf) -> Callable[..., np.ndarray]:
    def costs(candidates: list[Candidate]) -> np.ndarray:
        found = space.look_up(candidates, "cost")
        return np.where(found <= most, found, np.nan)[:, None, None]

    return costs


def searched(space: TableSpace, search: CostAwareSearch, n: int, told: Told | None = None) -> Told:
    told = told or Told([], np.empty(0), [])
    candidates, errors, forecasts = list(told.candidates), list(told.errors), list(told.forecasts)
    while len(candidates) < n:
        picks = search.ask(Told(candidates, np.array(errors), forecasts), 4, 1000 + len(candidates))
        assert picks
        candidates += [p.candidate for p in picks]
        forecasts += [p.forecast for p in picks]
        errors += space.look_up([p.candidate for p in picks], "error").tolist()
    return Told(candidates, np.array(errors), forecasts)


def share(space: TableSpace, told: Told) -> float:
    """Hypervolume reached, of the whole table's."""
    every = list(space.candidates())
    errors, costs = space.look_up(every, "error"), cost_of(space)(every)
    box = Box.around(errors, costs[:, 0], None)

    def area(e: np.ndarray, c: np.ndarray) -> float:
        held = Budgets.held(box, e, c)
        return float(
            ((box.error[1] - held.best) * (held.edges[1:] - np.maximum(held.edges[:-1], box.low[0]))).sum()
        )

    return area(told.errors, cost_of(space)(list(told.candidates))) / area(errors, costs)


def test_it_finds_the_front_with_a_quarter_of_the_table_and_repeats_nothing() -> None:
    space = table()
    told = searched(space, CostAwareSearch(KnownPoints(space, cost_of(space)), SMALL), 48)
    assert len(set(told.candidates)) == len(told.candidates)
    assert share(space, told) > 0.99


@pytest.mark.parametrize("settings", [SMALL, replace(SMALL, rows=16)], ids=["all rows", "some rows"])
def test_a_search_that_was_killed_goes_on_as_if_nothing_had_happened(settings: Settings) -> None:
    space = table()
    whole = searched(space, CostAwareSearch(KnownPoints(space, cost_of(space)), settings), 48)
    for stop in (4, 12, 28, 44):
        first = Told(whole.candidates[:stop], whole.errors[:stop], whole.forecasts[:stop])
        again = searched(space, CostAwareSearch(KnownPoints(space, cost_of(space)), settings), 48, first)
        assert list(again.candidates) == list(whole.candidates)
        assert again.forecasts == whole.forecasts


def test_layers_that_grew_are_those_of_all_that_was_told_and_another_past_is_read_anew() -> None:
    space = table()
    known = KnownPoints(space, cost_of(space))
    archive = Archive(known, SMALL)
    every = list(space.candidates())
    for seed in (0, 1):
        drawn = [every[i] for i in np.random.default_rng(seed).permutation(192)[:60]]
        errors, costs = space.look_up(drawn, "error"), cost_of(space)(drawn)
        for n in (1, 7, 30, 60):
            archive.read(Told(drawn[:n], errors[:n], [None] * n))
            first = layer(costs[:n], errors[:n])
            left = np.flatnonzero(~first)
            assert archive.front.tolist() == np.flatnonzero(first).tolist()
            assert archive.second.tolist() == left[layer(costs[left], errors[left])].tolist()


def test_what_the_constraints_forbid_is_never_proposed() -> None:
    space = table()
    costs = cost_of(space, most=150.0)
    told = searched(space, CostAwareSearch(KnownPoints(space, costs), SMALL), 40)
    assert not np.isnan(costs(list(told.candidates))).any()


def test_a_small_space_is_told_whole_and_then_nothing_is_left() -> None:
    rows = pd.DataFrame({"w": range(13), "error": np.linspace(9, 1, 13), "cost": np.arange(13.0)})
    space = TableSpace("tiny", {"w": IntRange(0, 12)}, rows)
    search = CostAwareSearch(KnownPoints(space, cost_of(space)), SMALL)
    told = searched(space, search, 13)
    assert len(set(told.candidates)) == 13
    assert search.ask(told, 4, 0) == []


def test_trainings_that_gave_nothing_are_not_repeated_and_do_no_harm() -> None:
    space = table()
    search = CostAwareSearch(KnownPoints(space, cost_of(space)), SMALL)
    told = searched(space, search, 24)
    errors = np.where(np.arange(len(told.errors)) % 3 == 0, np.nan, told.errors)
    picks = search.ask(Told(told.candidates, errors, told.forecasts), 4, 0)
    assert len(picks) == 4
    assert not {p.candidate for p in picks} & set(told.candidates)


def test_where_predictions_say_nothing_every_pick_is_a_neighbour_of_the_front() -> None:
    space = table(shuffled=True)
    search = CostAwareSearch(KnownPoints(space, cost_of(space)), SMALL)
    drawn = [list(space.candidates())[i] for i in np.random.default_rng(0).permutation(192)[:28]]
    told = Told(drawn, space.look_up(drawn, "error"), [None] * 28)
    upside_down = [Forecast(float(np.log(100 - e)), 1.0, 0.0) for e in told.errors]
    picks = search.ask(Told(told.candidates, told.errors, upside_down), 4, 3)
    on_front = layer(cost_of(space)(list(told.candidates)), told.errors)
    best = [c for c, on in zip(told.candidates, on_front, strict=True) if on]
    near = {n for c in best for n in space.neighbours(c)} - set(told.candidates)
    assert len({p.candidate for p in picks} & near) == min(4, len(near)) > 0


@pytest.mark.parametrize(
    ("knob", "squared"),
    [
        (Choice(("a", "b", "c")), 1.0),
        (Bool(), 1.0),
        (IntRange(0, 4), 2.0),
        (Choice((1, 2, 4), ordered=True), 2.0),
    ],
    ids=["names", "bool", "range", "sizes"],
)
def test_codes_tell_how_far_the_ends_of_a_knob_are(knob: Choice | Bool | IntRange, squared: float) -> None:
    codes = np.array(code_of(knob))
    assert len(codes) == len(knob)
    assert ((codes[0] - codes[-1]) ** 2).sum() == pytest.approx(squared)
