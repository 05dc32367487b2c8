"""Priors of energy as laws of process node, supply, bank size and memory technology, each with its source."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.shipped import shipped_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hw_models.cost.arrays import FloatArray

EDGES: Final = ("value", "low", "high")
"""Axis 0 of every figure here."""

PJ: Final = 1e-12


@cache
def energy_priors() -> Mapping[str, Any]:
    """The priors that ship (`energy_priors.yaml`), each with its source."""
    priors: Mapping[str, Any] = shipped_yaml("hw_models.cost", "energy_priors.yaml")
    return priors


def at_node(picojoules: Any, process_nm: FloatArray) -> FloatArray:
    """(3, C) value, low, high in J, at other nodes, of a figure given at two nodes; NaN where not valid.

    A power law through the two nodes. Below the finer node the value is the power law's, and the interval
    reaches up to that node's own figure, since voltage no longer falls as it did.

    Args:
        picojoules: at the coarse and at the fine reference node, each a number or an array.
        process_nm: (C,) nodes, or a shape that goes with it.

    Source: Horowitz 2014 and Jouppi 2021 as named in `energy_priors.yaml`; the interpolation is ours.
    """
    nodes = energy_priors()["nodes_nm"]
    (coarse, fine), (first, last) = nodes["reference"], nodes["valid"]
    exponent = np.log(picojoules[0] / picojoules[1]) / np.log(coarse / fine)
    value = picojoules[1] * (process_nm / fine) ** exponent
    value = np.where((process_nm >= first) & (process_nm <= last), value, np.nan)
    return np.array([value, value, np.where(np.isnan(value), np.nan, np.maximum(value, picojoules[1]))]) * PJ


def bank_energy(bank_bytes: FloatArray, process_nm: FloatArray) -> FloatArray:
    """(3, C) J/byte of an on-chip memory made of banks of that size; straight lines in log-log.

    Outside the table its end rows hold: a smaller memory is a register, a larger one has several banks.
    Source: rows `banks` of `energy_priors.yaml` (Horowitz 2014, Jouppi 2021, Chen 2016).
    """
    rows = energy_priors()["banks"]
    size = np.log([row["bytes"] for row in rows])
    at_45_and_7 = [
        np.exp(np.interp(np.log(bank_bytes), size, np.log([row["pj_per_byte"][i] for row in rows])))
        for i in (0, 1)
    ]
    return at_node(at_45_and_7, process_nm)


def supply_factor(volts: FloatArray, process_nm: FloatArray) -> FloatArray:
    """(3, C) energy over that at the node's nominal supply, as the square of the voltage.

    Args:
        volts: (3, C) value, low and high; NaN: unknown, taken as nominal within the usual tolerance.
        process_nm: (C,) nodes.

    Source: dynamic energy is C V^2; nominal supplies and tolerance as `supply` of `energy_priors.yaml` names.
    """
    priors = energy_priors()["supply"]
    nodes = sorted(priors["volts"])
    nominal = np.exp(
        np.interp(np.log(process_nm), np.log(nodes), np.log([priors["volts"][n] for n in nodes]))
    )
    usual = np.array([1.0, 1.0 - priors["tolerance"], 1.0 + priors["tolerance"]])[:, None]
    ratio: FloatArray = np.where(np.isnan(volts), usual, volts / nominal)
    return np.square(ratio)


def dram_prior(technology: str | None) -> tuple[str, Mapping[str, Any]] | None:
    """Name and row of a memory technology's prior, the longest name it starts with; None: there is none."""
    table: Mapping[str, Mapping[str, Any]] = energy_priors()["dram"]
    plain = re.sub(r"[^a-z0-9]", "", (technology or "").lower())
    names = sorted((n for n in table if plain.startswith(n)), key=len)
    return (names[-1], table[names[-1]]) if names else None


def ends_of(row: Mapping[str, Any], value: str = "value") -> FloatArray:
    """(3,) value, low and high of a row of the priors."""
    return np.array([row[value], row["low"], row["high"]], np.float64)


def together(*factors: FloatArray) -> FloatArray:
    """(3, ...) product of independent figures: the logarithms of their ranges add as squares."""
    value = np.prod(np.broadcast_arrays(*(f[0] for f in factors)), axis=0)
    down, up = (np.exp(np.sqrt(sum(np.square(np.log(f[end] / f[0])) for f in factors))) for end in (1, 2))
    return np.array([value, value / down, value * up])
