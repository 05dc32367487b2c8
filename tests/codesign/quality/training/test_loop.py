"""The loop: repeatable, resumable after a kill, and clear about what ends it."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from codesign.quality.training.errors import DivergedError, TooLargeError, TrainingError
from codesign.quality.training.loop import Hooks, train
from codesign.quality.training.plan import Leg, TrainingPlan
from hw_models.errors import InputError, StorageError

PLAN = TrainingPlan(epochs=4, batch=32, learning_rate=0.05, augmentation=("shift", "flip", "light", "erase"))


def weights(module: nn.Module) -> np.ndarray:
    return np.concatenate([t.detach().double().numpy().ravel() for t in module.state_dict().values()])


def untimed(result):
    return [replace(e, seconds=0.0) for e in result.history], result.val, result.test


def test_the_same_seed_gives_the_same_weights(data, net):
    before = torch.random.get_rng_state()
    one, two, other = net(), net(), net()
    torch.random.set_rng_state(before)
    first, second = train(one, data, PLAN), train(two, data, PLAN)
    assert torch.equal(torch.random.get_rng_state(), before), "the user's random numbers are left alone"
    train(other, data, replace(PLAN, seed=1))
    assert np.array_equal(weights(one), weights(two))
    assert untimed(first) == untimed(second)
    assert not np.array_equal(weights(one), weights(other))


def test_it_learns_and_says_how_well(data, net):
    plan = TrainingPlan(epochs=12, batch=32, learning_rate=0.05, augmentation=())
    result = train(net(), data, plan)
    assert result.history[-1].loss < 0.75 * result.history[0].loss
    assert result.error.value < 100 * 11 / 12 - 10
    assert result.error.low < result.error.value < result.error.high
    assert result.fidelity == "full training"
    assert result.score.split == "test"
    assert result.score.total.n == len(data.test)
    assert result.worst_slice_error.value >= result.error.value
    assert any("synthetic" in note for note in result.notes)


def test_stopping_and_going_on_is_the_same_as_not_stopping(data, net, tmp_path):
    whole, parts = net(), net()
    straight = train(whole, data, PLAN)
    first = train(parts, data, PLAN, checkpoint=tmp_path / "c.pt", until=1)
    again = net(seed=9)
    second = train(again, data, PLAN, checkpoint=tmp_path / "c.pt", until=3)
    last_module = net(seed=10)
    last = train(last_module, data, PLAN, checkpoint=tmp_path / "c.pt")
    assert np.array_equal(weights(last_module), weights(whole))
    assert untimed(last) == untimed(straight)
    assert [r.epochs_paid for r in (first, second, last)] == [1, 2, 1]
    assert [r.fidelity for r in (first, second, last)] == ["short training"] * 2 + ["full training"]
    assert first.test is None
    assert first.error.fidelity == "short training"
    assert train(net(), data, PLAN, checkpoint=tmp_path / "c.pt").epochs_paid == 0


KILLED = """
import sys, torch
from torch import nn
torch.set_num_threads(1)
from codesign.data.road_signs.source import road_signs
from codesign.quality.training.loop import train, Hooks
from codesign.quality.training.plan import TrainingPlan
data = road_signs(12, 16, n_train=360, n_val=180, n_test=240, seed=3)
torch.manual_seed(0)
layers = nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()
net = nn.Sequential(*layers, nn.Dropout(0.1), nn.Linear(392, 12))
plan = TrainingPlan(epochs=200, batch=32)
train(net, data, plan, checkpoint=sys.argv[1], hooks=Hooks(epoch=lambda e: print(e.epoch, flush=True)))
"""


def test_a_kill_loses_at_most_one_epoch(data, tmp_path):
    path = tmp_path / "c.pt"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 3:
                time.sleep(0.03)  # somewhere in the epochs after it
                process.send_signal(signal.SIGKILL)
                break
        told = 3 + len(process.stdout.read().split())
    killed = torch.load(path, weights_only=True)
    assert told <= len(killed["history"]) <= told + 1
    until = len(killed["history"]) + 2

    def made(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        layers = nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten()
        return nn.Sequential(*layers, nn.Dropout(0.1), nn.Linear(392, 12))

    plan = TrainingPlan(epochs=200, batch=32)
    whole, resumed = made(0), made(5)
    straight = train(whole, data, plan, until=until)
    gone_on = train(resumed, data, plan, until=until, checkpoint=path)
    assert gone_on.epochs_paid == 2
    assert np.array_equal(weights(whole), weights(resumed))
    assert untimed(straight) == untimed(gone_on)


def test_legs_are_prefixes_of_one_training(data, net, tmp_path):
    legs = (Leg(1, 0.25, 8), Leg(2, 0.5, 12), Leg(4, 1.0, 16))
    plan = replace(PLAN, legs=legs, augmentation=())
    flexible = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 12))
    result = train(flexible, data, plan)
    assert [e.resolution for e in result.history] == [8, 12, 16, 16]
    assert [e.images for e in result.history] == [96, 180, 360, 360]  # a quarter of 30 a class is 8 of each


def test_a_loss_that_is_no_number_is_named_and_nothing_lost(data, net, tmp_path):
    plan, path = replace(PLAN, warmup=0.0), tmp_path / "c.pt"
    module = net()
    train(module, data, plan, checkpoint=path, until=1)

    class Breaks(nn.Module):
        """From its twentieth step on it answers with NaN; epoch 1 had twelve."""

        def __init__(self) -> None:
            super().__init__()
            self.inner, self.steps = net(), 12

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.steps += self.training
            return self.inner(x) * (math.nan if self.steps >= 20 else 1.0)

        def state_dict(self, *args, **kwargs):
            return self.inner.state_dict(*args, **kwargs)

        def load_state_dict(self, *args, **kwargs):
            return self.inner.load_state_dict(*args, **kwargs)

    with pytest.raises(
        DivergedError,
        match=r"the loss is nan at epoch 2, step 8 of .*rate up to 0.05\); epoch 1 is kept; lower it",
    ):
        train(Breaks(), data, plan, checkpoint=path)
    assert train(net(), data, plan, checkpoint=path).epochs_paid == 3


def test_a_network_without_memory_is_told_with_its_size(data, net):
    class Large(nn.Module):
        def __init__(self, error: Exception | None = None) -> None:
            super().__init__()
            self.inner, self.error = net(), error

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training and self.error is not None:
                raise self.error
            return self.inner(x) + (torch.empty(10**15).sum() if self.training else 0)

    size = sum(p.numel() for p in net().parameters())
    for module in (Large(), Large(MemoryError()), Large(torch.OutOfMemoryError("CUDA out of memory."))):
        with pytest.raises(
            TooLargeError, match=rf"does not fit the memory of 'cpu': {size / 1e6:.4g} M parameters take"
        ):
            train(module, data, PLAN)
    with pytest.raises(TooLargeError, match="4000000000000000 bytes more were asked for"):
        train(Large(), data, PLAN)


def test_a_time_box_ends_at_a_whole_epoch(data, net, tmp_path):
    path = tmp_path / "c.pt"
    plan = replace(PLAN, epochs=2000, time_box_s=0.5)
    began = time.monotonic()
    boxed = net()
    result = train(boxed, data, plan, checkpoint=path)
    assert time.monotonic() - began < 5
    assert result.stopped == f"time box of 0.5 s after {result.epochs} of 2000 epochs"
    assert result.fidelity == "short training"
    straight = net()
    train(straight, data, replace(plan, time_box_s=None), until=result.epochs)
    assert np.array_equal(weights(straight), weights(boxed))
    with pytest.raises(TrainingError, match="not one epoch within the time box of 1e-05 s"):
        train(net(), data, replace(plan, time_box_s=1e-5))


def test_a_hopeless_training_stops_and_can_go_on(data, net, tmp_path):
    def hopeless(history):
        return "dominated at epoch 2" if len(history) == 2 else None

    path = tmp_path / "c.pt"
    result = train(net(), data, PLAN, checkpoint=path, hooks=Hooks(hopeless=hopeless))
    assert (result.epochs, result.stopped, result.test) == (2, "dominated at epoch 2", None)
    whole, gone_on = net(), net()
    train(whole, data, PLAN)
    train(gone_on, data, PLAN, checkpoint=path)
    assert np.array_equal(weights(whole), weights(gone_on))


def test_another_checkpoint_is_refused_by_name(data, net, tmp_path):
    path = tmp_path / "c.pt"
    train(net(), data, PLAN, checkpoint=path, until=1, hooks=Hooks(owner="space a"))
    kept = path.read_bytes()
    hooks = Hooks(owner="space a")
    for module, given, plan, owner, text in (
        (net(width=4), data, PLAN, hooks, "of another network: names or shapes of the weights differ"),
        (net(), data, PLAN, Hooks(owner="space b"), "of space a, expected space b"),
        (net(), data, replace(PLAN, batch=64), hooks, "of another plan: batch 32 there, 64 asked for"),
        (
            net(),
            replace(data, fingerprint="x"),
            PLAN,
            hooks,
            f"fingerprint {data.fingerprint} there, x given",
        ),
    ):
        with pytest.raises(StorageError, match=text):
            train(module, given, plan, checkpoint=path, hooks=owner)
    assert path.read_bytes() == kept
    content = torch.load(path, weights_only=True)
    torch.save({**content, "format": 99}, path)
    with pytest.raises(StorageError, match="of format 99, expected 1; name another file"):
        train(net(), data, PLAN, checkpoint=path, hooks=hooks)
    path.write_bytes(kept[:2000])
    with pytest.raises(StorageError, match=r"c\.pt cannot be read as a checkpoint"):
        train(net(), data, PLAN, checkpoint=path, hooks=hooks)
    with pytest.raises(StorageError, match="the checkpoint could not be written: File exists"):
        train(net(), data, PLAN, checkpoint=path / "c.pt")


def test_what_does_not_fit_together_is_named(data, net):
    with pytest.raises(InputError, match=r"answers \(2, 10\) .*expected logits \(2, 12\).*n_classes=12"):
        train(net(classes=10), data, PLAN)
    with pytest.raises(InputError, match=r"does not take images \(2, 3, 16, 16\)"):
        train(nn.Conv2d(1, 12, 3), data, PLAN)
    with pytest.raises(InputError, match="without weights"):
        train(nn.Flatten(), data, PLAN)
    with pytest.raises(InputError, match="until=5 given, expected 1 to 4 epochs"):
        train(net(), data, PLAN, until=5)
    with pytest.raises(InputError, match="device 'gpu' given, expected 'cpu', 'cuda'"):
        train(net(), data, replace(PLAN, device="gpu"))
    with pytest.raises(InputError, match="precision 'bf16' on 'cpu' given, expected 'fp32'"):
        train(net(), data, replace(PLAN, precision="bf16"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there(data, net):
    with pytest.raises(InputError, match=r"device 'cuda:0' given, but torch .* sees 0 CUDA devices; use"):
        train(net(), data, replace(PLAN, device="cuda:0"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_on_a_gpu(data, net, precision, tmp_path):
    plan = replace(PLAN, device="cuda", precision=precision, epochs=8)
    whole, parts = net(), net()
    result = train(whole, data, plan)
    assert result.history[-1].loss < result.history[0].loss
    train(parts, data, plan, checkpoint=tmp_path / "c.pt", until=3)
    again = net()
    train(again, data, plan, checkpoint=tmp_path / "c.pt")
    assert np.allclose(weights(whole.cpu()), weights(again.cpu()), atol=1e-3)
    with pytest.raises(TooLargeError, match="does not fit the memory of 'cuda'"):
        train(net(width=2**14), data, replace(plan, batch=360))
