"""What pruning costs a trained network, what training on wins back, and what a teacher adds to that.

    python benchmarks/compression_pruning.py [--networks plain] [--epochs 2] [--folder runs/compression]

The networks of `compression.py`, pruned and then trained on, with the labels alone and taught by themselves
before pruning; the same epochs of the network that was not pruned stand beside them. Points of accuracy
against the trained network on the 10,000 test images, paired, with 90 % intervals. Writes
`benchmarks/results/compression_pruning.csv`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Final

import compression_networks as small
import pandas as pd
import torch
from torch import nn

from codesign.quality.compression.distillation import Distillation
from codesign.quality.compression.network import Pictures, logits_of
from codesign.quality.compression.paired import paired
from codesign.quality.training.loop import Hooks, train
from hw_models.workload.from_torch import trace
from search_spaces.compression.groups import layers
from search_spaces.compression.pruning import prune
from search_spaces.compression.sparse import baked, magnitude, sparsify

RESULT: Final = Path(__file__).parent / "results" / "compression_pruning.csv"


def ways(module: nn.Module) -> dict[str, Callable[[], nn.Module]]:
    """Ways of pruning by name."""
    whole = trace(module, (1, 3, 32, 32), cache=False)
    paths = layers(whole)
    return {
        "none": lambda: deepcopy(module),
        "half of the channels": lambda: prune(module, whole, dict.fromkeys(paths, 0.5)),
        "2:4": lambda: sparsify(module, paths),
        "four fifths of the weights": lambda: magnitude(module, paths, 0.8),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["plain"], choices=list(small.NETWORKS))
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs/compression"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = small.data().in_memory()
    plan = replace(small.PLAN, epochs=asked.epochs, learning_rate=0.02)
    rows = []
    for name in asked.networks:
        module, result = small.trained(name, data, asked.folder)
        test = Pictures.of(data, "test", result)
        base = logits_of(module, test.batches())
        for way, make in ways(module).items():
            for how in ("as it is", "trained on", "taught"):
                pruned = make()
                if how != "as it is":
                    losses = Distillation().losses(pruned, module) if how == "taught" else None
                    train(pruned, data, plan, hooks=Hooks(losses=losses))
                final = baked(pruned).eval()
                drop = paired(base, logits_of(final, test.batches()), test.labels)
                workload = trace(final, (1, 3, 32, 32), cache=False)
                weights = [p for n, p in final.named_parameters() if n.endswith("weight") and p.ndim > 1]
                low, high = drop.interval
                rows.append(
                    {
                        "network": name,
                        "pruning": way,
                        "then": how,
                        "macs_m": workload.macs / 1e6,
                        "weights_not_zero": sum(int((p != 0).sum()) for p in weights),
                        "drop_points": drop.points,
                        "drop_low": low,
                        "drop_high": high,
                        "agreement": drop.agreement,
                    }
                )
                print(rows[-1], flush=True)
                frame = pd.DataFrame(rows)
                frame.to_csv(RESULT, index=False, float_format="%.4g")
    print(frame.to_string())


if __name__ == "__main__":
    main()
