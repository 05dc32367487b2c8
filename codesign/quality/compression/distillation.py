"""Learning from a teacher: the loss, and what it gains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from hw_models.errors import InputError

if TYPE_CHECKING:
    from torch import nn

    from codesign.quality.training.loop import Losses


@dataclass(frozen=True)
class Distillation:
    """How much a student learns from a teacher and how much from the labels.

    Attributes:
        temperature: logits of both are divided by it.
        weight: share of the loss that is the teacher's; the labels have the rest.

    Source: Hinton et al., Distilling the Knowledge in a Neural Network, arXiv 1503.02531, section 2 (the
    teacher's part times the squared temperature, so that its gradients keep their size).
    """

    temperature: float = 4.0
    weight: float = 0.7

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise InputError(f"temperature={self.temperature!r} given, expected a number above 0")
        if not 0 <= self.weight <= 1:
            raise InputError(f"weight={self.weight!r} given, expected a share, 0 to 1")

    def losses(self, student: nn.Module, teacher: nn.Module) -> Losses:
        """The loss of a student, for `codesign.quality.training.loop.Hooks`.

        Args:
            student: it is trained.
            teacher: takes the same images to logits of the same classes; it is not trained.
        """
        teacher.eval()
        t = self.temperature

        def of(x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor]:
            with torch.no_grad():
                wanted = functional.log_softmax(teacher(x) / t, dim=1)
            logits = student(x)
            told = functional.log_softmax(logits / t, dim=1)
            taught = functional.kl_div(told, wanted, reduction="batchmean", log_target=True) * t * t
            return (self.weight * taught + (1 - self.weight) * functional.cross_entropy(logits, labels),)

        return of
