"""Counts of one network by the conventions of published tables, against hand arithmetic."""

from __future__ import annotations

import pytest
from torch import Tensor, nn
from torch.nn import functional

from hw_models.workload.conventions import counted_macs, nearest_count
from hw_models.workload.from_torch.tracing import trace

CONV = 3 * 8 * 9 * 16 * 16
TRANSPOSED = 8 * 4 * 2 * 2 * 16 * 16
NORM = 2 * 8 * 16 * 16
LINEAR = 3 * 32 * 32 * 10
ATTENTION = 2 * 10 * 10 * 32


class Enlarging(nn.Module):
    """A convolution, a norm, a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ConvTranspose2d(8, 4, 2, 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class Attending(nn.Module):
    """Three linear layers and attention; `fused`: as one operator, else as two products."""

    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.qkv = nn.ModuleList(nn.Linear(32, 32) for _ in range(3))
        self.fused = fused

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x) for layer in self.qkv)
        if self.fused:
            return functional.scaled_dot_product_attention(q, k, v)
        return functional.softmax(q @ k.transpose(-2, -1), -1) @ v


def test_transposed_convolutions_and_norms() -> None:
    counts = counted_macs(trace(Enlarging(), (1, 3, 16, 16)))
    own = CONV + TRANSPOSED
    assert counts[0] == own
    assert set(counts) == {own, own + NORM, CONV + 4 * TRANSPOSED, CONV + 4 * TRANSPOSED + NORM}


@pytest.mark.parametrize("fused", [True, False])
def test_products_of_activations(fused: bool) -> None:
    counts = counted_macs(trace(Attending(fused=fused), (1, 10, 32)))
    assert counts == (LINEAR + ATTENTION, LINEAR)


def test_nearest_count_is_the_convention_of_a_table() -> None:
    workload = trace(Attending(fused=True), (1, 10, 32))
    assert nearest_count(workload, LINEAR * 1.01) == LINEAR
    assert nearest_count(workload, LINEAR * 2) == LINEAR + ATTENTION
