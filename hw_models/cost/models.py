"""Cost models by name: each is an assembly of stages, never a second path."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from hw_models.cost.adjust import ClassPriors, class_priors
from hw_models.cost.arrays import Fidelity
from hw_models.cost.calibrated import PLAIN, Laws
from hw_models.cost.roofline import Roofline
from hw_models.errors import NotCostableError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw_models.cost.base import TermsProvider
    from hw_models.cost.precision import Compression
    from hw_models.cost.tiled.organisation import Aim
    from hw_models.cost.tiled.priors import TiledPriors
    from hw_models.spec.accelerator import Accelerator


@dataclass(frozen=True)
class CostModel:
    """How a cost is put together.

    Args:
        name: as results show it.
        provider: the terms.
        priors: constants that stretch the terms and give the interval; None: the bare terms, a bound.
        overlap: p of the p-norm over a kernel's resources.
        fidelity: of its numbers where no class figure stands in.
        falls_back: whether it costs what the main engine cannot run on the fallback that it names.
        laws: what laws and calibrations of chips it goes by; None: by none.
    """

    name: str
    provider: TermsProvider
    priors: ClassPriors | TiledPriors | None
    overlap: float
    fidelity: Fidelity = Fidelity.ROOFLINE
    falls_back: bool = False
    laws: Laws | None = None

    def check(self, chip: Accelerator) -> None:
        """Refuse a chip whose file lacks what the terms need.

        Raises:
            NotCostableError: it does; the message names every path and the next step.
        """
        if self.provider.supports(chip):
            return
        tell = getattr(self.provider, "missing", None)
        gaps = tell(chip) if tell else ()
        lacks = f", which needs {'; '.join(gaps)}" if gaps else ""
        raise NotCostableError(
            f"{chip.label} cannot be costed by model '{self.name}'{lacks}; add what is missing to a copy of "
            f"its file (docs/chips.md says how), or use model='roofline'"
        )

    def compressing(self, compression: Compression | None) -> CostModel:
        """The same with compressed weights, which its name then tells."""
        if compression is None:
            return self
        from hw_models.cost.precision import Compressed

        provider = Compressed(self.provider, compression)
        return replace(self, name=f"{self.name}, {compression.label}", provider=provider)


TILED: Final[Mapping[str, Aim]] = {
    "tiled": "latency",
    "tiled_thrifty": "thrifty",
    "tiled_energy": "energy",
    "tiled_edp": "edp",
}
"""Tiled models and what each chooses mappings by. More of anything is never slower for the first alone."""

MODELS: Final = ("roofline", "roofline_bound", "calibrated", *TILED)
"""`roofline`: roofline terms, class constants, interval. `roofline_bound`: the bare roofline. `calibrated`:
roofline terms, the law of the chip's class, and what the chip's calibration file says. `tiled`: a
mapping for every contraction, every level of memory bounded; mappings of least latency, whatever they move.
`tiled_thrifty`: of least energy among those at most 1 % slower."""


def cost_model(name: str | CostModel) -> CostModel:
    """The assembly of that name: one of `MODELS`, or a plug-in's terms without constants.

    Raises:
        UnknownNameError: no such model.
    """
    if isinstance(name, CostModel):
        return name
    if name == "roofline":
        priors = class_priors()
        return CostModel(name, Roofline(), priors, priors.overlap)
    if name == "calibrated":
        return calibrated_model()
    if name == "roofline_bound":
        return CostModel(name, Roofline(tight=True), None, float("inf"))
    if name in TILED:
        from hw_models.cost.tiled.priors import tiled_priors
        from hw_models.cost.tiled.provider import Tiled

        return CostModel(
            name, Tiled(TILED[name]), tiled_priors(), float("inf"), Fidelity.TILED, falls_back=True
        )
    from hw_models.registry import plugin, plugins

    others = tuple(p.name for p in plugins("codesign.cost_models"))
    if name in others:
        return CostModel(name, plugin("codesign.cost_models", name), None, float("inf"))
    known = (*MODELS, *others)
    raise UnknownNameError("cost model", name, known, f"known: {', '.join(known)}")


def calibrated_model(laws: Laws = PLAIN) -> CostModel:
    """Model `calibrated` that goes by these laws and calibrations."""
    priors = class_priors()
    return CostModel("calibrated", Roofline(), priors, priors.overlap, falls_back=True, laws=laws)
