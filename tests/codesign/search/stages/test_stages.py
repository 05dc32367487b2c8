"""Stages: few go on, everything is charged, nothing is paid twice, a cheap value passes for no dear one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from codesign.quality.base import Rating
from codesign.search.results import Run
from codesign.search.stages.ledger import Payment
from codesign.search.stages.promotion import by_rank, crowding, ranks
from codesign.search.stages.stage import Ladder, Resource, Stage, training_stages
from codesign.search.study import Study
from hw_models.cost.base import Estimate
from hw_models.errors import CodesignError, InputError
from search_spaces.candidate import Candidate
from search_spaces.product import Product
from search_spaces.testing.plain_cnn import PlainCnn


@dataclass
class Rated:
    """The toy's error, at a cheap stage with an offset and a deterministic wobble; remembers who asked."""

    toy: Any
    offset: float = 0.0
    wobble: float = 0.0
    asked: list[Candidate] = field(default_factory=list)

    def rate(self, network: Candidate, precision: str) -> Rating:  # noqa: ARG002 - the protocol
        self.asked.append(network)
        error = self.toy.measure(network).error.value + self.offset
        error += self.wobble * (int(network.digest, 16) % 7 - 3)
        return Rating(Estimate(error, error - 1, error + 1, "whatever", "%"))


def ladder(toy, **options) -> Ladder:
    stages = (
        Stage("proxy", Rated(toy, 20, 2.0), 0.01),
        Stage("short", Rated(toy, 8, 0.5), 0.11, continues=False, resource=Resource(epochs=12)),
        Stage("full", Rated(toy), 1.0, continues=True),
    )
    return Ladder(stages, **{"settle": 0, **options})


def asked(rungs: Ladder) -> list[list[Candidate]]:
    return [s.quality.asked for s in rungs.stages]


def test_half_goes_on_at_each_stage_and_every_step_is_charged(toy) -> None:
    rungs = ladder(toy)
    study = toy.toy_study(stages=rungs, sampler="random", constraints={"latency_ms": "<= 4"}).run(200)
    forbidden = [t for t in study.trials if t.verdict.status == "infeasible"]
    n = 200 - len(forbidden) - sum(t.verdict.status == "unknown" for t in study.trials)
    proxies, shorts, fulls = map(len, asked(rungs))
    assert (proxies, shorts, fulls) == (n, (n + 1) // 2, ((n + 1) // 2 + 1) // 2)
    assert all(t.paid == 0 and t.stage == "" for t in forbidden)
    assert len(forbidden) > 10
    of = {t.number: t.paid for t in study.trials if t.stage == "short"}
    assert list(of.values()) == pytest.approx([0.12] * len(of))
    # the full training goes on from the short one, and only the difference is paid
    assert [t.paid for t in study.trials if t.stage == "full"] == pytest.approx([0.01 + 0.11 + 0.89] * fulls)
    assert study.paid == pytest.approx(0.01 * proxies + 0.11 * shorts + 0.89 * fulls)
    assert study.paid == pytest.approx(sum(t.paid for t in study.trials))
    assert study.paid == round(study.paid, 9)  # no dust of adding up, which would begin one training more
    assert str(study.summary()).endswith(f"{study.paid:.4g} full trainings paid")
    assert [str(s) for s in study.summary().stages][
        2
    ] == f"full: {fulls} rated for {0.89 * fulls:.4g} full trainings"


def test_a_cheap_value_is_shown_as_what_it_is_and_is_on_no_front(toy) -> None:
    cheap_is_better = Ladder((Stage("short", Rated(toy, -30), 0.1), Stage("full", Rated(toy), 1.0)), settle=0)
    study = toy.toy_study(stages=cheap_is_better, sampler="random").run(100)
    stopped = [t for t in study.trials if t.verdict.status == "stopped"]
    assert len(stopped) > 10
    assert {t.quantity(study.objectives[0]).fidelity for t in stopped} == {"short"}
    assert {t.stage for t in study.front.members} == {"full"}
    assert study.front.fidelities["error_pct"] == ("full",)
    why = stopped[0].verdict.reasons[0]
    assert why.startswith("stopped after stage 'short': ")
    assert "by rank" in why
    table = study.trials_frame().set_index("id")
    assert table.loc[stopped[0].number, "stage"] == "short"
    assert table.loc[stopped[0].number, "paid_trainings"] == 0.1
    told = study.optuna_study.trials[stopped[0].number]
    assert told.state.name == "PRUNED"
    assert not told.values


@pytest.mark.parametrize("sampler", ["cost_aware", "local"])
def test_in_pieces_as_in_one_go_and_nothing_is_paid_twice(toy, tmp_path, sampler: str) -> None:
    whole = toy.toy_study(stages=ladder(toy), sampler=sampler).run(50)
    rungs = ladder(toy)
    for n in (1, 17, 50):
        study = toy.toy_study(tmp_path / "run", stages=rungs, sampler=sampler).run(n)
    for networks in asked(rungs):
        assert len(networks) == len(set(networks))
    stored = Run(tmp_path / "run")
    for one in (study, stored):
        assert [t.evaluation.to_dict() for t in one.trials] == [t.evaluation.to_dict() for t in whole.trials]
        assert one.paid == whole.paid
        assert one.summary() == whole.summary()


class Killed(BaseException):
    """As a process that ends in the middle of a stage."""


@pytest.mark.parametrize("after", [1, 18, 23])
def test_killed_in_a_stage_and_resumed_it_is_as_if_nothing_had_happened(toy, tmp_path, after: int) -> None:
    whole = toy.toy_study(stages=ladder(toy), sampler="cost_aware").run(33)
    rungs = ladder(toy)
    count = 0

    class Fragile(Rated):
        def rate(self, network, precision):
            nonlocal count
            count += 1
            if count == after:
                raise Killed
            return super().rate(network, precision)

    fragile = Ladder(
        tuple(
            replace(s, quality=Fragile(toy, s.quality.offset, s.quality.wobble, s.quality.asked))
            for s in rungs.stages
        ),
        settle=0,
    )
    with pytest.raises(Killed):
        toy.toy_study(tmp_path / "run", stages=fragile, sampler="cost_aware").run(33)
    paid = toy.toy_study(tmp_path / "run", stages=rungs, sampler="cost_aware").paid
    assert paid == pytest.approx(sum(rungs.price(i) * len(c) for i, c in enumerate(asked(rungs))))
    again = toy.toy_study(tmp_path / "run", stages=rungs, sampler="cost_aware").run(33)
    assert [t.evaluation.to_dict() for t in again.trials] == [t.evaluation.to_dict() for t in whole.trials]
    for networks in asked(rungs):
        assert len(networks) == len(set(networks))


def test_nothing_is_stopped_until_some_networks_have_settled(toy) -> None:
    study = toy.toy_study(stages=ladder(toy, settle=100), sampler="local").run(45)
    assert not [t for t in study.trials if t.verdict.status == "stopped"]
    assert {t.stage for t in study.trials if t.feasible} == {"full"}


def test_a_budget_of_full_trainings(toy) -> None:
    study = toy.toy_study(stages=ladder(toy), sampler="local").run(1000, trainings=6.0)
    assert 6.0 <= study.paid < 7.0
    assert study.run(1000, trainings=8.0).paid < 9.0
    whole = toy.toy_study(stages=ladder(toy), sampler="local").run(len(study.trials))
    assert [t.candidate for t in whole.trials] == [t.candidate for t in study.trials]
    for wrong in (toy.toy_study(), study):
        with pytest.raises(InputError, match="expected a number above 0 for a study with stages"):
            wrong.run(10, trainings=0 if wrong is study else 5)


def test_further_figures_are_those_of_the_last_stage_that_has_them(toy, tmp_path) -> None:
    class Sliced(Rated):
        def rate(self, network, precision):
            rating = super().rate(network, precision)
            e = rating.error
            return replace(
                rating, further={"worst_slice_error_pct": replace(e, value=e.value + 5, high=None)}
            )

    stages = [Stage("short", Sliced(toy, 10), 0.1), Stage("full", Sliced(toy), 1.0)]
    names = ["error_pct", "worst_slice_error_pct", "latency_ms"]
    options = {"stages": Ladder(tuple(stages), settle=0), "objectives": names, "sampler": "local"}

    class Sees(toy.Slow):
        paid = ("error_pct", "top1_pct", "worst_slice_error_pct")

    study = toy.toy_study(tmp_path / "run", evaluator=Sees(), **options).run(20)
    for t in study.trials:
        if t.stage:
            assert t.value("worst_slice_error_pct") == pytest.approx(t.value("error_pct") + 5)
    payment = study.ledger.payments[0]
    assert Payment.from_dict(json.loads(json.dumps(payment.to_dict()))) == payment
    assert {t.stage for t in study.trials if t.verdict.status == "stopped"} == {"short"}


def test_what_raises_or_is_no_number_fails_alone(toy, tmp_path) -> None:
    class Fails(Rated):
        def rate(self, network, precision):
            if network["depth"] == 3:
                raise RuntimeError("out of memory")
            rating = super().rate(network, precision)
            if network["depth"] == 4:
                return Rating(Estimate(float("nan"), None, None, "x", "%"))
            return None if network["depth"] == 5 else rating

    stages = [Stage("short", Fails(toy), 0.1), Stage("full", Rated(toy), 1.0)]
    options = {"sampler": "random", "constraints": {}, "objectives": ["error_pct", "latency_ms"]}
    study = toy.toy_study(tmp_path / "run", stages=stages, **options).run(100)
    failed = {t.candidate["depth"]: t for t in study.trials if t.verdict.status == "failed"}
    assert set(failed) == {3, 4, 5}
    assert failed[3].verdict.reasons == ("stage 'short' raised RuntimeError: out of memory",)
    assert failed[4].verdict.reasons == (
        "stage 'short' gave the error nan, expected a finite number of per cent",
    )
    assert failed[5].verdict.reasons == ("stage 'short' gave None, expected a Rating",)
    assert failed[3].paid == 0.1
    assert len(study.trials) == 100
    assert study.front.members


def test_all_dead_at_the_first_stage_says_which(toy) -> None:
    class Broken(Rated):
        def rate(self, *_):
            raise RuntimeError("no data set")

    stages = [Stage("proxy", Broken(toy), 0.1), Stage("full", Rated(toy), 1.0)]
    options = {"sampler": "local", "constraints": {}, "objectives": ["error_pct", "latency_ms"]}
    with pytest.raises(
        CodesignError, match="evaluations failed; the first: stage 'proxy' raised RuntimeError: no d"
    ):
        toy.toy_study(stages=stages, **options).run(40)
    forbidden = toy.toy_study(stages=stages, sampler="random", constraints={"latency_ms": "<= 0.001"}).run(50)
    assert forbidden.paid == 0
    assert "latency_ms <= 0.001 rejects 50 trials" in forbidden.summary().why_nothing


def test_networks_that_are_rated_together(toy) -> None:
    calls = []

    class Together(Rated):
        def rate_many(self, networks: Sequence[Candidate], precisions: Sequence[str]):
            calls.append(len(networks))
            yield from map(self.rate, networks, precisions)

    class Half(Together):
        def rate_many(self, networks, precisions):
            yield from list(map(self.rate, networks, precisions))[: len(networks) // 2]

    options = {"sampler": "random", "constraints": {}, "objectives": ["error_pct", "latency_ms"]}
    stages = [Stage("short", Together(toy), 0.1), Stage("full", Together(toy), 1.0)]
    study = toy.toy_study(stages=stages, **options).run(100)
    assert calls[0] == 100
    assert not [t for t in study.trials if t.verdict.status == "failed"]
    study = toy.toy_study(
        stages=[Stage("short", Half(toy), 0.1), Stage("full", Half(toy), 1.0)], **options
    ).run(100)
    reasons = {t.verdict.reasons[0] for t in study.trials if t.verdict.status == "failed"}
    assert "stage 'short' gave 50 ratings for 100 networks" in reasons


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda q: [Stage("short", q, None)],
            "stage 'short': charge=None given, expected full-training equivalents",
        ),
        (lambda q: [Stage("short", q, float("nan"))], "charge=nan given"),
        (lambda q: [Stage("", q, 1.0)], "stage without a name"),
        (lambda _: [Stage("short", print, 1.0)], "expected a quality"),
        (lambda _: [], "no stage given"),
        (lambda _: ["short"], "stage 'short' given, expected a codesign.Stage"),
        (lambda q: Stage("short", q, 1.0), "expected a list of codesign.Stage"),
        (lambda q: [Stage("a", q, 0.1), Stage("a", q, 1.0)], "stage 'a' given twice"),
        (
            lambda q: [Stage("a", q, 1.0), Stage("b", q, 1)],
            "expected charges that increase from stage to stage",
        ),
        (lambda q: Ladder((Stage("a", q, 1.0),), reduction=0.5), "reduction=0.5 given"),
        (lambda q: Ladder((Stage("a", q, 1.0),), settle=-1), "settle=-1 given"),
    ],
)
def test_stages_that_are_none(toy, make, said: str) -> None:
    with pytest.raises(InputError) as error:
        toy.toy_study(stages=make(Rated(toy)))
    assert said in str(error.value)


def test_a_study_that_cannot_use_stages(toy, tmp_path) -> None:
    stages = [Stage("full", Rated(toy), 1.0)]
    with pytest.raises(InputError, match="nothing that is asked for"):
        toy.toy_study(stages=stages, objectives=["latency_ms", "energy_mj"])
    with pytest.raises(InputError, match="cannot leave the quality out"):
        toy.toy_study(stages=stages, evaluator=lambda cs: map(toy.measure, cs))
    with pytest.raises(InputError, match="expected one of them"):
        toy.toy_study(stages=stages, quality=Rated(toy))
    toy.toy_study(tmp_path / "run", stages=stages).run(3)
    with pytest.raises(InputError, match="'stages' was given in Python"):
        Study.resume(tmp_path / "run")
    with pytest.raises(CodesignError, match="holds another study: stages is"):
        toy.toy_study(tmp_path / "run", stages=[Stage("full", Rated(toy), 0.5)])


def test_a_training_goes_on_from_its_checkpoint(tmp_path) -> None:
    def train(network, precision, resource, folder):
        file = folder / "epoch.json"
        done = json.loads(file.read_text()) if file.exists() else 0
        seen.append((done, resource.epochs))
        file.write_text(json.dumps(resource.epochs))
        return Rating(Estimate(1.0, 1.0, 1.0, "x", "%"))

    seen: list[tuple[int, float]] = []
    resources = {"short": Resource(10, data=0.5), "long": Resource(50), "full": Resource(100)}
    stages = training_stages(train, resources, tmp_path)
    # half of ten epochs, then forty and fifty whole ones, of a hundred
    assert [s.charge for s in stages] == pytest.approx([0.05, 0.45, 0.95])
    assert [Ladder(stages).price(i) for i in range(3)] == pytest.approx([0.05, 0.4, 0.5])
    for stage in stages:
        assert next(stage.ratings([Candidate(a=1)], ["fp32"])).error.value == 1.0
    assert seen == [(0, 10), (10, 50), (50, 100)]
    small = training_stages(
        train, {"small": Resource(10, resolution=112), "full": Resource(100, resolution=224)}, "."
    )
    assert [s.charge for s in small] == pytest.approx([0.025, 0.925])
    with pytest.raises(InputError, match="stage 'short': no epochs given"):
        training_stages(train, {"short": Resource(), "full": Resource(100)}, tmp_path)
    with pytest.raises(InputError, match="expected charges that increase"):
        training_stages(train, {"short": Resource(100), "full": Resource(100)}, tmp_path)
    with pytest.raises(InputError, match="a resolution for every stage or for none"):
        training_stages(train, {"short": Resource(10, resolution=64), "full": Resource(100)}, tmp_path)
    with pytest.raises(InputError, match="data=0 given"):
        Resource(10, data=0)


@dataclass
class BySize:
    """Deeper is better; remembers what it rated."""

    offset: float = 0.0
    asked: list[tuple[Candidate, str]] = field(default_factory=list)

    def rate(self, network: Candidate, precision: str) -> Rating:
        self.asked.append((network, precision))
        error = 50.0 - 3 * network["depth"] - network["width"] / 16 + self.offset
        return Rating(Estimate(error, error, error, "x", "%"))


@pytest.mark.parametrize("sampler", ["random", "cost_aware"])
def test_a_network_is_paid_for_once_whatever_the_chip_and_the_precision(sampler: str, tmp_path) -> None:
    space = Product.of(PlainCnn(), ["eyeriss_v1", "hailo_8", "jetson_tx2"], ["int8", "fp16"])
    short, full = BySize(20.0), BySize()
    stages = [Stage("short", short, 0.1), Stage("full", full, 1.0)]
    study = Study(space, ["error_pct", "latency_ms"], sampler=sampler, stages=Ladder(tuple(stages), settle=0),
                  storage=tmp_path / "run").run(25)  # fmt: skip
    assert len(short.asked) == len(set(short.asked))
    assert len(full.asked) == len(set(full.asked))
    trained = {n for n, _ in full.asked}
    assert study.paid == pytest.approx(0.1 * len({n for n, _ in short.asked}) + len(trained))
    assert study.paid == pytest.approx(sum(p.paid or 0.0 for p in study.points))
    assert {t.stage for t in study.front.members} == {"full"}
    assert {p.quantity(study.objectives[0]).fidelity for p in study.front.members} == {"full"}
    stored = Run(tmp_path / "run")
    assert [p.evaluation.to_dict() for p in stored.points] == [p.evaluation.to_dict() for p in study.points]
    assert any(t.verdict.status == "stopped" for t in study.trials)


def test_ranks_by_layers_then_by_crowding() -> None:
    values = np.array([[1, 9], [2, 5], [2.2, 4.8], [9, 1], [3, 6], [9, 9]], float)
    assert ranks(values).tolist() == [0, 0, 0, 0, 1, 2]
    # ends first; then the one whose neighbours are farther apart
    assert crowding(values[:4])[[0, 3]].tolist() == [np.inf, np.inf]
    assert crowding(values[:4])[1] == pytest.approx(1.2 / 8 + 4.2 / 8)
    assert crowding(values[:4])[2] == pytest.approx(7 / 8 + 4 / 8)
    assert by_rank([v[None] for v in values]).tolist() == [0, 3, 2, 1, 4, 5]
    # on a second chip the last network is on the front, and stands before those that no chip brings there
    assert by_rank([v[None] for v in values[:5]] + [np.array([[9, 9], [0.5, 8]])]).tolist()[-1] == 4
    assert by_rank([np.ones((1, 2))] * 3).tolist() == [0, 1, 2]
