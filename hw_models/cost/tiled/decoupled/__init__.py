"""Organisation "decoupled_systolic": a weight-stationary array that loads, executes and stores on its own."""

from __future__ import annotations

from hw_models.cost.tiled.decoupled.mapping import GivenMapping, parse_mapping
from hw_models.cost.tiled.decoupled.organisation import DecoupledSystolic

__all__ = ["DecoupledSystolic", "GivenMapping", "parse_mapping"]
