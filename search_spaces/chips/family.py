"""What chip families share: knobs that fit each other, and the silicon that follows from a description."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from hw_models.spec.accelerator import Accelerator
from hw_models.spec.area import implied_area
from hw_models.spec.core_power import dram_power, leakage, peak_power
from hw_models.spec.die_cost import Wafer, implied_price
from hw_models.spec.silicon import DERIVED
from search_spaces.candidate import Candidate
from search_spaces.chips.parts import FAMILY, dram, figure
from search_spaces.space import SearchSpace, check

if TYPE_CHECKING:
    from hw_models.spec.silicon import Implied, Part
    from search_spaces.knobs import Choice


@dataclass(frozen=True)
class ChipFamily(SearchSpace):
    """Chips that differ in the values of their knobs. Subclasses say `name`, `knobs`, `titled`, `described`.

    Args:
        process_nm: process node, 3 to 65.
        dram_gib: size of the external memory.
        wafer: price and defects, where they are known; None: priors.
        package_usd: of package, assembly and test; None: unknown, and left out of the price.
        dram_usd: of the external memory; None: unknown, and left out of the price.
    """

    process_nm: float = 16.0
    dram_gib: float = 4.0
    wafer: Wafer | None = None
    package_usd: float | None = None
    dram_usd: float | None = None

    linked: ClassVar[tuple[str, ...]] = ()
    """Knobs whose values must fit each other; `fitted` sees to it."""

    def titled(self, here: Candidate) -> str:
        """A title for people."""
        raise NotImplementedError

    def described(self, here: Candidate) -> Mapping[str, Any]:
        """Engines and on-chip memories of a canonical candidate, as fields of an `Accelerator`."""
        raise NotImplementedError

    def fitted(self, here: Candidate) -> Candidate:
        """The candidate with `linked` knobs moved until the chip can be built; here as it is."""
        return here

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        return self.fitted(check(self, candidate))

    @property
    @override
    def size(self) -> int:
        free = math.prod(len(k) for name, k in self.knobs.items() if name not in self.linked)
        first = Candidate({name: next(iter(k)) for name, k in self.knobs.items()})
        tuples = itertools.product(*(self.knobs[name] for name in self.linked))
        fits = {
            self.fitted(first.replace(**dict(zip(self.linked, values, strict=True)))) for values in tuples
        }
        return free * len(fits)

    @override
    def label(self, candidate: Candidate) -> str:
        values = self.canonical(candidate)
        return "_".join([self.name, *(str(values[name]) for name in self.knobs)])

    @override
    def build(self, candidate: Candidate) -> Accelerator:
        """The chip. Its area, power and price follow from the knobs; every figure says how.

        Raises:
            UnknownNameError: a knob that the family does not have.
            InputError: a knob that is not set, or set to a value outside its domain.
        """
        return _built(self, self.canonical(candidate))


def shrunk(here: Candidate, knob: str, sizes: Choice) -> Candidate:
    """With `knob`, KiB of the memory of one core, the largest whose sum over `cores` `sram_kib` can hold."""
    room = int(here["sram_kib"]) // int(here["cores"])
    if int(here[knob]) <= room:
        return here
    return here.replace(**{knob: max(int(size) for size in sizes if int(size) <= room)})


@lru_cache(maxsize=16_384)
def _built(family: ChipFamily, here: Candidate) -> Accelerator:
    described = dict(family.described(here))
    outer = dram(str(here["dram"]), family.dram_gib)
    stated = {"package_price": family.package_usd, "dram_price": family.dram_usd}
    prices = {name: figure(usd, note="given to the family") for name, usd in stated.items() if usd}
    bare: dict[str, Any] = {
        "name": family.label(here),
        "title": family.titled(here),
        "device_class": "edge_npu",
        "sources": {FAMILY: f"follows from the knobs of the chip family '{family.name}'", DERIVED: _PRIORS},
        **described,
        "memory": [*described.get("memory", ()), outer],
        "process_nm": figure(family.process_nm),
        **prices,
        "left_out": ["interconnect, pads, host interface"],
    }
    return Accelerator.model_validate({**bare, **_silicon(Accelerator.model_validate(bare), family.wafer)})


_PRIORS = "derived from the description by hw_models.spec.area, core_power and die_cost; area_priors.yaml"


def _silicon(chip: Accelerator, wafer: Wafer | None) -> dict[str, Any]:
    """Area, power at the peak, leakage and price of a chip that states none; what cannot be told is None."""
    area, power, price = implied_area(chip), peak_power(chip), implied_price(chip, wafer)
    outer = None if chip.dram is None else dram_power(chip.dram)
    if area is None or power is None or outer is None:
        return {}
    lost = leakage(area.value)
    return {
        "die_area": _stated(area, "MACs, SRAM, interface to the DRAM, control"),
        "tdp": _stated(power, "all units switching, leakage, DRAM at its full bandwidth", lost, outer),
        "idle_power": _stated(lost, "leakage of the area"),
        "price": None if price is None else _stated(price, "cost to make it, not a selling price"),
    }


def _stated(found: Implied | Part, note: str, *more: Part) -> dict[str, Any]:
    parts = (found, *more)
    ends = {end: sum(getattr(p, end) for p in parts) for end in ("value", "low", "high")}
    return {**ends, "source": DERIVED, "note": note}
