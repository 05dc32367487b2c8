"""Three small networks for images of 32 pixels, and their training: what `compression.py` quantises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import nn

from codesign.data.road_signs.source import road_signs
from codesign.quality.training.loop import train
from codesign.quality.training.plan import TrainingPlan

if TYPE_CHECKING:
    from codesign.data.source import DataSource
    from codesign.quality.training.result import TrainingResult

PLAN: Final = TrainingPlan(epochs=12, batch=128, learning_rate=0.1, augmentation=("shift", "light"))


def data() -> DataSource:
    """43 classes, 12,000 images to learn from, 6,000 for decisions, 10,000 to test on."""
    return road_signs(43, 32, n_train=12_000, n_val=6_000, n_test=10_000)


def _unit(before: int, after: int, size: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, size, stride, size // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(after)]


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        first, second = _unit(before, after, 3, stride), _unit(after, after, 3)
        self.body = nn.Sequential(*first, nn.ReLU(), *second)
        same = before == after and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*_unit(before, after, 1, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) to (n, C', H', W')."""
        return torch.relu(self.body(x) + self.shortcut(x))


class Inverted(nn.Module):
    """Expansion, depthwise convolution, projection; a shortcut where the shapes allow it."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        wide = 4 * before
        grown, deep = _unit(before, wide, 1), _unit(wide, wide, 3, stride, groups=wide)
        self.body = nn.Sequential(*grown, nn.ReLU6(), *deep, nn.ReLU6(), *_unit(wide, after, 1))
        self.same = before == after and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, C, H, W) to (n, C', H', W')."""
        return x + self.body(x) if self.same else self.body(x)


def _whole(layers: list[nn.Module], width: int, classes: int) -> nn.Module:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def plain(classes: int) -> nn.Module:
    """A stack of six 3x3 convolutions."""
    layers: list[nn.Module] = []
    for before, after, stride in (
        (3, 24, 2),
        (24, 32, 1),
        (32, 48, 2),
        (48, 48, 1),
        (48, 80, 2),
        (80, 80, 1),
    ):
        layers += [*_unit(before, after, 3, stride), nn.ReLU()]
    return _whole(layers, 80, classes)


def residual(classes: int) -> nn.Module:
    """A ResNet of four blocks."""
    blocks = [Residual(24, 24, 1), Residual(24, 40, 2), Residual(40, 40, 1), Residual(40, 72, 2)]
    return _whole([*_unit(3, 24, 3, 2), nn.ReLU(), *blocks], 72, classes)


def mobile(classes: int) -> nn.Module:
    """A MobileNetV2 of six blocks."""
    shapes = ((16, 16, 1), (16, 24, 2), (24, 24, 1), (24, 40, 2), (40, 40, 1), (40, 40, 1))
    blocks = [Inverted(*shape) for shape in shapes]
    head = [*_unit(40, 128, 1), nn.ReLU6()]
    return _whole([*_unit(3, 16, 3, 2), nn.ReLU6(), *blocks, *head], 128, classes)


NETWORKS: Final = {"plain": plain, "residual": residual, "mobile": mobile}


def trained(name: str, source: DataSource, folder: Path) -> tuple[nn.Module, TrainingResult]:
    """A network after its training, which goes on from what lies in the folder."""
    torch.manual_seed(0)
    module = NETWORKS[name](len(source.classes))
    folder.mkdir(parents=True, exist_ok=True)
    result = train(module, source, PLAN, checkpoint=folder / f"{name}.pt")
    return module.eval(), result
