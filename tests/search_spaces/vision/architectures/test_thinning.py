"""Networks with all widths scaled: operations as asked, shapes that fit, ends as they were."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces.vision.architectures.thinning import EVEN, thinned

SHAPE = (1, 3, 16, 16)


class Residual(nn.Module):
    """Plain, depthwise and transposed convolutions, a concatenation, a sum, a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.PReLU(32))
        self.branch = nn.Conv2d(32, 32, 1)
        self.depthwise = nn.Conv2d(64, 64, 3, padding=1, groups=64)
        self.up = nn.ConvTranspose2d(64, 48, 2, 2)
        self.scores = nn.Conv2d(48, 5, 1)
        self.last = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        x = self.up(self.depthwise(torch.cat([x, x + self.branch(x)], 1)))
        return self.scores(x), self.last(x.mean((2, 3)))


def make() -> nn.Module:
    with torch.device("meta"):
        return Residual()


def macs(module: Residual) -> int:
    """By hand: weights of each layer times the pixels of its output, of its input where it is transposed."""
    pixels = 16 * 16
    before = (module.stem[0], module.branch, module.depthwise, module.up)
    return (
        pixels * sum(layer.weight.numel() for layer in before)
        + 4 * pixels * module.scores.weight.numel()
        + module.last.weight.numel()
    )


def test_the_whole_network_is_not_changed() -> None:
    whole = make()
    again = thinned(make, SHAPE, macs(whole))
    assert [tuple(p.shape) for p in again.parameters()] == [tuple(p.shape) for p in whole.parameters()]


def test_operations_are_reached_and_layers_fit() -> None:
    goal = macs(make()) / 2
    thin = thinned(make, SHAPE, goal, keep=("scores",))
    assert abs(macs(thin) / goal - 1) < 0.15  # widths of 32 channels move in steps of an eighth
    scores, classes = thin(torch.empty(SHAPE, device="meta"))
    assert (scores.shape[1], classes.shape[1]) == (5, 10)
    assert thin.depthwise.groups == thin.depthwise.in_channels == thin.depthwise.out_channels
    assert thin.stem[0].out_channels % EVEN == 0


def test_less_work_never_makes_a_layer_wider() -> None:
    widths = [
        thinned(make, SHAPE, macs(make()) * share, keep=("scores",)).up.out_channels
        for share in (0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    assert widths == sorted(widths)
