"""What a batch costs a supernet: the largest network, the smallest, and some between, at every step.

Source: Yu and Huang, Universally Slimmable Networks, ICCV 2019, section 3: the sandwich rule, and in-place
distillation: the largest learns from the labels, all others from what it answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from codesign.quality.supernet.net import SuperNet
    from search_spaces.candidate import Candidate


@dataclass(frozen=True)
class Sandwich:
    """The losses of one batch after the other, one for each network that the step trains.

    Args:
        net: what is trained.
        n_random: networks between the largest and the smallest; all sizes, also the resolution, are drawn.
        label_smoothing: of the largest network's targets.
    """

    net: SuperNet
    n_random: int = 2
    label_smoothing: float = 0.0

    def __call__(self, x: torch.Tensor, labels: torch.Tensor) -> Iterator[torch.Tensor]:
        """Losses of a batch (n, C, H, W) with labels (n,); draws from torch's own random numbers."""
        networks = self.drawn()
        logits = self.net(x)
        yield functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        answers = logits.detach().float().softmax(1)
        for network in networks:
            yield functional.cross_entropy(self.net(x, network), answers)

    def drawn(self) -> tuple[Candidate, ...]:
        """The networks of a step besides the largest."""
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        return (self.net.smallest, *(self.net.space.sample(rng) for _ in range(self.n_random)))
