"""What is known before anything is paid, and the sampler that lives on it."""

from __future__ import annotations

import numpy as np
import pytest

from codesign.objectives import Demands
from codesign.search.free import Free
from codesign.search.study import Study
from hw_models.errors import InputError


def free_of(toy, objectives, constraints) -> Free:
    found = Free.of(toy.Slow(), Demands.of(objectives, constraints), toy.Toy())
    assert found is not None
    return found


def test_costs_are_those_of_the_evaluation_and_what_is_forbidden_is_not_told(toy) -> None:
    free = free_of(toy, ["error_pct", "latency_ms"], {"latency_ms": "<= 12"})
    space = toy.Toy()
    some = list(space.candidates())[::97]
    costs, counts = free.look(some)
    evaluations = [toy.measure(c) for c in some]
    expected = np.array([e.cost.latency.value * 1e3 for e in evaluations])
    assert costs[:, 0, 0] == pytest.approx(np.where(expected <= 12, expected, np.nan), nan_ok=True)
    assert np.exp(counts[:, 1]) == pytest.approx([e.facts["params_m"] for e in evaluations])


def test_an_unknown_cost_is_forbidden_and_more_is_better_is_turned(toy) -> None:
    free = free_of(toy, ["top1_pct", "energy_mj", "throughput_ips"], {"top1_pct": ">= 60"})
    some = [c for c in toy.Toy().candidates() if c["chip"] in ("chip00", "chip01")][:40]
    costs, _ = free.look(some)
    blind = np.array([c["chip"] == "chip00" for c in some])
    assert np.isnan(costs[blind]).all()
    assert (costs[~blind][:, 0, 1] < 0).all()
    assert free.floor == -60.0


def test_with_the_paid_objective_alone_constraints_still_come_before_the_training(toy) -> None:
    bound = {"latency_ms": "<= 2"}
    free = free_of(toy, ["error_pct"], bound)
    some = list(toy.Toy().candidates())[::97]
    expected = [0.0 if toy.measure(c).cost.latency.value * 1e3 <= 2 else np.nan for c in some]
    assert 0 < np.isnan(expected).sum() < len(some)
    assert free.look(some)[0].ravel().tolist() == pytest.approx(expected, nan_ok=True)
    evaluator = toy.Slow(asked=[])
    study = toy.toy_study(
        objectives=["error_pct"], constraints=bound, sampler="cost_aware", evaluator=evaluator
    )
    study.run(40)
    assert all(toy.measure(c).cost.latency.value * 1e3 <= 2 for c in evaluator.asked)
    assert len(evaluator.asked) > 30


def test_without_costs_to_know_the_search_is_refused(toy) -> None:
    with pytest.raises(InputError) as error:
        Study(toy.Toy(), ["error_pct"], evaluator=lambda cs: map(toy.measure, cs), sampler="cost_aware")
    assert str(error.value) == (
        "sampler 'cost_aware' with the objectives error_pct given, expected an evaluator with `paid` and "
        "`free`: it looks at costs before it trains; 'local' needs neither"
    )
    with pytest.raises(InputError, match="expected one objective of error_pct, top1_pct"):
        toy.toy_study(objectives=["latency_ms"], sampler="cost_aware")


def test_it_needs_fewer_trainings_than_the_others_and_trains_nothing_infeasible(toy) -> None:
    reference = {"error_pct": 60.0, "latency_ms": 12.0, "energy_mj": 12.0}
    studies = {
        s: toy.toy_study(sampler=s, seed=3).run(100) for s in ("cost_aware", "nsga2", "local", "random")
    }
    found = {s: study.front.hypervolume(reference) for s, study in studies.items()}
    assert max(found, key=lambda s: found[s]) == "cost_aware"
    assert all(t.feasible for t in studies["cost_aware"].trials)


def test_the_whole_of_a_space_is_evaluated_and_then_it_ends(toy) -> None:
    class Small(toy.Toy):
        @property
        def knobs(self):
            return {k: v for k, v in toy.KNOBS.items() if k in ("depth", "boost", "gain")} | {
                "width": type(toy.KNOBS["width"])((16,)),
                "chip": type(toy.KNOBS["chip"])(("chip01",)),
            }

        @property
        def size(self) -> int:
            return 30

    study = Study(Small(), ["error_pct", "latency_ms"], evaluator=toy.Slow(), sampler="cost_aware").run(1000)
    assert study.exhausted
    assert len({t.candidate for t in study.trials}) == 30
