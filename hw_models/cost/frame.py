"""Costs as tables: one row per kernel, one row per chip."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np
from typing_extensions import override

from hw_models.cost.arrays import GRID_UNITS, RESOURCES, Feasibility, FloatArray, IntArray, KernelClass, Terms
from hw_models.cost.base import Cost, show
from hw_models.cost.grid import DRAM_BYTES
from hw_models.cost.roofline import ISSUE
from hw_models.workload.op import Precision

if TYPE_CHECKING:
    import pandas as pd

MAX_HTML_ROWS: Final = 60


def kernel_frame(cost: Cost) -> pd.DataFrame:
    """One row per kernel in execution order: what it is, its counts, its time and what it is made of.

    `bound` is the resource that answers for most of the time; `utilisation` the MACs' share of the chip's
    peak while the kernel runs. The `time_us` sum to the latency.
    """
    import pandas as pd

    d, row = cost.detail, cost.detail.kernels.index
    k = d.kernels
    total = d.shares.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        achieved, time_share = 2.0 * k.macs / total, total[row] / total[row].sum()
    peak = d.chips.mac_peak[0, k.math]
    ops = [k.op_index[a:b] for a, b in zip(k.op_ptr[:-1], k.op_ptr[1:], strict=True)]
    return pd.DataFrame(
        {
            "kernel": np.arange(len(row)),
            "name": list(k.labels),
            "class": [KernelClass(c).label for c in k.cls[row]],
            "ops": [" ".join(d.workload.op_target[o].removeprefix("aten.") for o in group) for group in ops],
            "precision": [Precision(p).label for p in k.math[row]],
            "macs": k.macs[row],
            "vector_ops": k.vector_ops[row],
            "weight_bytes": k.weight_bytes[row],
            "read_bytes": k.read_bytes[row],
            "write_bytes": k.write_bytes[row],
            "dram_bytes": d.actions[row][:, DRAM_BYTES].sum(axis=1),
            "time_us": total[row] * 1e6,
            **{f"{name}_us": d.seconds[row, r] * 1e6 for r, name in enumerate(RESOURCES)},
            "bound": [RESOURCES[r] for r in d.shares.argmax(axis=1)[row]],
            "time_share": time_share,
            "utilisation": (achieved / peak)[row],
            "modelled": k.cls[row] != KernelClass.UNMODELLED,
            **_found(d.terms, row),
        }
    )


def _found(terms: Terms, row: IntArray) -> dict[str, object]:
    """Columns of what was found for each kernel: mapping and proven gap, or what is lacking [byte]."""
    code, demand, bound = (a[row, 0] for a in (terms.feasibility, terms.demand, terms.bound))
    size = code == Feasibility.CAPACITY
    return {
        "mapping": [""] * len(row)
        if terms.mapping is None
        else ["" if m is None else str(m) for m in terms.mapping[row, 0]],
        "mapping_gap": np.nan if terms.gap is None else terms.gap[row, 0],
        "feasibility": [Feasibility(int(c)).name.lower() for c in code],
        "demand_bytes": np.where(size, demand, np.nan),
        "available_bytes": np.where(size, bound, np.nan),
        "short_by_bytes": np.where(size, demand - bound, np.nan),
    }


def resource_seconds(cost: Cost) -> FloatArray:
    """(R,) seconds of the whole network that each resource answers for; they sum to the latency.

    What an inference takes once, beside its kernels, counts as fixed cost.
    """
    seconds: FloatArray = (cost.detail.kernels.counts @ cost.detail.shares)[0]
    seconds[ISSUE] += cost.detail.start_s
    return seconds


def bound_of(cost: Cost) -> str:
    """The resource that answers for most of the latency; "" where there is none."""
    seconds = resource_seconds(cost)
    return RESOURCES[int(seconds.argmax())] if np.isfinite(seconds).all() and cost.latency.is_known else ""


def cost_html(cost: Cost) -> str:
    """A small table of the six quantities, with what must be known about them."""
    rows = "".join(
        f"<tr><th>{name.replace('_', ' ')}</th><td>{show(e.value, e.unit)}</td>"
        f"<td>{show(e.low, e.unit)} .. {show(e.high, e.unit)}</td><td>{e.fidelity}</td></tr>"
        for name, e in cost.quantities.items()
    )
    setting = f"{cost.precision}, batch {cost.batch}, {cost.lowering}, {cost.model}"
    head = f"{cost.network} on {cost.chip}: {setting}, bound by {bound_of(cost)}"
    notes = "".join(f"<li>{escape(w)}</li>" for w in cost.warnings)
    titles = "<tr><th></th><th>value</th><th>90 %</th><th>fidelity</th></tr>"
    table = f"<table><caption>{escape(head)}</caption>{titles}{rows}</table>"
    return f"{table}{f'<ul>{notes}</ul>' if notes else ''}"


@dataclass(frozen=True, eq=False)
class Comparison:
    """One network on several chips; a chip that cannot be costed stands as its name and the reason."""

    network: str
    costs: tuple[Cost | tuple[str, str], ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per chip: quantities with interval and fidelity, what binds, what must be known."""
        import pandas as pd

        return pd.DataFrame([_row(c) for c in self.costs])

    def short_frame(self) -> pd.DataFrame:
        """The same for the eye: quantities with their best unit, fidelity beside them."""
        import pandas as pd

        return pd.DataFrame([_short_row(c) for c in self.costs])

    @override
    def __repr__(self) -> str:
        told = (
            f"{c.chip} {show(c.latency.value, 's')}" if isinstance(c, Cost) else f"{c[0]} unknown"
            for c in self.costs
        )
        return f"Comparison({self.network}: {', '.join(told)})"

    def _repr_html_(self) -> str:
        html: str = self.short_frame().to_html(max_rows=MAX_HTML_ROWS, index=False)
        return html


def _row(cost: Cost | tuple[str, str]) -> dict[str, object]:
    if not isinstance(cost, Cost):
        return {"chip": cost[0], "feasibility": Feasibility.UNKNOWN.name.lower(), "note": cost[1]}
    row: dict[str, object] = {
        "chip": cost.chip,
        "precision": cost.precision,
        "lowering": cost.lowering,
        "batch": cost.batch,
        "bound": bound_of(cost),
    }
    for name, e in cost.quantities.items():
        unit = f"{name}_{GRID_UNITS[name]}"
        row |= {unit: e.value, f"{unit}_low": e.low, f"{unit}_high": e.high, f"{name}_fidelity": e.fidelity}
    row |= {
        "power_source": cost.power_source,
        "feasibility": cost.feasibility.name.lower(),
        "note": "; ".join(cost.warnings),
    }
    return row


def _short_row(cost: Cost | tuple[str, str]) -> dict[str, str]:
    if not isinstance(cost, Cost):
        return {"chip": cost[0], "feasibility": Feasibility.UNKNOWN.name.lower(), "note": cost[1]}
    told = {
        name: show(e.value, e.unit) + (f" ({e.fidelity})" if e.is_known else "")
        for name, e in cost.quantities.items()
    }
    told["power"] += f" {cost.power_source}" if cost.power_source == "cap" else ""
    low, high = cost.latency.low, cost.latency.high
    return {
        "chip": cost.chip,
        "precision": cost.precision,
        "bound": bound_of(cost),
        "latency": told["latency"],
        "90 %": f"{show(low, 's')} .. {show(high, 's')}" if cost.latency.is_known else "",
        **{name: told[name] for name in ("energy", "power", "peak_memory", "price")},
        "feasibility": cost.feasibility.name.lower(),
        "note": "; ".join(cost.warnings),
    }
