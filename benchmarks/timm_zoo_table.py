"""Derives `search_spaces/vision/data/timm_zoo.csv` from timm's published results and its registry.

One row per (architecture, image size) with a published top-1. Where several weights are published for a pair,
the one that timm loads by default is taken, else the first in timm's own order of preference. What is no part
of the space is listed in `timm_zoo_left_out.csv` with the reason: networks made for timm's unit tests, and
with `--trace`, which traces every pair, those that cannot be traced.

    python benchmarks/timm_zoo_table.py --trace
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import search_spaces

DATA = Path(search_spaces.__file__).parent / "vision" / "data"
PUBLISHED = DATA / "timm_imagenet_top1.csv.gz"
COLUMNS = ("arch", "img_size", "weights", "top1", "n_weights", "is_default", "params_m")
LEFT_OUT = ("arch", "img_size", "reason")

Row = Mapping[str, str]


def published() -> dict[tuple[str, int], list[Row]]:
    """(architecture, image size) -> its published rows."""
    pairs: dict[tuple[str, int], list[Row]] = defaultdict(list)
    with gzip.open(PUBLISHED, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            pairs[row["model"].partition(".")[0], int(row["img_size"])].append(row)
    return pairs


def preference(arch: str) -> list[str]:
    """Tags of an architecture as timm prefers them, the default first; empty where timm does not know it."""
    from timm.models import _registry

    known: Any = _registry._model_default_cfgs.get(arch)
    return list(known.tags) if known else []


def choose(rows: list[Row], tags: list[str]) -> tuple[Row, bool]:
    """The row of the preferred weights, and whether they are timm's default."""
    rank = {tag: at for at, tag in enumerate(tags)}

    def place(row: Row) -> int:
        return rank.get(row["model"].partition(".")[2], len(rank))

    best = min(rows, key=lambda row: (place(row), rows.index(row)))
    return best, place(best) == 0


def table(*, trace: bool) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows of the space, and what is left out."""
    kept: list[dict[str, object]] = []
    left_out: list[dict[str, object]] = []
    for (arch, size), rows in sorted(published().items()):
        tags = preference(arch)
        row, is_default = choose(rows, tags)
        reason = _why_not(arch, size, tags, trace=trace)
        if reason:
            left_out.append({"arch": arch, "img_size": size, "reason": reason})
            continue
        kept.append(
            {
                "arch": arch,
                "img_size": size,
                "weights": row["model"],
                "top1": row["top1"],
                "n_weights": len(rows),
                "is_default": int(is_default),
                "params_m": row["params_m"].replace(",", ""),
            }
        )
    return kept, left_out


def _why_not(arch: str, size: int, tags: list[str], *, trace: bool) -> str:
    """Why a published pair is no part of the space; "" where it is one."""
    from hw_models.errors import CodesignError
    from search_spaces.vision.timm_models import timm_workload

    if not tags:
        return "the installed timm does not register it"
    if arch.startswith("test_"):
        return "a tiny network made for timm's own unit tests"
    try:
        if trace:
            timm_workload(arch, size)
    except CodesignError as error:
        return " ".join(str(error).split())[:300]
    return ""


def write(file: Path, columns: tuple[str, ...], rows: list[dict[str, object]]) -> None:
    """Write one table."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    """Write both tables and say how many rows they have."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trace", action="store_true", help="leave out what does not trace")
    start = time.perf_counter()
    kept, left_out = table(trace=parser.parse_args().trace)
    write(DATA / "timm_zoo.csv", COLUMNS, kept)
    write(DATA / "timm_zoo_left_out.csv", LEFT_OUT, left_out)
    print(f"{len(kept)} pairs, {len(left_out)} left out, {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
