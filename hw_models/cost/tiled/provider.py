"""The tiled provider of terms: contractions by the organisation of each chip's array, the rest streamed.

An organisation counts a contraction as if all operands came from the external memory and went back there.
What it counts beyond reading and writing each operand once are its reloads and spills; they stay. The once
is the kernel's own outer traffic instead: fused operands included, and without what is still on the chip
from the kernels before, by the same law as in the roofline. The rest of a kernel, and kernels without MACs,
run on the vector unit. What the main engine cannot run goes to the engine that it names as `fallback`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from hw_models.cost.arrays import ACTIONS, Feasibility, Fidelity, FloatArray, Kernels, Terms
from hw_models.cost.chips import Chips, runs_itself
from hw_models.cost.roofline import DRAM, EXPOSED, ISSUE, LOCAL, MAC, NOC, SRAM, Roofline
from hw_models.cost.tiled.kernels import Contractions
from hw_models.cost.tiled.registry import misfits, organisation
from hw_models.cost.tiled.streaming import Streams, port_seconds, streamed
from hw_models.errors import InputError
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hw_models.cost.arrays import IntArray
    from hw_models.cost.tiled.organisation import TiledTerms
    from hw_models.spec.accelerator import Accelerator

MACS: Final = ACTIONS.index("mac")
OUTER, INNER = ([ACTIONS.index(f"{level}_{way}") for way in ("read", "write")] for level in ("dram", "sram"))
"""Bytes read from and written to the external and the last on-chip memory."""
OF_ARRAY: Final = [ACTIONS.index(a) for a in ("local_read", "local_write", "noc")]


@dataclass(frozen=True)
class Tiled:
    """Finds, or is given, how each contraction is cut into tiles, and bounds every level of memory."""

    contract: ClassVar[int] = 1
    name: ClassVar[str] = "tiled"

    def supports(self, chip: Accelerator) -> bool:
        """Whether the file states the organisation of the array and all that the organisation needs."""
        return not self.missing(chip)

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        """Paths of the fields that tiled terms need and the chip's file leaves open; empty: none."""
        engine = chip.main_engine
        gaps = list(chip.missing())
        if engine.dataflow is None:
            return (*gaps, f"engines.{engine.name}.dataflow")
        try:
            found = organisation(engine.dataflow.kind)
        except InputError as error:
            return (*gaps, f"engines.{engine.name}.dataflow.kind: {error}")
        gaps += [f"engines.{engine.name}.{said}" for said in misfits(engine.dataflow)]
        return tuple(dict.fromkeys([*gaps, *found.missing(chip)]))

    def terms(self, kernels: Kernels, chips: Chips) -> Terms:
        """Seconds each resource needs alone (U, C, R) and actions (U, C, A), mapping and proven gap."""
        from hw_models.cost.tiled.fallback import with_fallback

        work = Contractions.of(kernels)
        streams = streamed(kernels, chips, Roofline().crossing(kernels.reuse_bytes, chips))
        out = _Result.of(streams)
        for kind, columns in _by_organisation(self, chips):
            accelerators = [chips.costed[c] for c in columns]
            if len(work):
                counted = organisation(kind).terms(work.problems, accelerators)
                out.put(columns, work, counted, kernels, chips.take(columns))
            out.known[columns] = True
        return with_fallback(out.finish(kernels, chips), kernels, chips, self)


def _by_organisation(provider: Tiled, chips: Chips) -> Iterator[tuple[str, IntArray]]:
    """Chips of one organisation together, those that cannot be told left out."""
    kinds: dict[str, list[int]] = {}
    for c, chip in enumerate(chips.accelerators):
        dataflow = chip.main_engine.dataflow
        if dataflow is not None and provider.supports(chip):
            kinds.setdefault(dataflow.kind, []).append(c)
    for kind, columns in kinds.items():
        yield kind, np.array(columns, np.int64)


@dataclass(eq=False)
class _Result:
    """Terms being put together, organisation by organisation."""

    seconds: FloatArray
    actions: FloatArray
    feasibility: NDArray[np.int8]
    demand: FloatArray
    bound: FloatArray
    gap: FloatArray
    mapping: NDArray[np.object_]
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, streams: Streams) -> _Result:
        """What the vector unit and the kernels' own bytes ask for."""
        shape = streams.seconds.shape[:2]
        code = np.full(shape, Feasibility.OK, np.int8)
        demand, bound, gap = (np.full(shape, np.nan) for _ in range(3))
        mapping, known = np.full(shape, None, object), np.zeros(shape[1], np.bool_)
        return cls(*streams, code, demand, bound, gap, mapping, known)

    def put(
        self, columns: IntArray, work: Contractions, counted: TiledTerms, kernels: Kernels, chips: Chips
    ) -> None:
        """Add the contractions of the kernels that have any."""
        rows = np.unique(work.row)
        at = np.ix_(rows, columns)
        seconds, actions = work.sum(counted.seconds)[rows], work.sum(counted.actions)[rows]
        mine, own = self.seconds[at], self.actions[at]
        once = np.stack(work.outer_bytes, axis=-1)[rows, None, :]
        reloads = np.maximum(actions[..., OUTER] - once, 0.0)
        moved, before = (own[..., OUTER] + reloads).sum(axis=-1), actions[..., OUTER].sum(axis=-1)
        beside = _beside(kernels, work, rows, own[..., OUTER])
        with np.errstate(invalid="ignore", divide="ignore"):
            stretched = np.where(before > 0, seconds[..., DRAM] * moved / before, 0.0)
        mine[..., DRAM] = np.fmax(stretched, moved / chips.dram_bandwidth)
        done = np.where(np.isnan(actions[..., MACS]), kernels.macs[rows, None], actions[..., MACS])
        mine[..., MAC] = np.fmax(seconds[..., MAC], 2.0 * done / chips.mac_peak.T[kernels.math[rows]])
        mine[..., SRAM] = _added(seconds[..., SRAM], port_seconds(beside[..., 0], beside[..., 1], chips))
        mine[..., [LOCAL, NOC]] = seconds[..., [LOCAL, NOC]]
        mine[..., [EXPOSED, ISSUE]] = np.nan_to_num(seconds[..., [EXPOSED, ISSUE]], posinf=np.inf)
        own[..., MACS] = done
        own[..., OUTER] += reloads
        own[..., INNER] = actions[..., INNER] + beside
        own[..., OF_ARRAY] = actions[..., OF_ARRAY]
        self.seconds[at], self.actions[at] = mine, own
        self._describe(columns, work, counted)

    def _describe(self, columns: IntArray, work: Contractions, counted: TiledTerms) -> None:
        """Codes, gaps and mappings of the parts, worst first; several mappings are joined by '; then '."""
        for u, d in zip(work.row, work.part, strict=True):
            worse = counted.feasibility[d] > self.feasibility[u, columns]
            hit = columns[worse]
            self.feasibility[u, hit] = counted.feasibility[d, worse]
            self.demand[u, hit], self.bound[u, hit] = counted.demand[d, worse], counted.bound[d, worse]
            self.gap[u, columns] = np.fmax(self.gap[u, columns], counted.gap[d])
            if counted.mapping is not None:
                told = zip(self.mapping[u, columns], counted.mapping[d], strict=True)
                joined = [new if old is None else f"{old}; then {new}" for old, new in told]
                self.mapping[u, columns] = np.array([*joined, None], object)[:-1]

    def finish(self, kernels: Kernels, chips: Chips) -> Terms:
        """Terms with the codes of what the main engine lacks."""
        lacking = np.isnan(chips.mac_peak.T[kernels.math]) & (kernels.macs > 0)[:, None]
        refused = ~_runs_itself(chips).T[kernels.kind]
        code, demand, bound = self.feasibility, self.demand, self.bound
        code[lacking] = Feasibility.PRECISION
        code[refused] = Feasibility.OPERATOR
        by_name = lacking | refused
        demand[by_name] = np.where(lacking, kernels.math[:, None], kernels.kind[:, None])[by_name]
        bound[by_name] = np.nan
        code[:, ~self.known] = Feasibility.UNKNOWN
        demand[:, ~self.known] = bound[:, ~self.known] = np.nan
        stopped = (code != Feasibility.OK) & (code != Feasibility.UNKNOWN)
        self.seconds[stopped] = np.inf
        self.seconds[code == Feasibility.UNKNOWN] = np.nan
        self.actions[code != Feasibility.OK] = np.nan
        self.mapping[code != Feasibility.OK] = None
        return Terms(
            seconds=self.seconds,
            actions=self.actions,
            feasibility=code,
            demand=demand,
            bound=bound,
            provider=Tiled.name,
            fidelity=Fidelity.TILED,
            mapping=self.mapping,
            gap=self.gap,
            stands_in=np.isnan(chips.issue) & ~(self.seconds[..., ISSUE] > 0) & (code == Feasibility.OK),
        )


def _beside(kernels: Kernels, work: Contractions, rows: IntArray, outer: FloatArray) -> FloatArray:
    """(U', C', 2) bytes read from and written to the last on-chip memory beside the contractions' own.

    Operands of fused operators come in once and out once, in step with the external memory; the scores of an
    attention are read and written once more by its softmax.
    """
    read, write = (b[rows, None] for b in work.outer_bytes)
    more_in = np.maximum((kernels.weight_bytes + kernels.read_bytes)[rows, None] - read, 0.0)
    more_out = np.maximum(kernels.write_bytes[rows, None] - write, 0.0)
    scores = np.where(kernels.kind[rows] == OpKind.ATTENTION, work.between_bytes[rows], 0.0)[:, None]
    in_share, out_share = np.minimum(more_in, outer[..., 0]), np.minimum(more_out, outer[..., 1])
    return np.stack([more_in + out_share + scores, more_out + in_share + scores], axis=-1)


def _added(seconds: FloatArray, more: FloatArray) -> FloatArray:
    """A sum in which an unknown rate leaves the other part as it is."""
    return np.where(np.isnan(more), seconds, seconds + more)


def _runs_itself(chips: Chips) -> NDArray[np.bool_]:
    """(C, OpKind) whether the main engine runs that kind of operator, fallbacks left out."""
    kinds = [runs_itself(c.main_engine) for c in chips.accelerators]
    return np.array(kinds, np.bool_).reshape(len(chips), -1)
