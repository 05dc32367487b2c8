"""What mappings are chosen by: latency, energy within a hair of it, energy, the product of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from hw_models.cost.arrays import ACTIONS, OVERLAPPING, RESOURCES
from hw_models.cost.models import MODELS, TILED, cost_model
from hw_models.cost.tiled.nest.organisations import WeightStationary
from hw_models.cost.tiled.organisation import Aim, Aims
from hw_models.cost.tiled.problem import Problems
from hw_models.cost.tiled.provider import Tiled

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

PROBLEM = Problems.of([[1, 1, 64, 64, 14, 14, 3, 3], [1, 1, 256, 64, 1, 96, 1, 1]])
MOVED = [i for i, name in enumerate(ACTIONS) if name.startswith("dram")]


def latency_and_traffic(aim: Aim, chip: Accelerator) -> tuple[np.ndarray, np.ndarray]:
    terms = WeightStationary().aiming(aim).terms(PROBLEM, [chip])
    side_by_side = terms.seconds[:, 0, : len(OVERLAPPING)]
    exposed = terms.seconds[:, 0, RESOURCES.index("exposed")]
    return np.nanmax(side_by_side, axis=1) + exposed, terms.actions[:, 0][:, MOVED].sum(axis=1)


def test_every_tiled_model_is_known_by_name() -> None:
    assert set(TILED) <= set(MODELS)
    for name, aim in TILED.items():
        provider = cost_model(name).provider
        assert isinstance(provider, Tiled)
        assert provider.aim == aim
    assert isinstance(WeightStationary(), Aims)


@pytest.mark.parametrize("aim", ["thrifty", "energy", "edp"])
def test_none_is_quicker_than_the_one_of_least_latency(aim: Aim, chip: Callable[..., Accelerator]) -> None:
    built = chip()
    least, _ = latency_and_traffic("latency", built)
    found, _ = latency_and_traffic(aim, built)
    assert (found >= least * (1 - 1e-12)).all()
    if aim == "thrifty":
        assert (found <= least * 1.01).all()


def test_thrift_gives_up_a_hundredth_of_the_time_for_traffic(chip: Callable[..., Accelerator]) -> None:
    built = chip(rows=4, cols=4)
    _, moved = latency_and_traffic("latency", built)
    _, less = latency_and_traffic("thrifty", built)
    _, least = latency_and_traffic("energy", built)
    assert (less <= moved).all()
    assert (less < moved).any(), "a layer bound by its MACs need not move all that"
    assert (least <= less).all()
