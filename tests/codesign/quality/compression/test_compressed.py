"""Candidates of a compressed space, rated: trained once, pruned, masked, tuned, quantised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from codesign.data.road_signs.source import road_signs
from codesign.quality.compression.compressed import FIDELITY, CompressedQuality
from codesign.quality.compression.distillation import Distillation
from codesign.quality.training.plan import TrainingPlan
from codesign.quality.training.trained import TrainedQuality
from hw_models.errors import InputError
from search_spaces.candidate import Candidate
from search_spaces.compression.space import Compressed
from search_spaces.testing.plain_cnn import PlainCnn

PLAN = TrainingPlan(epochs=2, batch=32, learning_rate=0.05, augmentation=())
NETWORK = {"depth": 2, "width": 16, "precision_1": "base", "precision_2": "base"}


@pytest.fixture
def quality(tmp_path: Path) -> CompressedQuality:
    data = road_signs(12, 16, n_train=240, n_val=120, n_test=60).in_memory()
    space = PlainCnn(n_classes=12, input_shape=(1, 3, 16, 16))
    compressed = Compressed(
        space, groups=2, precisions=("base", "int8", "w4a16"), prune=(0.0, 0.5), weights=("dense", "2:4")
    )
    return CompressedQuality(compressed, TrainedQuality(space, data, PLAN, tmp_path))


def candidate(**own: str | float) -> Candidate:
    none = {"prune_1": 0.0, "prune_2": 0.0, "weights_1": "dense", "weights_2": "dense"}
    return Candidate({**NETWORK, **none, **own})


def test_without_compression_it_is_the_trained_network(quality: CompressedQuality) -> None:
    plain = quality.trained.rate(Candidate({"depth": 2, "width": 16}), "fp32")
    assert quality.rate(candidate(), "fp16").error == plain.error


def test_quantised_pruned_and_tuned(quality: CompressedQuality) -> None:
    narrow = quality.rate(candidate(precision_1="int8"), "fp16")
    assert narrow.error.fidelity == FIDELITY
    assert "quantised: 2 layers w8a8, 1 layers floating point; ranges of 512 training images" in narrow.notes
    tuning = replace(PLAN, epochs=1, learning_rate=0.01)
    tuned = replace(quality, tuning=tuning, distillation=Distillation(), qat=True)
    rating = tuned.rate(candidate(prune_1=0.5, weights_2="2:4"), "int8")
    assert rating.error.value is not None
    assert "trained on for 1 epochs, taught by the network before compression" in rating.notes
    assert rating == tuned.rate(candidate(prune_1=0.5, weights_2="2:4"), "int8")


def test_a_student_learns_what_its_teacher_says() -> None:
    torch.manual_seed(0)
    teacher, student = nn.Linear(4, 3), nn.Linear(4, 3)
    x, labels = torch.randn(64, 4), torch.zeros(64, dtype=torch.long)
    losses = Distillation(temperature=2.0, weight=1.0).losses(student, teacher)
    optimiser = torch.optim.SGD(student.parameters(), 0.5)
    first = last = 0.0
    for step in range(400):
        (loss,) = losses(x, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        first, last = (loss.item(), 0.0) if not step else (first, loss.item())
    assert last < 0.2 * first
    assert all(p.grad is None for p in teacher.parameters())


def test_bad_options_are_named(quality: CompressedQuality) -> None:
    with pytest.raises(InputError, match="expected the same space"):
        replace(quality, space=Compressed(PlainCnn(n_classes=43)))
    with pytest.raises(InputError, match="QAT or distillation without a plan"):
        replace(quality, qat=True)
    with pytest.raises(InputError, match="temperature=0 given"):
        Distillation(temperature=0)
    with pytest.raises(InputError, match="weight=2 given"):
        Distillation(weight=2)
