"""The coverage gate: before any latency, which operators the main engine runs, which fall back, which nobody.

From the chip's file (operators, peaks by precision, fallbacks), and beside it from placements that were
measured on the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import override

from hw_models.lowering.placement import NOTHING_RUNS, NOWHERE, Placement, place
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.spec.accelerator import Accelerator, Engine
    from hw_models.workload.graph import Workload

MEANS: Final[Mapping[OpKind, tuple[tuple[OpKind, ...], str]]] = {
    OpKind.ATTENTION: (
        (OpKind.GEMM, OpKind.SOFTMAX),
        "write attention out: a product, a softmax, a product",
    ),
    OpKind.GEMM: ((OpKind.CONV,), "write the product as a 1x1 convolution"),
    OpKind.NORM: ((OpKind.REDUCE, OpKind.ELEMENTWISE), "use batch norm, which folds into the layer before"),
    OpKind.SOFTMAX: ((OpKind.REDUCE, OpKind.ELEMENTWISE), "write it out, or end the network before it"),
    OpKind.REDUCE: ((OpKind.POOL,), "write the mean as a pooling over the whole window"),
    OpKind.POOL: ((OpKind.CONV,), "use a strided convolution; a mean is a depthwise one"),
    OpKind.RESIZE: ((OpKind.CONV,), "use a transposed convolution of fixed weights"),
    OpKind.GATHER: ((OpKind.GEMM,), "write the look-up as a product with one-hot rows"),
    OpKind.SCAN: ((OpKind.GEMM, OpKind.ELEMENTWISE), "unroll the recurrence over its steps"),
    OpKind.ELEMENTWISE: ((OpKind.CONV,), "use an activation that the layer before takes along (ReLU)"),
}
"""What a kind of operator can be made of, and what its author would change."""

FULL: Final = 1.0
"""Share of layers on the main engine at which a measured network ran on it alone."""


@dataclass(frozen=True)
class OperatorRow:
    """Operators of one function on one engine.

    Attributes:
        operator: kind; function: as the framework calls it.
        count: of them; macs_share, bytes_share: of the network's.
        engine: that runs them; None: none does.
        why: "" on the main engine, else what it lacks.
        nearest: kinds that the main engine runs and that do the same, or (); next_step: what to do about it.
    """

    operator: str
    function: str
    count: int
    macs_share: float
    bytes_share: float
    engine: str | None
    why: str = ""
    nearest: tuple[str, ...] = ()
    next_step: str = ""


@dataclass(frozen=True)
class MeasuredPlacement:
    """Where networks ran on a device under one runtime and precision, as was measured.

    Attributes:
        networks: how many; whole: of them wholly on the NPU; elsewhere: mostly on another unit.
        share: of all their layers that ran on the NPU.
        same: the share of the network itself, where it was measured; else None.
    """

    runtime: str
    precision: str
    networks: int
    whole: int
    elsewhere: int
    share: float
    same: float | None

    @property
    def expects_npu(self) -> bool:
        """Whether the network is to be expected on the NPU: as it was, else as most others were."""
        return self.share_expected > 0.5

    @property
    def share_expected(self) -> float:
        """Share of layers on the NPU: the network's own, else the share of networks that ran there."""
        return self.same if self.same is not None else 1.0 - self.elsewhere / max(self.networks, 1)

    @override
    def __str__(self) -> str:
        own = "" if self.same is None else f"; this network: {self.same:.0%} of its layers"
        return (
            f"{self.runtime}, {self.precision}: of {self.networks} networks {self.whole} wholly on the NPU, "
            f"{self.elsewhere} mostly elsewhere{own}"
        )


@dataclass(frozen=True, eq=False)
class Coverage:
    """Which operators of a network run where on a chip, before any latency.

    Attributes:
        rows: one per function and engine, the largest share of MACs first.
        placement: of each operator.
        transfer_s: s of handing data between engines, operator by operator; latency includes the hand-overs
            that are left once operators are merged into kernels, where a model costs fallbacks. None: the
            bandwidth between them is unknown.
        stated: whether the main engine's file lists its operators; where not, all are taken to run.
        measured: what was measured on the device.
    """

    network: str
    chip: str
    precision: str
    rows: tuple[OperatorRow, ...]
    placement: Placement
    transfer_s: float | None
    stated: bool
    measured: tuple[MeasuredPlacement, ...] = ()

    @property
    def unsupported(self) -> tuple[OperatorRow, ...]:
        """Operators that no engine of the chip runs."""
        return tuple(r for r in self.rows if r.engine is None)

    @property
    def on_fallback(self) -> tuple[OperatorRow, ...]:
        """Operators that another engine takes."""
        return tuple(r for r in self.rows if r.engine not in {None, self.placement.engines[0]})

    @property
    def runs(self) -> bool:
        """Whether every operator runs somewhere on the chip."""
        return not self.unsupported

    @property
    def share(self) -> float:
        """Share of MACs on the main engine; of operators, where there are no MACs."""
        main = [r for r in self.rows if r.engine == self.placement.engines[0]]
        total = sum(r.macs_share for r in self.rows)
        if total > 0:
            return sum(r.macs_share for r in main) / total
        return sum(r.count for r in main) / max(sum(r.count for r in self.rows), 1)

    @property
    def lines(self) -> tuple[str, ...]:
        """The report in sentences, the gravest first."""
        main = self.placement.engines[0]
        found = [
            f"unsupported: {r.count} x {r.operator} ({r.function}), {r.why}; {r.next_step}"
            for r in self.unsupported
        ]
        found += [
            f"on {r.engine}: {r.count} x {r.operator} ({r.function}), {r.why}" for r in self.on_fallback
        ]
        if self.placement.switches:
            took = "an unknown time" if self.transfer_s is None else f"{self.transfer_s * 1e3:.3g} ms"
            moved = f"{self.placement.crossing_bytes / 2**20:.3g} MiB"
            found.append(f"{self.placement.switches} hand-overs between engines, {moved}: {took}")
        if not self.stated:
            found.append(f"{main}'s file does not list its operators: all are taken to run on it")
        return (*found, *(f"measured: {m}" for m in self.measured))

    def to_frame(self) -> pd.DataFrame:
        """One row per function and engine."""
        import pandas as pd

        table = [{**vars(r), "nearest": ", ".join(r.nearest)} for r in self.rows]
        return pd.DataFrame(table, columns=list(OperatorRow.__dataclass_fields__))

    @override
    def __repr__(self) -> str:
        away = sum(r.count for r in self.on_fallback)
        gone = sum(r.count for r in self.unsupported)
        return (
            f"Coverage({self.network} on {self.chip}, {self.precision}): {self.share:.1%} of MACs on "
            f"{self.placement.engines[0]}, {away} operators on fallbacks, {gone} unsupported"
        )

    @override
    def __str__(self) -> str:
        return "\n".join((repr(self), *(f"  {line}" for line in self.lines)))

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(line)}</li>" for line in self.lines)
        table = self.to_frame().to_html(index=False, float_format="{:.1%}".format)
        return f"<p>{escape(repr(self))}</p>{table}<ul>{notes}</ul>"


def coverage(
    workload: Workload,
    chip: Accelerator,
    precision: str | None = None,
    *,
    placements: pd.DataFrame | None = None,
) -> Coverage:
    """Which operators run on the chip's main engine, which fall back, which nobody runs.

    Args:
        workload: the network.
        chip: where it is to run.
        precision: None: the chip's default.
        placements: measurements on this device (columns of `Records.frame`): where layers ran.

    Raises:
        UnknownNameError: no such precision.
        NotCostableError: no precision is given and the chip has no peak.
    """
    from hw_models.cost.chips import default_precision

    precision = precision or default_precision(chip)
    placement = place(workload, chip, precision)
    bandwidth = chip.dram.bandwidth if chip.dram else None
    return Coverage(
        network=workload.name,
        chip=chip.label,
        precision=precision,
        rows=_rows(workload, chip, placement, precision),
        placement=placement,
        transfer_s=placement.transfer_seconds(bandwidth.value if bandwidth else None),
        stated=chip.main_engine.operators is not None,
        measured=() if placements is None else measured_placements(placements, workload.name),
    )


def measured_placements(frame: pd.DataFrame, network: str = "") -> tuple[MeasuredPlacement, ...]:
    """Where networks ran, by runtime and precision; rows that do not tell are left out.

    Args:
        frame: of one device; columns `network, runtime, precision, engine, layers, layers_npu`.
        network: whose own rows are told apart.
    """
    told = frame[frame["layers"].notna() & frame["layers_npu"].notna()]
    told = told.assign(on_npu=told["layers_npu"] / told["layers"])
    found = []
    for (runtime, precision), rows in told.groupby(["runtime", "precision"], sort=True):
        own = rows[rows["network"] == network]["on_npu"]
        found.append(
            MeasuredPlacement(
                runtime=str(runtime),
                precision=str(precision),
                networks=len(rows),
                whole=int((rows["on_npu"] >= FULL).sum()),
                elsewhere=int((rows["engine"] != "npu").sum()),
                share=float(rows["layers_npu"].sum() / rows["layers"].sum()),
                same=float(own.median()) if len(own) else None,
            )
        )
    return tuple(found)


def _rows(
    workload: Workload, chip: Accelerator, placement: Placement, precision: str
) -> tuple[OperatorRow, ...]:
    """Operators by kind, function and engine."""
    groups: dict[tuple[int, str, int, str], list[int]] = {}
    for o in np.flatnonzero(placement.op_engine != NOTHING_RUNS).tolist():
        kind = int(workload.op_kind[o])
        name = str(workload.op_attrs[o].get("fn") or workload.op_target[o])
        key = (kind, name, int(placement.op_engine[o]), str(placement.lacks[o]))
        groups.setdefault(key, []).append(o)
    macs, total_bytes = max(float(workload.op_macs.sum()), 1.0), max(float(placement.op_bytes.sum()), 1.0)
    rows = []
    for (kind, name, engine, lacks), ops in groups.items():
        nearest, step = _way_out(OpKind(kind), chip, lacks, precision, nowhere=engine == NOWHERE)
        rows.append(
            OperatorRow(
                operator=OpKind(kind).label,
                function=name,
                count=len(ops),
                macs_share=float(workload.op_macs[ops].sum()) / macs,
                bytes_share=float(placement.op_bytes[ops].sum()) / total_bytes,
                engine=None if engine == NOWHERE else placement.engines[engine],
                why=_why(OpKind(kind), chip.main_engine, lacks, precision),
                nearest=nearest,
                next_step=step,
            )
        )
    return tuple(sorted(rows, key=lambda r: (-r.macs_share, -r.bytes_share, r.operator, r.function)))


def _why(kind: OpKind, main: Engine, lacks: str, precision: str) -> str:
    if lacks == "operator":
        return f"{main.name} does not list {kind.label}"
    if lacks == "precision":
        return f"{main.name} has no known peak at {precision}; known: {', '.join(main.peak) or 'none'}"
    return ""


def _way_out(
    kind: OpKind, chip: Accelerator, lacks: str, precision: str, *, nowhere: bool
) -> tuple[tuple[str, ...], str]:
    """Kinds that do the same on the main engine, and what to do about an operator that no engine runs."""
    main = chip.main_engine
    if not lacks or not nowhere:
        return (), ""
    if lacks == "precision":
        known = ", ".join(main.peak) or "none"
        return (), f"cost it at a precision that {main.name} has ({known}), or add the {precision} peak"
    parts, advice = MEANS.get(kind, ((), ""))
    nearest = tuple(p.label for p in parts if p.label in (main.operators or ()))
    name = f"name an engine that runs {kind.label} as fallback of {main.name} in the chip's file"
    if nearest:
        return nearest, f"nearest that {main.name} runs: {', '.join(nearest)} ({advice}); or {name}"
    return (), f"{main.name} runs {', '.join(main.operators or ())}; {name}"
