"""Predicted errors: what they rest on, how well they rank and hold, and what they refuse."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from codesign.quality.predictor.features import counts_of, joined
from codesign.quality.predictor.predicted import PredictedQuality
from codesign.search.archives import KnownQuality, QualityArchive
from hw_models.cost.base import Estimate
from hw_models.errors import CodesignError, InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.features import FEATURES
from search_spaces.knobs import Choice, IntRange
from search_spaces.space import SearchSpace
from search_spaces.testing.plain_cnn import PlainCnn

REFERENCE = Path(os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[5] / "shared" / "reference"))


class Grid(SearchSpace):
    """Depth, width and a kind; 10 x 20 x 2 candidates that nothing is counted of."""

    name = "grid"

    @property
    def knobs(self):
        return {"depth": IntRange(1, 10), "width": IntRange(1, 20), "kind": Choice(("a", "b"))}

    def build(self, candidate):
        raise InputError(f"no networks here: {candidate}")

    def features(self, candidates):
        return np.array([[math.log(int(c["depth"])), math.log(int(c["width"]))] for c in candidates])


SPACE = Grid()
EVERY = list(SPACE.candidates())


def error(c: Candidate, rng: np.random.Generator) -> float:
    """Falls with depth and width, with noise."""
    clean = 20 + 40 / int(c["depth"]) ** 0.5 / int(c["width"]) ** 0.3 + 2 * (c["kind"] == "a")
    return float(clean + rng.normal(0, 0.4))


def split(n: int, seed: int = 0) -> tuple[dict[Candidate, float], list[Candidate], np.ndarray]:
    rng = np.random.default_rng(seed)
    order = [EVERY[i] for i in rng.permutation(len(EVERY))]
    errors = [error(c, rng) for c in order]
    return dict(zip(order[:n], errors[:n], strict=True)), order[n:], np.array(errors[n:])


def test_new_networks_are_ranked_and_held() -> None:
    taus, held = [], []
    for seed in range(3):
        rows, new, truth = split(80, seed)
        quality = PredictedQuality(SPACE, rows)
        value, low, high = quality.predict(new)
        assert ((low <= value) & (value <= high)).all()
        taus.append(kendalltau(value, truth).statistic)
        held.append(((low <= truth) & (truth <= high)).mean())
        assert quality.tau == pytest.approx(taus[-1], abs=0.12)
    assert min(taus) > 0.8
    assert 0.85 <= np.mean(held) <= 0.96


def test_a_rating_says_that_it_is_predicted_and_from_what() -> None:
    rows, new, _ = split(60)
    quality = PredictedQuality(SPACE, rows, data_set="somewhere")
    rating = quality.rate(new[0], "fp16")
    assert (rating.error.fidelity, rating.error.unit) == ("predicted", "%")
    assert rating.error.low < rating.error.value < rating.error.high
    assert "predicted from 60 networks of 'grid'" in rating.notes[0]
    assert "error on somewhere" in rating.notes[0]
    assert f"{quality.tau:.2f}" in rating.notes[0]
    assert quality.rate(new[0], "int8").error.fidelity == "prior"  # the drop of a class on top
    assert quality.rate(new[0], "int4").error == Estimate.unknown("%")


def test_the_same_rows_give_the_same_errors_in_one_go_and_one_by_one() -> None:
    rows, new, _ = split(50)
    first = PredictedQuality(SPACE, rows).predict(new[:5])
    other = PredictedQuality(SPACE, rows)
    other.predict(new[30:40])
    alone = [other.predict([c]) for c in new[:5]]
    assert np.array(first) == pytest.approx(np.array(alone)[:, :, 0].T, rel=1e-5)
    assert [len(x) for x in other.predict([])] == [0, 0, 0]


def test_too_few_rows_are_refused_with_how_many_are_needed() -> None:
    rows, _, _ = split(25)
    with pytest.raises(InputError, match="errors of 25 networks of 'grid' given, expected at least 40"):
        PredictedQuality(SPACE, rows)
    with pytest.raises(InputError, match="train 15 more"):
        PredictedQuality(SPACE, rows)
    with pytest.raises(InputError, match="25 rows given, expected at least 99 for a coverage of 99%"):
        PredictedQuality(SPACE, rows, coverage=0.99, needed=20)


def test_what_is_of_another_space_is_refused() -> None:
    rows, _, _ = split(50)
    quality = PredictedQuality(SPACE, rows)
    stranger = Candidate(depth=3, width=32)
    with pytest.raises(InputError, match="network is none of the space 'grid' that the errors are of"):
        quality.rate(stranger, "fp32")
    with pytest.raises(InputError, match="row 51 is none of the space 'grid'"):
        PredictedQuality(SPACE, {**rows, stranger: 3.0})
    with pytest.raises(InputError, match=r"row 51: error 101\.0 given, expected per cent"):
        PredictedQuality(SPACE, {**rows, Candidate(depth=1): 101.0})
    with pytest.raises(InputError, match="expected errors that differ"):
        PredictedQuality(SPACE, dict.fromkeys(rows, 5.0))
    with pytest.raises(InputError, match="coverage=1 given"):
        PredictedQuality(SPACE, rows, coverage=1)


def test_a_score_that_a_network_has_not_got_does_not_spread() -> None:
    rows, new, _ = split(50)

    def scores(candidates):
        return np.array([[np.nan if int(c["width"]) == 7 else int(c["depth"])] for c in candidates], float)

    quality = PredictedQuality(SPACE, rows, counts=joined(SPACE.features, scores))
    assert all(np.isfinite(x).all() for x in quality.predict(new))


def archive(rows: dict[Candidate, float], space: str = "grid", fidelity: str = "full") -> QualityArchive:
    from codesign.config import fingerprint

    digest = fingerprint(SPACE)["space grid"]
    told = [
        KnownQuality(c, Estimate(e, e, e, fidelity, "%"), space, digest, data_set="CIFAR-10")
        for c, e in rows.items()
    ]
    return QualityArchive(tuple(told))


def test_an_archive_of_earlier_studies_teaches(tmp_path) -> None:
    rows, new, _ = split(50)
    direct = PredictedQuality(SPACE, rows, data_set="CIFAR-10")
    archive(rows).append_to(tmp_path / "known.jsonl")
    kept = PredictedQuality.of_archive(SPACE, tmp_path / "known.jsonl", "CIFAR-10")
    assert kept.rate(new[0], "fp32") == direct.rate(new[0], "fp32")
    at = {c.replace(precision="int8" if i < 20 else "fp16"): e for i, (c, e) in enumerate(rows.items())}
    with pytest.raises(
        InputError, match="errors of 30 networks"
    ):  # those at int8 are no error of the network
        PredictedQuality.of_archive(SPACE, archive(at))
    with pytest.raises(InputError, match="errors of 0 networks"):  # a prediction teaches nothing
        PredictedQuality.of_archive(SPACE, archive(rows, fidelity="predicted"))
    with pytest.raises(UnknownNameError, match="which has elsewhere"):
        PredictedQuality.of_archive(SPACE, archive(rows, space="elsewhere"))
    with pytest.raises(CodesignError, match="measured on 'CIFAR-10', expected 'ImageNet'"):
        PredictedQuality.of_archive(SPACE, archive(rows), "ImageNet")


def test_any_space_is_told_apart_by_what_its_networks_compute() -> None:
    space = PlainCnn()
    counts = counts_of(space)
    small, large = Candidate(depth=2, width=16), Candidate(depth=6, width=64)
    told = counts([small, large])
    assert told.shape == (2, len(FEATURES))
    workload = space.workload(small)
    assert told[0, :2] == pytest.approx(np.log([workload.macs, workload.params]))
    assert (told[1, :2] > told[0, :2]).all()
    assert counts_of(SPACE) == SPACE.features


@pytest.mark.skipif(not (REFERENCE / "nas").is_dir(), reason="no reference figures beside the checkout")
def test_nas_bench_201_from_a_hundred_networks() -> None:
    from search_spaces.tabular import nas_bench_201

    space = nas_bench_201.load(REFERENCE / "nas")
    every = list(space.candidates())
    errors = 100 - space.look_up(every, "cifar100_test_200ep")
    order = np.random.default_rng(0).permutation(len(every))
    rows = {every[i]: float(errors[i]) for i in order[:100]}
    new = order[100:900]
    value, low, high = PredictedQuality(space, rows).predict([every[i] for i in new])
    assert kendalltau(value, errors[new]).statistic > 0.7
    assert 0.85 <= ((low <= errors[new]) & (errors[new] <= high)).mean() <= 0.96
