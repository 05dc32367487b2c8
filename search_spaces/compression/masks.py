"""The mask of a layer's weights as a parametrisation: it is applied whenever the weights are read."""

from __future__ import annotations

import torch
from torch import nn
from typing_extensions import override


class Mask(nn.Module):
    """Keeps some weights and holds the others at zero, through any training."""

    def __init__(self, mask: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", mask)
        self.mask: torch.Tensor

    @override
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Weights with zeros where the mask has them."""
        return weight * self.mask
