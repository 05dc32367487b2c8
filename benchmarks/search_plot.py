"""docs/images/search.png from the rows of `search.py`: what is still missing of the front, by trainings.

python benchmarks/search_plot.py
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from search_page import quantiles, results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

PICTURE: Final = Path(__file__).resolve().parents[1] / "docs" / "images" / "search.png"
PANELS: Final = {
    "cifar100/raspi4": "NAS-Bench-201, one chip",
    "joint/cifar100": "the same, choice of 7 chips",
}
MISSING: Final = {0.9: 10.0, 0.95: 5.0, 0.98: 2.0, 0.99: 1.0, 0.995: 0.5}
LINES: Final = {
    "cost_aware": ("#0b6e4f", "cost_aware"),
    "local": ("#c0392b", "local search"),
    "tpe": ("#8e6bbf", "TPE"),
    "nsga2": ("#d98e04", "NSGA-II"),
    "pymoo": ("#4a7ab5", "NSGA-II (pymoo)"),
    "random": ("#888888", "random"),
}


def reached(runs: pd.DataFrame, world: str, search: str) -> np.ndarray:
    """(k, 4) per cent missing and quartiles of trainings, as far as the median run got."""
    mine = runs[(runs["world"] == world) & (runs["search"] == search)]
    if not len(mine):
        return np.empty((0, 4))
    rows = [(gap, *quantiles(mine[f"to_{share}"].to_list())) for share, gap in MISSING.items()]
    return np.array([r for r in rows if np.isfinite(r[2])]).reshape(-1, 4)


def panel(axes: Axes, runs: pd.DataFrame, world: str, title: str) -> None:
    """One world: a line a search, quartiles shaded for ours and the local search."""
    for search, (colour, label) in LINES.items():
        at = reached(runs, world, search)
        if not len(at):
            continue
        axes.plot(at[:, 2], at[:, 0], "o-", color=colour, label=label, linewidth=1.8, markersize=4)
        if search in {"cost_aware", "local"}:
            last = np.where(np.isfinite(at[:, 3]), at[:, 3], at[:, 2])
            axes.fill_betweenx(at[:, 0], at[:, 1], last, color=colour, alpha=0.15, linewidth=0)
    axes.set(xscale="log", yscale="log", title=title, xlabel="trainings (distinct networks)")
    axes.set_xticks([20, 50, 100, 200, 500, 1000], ["20", "50", "100", "200", "500", "1,000"])
    axes.set_yticks(list(MISSING.values()), [f"{g:g} %" for g in MISSING.values()])
    axes.minorticks_off()
    axes.grid(alpha=0.3, linewidth=0.6)


def main() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    runs = results()
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), sharey=True, layout="constrained")
    for at, (world, title) in zip(axes, PANELS.items(), strict=True):
        panel(at, runs, world, title)
    axes[0].set_ylabel("hypervolume still missing")
    axes[0].legend(fontsize=8, frameon=False)
    figure.savefig(PICTURE, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    main()
