"""How many (network, chip) pairs one call of `estimate_many` costs in a second, and in how much memory.

    python benchmarks/estimate_rate.py [--networks 1400]

Networks are timm architectures at their native size, traced before the clock starts; chips are all costable
ones that ship, each at its default precision and lowering. `cold` includes lowering, `warm` is a second
call on the same networks. Writes `benchmarks/results/estimate_rate.json`.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.estimate import estimate_many
from hw_models.errors import CodesignError
from hw_models.spec.load import list_chips, load_chip
from search_spaces.vision.timm_models import timm_architectures, timm_workload

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

RESULT: Final = Path(__file__).parent / "results" / "estimate_rate.json"


def traced(limit: int) -> list[Workload]:
    """At most `limit` architectures, spread over the alphabet; those that timm cannot build are left out."""
    names = timm_architectures()
    picked = [names[i] for i in np.unique(np.linspace(0, len(names) - 1, limit).astype(int))]
    workloads = []
    for name in picked:
        try:
            workloads.append(timm_workload(name))
        except CodesignError as error:
            print(f"left out: {name}: {error}")
    return workloads


def rate(workloads: list[Workload]) -> dict[str, float]:
    """Seconds and pairs per second of a cold and a warm call, peak memory of the process before and after."""
    chips = [chip for chip in map(load_chip, list_chips()) if chip.costable]
    found: dict[str, float] = {"networks": len(workloads), "chips": len(chips)}
    found["pairs"] = len(workloads) * len(chips)
    found["rss_before_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    for name in ("cold", "warm"):
        start = time.perf_counter()
        grid = estimate_many(workloads, chips)
        found[f"{name}_s"] = time.perf_counter() - start
        found[f"{name}_pairs_per_s"] = found["pairs"] / found[f"{name}_s"]
    found["pairs_with_a_latency"] = int(np.isfinite(grid.quantities["latency"].value).sum())
    found["rss_after_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """Trace, cost, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=1400, help="how many networks at most")
    found = rate(traced(parser.parse_args().networks))
    print(json.dumps(found, indent=2))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
