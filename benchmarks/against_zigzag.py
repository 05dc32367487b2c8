"""Our loop-nest search against ZigZag on every digital hardware file its package carries.

Run: python benchmarks/against_zigzag.py [--layers N] [--networks resnet18 mobilenetv2] [--hardware tpu_like]
Writes benchmarks/results/against_zigzag.json. A ResNet-18 takes ZigZag half a minute of CPU on each.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from codesign.against_zigzag import LEFT_OUT, MAPPINGS, NETWORKS, compare, why_not
from hw_models.errors import CodesignError

RESULTS = Path(__file__).parent / "results" / "against_zigzag.json"
CONVOLUTIONS = [name for name in MAPPINGS if name != "gemm_l1"]
"""gemm_l1 has no memory beyond its 512 KiB, which a convolution of these networks does not fit."""


def main() -> None:
    """Compare, print a row per pair, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=None)
    parser.add_argument("--networks", nargs="+", default=["resnet18"], choices=NETWORKS)
    parser.add_argument("--hardware", nargs="+", default=CONVOLUTIONS, choices=list(MAPPINGS))
    given = parser.parse_args()
    if reason := why_not():
        print(f"skipped: {reason}")
        return
    rows = []
    for network in given.networks:
        for hardware in given.hardware:
            try:
                row = compare(hardware, network, layers=given.layers).summary()
            except CodesignError as error:
                row = {"hardware": hardware, "network": network, "error": str(error)}
            rows.append(row)
            print(json.dumps(row), flush=True)
            RESULTS.write_text(json.dumps({"left_out": LEFT_OUT, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
