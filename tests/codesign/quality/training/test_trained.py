"""Networks of a space trained once each, kept, found again, and searched."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from codesign.evaluate import CostEvaluator
from codesign.objectives import CATALOGUE
from codesign.quality.int8_drop import int8_drop
from codesign.quality.training.errors import DivergedError
from codesign.quality.training.plan import TrainingPlan, rungs
from codesign.quality.training.trained import TrainedQuality
from codesign.search.study import Study
from hw_models.errors import InputError, StorageError
from search_spaces.candidate import Candidate
from search_spaces.product import Product
from search_spaces.testing.plain_cnn import PlainCnn
from search_spaces.vision.elastic_cnn import ElasticCnn

PLAN = TrainingPlan(epochs=4, batch=60, learning_rate=0.05)
SPACE = PlainCnn(n_classes=12, input_shape=(1, 3, 16, 16))
SMALL, LARGE = Candidate(depth=2, width=16), Candidate(depth=3, width=32)


@pytest.fixture
def epochs():
    """Every epoch that is trained, as (network, number)."""
    return []


@pytest.fixture
def quality(data, tmp_path, epochs):
    def tell(network, epoch):
        epochs.append((network, epoch.epoch))

    return TrainedQuality(SPACE, data, PLAN, tmp_path / "trained", progress=tell)


def test_a_network_is_trained_once(quality, epochs):
    first = quality.rate(SMALL, "fp32")
    again = replace(quality, data=quality.data).rate(SMALL, "fp16")
    assert epochs == [(SMALL, n) for n in (1, 2, 3, 4)]
    assert first == again
    assert 0 <= first.error.low < first.error.value < first.error.high <= 100
    assert first.error.fidelity == "full training"
    assert "error on 180 val images after 4 of 4 epochs on road_signs (synthetic)" in first.notes[0]
    assert "on 240 test images, not used to decide" in first.notes[0]
    worst = first.further["worst_slice_error_pct"]
    assert worst.value >= first.error.value
    assert replace(quality, rated_on="test").rate(SMALL, "fp32").error.value == pytest.approx(
        quality.result(SMALL).error.value, abs=1e-6
    )


def test_below_full_precision_a_class_figure_stands_in(quality):
    full, narrow = quality.rate(SMALL, "fp32"), quality.rate(SMALL, "int8")
    assert narrow.error.value == pytest.approx(full.error.value + int8_drop().value, abs=1e-5)
    assert narrow.error.fidelity == "prior"
    assert quality.rate(SMALL, "int4").error.value is None


def test_short_trainings_go_on_and_only_the_difference_is_paid(quality, epochs):
    for until in (1, 2, 4):
        rating = quality.after(until).rate(SMALL, "fp32")
        assert rating.error.fidelity == ("full training" if until == 4 else "short training")
    assert [n for _, n in epochs] == [1, 2, 3, 4]
    assert quality.after(2).rate(SMALL, "fp32").error.fidelity == "short training"
    assert len(epochs) == 4


def test_stages_are_charged_by_images_and_pixels(quality, epochs):
    plan = rungs(replace(PLAN, epochs=9), 3, 3, smallest_data=0.25, smallest_resolution=8, resolution=16)
    short, middle, full = replace(quality, plan=plan).stages()
    assert [s.name for s in (short, middle, full)] == ["1 of 9 epochs", "3 of 9 epochs", "full"]
    assert (short.continues, middle.continues, full.continues) == (False, True, True)
    first, second = 1 / 9 * 0.25 * 0.25, 2 / 9 * 0.5 * (11 / 16) ** 2
    assert [s.charge for s in (short, middle, full)] == pytest.approx(
        [first, first + second, first + second + 6 / 9]
    )
    (rating,) = short.ratings([SMALL], ["fp32"])
    assert rating.error.fidelity == "short training"
    (rating,) = middle.ratings([SMALL], ["fp32"])
    assert [n for _, n in epochs] == [1, 2, 3]


class Diverges(PlainCnn):
    """A space whose networks answer with infinity."""

    def build(self, candidate: Candidate) -> nn.Module:
        class Wild(nn.Module):
            def __init__(self, inner: nn.Module) -> None:
                super().__init__()
                self.inner = inner

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return self.inner(x) * (math.inf if self.training else 1.0)

        return Wild(super().build(candidate))

    def workload(self, candidate: Candidate):
        return SPACE.workload(candidate)


def test_a_failed_training_fails_its_trial_and_is_not_repeated(data, tmp_path):
    wild = TrainedQuality(Diverges(n_classes=12, input_shape=(1, 3, 16, 16)), data, PLAN, tmp_path)
    with pytest.raises(DivergedError, match="the loss is nan at epoch 1, step 1"):
        wild.rate(SMALL, "fp32")
    joint = wild.space * ["a100_pcie_40gb"]
    (evaluation,) = CostEvaluator(joint, wild)([next(iter(joint.candidates()))])
    assert evaluation.state == "failed"
    assert evaluation.problem.startswith("the loss is nan at epoch 1, step 1")
    file = next(tmp_path.glob("*/*.json"))
    assert json.loads(file.read_text())["result"] is None
    with pytest.raises(DivergedError, match="the loss is nan"):
        wild.rate(SMALL, "fp32")


class Grows(PlainCnn):
    """A space whose networks ask for more memory than there is."""

    def build(self, candidate: Candidate) -> nn.Module:
        class Large(nn.Sequential):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return super().forward(x) + torch.empty(10**15).sum()

        return Large(super().build(candidate))

    def workload(self, candidate: Candidate):
        return SPACE.workload(candidate)


def test_a_network_without_memory_is_infeasible_with_its_size(data, tmp_path):
    grown = TrainedQuality(Grows(n_classes=12, input_shape=(1, 3, 16, 16)), data, PLAN, tmp_path)
    joint = grown.space * ["a100_pcie_40gb"]
    (evaluation,) = CostEvaluator(joint, grown)([next(iter(joint.candidates()))])
    assert evaluation.state == "cannot_run"
    assert evaluation.problem.startswith("training does not fit the memory of 'cpu': 0.002")
    assert not list(tmp_path.glob("*/*.json")), "with more memory it may be trained"


def test_kept_results_are_never_misread(quality, epochs):
    quality.rate(SMALL, "fp32")
    (file,) = quality.folder.glob("*/*.json")
    kept = json.loads(file.read_text())
    for change, text in (
        ({"format": 2}, r"has the format 2, expected 1; delete it to train again"),
        ({"key": {}}, "is of another training"),
        ({"result": {"epochs": 4}}, "is no result of a training"),
    ):
        file.write_text(json.dumps({**kept, **change}))
        with pytest.raises(StorageError, match=text):
            quality.rate(SMALL, "fp32")
    file.write_text("{")
    with pytest.raises(StorageError, match="is no result of a training"):
        quality.rate(SMALL, "fp32")
    file.unlink()
    assert quality.rate(SMALL, "fp32").error.value is not None
    assert len(epochs) == 4, "the checkpoint had it all"
    other = replace(quality, plan=replace(PLAN, seed=1))
    other.after(1).rate(SMALL, "fp32")
    assert len(list(quality.folder.glob("*/*.json"))) == 2


def test_a_space_of_another_size_is_refused(data, tmp_path):
    with pytest.raises(
        InputError, match=r"'elastic_cnn' with 1000 classes .* build the space with n_classes=12"
    ):
        TrainedQuality(ElasticCnn(), data, PLAN, tmp_path)
    with pytest.raises(InputError, match="epochs=5 given, expected 1 to 4"):
        TrainedQuality(SPACE, data, PLAN, tmp_path, epochs=5)
    with pytest.raises(InputError, match="own_resolution and a plan with resolution"):
        TrainedQuality(SPACE, data, replace(PLAN, resolution=8), tmp_path, own_resolution=True)


def test_the_resolution_is_that_of_the_cost_or_told(quality):
    far = replace(quality, space=replace(SPACE, input_shape=(1, 3, 24, 24)), plan=replace(PLAN, epochs=1))
    assert "trained at 16 pixels a side, its cost is told for 24" in far.rate(SMALL, "fp32").notes
    own = replace(far, own_resolution=True)
    assert own.result(SMALL).history[0].resolution == 24
    assert not any("pixels a side" in note for note in own.rate(SMALL, "fp32").notes)


def test_a_search_that_trains(quality, epochs, tmp_path):
    def study():
        objectives = ["error_pct", "latency_ms"]
        return Study(
            Product.of(SPACE, ["h100_sxm_80gb", "a100_pcie_40gb"], ("fp32",)),
            objectives,
            quality=quality.after(1),
            sampler="cost_aware",
            seed=1,
            storage=tmp_path / "run",
        )

    done = study().run(4)
    trained = {network for network, _ in epochs}
    assert len(epochs) == len(trained) <= 4
    assert study().run(5).front.members
    assert len(epochs) == len({network for network, _ in epochs}), "nothing is trained twice"
    assert all(t.evaluation.error.fidelity == "short training" for t in done.trials if t.feasible)
    facts = done.trials[0].evaluation
    assert CATALOGUE["worst_slice_error_pct"].read(facts).value >= facts.error.value
