"""Energy and power: counts times energies, the chip's own figures or else priors for its process node."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import UNKNOWN_FIDELITY, Fidelity, FloatArray, GridQuantity, Kernels
from hw_models.cost.chips import ENGINE_KINDS, N_PRECISIONS, Chips
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

EDGES: Final = ("value", "low", "high")
PJ: Final = 1e-12
BITS_PER_BYTE: Final = 8.0


@cache
def energy_priors() -> Mapping[str, Any]:
    """The priors that ship (`energy_priors.yaml`), each with its source."""
    from ruamel.yaml import YAML

    text = (files("hw_models.cost") / "energy_priors.yaml").read_text("utf-8")
    priors: Mapping[str, Any] = YAML(typ="safe", pure=True).load(text)
    return priors


def at_node(picojoules: tuple[float, float], process_nm: FloatArray) -> FloatArray:
    """(3, C) value, low, high in J of a figure given at two nodes, at other nodes; NaN where not valid.

    A power law through the two nodes. Below the finer node the value is the power law's, and the interval
    reaches up to that node's own figure, since voltage no longer falls as it did. Source: Horowitz 2014 and
    Jouppi 2021 as named in `energy_priors.yaml`; the interpolation is ours.
    """
    (coarse, fine), (first, last) = (
        energy_priors()["nodes_nm"]["reference"],
        energy_priors()["nodes_nm"]["valid"],
    )
    exponent = np.log(picojoules[0] / picojoules[1]) / np.log(coarse / fine)
    value = picojoules[1] * (process_nm / fine) ** exponent
    value = np.where((process_nm >= first) & (process_nm <= last), value, np.nan)
    return np.array([value, value, np.where(np.isnan(value), np.nan, np.maximum(value, picojoules[1]))]) * PJ


def dram_prior(technology: str | None) -> tuple[str, Mapping[str, Any]] | None:
    """Name and row of a memory technology's prior, the longest name it starts with; None: there is none."""
    table: Mapping[str, Mapping[str, Any]] = energy_priors()["dram"]
    plain = re.sub(r"[^a-z0-9]", "", (technology or "").lower())
    names = sorted((n for n in table if plain.startswith(n)), key=len)
    return (names[-1], table[names[-1]]) if names else None


@dataclass(frozen=True, eq=False)
class Energies:
    """Energies of the actions on C chips; axis 0 is (value, low, high); NaN: neither figure nor prior.

    Attributes:
        op: (3, C, P) J for one op of the MAC units or the vector unit (1 MAC = 2 ops).
        dram, sram: (3, C) J/byte.
        idle: (C,) W drawn whatever runs; NaN: not modelled.
        op_is_prior: (C, P); dram_is_prior, sram_is_prior: (C,).
    """

    op: FloatArray
    dram: FloatArray
    sram: FloatArray
    idle: FloatArray
    op_is_prior: NDArray[np.bool_]
    dram_is_prior: NDArray[np.bool_]
    sram_is_prior: NDArray[np.bool_]

    @classmethod
    def of(cls, chips: Chips) -> Energies:
        """The chips' own figures, else priors for their process node and memory technology."""
        low, high = chips.ends
        own = {
            f: np.array([getattr(c, f) for c in (chips, low, high)])
            for f in ("mac_energy", "dram_energy", "sram_energy")
        }
        op = np.where(np.isnan(own["mac_energy"]), _op_prior(chips), own["mac_energy"])
        dram = np.where(np.isnan(own["dram_energy"]), _dram_prior(chips), own["dram_energy"])
        sram = np.where(np.isnan(own["sram_energy"]), _sram_prior(chips), own["sram_energy"])
        is_prior = [np.isnan(own[f][0]) for f in ("mac_energy", "dram_energy", "sram_energy")]
        return cls(op, dram, sram, chips.idle, *is_prior)


def _op_prior(chips: Chips) -> FloatArray:
    priors = energy_priors()
    by_kind = np.array([[priors["delivery"][kind][edge] for kind in ENGINE_KINDS] for edge in EDGES])
    table = np.full((3, len(chips), N_PRECISIONS), np.nan)
    rows = dict(priors["operations"])
    rows |= {scheme: rows[base] for scheme, base in priors["storage_only"].items()}
    for p in Precision:
        if p.label in rows:
            table[:, :, p] = at_node(rows[p.label]["pj"], chips.process_nm) * by_kind[:, chips.kind]
    return table


def _dram_prior(chips: Chips) -> FloatArray:
    found = [dram_prior(c.dram.technology if c.dram else None) for c in chips.accelerators]
    rows = [[row[1][edge] if row else np.nan for edge in EDGES] for row in found]
    picojoules = np.array(rows, np.float64).reshape(len(chips), 3)
    return np.ascontiguousarray(picojoules.T) * (PJ * BITS_PER_BYTE)


def _sram_prior(chips: Chips) -> FloatArray:
    row = energy_priors()["on_chip"]
    spread = np.array([1.0, row["low"], row["high"]])
    joules: FloatArray = at_node(row["pj_per_byte"], chips.process_nm) * spread[:, None]
    return joules


@dataclass(frozen=True, eq=False)
class Counts:
    """Actions of W networks: ops of MAC units and vector unit by precision (W, P); bytes (W,) and (W, C)."""

    mac_ops: FloatArray
    vector_ops: FloatArray
    sram_bytes: FloatArray
    dram_bytes: FloatArray

    @classmethod
    def of(cls, kernels: Kernels, dram_bytes: FloatArray) -> Counts:
        """Sums over the kernels of each network; `dram_bytes` (W, C) depend on what a chip keeps inside."""
        counts = kernels.counts
        by_math = np.zeros((2, kernels.n_distinct, N_PRECISIONS))
        rows = np.arange(kernels.n_distinct)
        by_math[0, rows, kernels.math] = 2.0 * kernels.macs
        by_math[1, rows, kernels.vector_math] = kernels.vector_ops
        return cls(counts @ by_math[0], counts @ by_math[1], counts @ kernels.outer_bytes, dram_bytes)


def energy_parts(counts: Counts, energies: Energies, latency: FloatArray) -> dict[str, FloatArray]:
    """(3, W, C) J of "mac", "vector", "dram", "sram", "idle"; NaN where a figure that is needed is missing.

    Idle power is drawn for the whole of the latency; where it is unknown the part is 0 by leaving it out,
    which `not_modelled` says.
    """
    idle = np.nan_to_num(energies.idle)[None, :] * latency
    return {
        "mac": _ops_energy(counts.mac_ops, energies.op),
        "vector": _ops_energy(counts.vector_ops, energies.op),
        "dram": counts.dram_bytes[None] * energies.dram[:, None, :],
        "sram": counts.sram_bytes[None, :, None] * energies.sram[:, None, :],
        "idle": np.broadcast_to(idle, (3, *latency.shape)),
    }


def _ops_energy(ops: FloatArray, joules: FloatArray) -> FloatArray:
    total = np.zeros((3, len(ops), joules.shape[1]))
    for p in np.flatnonzero(ops.any(axis=0)):
        used = ops[:, p] > 0
        total[:, used] += ops[used, p][None, :, None] * joules[:, None, :, p]
    return total


def energy(counts: Counts, energies: Energies, latency: FloatArray) -> GridQuantity:
    """J of one inference of a batch on every chip, NaN where any part is unknown."""
    value, low, high = np.sum(list(energy_parts(counts, energies, latency).values()), axis=0)
    used = (counts.mac_ops > 0) | (counts.vector_ops > 0)
    prior = (used.astype(float) @ energies.op_is_prior.T.astype(float)) > 0
    prior |= energies.dram_is_prior | energies.sram_is_prior
    return GridQuantity(value, low, high, fidelity_codes(value, prior))


def power(joules: GridQuantity, seconds: GridQuantity, chips: Chips) -> tuple[GridQuantity, NDArray[np.str_]]:
    """W while inferences follow one another without a pause, and where it is from: "modelled", "cap" or "".

    Energy per inference times rate; where energy is unknown, or asks for more than the chip is held to, the
    cap of the power mode in force (without one: the TDP, the cap of the chip's maximum), labelled so.
    """
    cap = np.broadcast_to(np.where(np.isnan(chips.cap), chips.tdp, chips.cap), joules.value.shape)
    limit = np.nan_to_num(cap, nan=np.inf)
    with np.errstate(invalid="ignore"):
        value, low, high = (q / seconds.value for q in (joules.value, joules.low, joules.high))
    by_cap = np.isfinite(cap) & np.isfinite(seconds.value) & ~(value <= cap)
    source = np.where(by_cap, "cap", np.where(np.isnan(value), "", "modelled"))
    value = np.where(by_cap, cap, value)
    low, high = np.minimum(low, limit), np.where(by_cap, cap, np.minimum(high, limit))
    codes = np.where(by_cap, Fidelity.PRIOR, joules.fidelity)
    return GridQuantity(value, low, high, fidelity_codes(value, codes == Fidelity.PRIOR)), source


def fidelity_codes(value: FloatArray, prior: NDArray[np.bool_]) -> NDArray[np.int8]:
    """Codes of numbers that are roofline where nothing is a prior, and unknown where there is none."""
    codes = np.where(prior, Fidelity.PRIOR, Fidelity.ROOFLINE)
    return np.where(np.isnan(value), UNKNOWN_FIDELITY, codes).astype(np.int8)
