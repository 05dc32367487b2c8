"""What a die costs to make, and a chip with it: gross dies, yield, wafer price; package, DRAM as stated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hw_models.errors import InputError
from hw_models.spec.area import implied_area
from hw_models.spec.silicon import Implied, Part, along_nodes, covered, silicon_priors, sourced_by

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.quantities import Sourced


@dataclass(frozen=True, slots=True)
class Wafer:
    """What a wafer costs and how good it is; None takes the prior.

    Attributes:
        price: USD of one of 300 mm.
        defects: per cm2.
        clustering: alpha of the negative binomial; large: defects fall independently.
    """

    price: float | None = None
    defects: float | None = None
    clustering: float | None = None

    def __post_init__(self) -> None:
        for name in ("price", "defects", "clustering"):
            given = getattr(self, name)
            if given is not None and not 0 < given < math.inf:
                raise InputError(f"wafer {name} {given!r} given, expected a number above 0, or None")


def dies_per_wafer(area: float, diameter: float = 0.3) -> float:
    """Whole dies on a wafer, those cut by its edge taken off; 0 where none fits.

    Args:
        area: of one die in m2.
        diameter: of the wafer in m.

    Source: de Vries, IEEE Trans. Semicond. Manuf. 18(1) 2005: pi d^2 / 4A - pi d / sqrt(2A).
    """
    gross = math.pi * diameter**2 / (4 * area) - math.pi * diameter / math.sqrt(2 * area)
    return max(math.floor(gross), 0)


def yield_of(area: float, defects_per_cm2: float, clustering: float) -> float:
    """Share of good dies, (1 + A D / alpha)^-alpha, negative binomial; `area` in m2.

    Source: Stapper 1983; Cunningham 1990.
    """
    return float((1 + area * 1e4 * defects_per_cm2 / clustering) ** -clustering)


def die_cost(area: Implied | Sourced, node_nm: float, wafer: Wafer | None = None) -> Part | None:
    """USD of one good die; None where no die of that size fits on a wafer.

    The low end takes the least area, price and defects together, the high end the most.

    Args:
        area: in m2, with its range.
        node_nm: process node.
        wafer: what is known of the wafer.
    """
    given, priors = wafer or Wafer(), silicon_priors()
    price, defects = priors["wafer"], priors["defects"]
    alpha = given.clustering or priors["clustering"]["alpha"]
    usual = along_nodes(price["usd"], node_nm)
    prices = [given.price or usual * factor for factor in (1.0, price["low"], price["high"])]
    densities = [given.defects or defects[end] for end in ("per_cm2", "low", "high")]
    areas = [area.value, *(end or area.value for end in (area.low, area.high))]
    costs = []
    for size, usd, density in zip(areas, prices, densities, strict=True):
        good = dies_per_wafer(size, price["diameter_mm"] * 1e-3) * yield_of(size, density, alpha)
        if good <= 0:
            return None
        costs.append(usd / good)
    said = sourced_by(*price["source"], *defects["source"], "stapper", "de_vries")
    return Part("die", costs[0], costs[1], costs[2], said)


def implied_price(chip: Accelerator, wafer: Wafer | None = None) -> Implied | None:
    """USD to make one: its die, and package and DRAM where the file states their price; None: unknown.

    Not a selling price: no design, masks, software or margin.
    """
    node = covered(chip)
    area = chip.die_area or implied_area(chip)
    if node is None or area is None or (die := die_cost(area, node, wafer)) is None:
        return None
    stated = {"package": chip.package_price, "dram": chip.dram_price}
    parts = [die]
    for name, figure in stated.items():
        if figure is not None:
            parts.append(Part(name, figure.value, *figure.range, chip.sources[figure.source]))
    return Implied(tuple(parts), "USD")
