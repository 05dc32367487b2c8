"""The spine: one candidate, one evaluation, whatever else is asked; nothing lost on the way to JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from codesign.evaluate import CostEvaluator, Evaluation, PointCost
from codesign.objectives import Demands
from codesign.quality.base import Rating
from codesign.quality.published import Published
from hw_models.cost.base import Estimate
from hw_models.cost.estimate import estimate
from hw_models.errors import InputError
from hw_models.spec.load import load_chip
from search_spaces.candidate import Candidate
from search_spaces.testing.plain_cnn import PlainCnn
from search_spaces.vision.timm_zoo import TimmZoo

if TYPE_CHECKING:
    from search_spaces.product import Product

CHIPS = ["jetson_agx_orin_64", "l4", "ethos_u85_2048"]


@pytest.fixture(scope="module")
def product() -> Product:
    return PlainCnn() * CHIPS


def points(product: Product) -> list[Candidate]:
    return [c for i, c in enumerate(product.candidates()) if i % 17 == 0]


def test_a_point_does_not_depend_on_what_else_is_asked(product: Product) -> None:
    asked = points(product)
    together = list(CostEvaluator(product, rate_hz=30)(asked))
    apart = [next(CostEvaluator(product, rate_hz=30)([c])) for c in reversed(asked)]
    assert together == apart[::-1]
    assert [e.candidate for e in together] == asked


def test_it_is_the_cost_of_the_cost_model(product: Product) -> None:
    candidate = Candidate(depth=4, width=32, chip="l4", precision="fp16")
    e = next(CostEvaluator(product)([candidate]))
    cost = estimate(product.workload(candidate), load_chip("l4"), precision="fp16")
    assert e.cost.latency == cost.latency
    assert e.cost.energy == cost.energy
    assert e.cost.peak_memory == cost.peak_memory
    assert (e.network, e.chip, e.precision, e.state) == ("4-32", "l4", "fp16", "ok")
    assert e.facts["macs_g"] == product.workload(candidate).macs / 1e9
    assert e.bound
    assert {e.cost.area.fidelity, e.cost.price.fidelity} <= {"stated", ""}
    assert e.error == Estimate.unknown("%")


def test_json_round_trip_is_identity(product: Product) -> None:
    for e in CostEvaluator(product, rate_hz=30.0)(points(product)):
        assert Evaluation.from_dict(json.loads(json.dumps(e.to_dict()))) == e


def test_published_accuracy_says_what_it_is() -> None:
    space = TimmZoo() * ["rtx4090"]
    asked = Candidate(arch="resnet18", img_size=224, chip="rtx4090", precision="fp16")
    fp16, int8 = CostEvaluator(space)([asked, asked.replace(precision="int8")])
    # resnet18's default weights of timm 1.0, a1_in1k: 71.504 % at 224 pixels (results-imagenet.csv)
    assert fp16.error == Estimate(28.496, 28.496, 28.496, "published", "%")
    assert int8.error == Estimate(29.171, 28.7535, 31.021, "prior", "%")
    assert int8.notes[1] == (
        "the int8 drop of this network is not modelled: nobody published it; the median of 44 quantised "
        "classifiers (0.68 points, 90 % 0.26 to 2.5) stands in"
    )
    assert not any("drop" in n for n in fp16.notes)
    # 1.814 G convolution MACs and 0.5 M of the classifier, He et al. 2016, table 1: 1.8 G
    assert fp16.facts["macs_g"] == pytest.approx(1.814, abs=0.01)


def test_ones_own_quality(product: Product) -> None:
    class Halves:
        def rate(self, network: Candidate, precision: str) -> Rating:  # noqa: ARG002 - the protocol
            err = 100 / int(network["depth"])
            return Rating(Estimate(err, None, None, "guess", "%"), ("a guess",))

    e = next(CostEvaluator(product, Halves())([Candidate(depth=4, width=16, chip="l4", precision="fp32")]))
    assert e.error.value == 25.0
    assert "a guess" in e.notes


@pytest.mark.parametrize("precision", ["int4", "fp8", "fp4", "w8a16", "w4a16"])
def test_a_format_without_a_class_figure_has_no_error_and_no_place_on_a_front(precision: str) -> None:
    rating = Published(TimmZoo()).rate(Candidate(arch="resnet18", img_size=224), precision)
    assert rating.error == Estimate.unknown("%")
    assert rating.notes[1] == (
        f"the {precision} drop of this network is not modelled: nobody published it, and no class figure "
        "stands in"
    )
    latency = PointCost(latency=Estimate(1e-3, 1e-3, 1e-3, "roofline", "s"))
    e = Evaluation(Candidate(), cost=latency, error=rating.error)
    assert Demands.of(["error_pct", "latency_ms"]).judge(e).reasons == ("error_pct is unknown",)


def test_what_cannot_be_read_fails_alone(product: Product) -> None:
    @dataclass(frozen=True)
    class Brittle(PlainCnn):
        name: str = "brittle"

        def workload(self, candidate: Candidate):
            if candidate["depth"] == 3:
                raise InputError("layer 3 is missing")
            return super().workload(candidate)

    space = Brittle() * ["l4"]
    asked = [Candidate(depth=d, width=16, chip="l4", precision="fp16") for d in (2, 3, 4)]
    states = [(e.state, e.problem) for e in CostEvaluator(space)(asked)]
    assert states == [("ok", ""), ("failed", "layer 3 is missing"), ("ok", "")]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (RuntimeError("out of memory"), "the quality raised RuntimeError: out of memory"),
        (5.0, "the quality gave 5.0, expected a Rating"),
        (
            Rating(Estimate(float("inf"), None, None, "x", "%")),
            "the quality gave the error inf, expected a finite number of per cent",
        ),
    ],
)
def test_a_quality_that_goes_wrong_fails_that_network_alone(product: Product, answer, said: str) -> None:
    class Wrong:
        def rate(self, network: Candidate, precision: str) -> Rating:  # noqa: ARG002 - the protocol
            if network["depth"] != 4:
                return Rating(Estimate(30.0, 29.0, 31.0, "full", "%"))
            if isinstance(answer, Exception):
                raise answer
            return answer

    wrong, right = CostEvaluator(product, Wrong())(
        [Candidate(depth=d, width=32, chip="l4", precision="fp16") for d in (4, 2)]
    )
    assert (wrong.state, wrong.problem) == ("failed", said)
    assert (right.state, right.error.value) == ("ok", 30.0)


def test_what_does_not_fit_cannot_run(product: Product) -> None:
    chip = load_chip("l4").scaled(dram_capacity=1e-7)
    space = PlainCnn() * [chip]
    e = next(CostEvaluator(space)([Candidate(depth=6, width=64, chip="l4", precision="fp32")]))
    assert e.state == "cannot_run"
    assert e.problem
    assert e.bound == ""


def test_a_rate_that_is_none_is_refused(product: Product) -> None:
    with pytest.raises(InputError, match="rate_hz=0 given, expected images per second above 0"):
        CostEvaluator(product, rate_hz=0)
