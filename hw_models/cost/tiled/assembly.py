"""Kernels put together from what an organisation counts for their contractions and what moves beside them.

An organisation counts a contraction as if all operands came from the external memory and went back there.
What it counts beyond reading and writing each operand once are its reloads and spills; they stay. The once
is the kernel's own outer traffic instead: fused operands included, and without what is still on the chip
from the kernels before, by the same law as in the roofline. Where an organisation chooses among mappings,
it is told, so that its choice is the best of the kernel and not only of the contraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import ACTIONS, OVERLAPPING, RESOURCES, Feasibility, Fidelity, FloatArray, Terms
from hw_models.cost.chips import STORAGE_ONLY, runs_itself
from hw_models.cost.roofline import DRAM, EXPOSED, ISSUE, MAC, SRAM, VECTOR
from hw_models.cost.tiled.organisation import (
    BESIDE,
    TakesMappings,
    TiledTerms,
    WeighsBeside,
    WeighsBesideGiven,
)
from hw_models.cost.tiled.registry import taking_mappings
from hw_models.cost.tiled.streaming import port_seconds
from hw_models.errors import InputError
from hw_models.workload.op import BITS, OpKind, Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import IntArray, Kernels
    from hw_models.cost.chips import Chips
    from hw_models.cost.tiled.kernels import Contractions
    from hw_models.cost.tiled.organisation import Organisation
    from hw_models.cost.tiled.streaming import Streams
    from hw_models.spec.accelerator import Accelerator

MACS: Final = ACTIONS.index("mac")
OUTER, INNER = ([ACTIONS.index(a) for a in pair] for pair in (BESIDE[:2], BESIDE[2:]))
"""Bytes read from and written to the external and the last on-chip memory."""
BUSY: Final = [RESOURCES.index(r) for r in OVERLAPPING]


@dataclass(frozen=True, eq=False)
class Place:
    """Kernels on chips of one organisation.

    Attributes:
        kernels, work: U kernels and their D contractions.
        chips: the C chips.
        own: (U, C, A) actions of the kernels with each operand moved once.
    """

    kernels: Kernels
    work: Contractions
    chips: Chips
    own: FloatArray

    @cached_property
    def accelerators(self) -> tuple[Accelerator, ...]:
        """The chips without the rates of formats that are as wide as one the kernels use, but are not it.

        A contraction knows the bits of its operands alone: without this FP32 would be mapped at TF32's rate.
        """
        used = [Precision(p) for p in np.unique(self.kernels.math[self.work.problems.kernel]).tolist()]
        return tuple(_at_formats(chip, used) for chip in self.chips.costed)

    @cached_property
    def once(self) -> FloatArray:
        """(D, C, 2) bytes from and to the external memory that a contraction cannot do without.

        Of a kernel of several contractions each has its share by the size of its operands.
        """
        kernel, once = self.work.problems.kernel, self.work.once
        whole = self.work.sum(once)[kernel]
        once_of_part: FloatArray = self.own[kernel][..., OUTER] * (once / whole)[:, None, :]
        return once_of_part

    @cached_property
    def outer_bytes(self) -> FloatArray:
        """(D,) bytes of its share of the kernel that pass the last on-chip memory at least once."""
        kernel, once = self.work.problems.kernel, self.work.once.sum(axis=1)
        share: FloatArray = self.kernels.outer_bytes[kernel] * once / self.work.sum(once)[kernel]
        return share

    @cached_property
    def beside(self) -> FloatArray:
        """(D, C, 4) bytes beside a contraction's own counts, in the order of `BESIDE`.

        Operands of fused operators come into the last on-chip memory and out of it once, in step with the
        external memory; the scores of an attention are read and written once more by its softmax.
        """
        kernels, work, kernel = self.kernels, self.work, self.work.problems.kernel
        whole, parts = work.sum(work.once)[kernel], np.bincount(work.row, minlength=work.n_kernels)[kernel]
        into = np.maximum((kernels.weight_bytes + kernels.read_bytes)[kernel] - whole[:, 0], 0.0)[:, None]
        out = np.maximum(kernels.write_bytes[kernel] - whole[:, 1], 0.0)[:, None]
        scores = np.where(kernels.kind == OpKind.ATTENTION, work.between_bytes, 0.0)[kernel, None]
        fetched, stored = (
            np.minimum(b, self.own[kernel][..., o]) for b, o in zip((into, out), OUTER, strict=True)
        )
        inner = np.stack([into + stored + scores, out + fetched + scores], axis=-1) / parts[:, None, None]
        return np.concatenate([self.once - work.once[:, None, :], inner], axis=-1)


def _at_formats(chip: Accelerator, used: Sequence[Precision]) -> Accelerator:
    """The chip whose main engine has, of formats of one width, no rate but at those used."""
    engine, kept = chip.main_engine, set[Precision]()
    for p in used:
        stand_ins = (q for q in STORAGE_ONLY.get(p, ()) if q.label in engine.peak)
        kept |= {p, *islice(stand_ins, 1)}
    widths = {BITS[p] for p in kept if p.label in engine.peak}
    other = {p.label for p in Precision if BITS[p] in widths and p not in kept}
    if other.isdisjoint(engine.peak) and other.isdisjoint(engine.macs):
        return chip
    rates = {
        name: {p: rate for p, rate in getattr(engine, name).items() if p not in other}
        for name in ("peak", "macs")
    }
    return chip.model_copy(update={"engines": (engine.model_copy(update=rates), *chip.engines[1:])})


def contracted(organisation: Organisation, here: Place) -> TiledTerms:
    """Terms of the contractions (D, C) with what moves beside them, and no faster than the stated rates."""
    problems, counted = here.work.problems, _found_or_given(organisation, here)
    seconds, actions = counted.seconds.copy(), counted.actions.copy()
    actions[..., OUTER] = np.maximum(actions[..., OUTER], here.once)
    actions[..., MACS] = np.where(np.isnan(actions[..., MACS]), problems.macs[:, None], actions[..., MACS])
    moved = actions[..., OUTER].sum(axis=-1)
    peak = here.chips.mac_peak.T[here.kernels.math[problems.kernel]]
    seconds[..., DRAM] = np.fmax(seconds[..., DRAM], moved / here.chips.dram_bandwidth)
    seconds[..., MAC] = np.fmax(seconds[..., MAC], 2.0 * actions[..., MACS] / peak)
    seconds[..., SRAM] = np.fmax(seconds[..., SRAM], here.outer_bytes[:, None] / here.chips.sram_bandwidth)
    for resource in (EXPOSED, ISSUE):
        seconds[..., resource] = np.nan_to_num(seconds[..., resource], posinf=np.inf)
    return TiledTerms(
        seconds, actions, counted.feasibility, counted.demand, counted.bound, counted.gap, counted.mapping
    )


def _found_or_given(organisation: Organisation, here: Place) -> TiledTerms:
    """Terms of the mappings that a file gives, and of those that the organisation finds for the others."""
    work, accelerators = here.work, here.accelerators
    told = np.array([m is not None for m in work.given], np.bool_)
    parts = []
    if (searched := np.flatnonzero(~told)).size:
        problems, beside = work.problems.take(searched), here.beside[searched]
        if isinstance(organisation, WeighsBeside):
            parts.append((searched, organisation.terms_beside(problems, accelerators, beside)))
        else:
            parts.append(
                (searched, with_beside(organisation.terms(problems, accelerators), beside, here.chips))
            )
    if (given := np.flatnonzero(told)).size:
        if not isinstance(organisation, TakesMappings):
            known = ", ".join(taking_mappings()) or "none yet"
            raise InputError(
                f"organisation '{organisation.kind}' of {accelerators[0].label} takes no given mappings; "
                f"leave them out, or cost a chip whose dataflow.kind takes them: {known}"
            )
        for d in given[:, None]:
            mapping = work.given[d[0]]
            try:
                parts.append((d, _given(organisation, here, d, mapping.value)))
            except InputError as error:
                raise mapping.error(str(error)) from error
    return parts[0][1] if len(parts) == 1 else _joined(parts, len(work.given))


def _given(organisation: TakesMappings, here: Place, d: IntArray, mapping: Any) -> TiledTerms:
    """Terms of one contraction with the mapping that a file gives it."""
    problems, chips, beside = here.work.problems.take(d), here.accelerators, here.beside[d]
    if isinstance(organisation, WeighsBesideGiven):
        return organisation.terms_given_beside(problems, chips, [mapping], beside)
    return with_beside(organisation.terms_given(problems, chips, [mapping]), beside, here.chips)


def _joined(parts: Sequence[tuple[IntArray, TiledTerms]], n: int) -> TiledTerms:
    """Terms of D problems from terms of some of them each."""
    columns: dict[str, Any] = {}
    for field in fields(TiledTerms):
        values = [getattr(terms, field.name) for _, terms in parts]
        first = next((v for v in values if v is not None), np.full(parts[0][1].gap.shape, None, object))
        whole = np.full((n, *first.shape[1:]), None if first.dtype == object else 0, first.dtype)
        for (rows, _), value in zip(parts, values, strict=True):
            if value is not None:
                whole[rows] = value
        columns[field.name] = whole
    return TiledTerms(**columns)


def with_beside(counted: TiledTerms, beside: FloatArray, chips: Chips) -> TiledTerms:
    """Terms of an organisation that chooses nothing, with the bytes beside them; its bursts stay."""
    seconds, actions = counted.seconds.copy(), counted.actions.copy()
    before = actions[..., OUTER].sum(axis=-1)
    actions[..., OUTER] = np.maximum(actions[..., OUTER] + beside[..., :2], 0.0)
    actions[..., INNER] += beside[..., 2:]
    moved = actions[..., OUTER].sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        stretched = seconds[..., DRAM] * moved / before
    seconds[..., DRAM] = np.where(before > 0, stretched, moved / chips.dram_bandwidth)
    more = port_seconds(beside[..., 2], beside[..., 3], chips)
    seconds[..., SRAM] = np.where(np.isnan(more), seconds[..., SRAM], seconds[..., SRAM] + more)
    return TiledTerms(
        seconds, actions, counted.feasibility, counted.demand, counted.bound, counted.gap, counted.mapping
    )


@dataclass(eq=False)
class Assembly:
    """Terms being put together, organisation by organisation; fields as in `Terms`.

    Attributes:
        known: (C,) chips whose files say enough.
    """

    seconds: FloatArray
    actions: FloatArray
    feasibility: NDArray[np.int8]
    demand: FloatArray
    bound: FloatArray
    gap: FloatArray
    mapping: NDArray[np.object_]
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, streams: Streams) -> Assembly:
        """What the vector unit and the kernels' own bytes ask for."""
        shape = streams.seconds.shape[:2]
        code = np.full(shape, Feasibility.OK, np.int8)
        demand, bound, gap = (np.full(shape, np.nan) for _ in range(3))
        mapping, known = np.full(shape, None, object), np.zeros(shape[1], np.bool_)
        return cls(*streams, code, demand, bound, gap, mapping, known)

    def stream(self, columns: IntArray, given: FloatArray) -> None:
        """Let an organisation's own rates of what is not a contraction take the place of a vector unit's."""
        beside = self.seconds[:, columns]
        stated = np.isfinite(given)
        stated[..., [EXPOSED, ISSUE]] = False
        self.seconds[:, columns] = np.where(stated, given, beside)

    def follow(self, columns: IntArray, given: FloatArray) -> None:
        """Add what such an organisation does after a kernel's contractions."""
        self.seconds[:, columns, EXPOSED] += np.nan_to_num(given[..., EXPOSED])

    def put(self, columns: IntArray, here: Place, counted: TiledTerms) -> None:
        """Let the contractions of the kernels that have any take the place of their bare bytes.

        The parts of a kernel run one after the other, its vector work beside all of them. What that leaves
        above the busiest resource is exposed, so that the time of a kernel is the longer of the two and falls
        wherever the time of a part does.
        """
        work, rows = here.work, np.unique(here.work.row)
        at = np.ix_(rows, columns)
        vector, by_vector = self.seconds[at][..., VECTOR], self.actions[at][..., ACTIONS.index("vector_op")]
        seconds, actions = work.sum(counted.seconds)[rows], work.sum(counted.actions)[rows]
        alone = work.sum(_busy(counted.seconds) + counted.seconds[..., EXPOSED])[rows]
        with np.errstate(invalid="ignore"):  # inf - inf where a part cannot run; `finish` settles it
            seconds[..., EXPOSED] = np.fmax(alone, vector) - np.fmax(_busy(seconds), vector)
        seconds[..., VECTOR] = vector
        actions[..., ACTIONS.index("vector_op")] = by_vector
        self.seconds[at], self.actions[at] = seconds, actions
        for u, d in zip(work.row, work.part, strict=True):
            self._describe(int(u), int(d), columns, counted)

    def _describe(self, u: int, d: int, columns: IntArray, counted: TiledTerms) -> None:
        """Worst code, largest gap and mappings of a kernel's parts."""
        worse = counted.feasibility[d] > self.feasibility[u, columns]
        hit = columns[worse]
        self.feasibility[u, hit] = counted.feasibility[d, worse]
        self.demand[u, hit], self.bound[u, hit] = counted.demand[d, worse], counted.bound[d, worse]
        self.gap[u, columns] = np.fmax(self.gap[u, columns], counted.gap[d])
        if counted.mapping is not None:
            for c, new in zip(columns, counted.mapping[d], strict=True):
                old = self.mapping[u, c]
                self.mapping[u, c] = new if old is None else f"{old}; then {new}"

    def finish(self, kernels: Kernels, chips: Chips) -> Terms:
        """Terms with the codes of what the main engine lacks."""
        lacking = np.isnan(chips.mac_peak.T[kernels.math]) & (kernels.macs > 0)[:, None]
        runs = [runs_itself(c.main_engine) for c in chips.accelerators]
        refused = ~np.array(runs, np.bool_).reshape(len(chips), -1).T[kernels.kind]
        code, by_name = self.feasibility, lacking | refused
        code[lacking], code[refused] = Feasibility.PRECISION, Feasibility.OPERATOR
        code[:, ~self.known] = Feasibility.UNKNOWN
        names = np.where(lacking, kernels.math[:, None], kernels.kind[:, None]).astype(np.float64)
        self.demand[by_name], self.bound[by_name] = names[by_name], np.nan
        self.demand[:, ~self.known] = self.bound[:, ~self.known] = np.nan
        unknown, stopped = code == Feasibility.UNKNOWN, code != Feasibility.OK
        self.seconds[stopped], self.actions[stopped], self.mapping[stopped] = np.inf, np.nan, None
        self.seconds[unknown] = np.nan
        own_issue = self.seconds[..., ISSUE] > 0
        return Terms(
            seconds=self.seconds,
            actions=self.actions,
            feasibility=code,
            demand=self.demand,
            bound=self.bound,
            provider="tiled",
            fidelity=Fidelity.TILED,
            mapping=self.mapping,
            gap=self.gap,
            stands_in=np.isnan(chips.issue) & ~own_issue & ~stopped,
        )


def _busy(seconds: FloatArray) -> FloatArray:
    """(...) time of the resources that work side by side, unknown ones left out."""
    slowest: FloatArray = np.nan_to_num(seconds[..., BUSY], posinf=np.inf).max(axis=-1)
    return slowest
