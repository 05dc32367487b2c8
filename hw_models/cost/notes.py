"""What must be said beside the numbers of a cost: why it cannot run, warnings, what is not modelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import RESOURCES, Feasibility, Fidelity
from hw_models.cost.base import show
from hw_models.cost.explain_energy import left_out
from hw_models.cost.grid import room
from hw_models.cost.shortfall import shortfalls
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from hw_models.cost.arrays import Kernels, Terms
    from hw_models.cost.base import Detail, Estimate
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload

WARN_SHARE: Final = 0.05
"""Share of bytes or output elements in operators without a rule above which a result warns."""


def reason_of(
    code: Feasibility, accelerator: Accelerator, kernels: Kernels, chips: Chips, terms: Terms
) -> str:
    """In words, with the figures, why a network cannot run; "" where it can."""
    if code == Feasibility.PRECISION:
        lacking = sorted(
            {Precision(p).label for p in kernels.math[kernels.macs > 0] if np.isnan(chips.mac_peak[0, p])}
        )
        return f"no known peak at {', '.join(lacking)}; known: {', '.join(accelerator.precisions)}"
    if code == Feasibility.OPERATOR:
        refused = sorted({OpKind(k).label for k in kernels.kind if not chips.runs[0, k]})
        return f"{accelerator.main_engine.name} does not run {', '.join(refused)} and no fallback does"
    if (terms.feasibility[:, 0] == Feasibility.CAPACITY).any():
        return "; ".join(str(s) for s in shortfalls(kernels, terms, accelerator, chips)[:1])
    if code == Feasibility.CAPACITY:
        outer, inner = (float(r[0]) for r in room(chips))
        alive, weights = float(kernels.peak_activation_bytes[0]), float(kernels.weights_bytes[0])
        if alive > inner:
            return (
                f"{show(alive, 'byte')} of live activations do not fit the {show(inner, 'byte')} on the chip"
            )
        need = show(alive + weights, "byte")
        return f"{need} of weights and live activations do not fit the {show(outer, 'byte')} of memory"
    return ""


def warnings_of(
    workload: Workload, estimates: dict[str, Estimate], reason: str, detail: Detail
) -> tuple[str, ...]:
    """What must be known before the numbers are used."""
    found = [reason] if reason else []
    unmodelled = workload.unmodelled_share()
    if max(unmodelled.values()) > WARN_SHARE:
        found.append(
            f"{unmodelled['bytes']:.0%} of the bytes and {unmodelled['output_elements']:.0%} of the output "
            f"elements are in operators without a rule: their bytes are counted, their work is not"
        )
    joules, seconds, cap = estimates["energy"].value, estimates["latency"].value, estimates["power"].value
    if joules is not None and seconds is not None and cap is not None and joules / seconds > cap * (1 + 1e-9):
        found.append(
            f"modelled power {show(joules / seconds, 'W')} is above the cap of {show(cap, 'W')}: the cap is "
            f"reported, and the slower clock that keeps it is not in the latency"
        )
    stand_ins = {
        "rate of the vector unit": detail.chips.vector_is_prior,
        "on-chip capacity": detail.chips.sram_is_prior,
        "peak or bandwidth": detail.chips.rate_is_prior,
    }
    unknown = [name for name, is_prior in stand_ins.items() if is_prior[0]]
    if detail.terms.stands_in is not None and detail.terms.stands_in[:, 0].any():
        unknown.append(
            "time of starting a kernel" if np.isnan(detail.chips.issue[0]) else "rates of a fallback"
        )
    if unknown and estimates["latency"].is_known:
        found.append(f"unknown {' and '.join(unknown)}: class figures stand in, so latency is a prior")
    stands = detail.lawful.standings[0] if detail.lawful else None
    if stands is not None and stands.note:
        found.append(f"{detail.accelerator.label} is costed by the law of its class: {stands.note}")
    return tuple(found)


def not_modelled_of(workload: Workload, accelerator: Accelerator, detail: Detail) -> tuple[str, ...]:
    """What no number of the cost includes."""
    chips = detail.chips
    out = []
    unmodelled = workload.unmodelled_share()
    if unmodelled["bytes"] > 0:
        out.append(f"work of operators without a rule, {unmodelled['bytes']:.2%} of the bytes")
    if np.isnan(chips.sram_capacity[0]):
        out.append("what the on-chip memory keeps between kernels: its capacity is unknown, all goes outside")
    if np.isnan(chips.sram_bandwidth[0]):
        out.append("time of the on-chip memory: its bandwidth is unknown")
    if np.isnan(chips.vector_peak[0]).all():
        out.append("time of the vector unit: its rate is unknown")
    out += [*left_out(detail), *getattr(detail.model.provider, "left_out", ())]
    if len(accelerator.engines) > 1:
        others = ", ".join(e.name for e in accelerator.engines[1:])
        out.append(f"all engines but {accelerator.main_engine.name}: {others}")
    if detail.terms.fidelity == Fidelity.ROOFLINE:
        out.append("padding to the MAC array, tiling")
    else:
        out += _unmodelled_resources(detail)
    out += ["overlap of kernels", "host work before and after the network"]
    return (*out, *accelerator.left_out)


def _unmodelled_resources(detail: Detail) -> list[str]:
    """Resources inside the chip whose time the terms of no contraction have."""
    rows = detail.kernels.macs > 0
    seconds = detail.seconds[rows]
    words = {"local": "the memories inside the last on-chip one", "noc": "the interconnect of the array"}
    return [
        f"time of {text}"
        for name, text in words.items()
        if rows.any() and np.isnan(seconds[:, RESOURCES.index(name)]).all()
    ]
