"""Energy and power: counted actions times the energies of each chip, and what it draws meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from hw_models.cost.arrays import ACTIONS, UNKNOWN_FIDELITY, Fidelity, GridQuantity
from hw_models.cost.energies import INSIDE, MOVES, Energies
from hw_models.cost.energy_laws import EDGES, at_node, dram_prior, energy_priors

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from hw_models.cost.arrays import FloatArray, IntArray, Kernels
    from hw_models.cost.chips import Chips

__all__ = [
    "EDGES",
    "MOVES",
    "PARTS",
    "Counts",
    "Energies",
    "at_node",
    "counted",
    "dram_prior",
    "energy",
    "energy_parts",
    "energy_priors",
    "fidelity_codes",
    "formats_of",
    "power",
]

PARTS: Final = ("mac", "vector", "dram", "sram", "local", "noc", "idle")
"""What an energy is made of."""

MAC, VECTOR_OP = ACTIONS.index("mac"), ACTIONS.index("vector_op")
LOCAL: Final = (ACTIONS.index("local_read"), ACTIONS.index("local_write"))
N_OUTSIDE: Final = len(MOVES) - len(INSIDE)


@dataclass(frozen=True, eq=False)
class Counts:
    """Actions of W networks on C chips. Q number formats are in use; 1 MAC = 2 ops.

    Attributes:
        formats: (Q,) `Precision` codes, ascending.
        mac_ops, vector_ops: (W, C, Q) ops of the MAC units and of the vector unit.
        fed_mac_ops: (W, C, Q) of `mac_ops`, those whose operands' bytes inside the engine are counted in
            `moved`; what brings operands to the others is in the energy of their ops.
        moved: (W, C, B) bytes of `MOVES`; NaN: not counted, but inside the engine 0 where ops are not fed.
    """

    formats: IntArray
    mac_ops: FloatArray
    fed_mac_ops: FloatArray
    vector_ops: FloatArray
    moved: FloatArray

    @classmethod
    def of(cls, kernels: Kernels, actions: FloatArray) -> Self:
        """Sums over the kernels of each network.

        Args:
            kernels: of all networks.
            actions: (U, C, A) of each distinct kernel on each chip, as `Terms.actions`.
        """
        formats = formats_of(kernels)
        return cls.summed(kernels.counts, counted(kernels, actions, formats), formats)

    @classmethod
    def summed(cls, runs: sparse.csr_array, columns: FloatArray, formats: IntArray) -> Self:
        """Sums of `counted` columns by (W, U) how often each network runs each kernel."""
        total = np.asarray(runs @ columns, np.float64)
        w, q, moves = len(total), len(formats), len(MOVES)
        c = total.shape[1] // (moves + 3 * q)
        ops = np.moveaxis(total[:, c * moves :].reshape(w, 3, q, c), (1, 3), (0, 2))
        return cls(formats, ops[0], ops[1], ops[2], total[:, : c * moves].reshape(w, c, moves))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Counts of networks one after the other, on the same chips and in the same formats."""
        names = ("mac_ops", "fed_mac_ops", "vector_ops", "moved")
        joined = (np.concatenate([getattr(p, name) for p in parts]) for name in names)
        return cls(parts[0].formats, *joined)

    def of_move(self, name: str) -> FloatArray:
        """(W, C) bytes of one of `MOVES`."""
        moved: FloatArray = self.moved[..., MOVES.index(name)]
        return moved

    @property
    def dram_bytes(self) -> FloatArray:
        """(W, C) bytes that cross to external memory and back."""
        return self.of_move("dram_read") + self.of_move("dram_write")


def counted(kernels: Kernels, actions: FloatArray, formats: IntArray) -> FloatArray:
    """(U, C (B + 3 Q)) what `Counts` sums up, of each distinct kernel on each chip.

    Args:
        kernels: U of them.
        actions: (U, C, A) as `Terms.actions`.
        formats: (Q,) number formats to tell apart.
    """
    fed = np.isfinite(actions[..., LOCAL]).all(axis=-1)
    moved = actions[..., 2:].copy()
    inside = moved[..., N_OUTSIDE:]
    inside[np.isnan(inside)] = 0.0
    mac_ops = 2.0 * actions[..., MAC]
    kinds = (mac_ops, np.where(fed, mac_ops, 0.0), actions[..., VECTOR_OP])
    maths = (kernels.math, kernels.math, kernels.vector_math)
    columns = [moved.reshape(len(moved), -1)]
    for ops, math in zip(kinds, maths, strict=True):
        columns += [np.where((math == p)[:, None], ops, 0.0) for p in formats]
    return np.concatenate(columns, axis=1)


def formats_of(kernels: Kernels) -> IntArray:
    """(Q,) `Precision` codes in which the kernels compute."""
    used = (kernels.math[kernels.macs > 0], kernels.vector_math[kernels.vector_ops > 0])
    return np.unique(np.concatenate(used)).astype(np.int64)


def energy_parts(counts: Counts, energies: Energies, latency: FloatArray) -> dict[str, FloatArray]:
    """(3, W, C) J of each of `PARTS`; NaN where a figure that is needed is missing.

    Idle power is drawn for the whole of the latency; where it is unknown the part is 0 by leaving it out,
    which `not_modelled` says.

    Args:
        counts: actions of the networks on the chips.
        energies: of each action on the chips.
        latency: s of one inference, (W, C), or (3, W, C) value, low and high.
    """
    return dict(_parts(counts, energies, latency))


def _parts(counts: Counts, energies: Energies, latency: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    """Part by part, so that a sum over a large grid holds one at a time."""
    op, fed = energies.op[:, :, counts.formats], energies.fed_op[:, :, counts.formats]
    yield "mac", _product(counts.mac_ops - counts.fed_mac_ops, op) + _product(counts.fed_mac_ops, fed)
    yield "vector", _product(counts.vector_ops, op)
    for name in PARTS[2:-1]:
        columns = [i for i, move in enumerate(MOVES) if move.partition("_")[0] == name]
        yield name, _product(counts.moved[..., columns], energies.move[..., columns])
    yield "idle", np.nan_to_num(energies.idle)[:, None, :] * latency


def _product(amount: FloatArray, joules: FloatArray) -> FloatArray:
    """(3, W, C) amounts (W, C, X) times energies (3, C, X), summed over X; nothing costs nothing."""
    total = np.zeros((3, *amount.shape[:2]))
    for column in range(amount.shape[-1]):
        n = amount[..., column]
        with np.errstate(invalid="ignore"):
            total += np.where(n == 0, 0.0, n * joules[:, None, :, column])
    return total


def energy(
    counts: Counts, energies: Energies, latency: FloatArray, fidelity: Fidelity = Fidelity.ROOFLINE
) -> GridQuantity:
    """J of one inference of a batch on every chip, NaN where any part is unknown.

    Args:
        counts: actions of the networks on the chips.
        energies: of each action on the chips.
        latency: s of one inference, (W, C), or (3, W, C) value, low and high.
        fidelity: of the counts; where an energy is a prior, the result is one.
    """
    total = np.zeros((3, *latency.shape[-2:]))
    for _, part in _parts(counts, energies, latency):
        total += part
    used_ops = ((counts.mac_ops > 0) | (counts.vector_ops > 0)) & energies.op_is_prior[:, counts.formats]
    used_moves = (counts.moved > 0) & energies.move_is_prior
    prior = used_ops.any(axis=-1) | used_moves.any(axis=-1) | (energies.idle_from == "prior")
    value, low, high = total
    return GridQuantity(value, low, high, fidelity_codes(value, prior, fidelity))


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
    codes = np.where(np.isnan(value), UNKNOWN_FIDELITY, codes).astype(np.int8)
    return GridQuantity(value, low, high, codes), source


def fidelity_codes(
    value: FloatArray, prior: NDArray[np.bool_], fidelity: Fidelity | NDArray[np.int8] = Fidelity.ROOFLINE
) -> NDArray[np.int8]:
    """Codes of numbers that have that fidelity where nothing is a prior, and unknown where there is none."""
    codes = np.where(prior, Fidelity.PRIOR, fidelity)
    return np.where(np.isnan(value), UNKNOWN_FIDELITY, codes).astype(np.int8)
