"""How many trainings a search needs, on worlds that others trained whole: ours, and others at their best.

    python benchmarks/search.py --worlds development macro joint --searches cost_aware local
    python benchmarks/search.py --list
    python benchmarks/search_page.py            # docs/search.md from the results

A training is a distinct candidate that was told. Hypervolume: error and costs scaled by ideal and nadir of
the true front, reference 1.1, candidates above the error floor left out, as in `search_baselines.csv`.
One row a run in `benchmarks/results/search.csv`, written as soon as it is done: a benchmark that was killed
goes on where it stopped. `--again` replaces rows, which carry the commit of the code that made them.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import search_generic
from search_own import SEARCHES
from search_worlds import NEW_CHIP, Score, World, catalogue, chosen, file_world

from hw_models.errors import CodesignError

RESULT: Final = Path(__file__).parent / "results" / "search.csv"
REFERENCE: Final = Path(
    os.environ.get("CODESIGN_REFERENCE", Path(__file__).parents[2] / "shared" / "reference")
)
SHARES: Final = (0.9, 0.95, 0.98, 0.99, 0.995)
LOOKS: Final = (0, 10, 50, 100, 200, 300)
COLUMNS: Final = (
    "world",
    "search",
    "seed",
    "trainings",
    "trials",
    "seconds",
    "share",
    *(f"to_{s:g}" for s in SHARES),
    *(f"trials_to_{s:g}" for s in SHARES),
    *(f"share_at_{n}" for n in LOOKS),
    "code",
)
"""`trainings` distinct candidates told in `trials`; `to_x` trainings until the share x, empty: not reached.

A run ends at the last share or at its cap; `share_at_n` beyond the end is the last one, empty where the cap
came first.
"""
Key = tuple[str, str, int]


def one_run(world: World, search: str, seed: int) -> dict[str, Any]:
    """A row of the results but for `code`."""
    how = SEARCHES[search]
    score, seen = Score(world), set()
    trials, share, own_s = 0, 0.0, 0.0
    to: dict[float, tuple[int, int]] = {}
    at: dict[int, float] = {}
    steps = how.search(world, seed)
    while SHARES[-1] not in to:
        start = time.perf_counter()
        step = next(steps, None)
        own_s += time.perf_counter() - start
        if step is None or (step.paid and (len(seen) >= how.trainings or trials >= how.trials)):
            break
        if step.paid:
            at.setdefault(len(seen), share)
            trials += 1
            seen.add(step.candidate)
        share = score.add(step)
        to |= {s: (len(seen), trials) for s in SHARES if s not in to and share >= s and step.paid}
    at.setdefault(len(seen), share)
    looks = {n: _at(at, n, SHARES[-1] in to) for n in LOOKS}
    return {
        "world": world.name,
        "search": search,
        "seed": seed,
        "trainings": len(seen),
        "trials": trials,
        "seconds": f"{own_s:.2f}",
        "share": f"{share:.5f}",
        **{f"to_{s:g}": to[s][0] if s in to else "" for s in SHARES},
        **{f"trials_to_{s:g}": to[s][1] if s in to else "" for s in SHARES},
        **{f"share_at_{n}": "" if v is None else f"{v:.5f}" for n, v in looks.items()},
    }


def _at(at: Mapping[int, float], n: int, ended: bool) -> float | None:
    """The share after n trainings; beyond the last one, the last where the run had reached its end."""
    if n <= max(at):
        return at[n]
    return at[max(at)] if ended else None


def read(path: Path) -> dict[Key, dict[str, str]]:
    """Rows of the results by world, search and seed."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        return {(r["world"], r["search"], int(r["seed"])): r for r in csv.DictReader(file)}


def put(path: Path, row: Mapping[str, Any]) -> None:
    """Add or replace a row; other benchmarks may write to the file at the same time."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        rows = read(path)
        rows[row["world"], row["search"], int(row["seed"])] = {c: str(row[c]) for c in COLUMNS}
        fresh = path.with_suffix(".new")
        with fresh.open("w", newline="") as file:
            out = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            out.writeheader()
            out.writerows(rows[k] for k in sorted(rows))
        fresh.replace(path)
    finally:
        os.close(folder)


def commit() -> str:
    """Commit of the code; with a plus where files of the search differ from it."""
    here = Path(__file__).parent
    run = ["git", "-C", str(here)]
    sha = subprocess.run([*run, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    ours = ["../codesign/search/cost_aware", "../search_spaces/tabular"]
    changed = subprocess.run([*run, "diff", "--quiet", "HEAD", "--", *ours], check=False).returncode
    return f"{sha.stdout.strip()}{'+' if changed else ''}"


def searches_of(world: World, wanted: Sequence[str]) -> Iterator[str]:
    """Those that make sense on a world: archives where there are some, the product where there are chips."""
    for name in wanted:
        if (name in {"warm", "warm_local"}) != world.name.startswith(NEW_CHIP):
            continue
        if name == "local_no_sweep" and not world.ways:
            continue
        if name == "qlognehvi" and (world.ways or not world.every):
            continue
        yield name


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, default=REFERENCE / "nas")
    parser.add_argument("--seeds", type=int, default=20, help="at most; slow rivals have fewer")
    parser.add_argument("--worlds", nargs="*", default=[], help="beginnings of names; all without")
    parser.add_argument("--searches", nargs="*", default=["cost_aware", "local"], choices=list(SEARCHES))
    parser.add_argument("--again", action="store_true", help="replace the rows that are there")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--list", action="store_true", help="print the worlds and searches, run nothing")
    parser.add_argument("--table", type=Path, help="a CSV or parquet file of one's own instead of --worlds")
    parser.add_argument("--knobs", nargs="+", default=[], help="its columns that are knobs")
    parser.add_argument("--quality", default="", help="its error column; `-COLUMN` for an accuracy")
    parser.add_argument("--cost", nargs="+", default=[], help="its cost columns")
    return parser.parse_args()


def main() -> None:
    args = parsed()
    if args.table:
        worlds: Iterator[World] = iter([file_world(args.table, args.knobs, args.quality, args.cost)])
    else:
        known = {**catalogue(args.data), **search_generic.worlds()}
        if args.list:
            print("\n".join([*known, "", *(f"{n:16} {s.about}" for n, s in SEARCHES.items())]))
            return
        worlds = chosen(known, args.worlds)
    code = commit()
    for world in worlds:
        for search in searches_of(world, args.searches):
            start, n = time.perf_counter(), 0
            for seed in range(min(args.seeds, SEARCHES[search].seeds)):
                if not args.again and (world.name, search, seed) in read(args.out):
                    continue
                put(args.out, {**one_run(world, search, seed), "code": code})
                n += 1
            if n:
                print(
                    f"{world.name:24} {search:14} {n} runs {time.perf_counter() - start:6.0f} s", flush=True
                )


if __name__ == "__main__":
    try:
        main()
    except CodesignError as error:
        raise SystemExit(str(error)) from error
