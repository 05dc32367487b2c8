"""Cost models by name: each is an assembly of stages, never a second path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw_models.cost.adjust import ClassPriors, class_priors
from hw_models.cost.roofline import Roofline
from hw_models.errors import UnknownNameError

if TYPE_CHECKING:
    from hw_models.cost.base import TermsProvider


@dataclass(frozen=True)
class CostModel:
    """How a cost is put together.

    Args:
        name: as results show it.
        provider: the terms.
        priors: class constants that stretch the terms and give the interval; None: the bare terms, a bound.
        overlap: p of the p-norm over a kernel's resources.
    """

    name: str
    provider: TermsProvider
    priors: ClassPriors | None
    overlap: float


MODELS: Final = ("roofline", "roofline_bound")
"""`roofline`: roofline terms, class constants, interval. `roofline_bound`: the bare roofline."""


def cost_model(name: str | CostModel) -> CostModel:
    """The assembly of that name.

    Raises:
        UnknownNameError: no such model.
    """
    if isinstance(name, CostModel):
        return name
    if name == "roofline":
        priors = class_priors()
        return CostModel(name, Roofline(), priors, priors.overlap)
    if name == "roofline_bound":
        return CostModel(name, Roofline(tight=True), None, float("inf"))
    raise UnknownNameError("cost model", name, MODELS, f"known: {', '.join(MODELS)}")
