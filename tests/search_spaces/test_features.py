"""What is counted of a network's graph."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.workload.from_torch import trace
from search_spaces.catalogue import load_space
from search_spaces.features import FEATURES, workload_features


@pytest.fixture(scope="module")
def told() -> dict[str, float]:
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
            self.deep = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.ReLU())
            self.down = nn.Conv2d(8, 16, 1, stride=2, bias=False)
            self.head = nn.Linear(16, 10, bias=False)

        def forward(self, x):
            x = self.stem(x)
            x = self.down(x + self.deep(x))
            return self.head(x.mean((2, 3)))

    return dict(zip(FEATURES, workload_features(trace(Net(), (1, 3, 16, 16))), strict=True))


def test_by_hand(told: dict[str, float]) -> None:
    stem, deep, down, head = 256 * 8 * 27, 256 * 8 * 9, 64 * 16 * 8, 160
    macs = stem + deep + down + head
    expected = {
        "log_macs": np.log(macs),
        "log_params": np.log(8 * 27 + 8 * 9 + 128 + 160),
        "log_activations": np.log(2 * 256 * 8 + 64 * 16 + 10),
        "log_positions": np.log(256),
        "log_longest": np.log(1 + 4),
        "log_shortest": np.log(1 + 3),
        "log_width": ((stem + deep) * np.log(8) + down * np.log(16) + head * np.log(10)) / macs,
        "log_taps": (stem + deep) * np.log(9) / macs,
        "depthwise_share": deep / macs,
        "gemm_share": head / macs,
        "level_0_share": (stem + deep) / macs,
        "level_1_share": down / macs,
        "level_4_share": head / macs,
        "log_relu": np.log(2),
        "log_gelu": 0.0,
    }
    assert {n: told[n] for n in expected} == pytest.approx(expected)


def test_shares_of_resolutions_add_up(told: dict[str, float]) -> None:
    assert sum(told[f"level_{i}_share"] for i in range(5)) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["elastic_cnn", "elastic_vit", "decoder", "detector"])
def test_every_network_has_finite_ones(name: str) -> None:
    space, rng = load_space(name), np.random.default_rng(0)
    rows = np.array([workload_features(space.workload(space.sample(rng))) for _ in range(4)])
    assert np.isfinite(rows).all()
    assert len(np.unique(rows[:, 0])) == 4
