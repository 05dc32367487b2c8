"""Which engine of a chip runs each operator of a network, and what handing data between engines takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.lowering.precision import FLOATS, scheme_of
from hw_models.workload.op import BITS, OpKind, Precision, TensorKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, IntArray, Kernels
    from hw_models.cost.chips import Chips
    from hw_models.lowering.precision import Scheme
    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload

NOWHERE: Final = -1
NOTHING_RUNS: Final = -2
"""Codes in place of an engine: none runs the operator; a view or an operator that nobody reads."""

SWITCH: Final = 0.3e-3
SWITCH_LOW: Final = 0.05e-3
SWITCH_HIGH: Final = 1.0e-3
"""s of handing over from one engine to another, beside the bytes: calls, cache maintenance, waking up.

Source: qualcomm_aihub_latency, networks with a few layers off the NPU in tflite over the same with none in
qnn_dlc: Lite-HRNet, 2 layers of 1112, 1.2 to 3.8 ms on six devices; GearGuardNet, 6 of 212, 0.7 and 1.1 ms.
Two to four hand-overs each: how many is not told, so the range is wide.
"""


@dataclass(frozen=True, eq=False)
class Placement:
    """Operators of a network on the engines of a chip.

    Attributes:
        engines: names, the main one first, then what falls back to what.
        op_engine: (O,) index into `engines`; `NOWHERE`, `NOTHING_RUNS`.
        op_bytes: (O,) bytes that each reads and writes at the precision.
        lacks: (O,) why the main engine does not run it: "" where it does, "operator" or "precision".
        switches: hand-overs in execution order; crossing_bytes: of tensors that one engine makes and another
            reads, once for each reader.
    """

    engines: tuple[str, ...]
    op_engine: IntArray
    op_bytes: FloatArray
    lacks: NDArray[np.str_]
    switches: int
    crossing_bytes: float

    def transfer_seconds(self, bandwidth: float | None) -> float | None:
        """What the hand-overs take: each writes and reads through the outer memory; None: bandwidth unknown.

        Args:
            bandwidth: byte/s of the memory that the engines share.
        """
        if not self.switches:
            return 0.0
        return None if bandwidth is None else transfer_seconds(self.switches, self.crossing_bytes, bandwidth)


def transfer_seconds(switches: float, crossing_bytes: float, bandwidth: float) -> float:
    """Seconds of so many hand-overs and of bytes that are written by one engine and read by another."""
    return switches * SWITCH + 2.0 * crossing_bytes / bandwidth


def place(workload: Workload, chip: Accelerator, precision: str) -> Placement:
    """Every operator on the first engine that runs it: the main one, its fallback, that one's, and so on.

    An engine runs the kinds of operator that its file lists (all, where it lists none), moves of data always,
    and contractions where it has a peak at their format.

    Raises:
        UnknownNameError: no such precision.
    """
    from hw_models.cost.chips import Chips, fallbacks, runs_itself

    scheme = scheme_of(precision)
    chain = fallbacks(chip)
    macs = workload.op_macs > 0
    asked = _asked_of(workload)
    runs = np.array([runs_itself(c.main_engine)[asked] for c in chain])
    has_peak = np.isfinite(Chips.of(chain).mac_peak[:, scheme.math])
    takes = runs & (has_peak[:, None] | ~macs[None, :])
    engine = np.where(takes.any(axis=0), takes.argmax(axis=0), NOWHERE)
    lacks = np.where(takes[0], "", np.where(runs[0], "precision", "operator"))
    engine[_idle(workload)] = NOTHING_RUNS
    switches, crossing = _hand_overs(workload, engine, scheme)
    names = tuple(c.main_engine.name for c in chain)
    return Placement(names, engine, _op_bytes(workload, scheme), lacks, switches, crossing)


def transfers(kernels: Kernels, chips: Chips) -> FloatArray:
    """(W, C) s of hand-overs between engines in each network, where a model costs fallbacks; 0: none.

    A kernel after a hand-over reads what the other engine made; kernels run one after the other. An operator
    that a lowering merged into a kernel goes where that kernel goes.
    """
    n_networks, bounds = kernels.n_networks, kernels.network_ptr
    found = np.zeros((n_networks, len(chips)))
    for c, engine in enumerate(engine_of_kernels(kernels, chips).T):
        if not engine.any():
            continue
        order = engine[kernels.index]
        changes = np.diff(order) != 0
        changes[bounds[1:-1] - 1] = False
        at = np.flatnonzero(changes) + 1
        network = np.searchsorted(bounds, at, side="right") - 1
        seconds = SWITCH + 2.0 * kernels.read_bytes[kernels.index[at]] / chips.dram_bandwidth[c]
        found[:, c] = np.bincount(network, weights=seconds, minlength=n_networks)
    return found


def engine_of_kernels(kernels: Kernels, chips: Chips) -> IntArray:
    """(U, C) the first engine of a chip's chain of fallbacks that runs a kernel; the last where none does."""
    from hw_models.cost.chips import Chips, fallbacks, runs_itself

    found = np.zeros((kernels.n_distinct, len(chips)), np.int64)
    for c, chip in enumerate(chips.accelerators):
        chain = fallbacks(chip)
        if len(chain) == 1:
            continue
        peak = Chips.of(chain).mac_peak[:, kernels.math]
        runs = np.array([runs_itself(one.main_engine)[kernels.kind] for one in chain])
        takes = runs & (np.isfinite(peak) | (kernels.macs == 0)[None, :])
        found[:, c] = np.where(takes.any(axis=0), takes.argmax(axis=0), len(chain) - 1)
    return found


def _asked_of(workload: Workload) -> IntArray:
    """(O,) kind that an engine must run: a norm of known statistics is folded into the product before it.

    Where there is none, it is a scale and a shift.
    """
    kinds: IntArray = workload.op_kind.astype(np.int64)
    maker = {t: o for o in range(len(workload)) for t in workload.op_outputs(o)}
    for o in np.flatnonzero(workload.op_kind == OpKind.NORM).tolist():
        attrs = workload.op_attrs[o]
        if attrs.get("fn") == "batch_norm" and attrs.get("statistics") != "input":
            before = maker.get(workload.op_inputs(o)[0])
            product = before is not None and kinds[before] in {OpKind.CONV, OpKind.GEMM}
            kinds[o] = kinds[before] if before is not None and product else OpKind.ELEMENTWISE
    return kinds


def _idle(workload: Workload) -> NDArray[np.bool_]:
    """(O,) views, and operators that contribute to no output."""
    needed = np.zeros(workload.n_tensors, np.bool_)
    needed[list(workload.outputs)] = True
    live = np.zeros(len(workload), np.bool_)
    for o in range(len(workload) - 1, -1, -1):
        if needed[list(workload.op_outputs(o))].any():
            live[o] = True
            needed[list(workload.op_inputs(o))] = True
    idle: NDArray[np.bool_] = ~live | (workload.op_kind == OpKind.VIEW)
    return idle


def _tensor_bytes(workload: Workload, scheme: Scheme) -> FloatArray:
    """(T,) bytes of each tensor at the precision; integers and what is quantised already stay as read."""
    bits = np.array([BITS[p] for p in Precision], np.float64)[workload.tensor_precision]
    floats = np.isin(workload.tensor_precision, list(FLOATS))
    weights = workload.tensor_kind == TensorKind.WEIGHT
    bits[floats] = BITS[scheme.activation]
    bits[floats & weights] = scheme.weight_bits
    return workload.tensor_elements * bits / 8.0


def _op_bytes(workload: Workload, scheme: Scheme) -> FloatArray:
    size = _tensor_bytes(workload, scheme)
    ops = range(len(workload))
    return np.array([size[[*workload.op_inputs(o), *workload.op_outputs(o)]].sum() for o in ops])


def _hand_overs(workload: Workload, engine: IntArray, scheme: Scheme) -> tuple[int, float]:
    """Changes of engine in execution order, and bytes that cross."""
    placed = np.flatnonzero(engine >= 0)
    switches = int((np.diff(engine[placed]) != 0).sum())
    if not switches:
        return 0, 0.0
    size, storage = _tensor_bytes(workload, scheme), workload.tensor_storage
    made_on: dict[int, int] = {}
    crossing: dict[tuple[int, int], float] = {}
    for o in placed:
        here = int(engine[o])
        for t in workload.op_inputs(int(o)):
            if made_on.get(int(storage[t]), here) != here:
                key = (int(storage[t]), here)
                crossing[key] = max(crossing.get(key, 0.0), float(size[t]))
        for t in workload.op_outputs(int(o)):
            made_on[int(storage[t])] = here
    return switches, sum(crossing.values())
