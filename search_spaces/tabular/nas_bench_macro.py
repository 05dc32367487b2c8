"""NAS-Bench-Macro as a table: 6,561 chains of eight blocks, each trained three times on CIFAR-10.

Source: Su et al.: Prioritized architecture sampling with Monto-Carlo tree search, CVPR 2021.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from search_spaces.knobs import Choice
from search_spaces.tabular.table import TableSpace

BLOCKS: Final = ("identity", "mb_expand3_k3", "mb_expand6_k5")
KNOBS: Final = tuple(f"op_{i}" for i in range(8))


def load(directory: str | Path) -> TableSpace:
    """The table with accuracy (`acc_mean`, one column a seed), `params` and `flops` (multiply-accumulates).

    Args:
        directory: where `nasbench_macro.parquet` lies.
    """
    import pandas as pd

    rows = pd.read_parquet(Path(directory) / "nasbench_macro.parquet")
    blocks = rows[list(KNOBS)].to_numpy(np.int64)
    sizes = np.log(rows[["flops", "params"]].to_numpy(np.float64))
    counts = [(blocks == k).sum(1) for k in range(len(BLOCKS))]
    named = rows.assign(**{k: [BLOCKS[v] for v in rows[k]] for k in KNOBS})
    knobs = {k: Choice(BLOCKS) for k in KNOBS}
    return TableSpace("nas_bench_macro", knobs, named, np.column_stack([sizes, *counts]))
