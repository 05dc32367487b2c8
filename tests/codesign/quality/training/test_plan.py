"""The plan: what it refuses, its learning rate, its legs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codesign.quality.training.plan import Leg, TrainingPlan, plan_from, rungs
from hw_models.errors import InputError, UnknownNameError


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"epochs": 0}, "epochs=0 given, expected a positive integer"),
        ({"batch": 1}, "batch=1 given, expected an integer of at least 2"),
        ({"learning_rate": float("nan")}, "learning_rate=nan given, expected a number above 0"),
        ({"data_fraction": 0.0}, "data_fraction=0.0 given, expected above 0 and at most 1"),
        ({"time_box_s": 0.0}, "time_box_s=0.0 given, expected above 0, or None"),
        ({"schedule": "cosin"}, "unknown schedule 'cosin'; did you mean 'cosine'"),
        ({"augmentation": ("shifts",)}, "unknown augmentation 'shifts'; did you mean 'shift'"),
        ({"legs": (Leg(9), Leg(3))}, r"legs that end at \[9, 3\] given"),
        ({"legs": (Leg(30),), "resolution": 16}, "expected the legs to say both"),
    ],
)
def test_a_value_that_makes_no_sense_is_named(wrong, text):
    with pytest.raises(InputError, match=text):
        TrainingPlan(**wrong)


def test_learning_rate_by_hand():
    plan = TrainingPlan(learning_rate=0.4, warmup=0.2)
    assert [plan.rate_at(x) for x in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx([0.0, 0.2, 0.4, 0.2, 0.0])
    linear = replace(plan, schedule="linear")
    assert [linear.rate_at(x) for x in (0.2, 0.4, 1.0)] == pytest.approx([0.4, 0.3, 0.0])
    assert replace(plan, schedule="constant").rate_at(1.0) == 0.4


def test_rungs_grow_by_equal_factors():
    plan = rungs(TrainingPlan(epochs=27), 3, 3, smallest_data=0.25, smallest_resolution=16, resolution=64)
    assert plan.legs == (Leg(3, 0.25, 16), Leg(9, 0.5, 32), Leg(27, 1.0, 64))
    assert [plan.leg_at(e).epochs for e in (1, 3, 4, 9, 10, 27)] == [3, 3, 9, 9, 27, 27]
    with pytest.raises(InputError, match="3 legs by 3 of 8 epochs given, expected at least 9 epochs"):
        rungs(TrainingPlan(epochs=8), 3, 3)


def test_a_plan_from_a_file():
    plan = rungs(TrainingPlan(epochs=9, augmentation=("flip",)), 3, 2)
    assert plan_from(plan.identity()) == plan
    assert plan.differences(replace(plan, seed=4, device="cuda").identity()) == ["seed 4 there, 0 asked for"]
    with pytest.raises(
        UnknownNameError, match="unknown field of a training plan 'epoch'; did you mean 'epochs'"
    ):
        plan_from({"epoch": 3})
