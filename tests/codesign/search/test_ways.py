"""One training, judged on every chip: nothing lost from the front, nothing trained twice, resume exact."""

from __future__ import annotations

import numpy as np
import pytest

from codesign.evaluate import CostEvaluator
from codesign.front import Front
from codesign.search.results import Run
from codesign.search.study import Study
from codesign.search.trial import Trial
from codesign.search.ways import MOST_CHIPS, Ways
from search_spaces.catalogue import load_space
from search_spaces.knobs import IntRange
from search_spaces.product import Product
from search_spaces.tabular.described import DescribedTable, read_table


@pytest.fixture(scope="module")
def study(joint) -> Study:
    return joint.joint_study(joint.CHIPS, seed=4).run(40)


def test_a_trial_is_a_network_at_a_precision_that_was_trained_once(study) -> None:
    paid = study.evaluator.paid_for
    assert len(study.trials) == len(paid) == len(set(paid)) == 40
    assert [p.number for p in study.points] == list(range(len(study.points)))
    assert len(study.points) > 50


def test_the_front_holds_every_point_that_the_trained_networks_reach(study, joint) -> None:
    every, found = joint.Measured(study.space), []
    for trial in study.trials:
        rated = study.space.effective(trial.candidate)
        ways = [c for chip in study.space.chips.candidates() if (c := study.space.on(rated, chip))]
        found += [Trial(len(found) + i, e, study.demands.judge(e)) for i, e in enumerate(every(ways))]
    whole = Front(tuple(found), study.demands)
    mine = {t.candidate: t.evaluation for t in study.front.members}
    assert mine == {t.candidate: t.evaluation for t in whole.members}
    assert len({t.evaluation.chip for t in whole.members}) == 3


def test_a_printed_front_counts_trainings_and_not_their_points_on_other_chips(study, capsys) -> None:
    from codesign.cli.front import print_front

    print_front(study, study.front)
    assert len(study.points) > len(study.trials)
    assert f"{len(study.trials)} trials: " in capsys.readouterr().out


def test_the_model_is_given_what_the_space_of_networks_counts(joint) -> None:
    cell = load_space("cell")
    ways = Ways(cell * ["l4"])
    some = [ways.trained(c) for c in list((cell * ["l4"]).candidates())[:40:7]]
    told = ways.features(some)
    assert told is not None
    assert told.tolist() == cell.features([c.only(cell.knobs) for c in some]).tolist()
    assert np.unique(told, axis=0).shape[0] > 1
    assert Ways(joint.Networks()).features(some) is None


def test_features_of_a_table_reach_the_search(tmp_path) -> None:
    (tmp_path / "nets.csv").write_text("a,top1,ms\n" + "".join(f"{i},{50 + i},{i}\n" for i in range(1, 30)))
    (tmp_path / "nets.yaml").write_text(
        "table: nets.csv\nknobs: [a]\nquality: {column: top1, data_set: x, source: y}\n"
        "costs: {latency_ms: ms}\n"
    )
    asked = []

    class Counting(DescribedTable):
        def features(self, candidates):
            asked.extend(candidates)
            return super().features(candidates)

    table = read_table(tmp_path / "nets.yaml")
    space = Counting(table.path, table.description)
    Study(space, ["error_pct", "latency_ms"], sampler="cost_aware").run(4)
    assert len(set(asked)) > 4


def test_the_error_alone_may_be_wanted_of_a_joint_space(joint) -> None:
    study = joint.joint_study(
        joint.CHIPS, objectives=["error_pct"], constraints={"latency_ms": "<= 0.05"}
    ).run(12)
    assert all(t.feasible for t in study.trials)
    assert {t.value("error_pct") for t in study.front.members} == {
        min(t.value("error_pct") for t in study.trials)
    }


def test_a_study_that_stopped_anywhere_goes_on_as_if_it_had_not(study, joint, tmp_path) -> None:
    for n in (3, 13, 26, 40):
        joint.joint_study(joint.CHIPS, tmp_path / "run", seed=4).run(n)
    run = Run(tmp_path / "run")
    assert run.front.to_frame().equals(study.front.to_frame())
    assert [p.candidate for p in run.points] == [p.candidate for p in study.points]


def test_all_networks_are_trained_once_and_then_it_ends(joint) -> None:
    class Few(joint.Networks):
        @property
        def knobs(self):
            return {**super().knobs, "side": IntRange(96, 128, 32), "depth": IntRange(1, 2)}

    space = Product.of(Few(), ["a40", "xavier"], ("fp32",))
    study = Study(space, ["error_pct", "latency_ms"], evaluator=joint.Measured(space), sampler="cost_aware")
    assert study.run(1000).exhausted
    assert len(study.trials) == space.rated.size < space.size


def test_a_sweep_is_the_single_evaluation_to_the_last_bit() -> None:
    space = load_space("elastic_cnn") * ["l4", "xavier", "jetson_agx_orin_64"]
    ways = [c for i, c in zip(range(40), space.candidates(), strict=False) if i % 3 == 0]
    evaluator = CostEvaluator(space)
    for swept, alone in zip(evaluator.sweep(ways), evaluator.free(ways), strict=True):
        assert swept.candidate == alone.candidate
        assert (swept.cost, swept.facts, swept.state) == (alone.cost, alone.facts, alone.state)
        assert swept.unmodelled_share == alone.unmodelled_share


def test_chips_of_a_family_are_chosen_anew_by_what_was_reached_alone() -> None:
    space = load_space("elastic_cnn") * load_space("systolic")
    rng = np.random.default_rng(0)
    reached = [[space.sample(rng)] for _ in range(20)]
    first, grown, again = Ways(space), Ways(space), Ways(space)
    for n in (3, 9, 17, 20):
        grown.renew(reached[:n])
    again.renew(reached)
    assert grown.chips == again.chips != first.chips
    assert len(first.chips) == MOST_CHIPS // 2
    assert {again.chip_of(c) for row in reached[:16] for c in row} <= set(again.chips)
    again.renew(reached[:3])
    assert again.chips == first.chips
    assert not set(again.near(first.chips, set(first.chips))) & set(first.chips)
