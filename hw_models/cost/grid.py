"""All networks on all chips in one go: chunks of kernels, then sums over each network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from hw_models.cost import silicon
from hw_models.cost.adjust import Adjustment
from hw_models.cost.arrays import (
    ACTIONS,
    UNKNOWN_FIDELITY,
    Feasibility,
    Fidelity,
    FloatArray,
    GridQuantity,
    IntArray,
    Kernels,
    Terms,
)
from hw_models.cost.calibrated import Lawful
from hw_models.cost.combine import kernel_seconds, shares
from hw_models.cost.energy import Counts, Energies, counted, energy, fidelity_codes, formats_of, power
from hw_models.cost.fallbacks import on_fallbacks
from hw_models.cost.precision import with_sparse_weights
from hw_models.cost.roofline import FLASH, HOST
from hw_models.lowering.placement import transfers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hw_models.cost.chips import Chips
    from hw_models.cost.models import CostModel

CHUNK_CELLS: Final = 400_000
"""Kernels x chips worked on at once: about 100 MB of arrays."""

DEFAULT_LOWERING: Final = "compiled"
"""Whose class constants stand where no network says how it was lowered."""

DRAM_BYTES: Final = (ACTIONS.index("dram_read"), ACTIONS.index("dram_write"))
"""Actions that together are the outer traffic."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Chips made ready for a model: unknown vector rates filled by the class, class constants as arrays."""

    model: CostModel
    chips: Chips
    adjustment: Adjustment | Lawful | None

    @classmethod
    def of(cls, chips: Chips, model: CostModel, lowering: str, precision: str | None = None) -> Prepared:
        """For one way of lowering; `precision` of the networks, where calibrations are to count."""
        if model.priors is None:
            return cls(model, chips, None)
        constants = model.priors.for_chips(chips, lowering)
        per_mac, sram = (
            np.array([getattr(c, f) for c in constants]) for f in ("vector_per_mac", "sram_capacity")
        )
        filled = chips.with_priors(per_mac, sram)
        if model.laws is not None:
            return cls(model, filled, Lawful.prepare(filled, lowering, model.laws, precision))
        return cls(model, filled, Adjustment.of(filled, constants))

    def terms(self, kernels: Kernels) -> Terms:
        """Terms of the kernels on the chips, stretched by the class constants."""
        terms = with_sparse_weights(self.model.provider, kernels, self.chips)
        if self.adjustment is None:
            return terms
        terms = replace(terms, seconds=self.adjustment.apply(terms.seconds, kernels))
        return on_fallbacks(terms, kernels, self.chips, self._alone) if self._falls_back else terms

    def _alone(self, chips: Chips, kernels: Kernels) -> Terms:
        """Terms of kernels on one chip by the same model."""
        return Prepared.of(chips, self.model, *way_of(kernels)).terms(kernels)

    @property
    def _falls_back(self) -> bool:
        """Whether any chip hands to another engine what its main engine does not run."""
        named = any(chip.main_engine.fallback for chip in self.chips.accelerators)
        return named and isinstance(self.adjustment, Lawful)

    def kernel_seconds(self, terms: Terms) -> FloatArray:
        """(U, C) time of each kernel."""
        if isinstance(self.adjustment, Lawful):
            return self.adjustment.kernel_seconds(terms.seconds)
        return kernel_seconds(terms.seconds, self.model.overlap)

    def shares(self, seconds: FloatArray) -> FloatArray:
        """(U, C, R) seconds of a kernel that each resource answers for."""
        if isinstance(self.adjustment, Lawful):
            return self.adjustment.shares(seconds)
        return shares(seconds, self.model.overlap)

    def residual(self, kernels: Kernels) -> float | None:
        """Measured over predicted time of the first network on the first chip; None: nothing was measured."""
        if not isinstance(self.adjustment, Lawful):
            return None
        return float(np.exp(self.adjustment.residual(kernels, 1)[0][0, 0]))

    def beside(self, kernels: Kernels) -> FloatArray | None:
        """(W, C) s that an inference takes beside its kernels: once, and to hand data between engines.

        None: the model knows none.
        """
        if not isinstance(self.adjustment, Lawful):
            return None
        once = np.repeat(self.adjustment.start[None, :], kernels.n_networks, axis=0)
        return once + transfers(kernels, self.chips) if self._falls_back else once


def chunks(kernels: Kernels, n_chips: int) -> Iterator[tuple[slice, Kernels]]:
    """Slices of the distinct kernels, and those kernels alone; their index lists stay those of the whole."""
    step = max(1, CHUNK_CELLS // max(1, n_chips))
    for start in range(0, kernels.n_distinct, step):
        part = slice(start, start + step)
        yield part, kernels.take(part)


class Totals(NamedTuple):
    """Sums over the kernels of each network.

    Attributes:
        seconds: (W, C) of one inference.
        counts: actions on the first chips.
        worst: (W, C) worst feasibility code of the kernels.
        stands_in: (W, C) a class figure stands in somewhere.
        terms: of all kernels, where they were worked on in one piece; else None.
        board_power: (3, C) W at the wall, value, low, high; None: the model knows no boards.
    """

    seconds: FloatArray
    counts: Counts
    worst: NDArray[np.int8]
    stands_in: NDArray[np.bool_]
    terms: Terms | None
    board_power: FloatArray | None = None


class Evaluated(NamedTuple):
    """Every quantity (W, C) of `CostGrid`, feasibility, where the power is from, the kernels' terms."""

    quantities: dict[str, GridQuantity]
    feasibility: NDArray[np.int8]
    power_source: NDArray[np.str_]
    terms: Terms | None


def latency_and_counts(kernels: Kernels, prepared: Prepared, n_counted: int) -> Totals:
    """Totals of each network on each chip; actions on the first `n_counted` chips.

    Kernels of a network run one after the other: no overlap between them is assumed. What a network comes to
    does not depend on the others, to the last bit: its kernels are summed in its own order.
    """
    formats = formats_of(kernels)
    parts = [_totals(k, prepared, n_counted, formats) for k in groups(kernels, len(prepared.chips))]
    seconds, worst, stands_in = (
        np.concatenate([getattr(p, name) for p in parts]) for name in ("seconds", "worst", "stands_in")
    )
    if (beside := prepared.beside(kernels)) is not None:
        seconds = seconds + beside
    watts = prepared.adjustment.board_power() if isinstance(prepared.adjustment, Lawful) else None
    counts = Counts.joined([p.counts for p in parts])
    return Totals(seconds, counts, worst, stands_in, parts[0].terms if len(parts) == 1 else None, watts)


def groups(kernels: Kernels, n_chips: int) -> Iterator[Kernels]:
    """Networks in groups that run at most `CHUNK_CELLS` kernels x chips, at least one in each."""
    most = max(1, CHUNK_CELLS // max(1, n_chips))
    if kernels.n_distinct <= most or kernels.n_networks <= 1:
        yield kernels
        return
    start = 0
    while start < kernels.n_networks:
        reach = int(np.searchsorted(kernels.network_ptr, kernels.network_ptr[start] + most, side="right"))
        stop = max(start + 1, reach - 1)
        yield kernels.networks(slice(start, stop))
        start = stop


def _totals(kernels: Kernels, prepared: Prepared, n_counted: int, formats: IntArray) -> Totals:
    """Totals of one group of networks, without what they take beside their kernels."""
    n, c = kernels.n_distinct, len(prepared.chips)
    seconds, codes = np.empty((n, c)), np.empty((n, c), np.int8)
    stands_in, columns = np.zeros((n, c)), []
    terms, pieces = None, 0
    for part, rows in chunks(kernels, c):
        terms, pieces = prepared.terms(rows), pieces + 1
        seconds[part], codes[part] = prepared.kernel_seconds(terms), terms.feasibility
        columns.append(counted(rows, terms.actions[:, :n_counted], formats))
        if terms.stands_in is not None:
            stands_in[part] = terms.stands_in
    runs = kernels.counts
    worst = np.zeros((kernels.n_networks, c), np.int8)
    for code in np.unique(codes):
        if code != Feasibility.OK:
            hit = (runs @ (codes == code).astype(np.float64)) > 0
            worst = np.where(hit, np.maximum(worst, code), worst).astype(np.int8)
    counts = Counts.summed(runs, np.concatenate(columns), formats)
    found = (runs @ seconds, counts, worst, (runs @ stands_in) > 0)
    return Totals(*found, terms if pieces == 1 else None)


def evaluate(kernels: Kernels, chips: Chips, model: CostModel) -> Evaluated:
    """All networks on all chips.

    The chips' own ranges enter the interval by costing each chip that has one again at either end.
    """
    latency, total = _latency(kernels, chips, model)
    worst = total.worst[:, : len(chips)]
    worst = np.where(~fits(kernels, chips) & (worst == Feasibility.OK), Feasibility.CAPACITY, worst)
    worst = worst.astype(np.int8)
    joules = energy(total.counts, Energies.of(chips), latency.ends, model.fidelity)
    if total.board_power is not None:
        joules = _at_the_wall(joules, latency, total.board_power[:, : len(chips)])
    watts, source = power(joules, latency, chips)
    shape = latency.value.shape
    memory = kernels.peak_activation_bytes + kernels.weights_bytes
    quantities = {
        "latency": latency,
        "energy": joules,
        "power": watts,
        "peak_memory": _exact(memory[:, None], shape, Fidelity.ROOFLINE),
        "area": _on_all(silicon.area(chips), shape),
        "price": _on_all(silicon.price(chips), shape),
    }
    return Evaluated(quantities, worst, source, total.terms)


def _at_the_wall(counted: GridQuantity, latency: GridQuantity, watts: FloatArray) -> GridQuantity:
    """Energy of an inference on a board whose power at the wall the law knows, else what was counted.

    Args:
        counted: J of the actions counted on the chip.
        latency: s of an inference.
        watts: (3, C) value, low, high; NaN: not known.
    """
    known = np.isfinite(watts[0]) & np.isfinite(latency.value)
    value, least, most = watts
    with np.errstate(invalid="ignore"):
        up = np.hypot(np.log(latency.high / latency.value), np.log(most / value))
        down = np.hypot(np.log(latency.low / latency.value), np.log(least / value))
    joules = latency.value * value
    return GridQuantity(
        np.where(known, joules, counted.value),
        np.where(known, joules * np.exp(-down), counted.low),
        np.where(known, joules * np.exp(up), counted.high),
        np.where(known, latency.fidelity, counted.fidelity).astype(np.int8),
    )


def room(chips: Chips) -> tuple[FloatArray, FloatArray]:
    """(C,) bytes of the outer memory, and of on-chip memory for live activations; inf where unknown or free.

    Live activations must stay on the chip where the outer memory is flash or a host's behind a link.
    """
    outer = np.nan_to_num(chips.dram_capacity, nan=np.inf)
    inner = np.nan_to_num(
        np.where(np.isin(chips.outer_kind, (FLASH, HOST)), chips.sram_capacity, np.nan), nan=np.inf
    )
    return outer, inner


def fits(kernels: Kernels, chips: Chips) -> NDArray[np.bool_]:
    """(W, C) whether weights and live activations have room where they must be."""
    outer, inner = room(chips)
    alive, weights = kernels.peak_activation_bytes[:, None], kernels.weights_bytes[:, None]
    stored = weights + np.where(np.isinf(inner), alive, 0.0)
    fit: NDArray[np.bool_] = (stored <= outer) & (alive <= inner)
    return fit


def _latency(kernels: Kernels, chips: Chips, model: CostModel) -> tuple[GridQuantity, Totals]:
    """Latency with its interval, and what it is the sum of, chips at the ends of their ranges behind."""
    slow, fast = chips.ends
    ranged = np.flatnonzero(_differ(chips, slow) | _differ(chips, fast))
    n, r = len(chips), len(ranged)
    everything = chips.followed_by(slow.take(ranged), fast.take(ranged))
    prepared = Prepared.of(everything, model, *way_of(kernels))
    total = latency_and_counts(kernels, prepared, n)
    seconds, known = total.seconds, total.worst[:, :n] != Feasibility.UNKNOWN
    value = np.where(np.isfinite(seconds[:, :n]) & known, seconds[:, :n], np.nan)
    up, down = np.zeros_like(value), np.zeros_like(value)
    with np.errstate(invalid="ignore"):
        up[:, ranged] = np.log(seconds[:, n : n + r] / value[:, ranged])
        down[:, ranged] = np.log(seconds[:, n + r :] / value[:, ranged])
    if prepared.adjustment is None:
        low, high = value * np.exp(down), np.full_like(value, np.nan)
        return GridQuantity(value, low, high, fidelity_codes(value, up < 0, model.fidelity)), total
    prior = _stands_in(kernels, prepared.chips, n) | total.stands_in[:, :n]
    if isinstance(prepared.adjustment, Lawful):
        return _lawful(prepared.adjustment, kernels, value, (down, up), prior), total
    adjustment, first = prepared.adjustment, slice(0, n)
    started = np.diff(kernels.network_ptr)[:, None]
    issue, least, most = (started * seconds[first] for seconds in adjustment.issue)
    with np.errstate(invalid="ignore", divide="ignore"):
        later, sooner = np.log1p((most - issue) / value), np.log1p((least - issue) / value)
    low = value * np.exp(-_together(down, np.log(adjustment.low[first]), np.nan_to_num(sooner)))
    high = value * np.exp(_together(up, np.log(adjustment.high[first]), np.nan_to_num(later)))
    return GridQuantity(value, low, high, fidelity_codes(value, prior, model.fidelity)), total


def _lawful(
    lawful: Lawful,
    kernels: Kernels,
    value: FloatArray,
    ends: tuple[FloatArray, FloatArray],
    prior: NDArray[np.bool_],
) -> GridQuantity:
    """Latency by the law of each chip's class and what was measured, with the interval of both.

    A chip that was measured has its ranges settled; of another they enter.

    Args:
        lawful: chips, those to be costed first.
        kernels: of all networks.
        value: (W, n) s by the law.
        ends: (W, n) logarithms of the time at either end of the chips' ranges over the value.
        prior: (W, n) whether a class figure stands in.
    """
    n = value.shape[1]
    measured = lawful.fidelity[:n] == Fidelity.CALIBRATED
    residual, sure = lawful.residual(kernels, n)
    down, up = (np.where(measured, 0.0, end) for end in ends)
    least, most = lawful.ends(sure)
    value = value * np.exp(residual)
    low, high = value * np.exp(-_together(down, least)), value * np.exp(_together(up, most))
    codes = fidelity_codes(value, prior & ~measured, lawful.fidelity[:n])
    return GridQuantity(value, low, high, codes)


def way_of(kernels: Kernels) -> tuple[str, str | None]:
    """Lowering and precision of networks that share both."""
    lowering = kernels.lowering[0] if kernels.lowering else DEFAULT_LOWERING
    return lowering, kernels.precision[0] if kernels.precision else None


def _stands_in(kernels: Kernels, chips: Chips, n: int) -> NDArray[np.bool_]:
    """(W, n) whether a class figure of a rate or of on-chip capacity enters a latency."""
    inside = (kernels.counts @ np.isfinite(kernels.reuse_bytes).astype(np.float64)) > 0
    uses_vector = (kernels.counts @ kernels.vector_ops) > 0
    prior: NDArray[np.bool_] = uses_vector[:, None] & chips.vector_is_prior[None, :n]
    prior |= inside[:, None] & chips.sram_is_prior[None, :n]
    prior |= chips.rate_is_prior[None, :n]
    return prior


def _together(*logs: FloatArray) -> FloatArray:
    """Log half-width of independent causes taken together."""
    total: FloatArray = np.sqrt(sum(np.square(x) for x in logs))
    return total


def _differ(chips: Chips, other: Chips) -> NDArray[np.bool_]:
    """(C,) whether any figure that latency depends on differs."""
    rates = (
        *("mac_peak", "vector_peak", "issue", "dram_bandwidth", "dram_burst", "dram_latency"),
        *("sram_capacity", "sram_bandwidth", "sram_read_bandwidth", "sram_write_bandwidth", "local_capacity"),
    )
    pairs = (
        (getattr(chips, f).reshape(len(chips), -1), getattr(other, f).reshape(len(chips), -1)) for f in rates
    )
    differ: NDArray[np.bool_] = np.any(
        [(~np.isclose(a, b, rtol=1e-12, equal_nan=True)).any(axis=1) for a, b in pairs], axis=0
    )
    return differ


def _on_all(figure: GridQuantity, shape: tuple[int, ...]) -> GridQuantity:
    """A figure of the chips (C,), the same for every network."""
    value, low, high = (np.broadcast_to(a, shape) for a in (figure.value, figure.low, figure.high))
    return GridQuantity(value, low, high, np.broadcast_to(figure.fidelity, shape))


def _exact(figure: FloatArray, shape: tuple[int, ...], fidelity: Fidelity) -> GridQuantity:
    """A figure without an interval: counted from the lowered order, or stated by the chip's file."""
    value = np.broadcast_to(figure, shape)
    codes = np.where(np.isnan(value), UNKNOWN_FIDELITY, fidelity).astype(np.int8)
    return GridQuantity(value, value, value, codes)
