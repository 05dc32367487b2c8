"""A supernet trained, resumed, asked for networks, and held to what training alone says."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from codesign.data.road_signs.source import road_signs
from codesign.evaluate import CostEvaluator
from codesign.quality.supernet.agreement import RankAgreement, write
from codesign.quality.supernet.net import weights_digest
from codesign.quality.supernet.quality import DoesNotRankError, SupernetQuality
from codesign.quality.training.errors import DivergedError
from codesign.quality.training.loop import scored
from codesign.quality.training.plan import TrainingPlan
from codesign.quality.training.trained import TrainedQuality
from hw_models.errors import InputError, StorageError
from search_spaces.candidate import Candidate
from search_spaces.narrowed import Narrowed

PLAN = TrainingPlan(epochs=6, batch=48, learning_rate=0.05, augmentation=())
SHORT = replace(PLAN, epochs=2)


@pytest.fixture(scope="module")
def quality(space, data, tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("supernet")
    made = SupernetQuality(space, data, PLAN, folder, n_random=1, own_resolution=True, allow_unranked=True)
    _ = made.trained
    return made


@pytest.fixture(scope="module")
def little():
    """Too few images to learn from, and enough to see what a training does."""
    return road_signs(12, 16, n_train=96, n_val=24, n_test=24).in_memory()


def _compared(quality, tau_is_one: bool, n: int = 30) -> RankAgreement:
    """A comparison made up for these weights, kept where `compare` keeps it."""
    alone = np.arange(float(n))
    shared = alone if tau_is_one else np.random.default_rng(0).permutation(alone)
    found = RankAgreement(
        tuple(map(str, range(n))),
        tuple(shared),
        tuple(alone),
        tuple(range(n)),
        "test error after 2 epochs, full training",
        weights_digest(quality.trained[0]),
    )
    write(quality._file, quality._compared, found)
    return found


def test_every_size_learns(quality):
    """Chance is 91.7 % wrong of 12 classes; 84 % is 4 standard deviations of 240 images below it."""
    net, result = quality.trained
    assert result.epochs == 6
    assert result.history[-1].loss < result.history[0].loss
    for network in (net.smallest, net.largest):
        assert 100 * quality.score(network).total.wrong / 240 < 84


def test_the_largest_is_rated_alike_by_its_own_statistics_and_calibrated(quality):
    net, result = quality.trained
    told = 100 * quality.score(net.largest).total.wrong / 240
    assert told == pytest.approx(result.history[-1].error_pct, abs=8)


def test_batch_norms_must_be_calibrated(quality):
    net, _ = quality.trained
    fresh = net.extract(net.smallest)
    every = np.arange(240)
    batches = list(quality._batches(quality.data.val, every, net.smallest))
    without = scored(fresh, "val", quality.data.val, batches).total.wrong
    assert quality.score(net.smallest).total.wrong < without - 12


def test_a_network_taken_out_is_rated_the_same(quality):
    network = quality.space.sample(np.random.default_rng(4))
    batches = quality._batches(quality.data.val, np.arange(240), network)
    assert scored(quality.network(network), "val", quality.data.val, batches) == quality.score(network)


def test_a_training_that_was_cut_off_ends_with_the_same_weights(space, little, tmp_path):
    def made(folder, progress=None):
        return SupernetQuality(space, little, SHORT, tmp_path / folder, n_random=1, progress=progress)

    def cut(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _ = made("cut", cut).trained
    seen = []
    net, result = made("cut", lambda e: seen.append(e.epoch)).trained
    whole, expected = made("whole").trained
    assert seen == [2]
    assert weights_digest(net) == weights_digest(whole)
    assert [e.loss for e in result.history] == [e.loss for e in expected.history]
    seen.clear()
    again, _ = made("cut", lambda e: seen.append(e.epoch)).trained
    assert (seen, weights_digest(again)) == ([], weights_digest(whole))


def test_what_was_never_compared_does_not_rank(quality):
    strict = replace(quality, allow_unranked=False)
    network = quality.trained[0].smallest
    quality._file.unlink(missing_ok=True)
    with pytest.raises(
        DoesNotRankError,
        match=r"compared with networks trained alone; `compare\(TrainedQuality\(...\)\)` does it with 30",
    ):
        strict.rate(network, "fp32")
    rating = quality.rate(network, "fp32")
    assert rating.notes[0].startswith("NOT SHOWN TO RANK: the supernet was never compared")
    assert rating.error.fidelity == "supernet"
    _compared(quality, tau_is_one=True, n=12)
    with pytest.raises(DoesNotRankError, match="was compared with 12 networks trained alone, 30 are needed"):
        strict.rate(network, "fp32")


def test_a_tau_below_06_does_not_rank(quality):
    found = _compared(quality, tau_is_one=False)
    strict = replace(quality, allow_unranked=False)
    network = quality.trained[0].smallest
    with pytest.raises(
        DoesNotRankError,
        match=rf"tau {found.tau:.2f} \(90 % .* over 30 networks, expected at least 0.6",
    ):
        strict.rate(network, "fp32")
    assert "NOT SHOWN TO RANK: the supernet does not rank" in quality.rate(network, "fp32").notes[0]


def test_a_rating_tells_tau_and_what_it_is(quality):
    found = _compared(quality, tau_is_one=True)
    network = quality.trained[0].smallest
    rating = replace(quality, allow_unranked=False).rate(network, "fp32")
    assert rating.notes[0] == found.told
    assert "Kendall tau 1.00" in rating.notes[0]
    told = "error on 240 val images with shared weights after 6 of 6 epochs on road_signs (synthetic)"
    assert told in rating.notes[1]
    assert "it ranks, and is not the error of a network trained alone" in rating.notes[1]
    total = quality.score(network).total
    assert rating.error.value == pytest.approx(100 * total.wrong / total.n)
    assert rating.error.high - rating.error.value == pytest.approx(found.scatter, abs=1e-6)
    assert rating.further["worst_slice_error_pct"].value >= rating.error.value
    assert quality.rate(network, "int8").error.fidelity == "prior"
    assert quality.rate(network, "int4").error.value is None


def test_a_comparison_of_other_weights_does_not_count(quality):
    write(quality._file, quality._compared, replace(_compared(quality, tau_is_one=True), weights="others"))
    assert quality.agreement is None
    _compared(quality, tau_is_one=True)
    assert quality.agreement is not None
    assert replace(quality, calibrated_on=64).agreement is None


def test_networks_are_trained_alone_and_compared(quality, tmp_path):
    alone = TrainedQuality(
        quality.space, quality.data, replace(SHORT, epochs=1), tmp_path, own_resolution=True
    )
    seen = []
    found = quality.compare(alone, 3, progress=lambda *told: seen.append(told))
    assert [s[0] for s in seen] == list(quality.drawn(3))
    first = quality.drawn(3)[0]
    assert found.alone[0] == pytest.approx(alone.result(first).error.value)
    assert found.shared[0] == pytest.approx(100 * quality.score(first).total.wrong / 240)
    assert found.what == "test error after 1 epochs, full training"
    assert replace(quality).agreement == found


def test_a_front_shows_tau_and_a_refusal_is_told(quality):
    found = _compared(quality, tau_is_one=True)
    joint = quality.space * ["xavier"]
    at = joint.canonical(Candidate({**_chip(joint), **quality.trained[0].smallest}))
    (told,) = CostEvaluator(joint, quality)([at])
    assert told.state == "ok"
    assert told.notes[0] == found.told
    quality._file.unlink()
    (refused,) = CostEvaluator(joint, replace(quality, allow_unranked=False))([at])
    assert refused.state == "failed"
    assert "never compared" in refused.problem


def _chip(joint):
    rest = {k: next(iter(v)) for k, v in joint.knobs.items() if k not in joint.networks.knobs}
    return {**rest, "precision": "fp16"}


def test_a_checkpoint_of_something_else_is_named(quality, data, space, tmp_path):
    kept = quality._place.checkpoint

    def given(**other):
        made = replace(quality, folder=tmp_path / "other", **other)
        made._place.folder.mkdir(exist_ok=True)
        shutil.copy(kept, made._place.checkpoint)
        return made

    less = Narrowed(space, {"depth_1": (1,)})
    with pytest.raises(
        StorageError, match=r"is of supernet 1 of space elastic_small .*, expected supernet 1 of"
    ):
        _ = given(space=less).trained
    with pytest.raises(StorageError, match="2 random networks a step"):
        _ = given(n_random=2).trained
    with pytest.raises(StorageError, match="of another plan: seed 0 there, 7 asked for"):
        _ = given(plan=replace(PLAN, seed=7)).trained
    with pytest.raises(StorageError, match="of other data: fingerprint"):
        _ = given(data=road_signs(12, 24, n_train=480, n_val=240, n_test=240, seed=4)).trained
    broken = given(calibrated_on=64)
    broken._place.checkpoint.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(StorageError, match=r"cannot be read as a checkpoint .* name another file, or delete"):
        _ = broken.trained


def test_a_loss_that_is_no_number_is_told_once(space, little, tmp_path):
    wild = SupernetQuality(space, little, replace(SHORT, learning_rate=1e18), tmp_path, n_random=0)
    for _ in range(2):
        with pytest.raises(DivergedError, match=r"the loss is (nan|inf) at epoch 1"):
            _ = replace(wild).trained


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n_random": -1}, "n_random=-1 given, expected an integer of at least 0"),
        ({"calibrated_on": 1}, "calibrated_on=1 given"),
        ({"plan": replace(PLAN, resolution=16)}, "own_resolution and a plan with resolution"),
    ],
)
def test_bad_settings_are_named(quality, change, told):
    with pytest.raises(InputError, match=told):
        replace(quality, **change)


def test_trainings_of_something_else_are_not_compared(quality, data, space, tmp_path):
    alone = TrainedQuality(space, data, SHORT, tmp_path)
    with pytest.raises(InputError, match="own_resolution=False given, expected True as the supernet has"):
        quality.compare(alone)
    less = Narrowed(space, {"depth_1": (1,)})
    with pytest.raises(InputError, match="expected the supernet's 'elastic_small' with the same knobs"):
        quality.compare(replace(alone, space=less, own_resolution=True))
    with pytest.raises(InputError, match="n=2 networks given, expected 3 to"):
        quality.compare(replace(alone, own_resolution=True), 2)


def test_a_candidate_outside_is_named(quality):
    outside = quality.trained[0].smallest.replace(kernel_3=7)
    with pytest.raises(
        InputError, match=r"knob 'kernel_3' of the space 'elastic_small': 7 given, expected one of 3"
    ):
        quality.rate(outside, "fp32")
