"""A space that fits on one page: the example of the documentation, and the quick one of the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from search_spaces.knobs import Choice, IntRange, Knob
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from torch import nn

    from search_spaces.candidate import Candidate


@dataclass(frozen=True)
class PlainCnn(SearchSpace):
    """Straight stack of 3x3 convolutions; input (N, 3, H, W), output (N, n_classes)."""

    name: str = "plain_cnn"
    n_classes: int = 10
    input_shape: tuple[int, int, int, int] = (1, 3, 32, 32)

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return {"depth": IntRange(2, 6), "width": Choice((16, 32, 64), ordered=True)}

    @override
    def build(self, candidate: Candidate) -> nn.Module:
        from torch import nn

        here = self.canonical(candidate)
        depth, width = int(here["depth"]), int(here["width"])
        layers: list[nn.Module] = []
        for at in range(depth):
            layers += [nn.Conv2d(width if at else 3, width, 3, padding=1), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, self.n_classes))
