"""The silicon that a description implies, part by part: values with a range and a source, and the priors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from typing_extensions import override

from hw_models.shipped import shipped_yaml
from hw_models.units import show

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.spec.accelerator import Accelerator
    from hw_models.spec.parts import Engine, Memory

NODES_NM: Final = (3.0, 65.0)
"""Nodes for which there are priors."""


@cache
def silicon_priors() -> Mapping[str, Any]:
    """The priors that ship (`area_priors.yaml`), each with its source."""
    priors: Mapping[str, Any] = shipped_yaml("hw_models.spec", "area_priors.yaml")
    return priors


DERIVED: Final = "derived_silicon"
"""Key into a chip's `sources` of figures that were worked out from its own description."""


@dataclass(frozen=True, slots=True)
class Part:
    """One summand of a figure that the description implies.

    Attributes:
        name: what it is of ("engines.npu.macs").
        value, low, high: in SI, or USD.
        source: where the constants behind it are from.
    """

    name: str
    value: float
    low: float
    high: float
    source: str


@dataclass(frozen=True, slots=True)
class Implied:
    """A figure that follows from a chip's description: the sum of its parts.

    Attributes:
        parts: what it is made of, in the order of the description.
        unit: "m2", "W" or "USD".
    """

    parts: tuple[Part, ...]
    unit: str

    @property
    def value(self) -> float:
        """Best figure."""
        return sum(p.value for p in self.parts)

    @property
    def low(self) -> float:
        """All parts at their low ends: the priors behind them err together."""
        return sum(p.low for p in self.parts)

    @property
    def high(self) -> float:
        """All parts at their high ends."""
        return sum(p.high for p in self.parts)

    @property
    def source(self) -> str:
        """Sources of all parts."""
        return "; ".join(dict.fromkeys(p.source for p in self.parts))

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def to_frame(self) -> pd.DataFrame:
        """One row for each part, unit in the column names."""
        import pandas as pd

        unit = self.unit.lower()
        rows = [(p.name, p.value, p.low, p.high, p.source) for p in self.parts]
        return pd.DataFrame(rows, columns=["part", unit, f"{unit}_low", f"{unit}_high", "source"])

    @override
    def __str__(self) -> str:
        ends = f"{show(self.low, self.unit)} .. {show(self.high, self.unit)}"
        return f"{show(self.value, self.unit)} ({ends})"


def sourced_by(*keys: str) -> str:
    """Sources in words, from their keys in the priors."""
    known = silicon_priors()["sources"]
    return "; ".join(known[k] for k in keys)


def along_nodes(table: Mapping[float, float], node_nm: float) -> float:
    """A figure at a node, straight lines in log-log between the nodes given; the ends continue their line."""
    nodes = sorted(table)
    at, known = np.log(node_nm), np.log(nodes)
    figures = np.log([table[n] for n in nodes])
    if at > known[-1]:
        slope = (figures[-1] - figures[-2]) / (known[-1] - known[-2])
        return float(np.exp(figures[-1] + slope * (at - known[-1])))
    return float(np.exp(np.interp(at, known, figures)))


def covered(chip: Accelerator) -> float | None:
    """The chip's node in nm, where there are priors for it; else None."""
    node = chip.process_nm.value if chip.process_nm else None
    return node if node is not None and NODES_NM[0] <= node <= NODES_NM[1] else None


def macs_by_precision(engine: Engine) -> dict[str, float]:
    """Precision -> MACs a cycle, from the table of MACs, else from peak over clock."""
    found = {name: figure.value for name, figure in engine.macs.items()}
    if engine.clock is not None:
        for name, figure in engine.peak.items():
            found.setdefault(name, figure.value / (2 * engine.clock.value))
    return found


def lanes_by_precision(engine: Engine) -> dict[str, float]:
    """Precision -> lanes of a vector unit of its own, each a multiplier and adder; empty: unknown or none."""
    if engine.clock is None or (engine.dataflow is not None and engine.dataflow.kind == "vector"):
        return {}
    return {name: figure.value / (2 * engine.clock.value) for name, figure in engine.vector_peak.items()}


def on_chip(chip: Accelerator) -> Iterator[tuple[str, Memory]]:
    """Every memory on the chip with its path."""
    for engine in chip.engines:
        for memory in engine.memory:
            if not memory.off_chip:
                yield f"engines.{engine.name}.memory.{memory.name}", memory
    for memory in chip.memory:
        if not memory.off_chip:
            yield f"memory.{memory.name}", memory
