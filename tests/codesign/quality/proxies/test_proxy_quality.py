"""A proxy ranks: it has no error, orders the first stage of a study, and passes for nothing else."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from codesign.evaluate import Evaluation
from codesign.objectives import CATALOGUE, Demands
from codesign.quality.base import RANK_SCORE, RANK_UNIT, Rating
from codesign.quality.proxies.proxy_quality import ProxyQuality, rank_in
from codesign.quality.proxies.score import ProxyScore
from codesign.search.stages.stage import Ladder, Stage
from codesign.search.study import Study
from hw_models.cost.base import Estimate
from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.product import Product
from search_spaces.tabular.nas_bench_201 import KNOBS, OPERATORS
from search_spaces.vision.cell import Cell

SPACE = Cell(cells=1, channels=4, resolution=8, n_classes=12)


def cell(label: str) -> Candidate:
    return Candidate({k: OPERATORS[int(o)] for k, o in zip(KNOBS, label, strict=True)})


def quality(*proxies: str, **given) -> ProxyQuality:
    return ProxyQuality(SPACE, proxies or ("synflow",), batch=8, **given)


def test_a_score_is_no_accuracy_in_any_way() -> None:
    score = quality().score(cell("333333"))
    assert (score.estimate.fidelity, score.estimate.unit) == ("proxy", "rank score")
    assert (score.estimate.low, score.estimate.high) == (None, None)
    assert not {"error", "accuracy", "top1"} & {f.name for f in fields(score)}
    with pytest.raises(TypeError):
        float(score)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="'rank score' given, expected per cent"):
        Rating(score.estimate)
    rating = quality().rate(cell("333333"), "fp32")
    assert rating.error == Estimate.unknown("%")
    assert rating.facts == {RANK_SCORE: score.value}
    assert "no accuracy" in rating.notes[0]
    evaluation = Evaluation(cell("333333"), error=rating.error, facts=rating.facts)
    for name in ("error_pct", "top1_pct", "worst_slice_error_pct"):
        assert CATALOGUE[name].read(evaluation).value is None
    read = CATALOGUE[RANK_SCORE].read(evaluation)
    assert (read.value, read.fidelity, CATALOGUE[RANK_SCORE].unit) == (score.value, "proxy", RANK_UNIT)
    assert Demands.of(["error_pct"]).judge(evaluation).status == "unknown"
    assert Demands.of([RANK_SCORE]).judge(evaluation).status == "feasible"


def test_no_number_that_is_none() -> None:
    lost = ProxyScore.of("zico", float("nan"), "ln")
    assert (lost.value, lost.reason) == (None, "zico of this network is nan")
    assert ProxyScore.of("zico", float("inf"), "ln").rating().facts == {}
    assert "zico none: zico of this network is inf" in str(ProxyScore.of("zico", float("inf"), "ln"))
    with pytest.raises(InputError, match="expected a finite number"):
        ProxyScore("zico", float("inf"), "ln")
    with pytest.raises(InputError, match="expected the reason"):
        ProxyScore("zico", None, "ln")
    cut = quality().rate(cell("000000"), "fp32")  # no path from input to output
    assert cut.facts == {}
    assert any("parameters" not in n and "synflow" in n for n in cut.notes)


def test_the_same_network_has_the_same_score_however_it_is_asked_for() -> None:
    first, second = quality("naswot", "zico"), quality("naswot", "zico")
    cells = [cell(x) for x in ("333333", "203411", "110200")]
    ours = [first.scores(c) for c in cells]
    assert [second.scores(c) for c in reversed(cells)] == ours[::-1]
    assert first.rate(cells[0], "int8") == first.rate(cells[0], "fp32")
    assert quality("naswot", seed=1).scores(cells[0]) != ours[0]
    # dead edges are no network: the same as without them
    assert first.scores(cell("300003")) == first.scores(cell("300000"))


def test_larger_cells_rank_higher_by_size_and_flow(data) -> None:
    q = quality("parameters", "macs", "synflow", data=data)
    small, large = q.features([cell("111111"), cell("333333")])
    assert (large > small).all()
    assert "road_signs (synthetic)" in q.rate(cell("333333"), "fp32").notes[0]


def test_an_ensemble_ranks_among_a_fixed_sample() -> None:
    q = quality("parameters", "synflow", reference=12)
    found = [q.score(cell(x)).value for x in ("000111", "131131", "333333")]
    assert found == sorted(found)
    assert 0 <= found[0] < found[2] <= 1
    again = quality("parameters", "synflow", reference=12)
    assert again.score(cell("131131")).value == found[1]
    assert q.score(cell("131131")).scale == "mean rank"
    assert "synflow" in q.score(cell("000000")).reason
    assert [rank_in(np.array([1.0, 2.0, 2.0, 3.0]), v) for v in (0.0, 2.0, 2.5, 9.0)] == [0, 0.5, 0.75, 1]


def test_a_smaller_network_stands_in_and_it_is_said() -> None:
    whole = Cell(n_classes=12)
    q = ProxyQuality(whole, ("synflow",), smaller=SPACE, batch=8)
    assert q.score(cell("333333")) == quality().score(cell("333333"))
    assert "of cell with the same knobs, smaller" in q.rate(cell("333333"), "fp32").notes[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"proxies": "synflow"}, "expected one or more names"),
        ({"proxies": ()}, "expected one or more names"),
        ({"batch": 1}, "expected 2 or more"),
    ],
)
def test_wrong_settings_are_named(given, message) -> None:
    with pytest.raises(InputError, match=message):
        ProxyQuality(SPACE, **given)


def test_wrong_names_and_spaces_are_named() -> None:
    from search_spaces.testing.plain_cnn import PlainCnn

    with pytest.raises(UnknownNameError, match="did you mean 'synflow'"):
        ProxyQuality(SPACE, ("synflows",))
    with pytest.raises(InputError, match="expected the same knobs"):
        ProxyQuality(SPACE, smaller=PlainCnn())


class Known:
    """A full training that knows its answer: the fewer 3x3 convolutions, the worse."""

    def __init__(self) -> None:
        self.asked: list[Candidate] = []

    def rate(self, network: Candidate, precision: str) -> Rating:  # noqa: ARG002
        self.asked.append(network)
        error = 60.0 - 5 * sum(v == OPERATORS[3] for v in network.values())
        return Rating(Estimate(error, error, error, "known", "%"))


def test_a_stage_of_a_study_goes_by_rank_and_the_front_by_error_alone(tmp_path) -> None:
    full = Known()
    stages = Ladder((Stage("proxy", quality(), 0.001), Stage("full", full, 1.0)), settle=0)
    study = Study(
        Product.of(SPACE, ["a100_pcie_40gb"]),
        ["error_pct", "latency_ms"],
        stages=stages,
        sampler="random",
        seed=1,
        storage=tmp_path / "run",
    ).run(16)
    stopped = [t for t in study.trials if t.verdict.status == "stopped"]
    rated = [t for t in study.trials if t.stage == "full"]
    assert min(len(stopped), len(rated)) >= 4
    assert len(full.asked) == len({t.candidate for t in rated})
    for t in stopped:
        assert t.value("error_pct") is None
        assert t.evaluation.error == Estimate.unknown("%")
        assert t.evaluation.facts[RANK_SCORE] == quality().score(t.candidate.only(KNOBS)).value
        assert t.stage == "proxy"
    assert not any(RANK_SCORE in t.evaluation.facts for t in rated)
    assert all(m.quantity(CATALOGUE["error_pct"]).fidelity == "full" for m in study.front.members)
