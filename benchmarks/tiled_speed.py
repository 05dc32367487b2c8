"""How fast the tiled cost core goes through chips, and in how much memory: `codesign bench`, kept.

    python benchmarks/tiled_speed.py [--against zigzag] [--only-memory]

Memory is measured in a process of its own: 300 contractions on 10,000 chips, 3 million cells, through a
portfolio and into the arrays that every organisation returns. Writes `benchmarks/results/tiled_speed.json`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from codesign.bench import family, measure
from hw_models.cost.tiled.nest.organisations import WeightStationary, terms_of
from hw_models.cost.tiled.nest.portfolio import Portfolio
from hw_models.cost.tiled.nest.solve import Effort, machines_of
from hw_models.cost.tiled.problem import Problems

RESULT: Final = Path(__file__).parent / "results" / "tiled_speed.json"
LIMIT_GIB: Final = 2.0


def memory(n_problems: int = 300, n_chips: int = 10_000) -> dict[str, float]:
    """Peak memory of the process in GiB after costing so many cells, and how long that took."""
    rng = np.random.default_rng(0)
    dims = [
        [
            1,
            1,
            *rng.choice([16, 32, 64, 96, 128, 192, 256, 384, 512], 2),
            *[rng.choice([7, 14, 28])] * 2,
            f,
            f,
        ]
        for f in rng.choice([1, 3], n_problems)
    ]
    problems, nest = Problems.of(dims), WeightStationary()
    sizes = list(product((16, 64), (32, 128), (512, 4096)))
    portfolio = Portfolio.of(nest, problems, family(rng, sizes), Effort(slack=0.05, limit=5_000))
    drawn = [sizes[i] for i in rng.integers(0, len(sizes), n_chips)]
    machines = machines_of(nest, family(rng, drawn))
    start = time.perf_counter()
    terms = terms_of(problems, n_chips, list(range(n_chips)), machines, portfolio.solve(machines), nest)
    seconds = time.perf_counter() - start
    return {
        "cells": terms.feasibility.size,
        "seconds": seconds,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "limit_gib": LIMIT_GIB,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", choices=["zigzag"], help="run ZigZag on the same layers too")
    parser.add_argument("--only-memory", action="store_true", help="print the memory figures alone")
    args = parser.parse_args()
    if args.only_memory:
        print(json.dumps(memory()))
        return
    found: dict[str, Any] = measure(against_zigzag=args.against == "zigzag")
    apart = subprocess.run(
        [sys.executable, __file__, "--only-memory"], check=True, capture_output=True, text=True
    )
    found["memory"] = json.loads(apart.stdout)
    text = json.dumps(found, indent=2)
    print(text)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
