"""The tables of docs/search.md from the results that `search.py` and `search_overhead.py` kept.

python benchmarks/search_page.py            # writes them between the markers of the page
python benchmarks/search_page.py --check    # fails where page and results differ
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from search import RESULT
from search_own import SEARCHES
from search_worlds import DEVELOPMENT, NEW_CHIP

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "search.md"
ELSEWHERE: Final = RESULT.with_name("search_elsewhere.csv")
OVERHEAD: Final = RESULT.with_name("search_overhead.json")
CELLS: Final = ("cifar10/", "cifar100/", "in16_120/")
SAME_AS: Final = {"local": "pls", "nsga2": "nsga2", "tpe": "tpe_mv", "pymoo": "pymoo"}
"""Search -> its name in `search_baselines.csv`."""


def results(path: Path = RESULT) -> pd.DataFrame:
    """One row a run; trainings that were never reached are inf."""
    table = pd.read_csv(path)
    reached = [c for c in table.columns if "to_" in c]
    table[reached] = table[reached].astype(float).fillna(np.inf)
    return table


def quantiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median, third quartile by nearest rank; inf beyond the cap."""
    q25, q50, q75 = np.quantile(np.asarray(values, float), (0.25, 0.5, 0.75), method="nearest")
    return float(q25), float(q50), float(q75)


def median(runs: pd.DataFrame, world: str, search: str, what: str) -> float | None:
    """Median of a column over the seeds; None: no such runs."""
    found = runs[(runs["world"] == world) & (runs["search"] == search)][what]
    return quantiles(found)[1] if len(found) else None


def spread(values: Sequence[float]) -> str:
    """`q25 / median / q75`."""
    if not len(values):
        return "-"
    three = quantiles(values)
    return _count(np.inf) if np.isinf(three[0]) else " / ".join(_count(v) for v in three)


def _count(value: float | None) -> str:
    if value is None:
        return "-"
    return "not reached" if np.isinf(value) else f"{value:.0f}"


def _ratio(a: float | None, b: float | None) -> float | None:
    """Of two medians; inf where only the second was reached, None where there is nothing to compare."""
    if a is None or b is None or (np.isinf(a) and np.isinf(b)):
        return None
    return np.inf if np.isinf(a) else 0.0 if np.isinf(b) else a / b


def against_local(runs: pd.DataFrame, world: str, share: float) -> float | None:
    """Ours by the local search's median; None where ours was stopped before the local search was there."""
    ours, local = (median(runs, world, s, f"to_{share}") for s in ("cost_aware", "local"))
    stopped = ours is not None and np.isinf(ours) and local is not None
    return None if stopped and local > SEARCHES["cost_aware"].trainings else _ratio(ours, local)


def _times(value: float | None) -> str:
    return "-" if value is None else "not reached" if np.isinf(value) else f"{value:.2f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(r)} |" for r in rows)])


def _medians(runs: pd.DataFrame, search: str, what: str, *begin: str) -> dict[str, float]:
    """World -> median, of the worlds whose names begin so."""
    mine = runs[(runs["search"] == search) & runs["world"].str.startswith(begin)]
    return {str(w): quantiles(v)[1] for w, v in mine.groupby("world")[what]}


def _others(runs: pd.DataFrame, search: str, what: str) -> dict[str, float]:
    """World -> median, of the cells that nothing was tuned on."""
    found = _medians(runs, search, what, *CELLS)
    return {w: m for w, m in found.items() if w not in DEVELOPMENT}


def _worst(found: Mapping[str, float]) -> tuple[str, float]:
    return max(found.items(), key=lambda kv: kv[1])


def _met(value: float | None, floor: float, goal: float, larger: bool = False) -> str:
    if value is None:
        return "not run"
    sign = -1 if larger else 1
    return "goal" if sign * value <= sign * goal else "floor" if sign * value <= sign * floor else "**no**"


def goals(runs: pd.DataFrame, overhead: Mapping[str, Any]) -> str:
    """What was asked for, what came out."""
    rows: list[list[str]] = []

    def add(
        what: str, shown: str, value: float | None, floor: float, goal: float, larger: bool = False
    ) -> None:
        rows.append([what, shown, f"{floor:g}", f"{goal:g}", _met(value, floor, goal, larger)])

    for share, floor, goal in ((0.99, 160, 60), (0.98, 90, 35)):
        dev = _medians(runs, "cost_aware", f"to_{share}", *DEVELOPMENT)
        if dev:
            each = ", ".join(f"{w.split('/')[1]} {_count(m)}" for w, m in dev.items())
            add(
                f"four development devices, trainings to {100 * share:g} %, worst",
                each,
                max(dev.values()),
                floor,
                goal,
            )
    others = _others(runs, "cost_aware", "to_0.99")
    if others:
        mid = float(np.median(list(others.values())))
        add(f"{len(others)} other device points and data sets to 99 %, median", _count(mid), mid, 200, 100)
        where, worst = _worst(others)
        add("the same, worst", f"{_count(worst)} ({where})", worst, 330, 160)
    macro = median(runs, "macro/macs", "cost_aware", "to_0.99")
    if macro is not None:
        add("NAS-Bench-Macro by MACs to 99 %", _count(macro), macro, 75, 40)
    for n, floor, goal in ((10, 0.99, 0.99), (0, 0.995, 0.995)):
        warm = _medians(runs, "warm", f"share_at_{n}", NEW_CHIP)
        if warm:
            where, low = min(warm.items(), key=lambda kv: kv[1])
            mid = float(np.median(list(warm.values())))
            shown = f"median {mid:.4f}, worst {low:.4f} ({where.removeprefix(NEW_CHIP)})"
            rows.append([
                f"new chip, archives of three unlike chips, share after {n} trainings", shown,
                f"{floor:g}" if n else "-", "-" if n else f"{goal:g}",
                ("floor" if n else "goal") if low >= floor else "median only" if mid >= floor else "**no**",
            ])  # fmt: skip
    ours, theirs = (median(runs, "joint/cifar100", s, "to_0.99") for s in ("cost_aware", "local"))
    joint = _ratio(ours, theirs)
    if joint is not None:
        shown = f"{_times(joint)} ({_count(ours)} to {_count(theirs)})"
        add(
            "joint, 7 chips, 99 %: trainings by those of the local search with the sweep",
            shown,
            joint,
            0.35,
            0.15,
        )
    for kind in ("shuffled", "noise", "plain"):
        behind = {
            w: max(_behind(runs, w))
            for w in _medians(runs, "cost_aware", "to_0.99", f"{kind}/")
            if _behind(runs, w)
        }
        if behind:
            where, most = _worst(behind)
            add(f"{kind}: largest ratio to the local search", f"{_times(most)} ({where})", most, 1.1, 1.0)
    rows += _overhead_rows(overhead)
    return _table(("measure", "reached", "floor", "goal", "met"), rows)


def _behind(runs: pd.DataFrame, world: str) -> list[float]:
    """Ours by the local search's median trainings, at each share that the local search reached."""
    found = []
    for share in (0.9, 0.95, 0.98, 0.99):
        ratio = against_local(runs, world, share)
        found += [] if ratio is None else [ratio]
    return found


def _overhead_rows(overhead: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    distinct = overhead.get("distinct_of_1000", {}).get("cost_aware")
    if distinct:
        least = min(distinct)
        met = "goal" if least == 1000 else "**no**"
        rows.append(["distinct networks in 1,000 trials", f"{least / 10:.1f} %", "100 %", "100 %", met])
    ms = overhead.get("ms_per_trial", {}).get("cost_aware", {}).get("10000")
    if ms is not None:
        what = "sampler time per trial at 10,000 told trials [ms]"
        rows.append([what, f"{ms:.2f}", "5", "1", _met(ms, 5, 1)])
    return rows


def development(runs: pd.DataFrame) -> str:
    """Trainings of every search on the four development devices, NAS-Bench-Macro and the joint world."""
    rows = []
    for world in (*DEVELOPMENT, "macro/macs", "macro/params", "joint/cifar100"):
        here = runs[runs["world"] == world]
        for search in (s for s in SEARCHES if (here["search"] == s).any()):
            mine = here[here["search"] == search]
            trials = median(runs, world, search, "trials_to_0.99")
            cells = [spread(mine[f"to_{s}"].to_list()) for s in (0.95, 0.98, 0.99, 0.995)]
            rows.append([world, search, str(len(mine)), *cells, _count(trials)])
    head = ("world", "search", "seeds", "95 %", "98 %", "99 %", "99.5 %", "99 %, trials")
    return _table(head, rows)


def shares(runs: pd.DataFrame) -> str:
    """Median share of the hypervolume after so many trainings; a run that is done keeps its last share."""
    rows = []
    shuffled = sorted(w for w in set(runs["world"]) if w.startswith("shuffled/"))
    for world in (*DEVELOPMENT, "joint/cifar100", *shuffled):
        here = runs[runs["world"] == world]
        for search in (s for s in SEARCHES if (here["search"] == s).any()):
            mine = here[here["search"] == search]
            cells = [mine[f"share_at_{n}"].dropna() for n in (10, 50, 100, 200, 300)]
            shown = [f"{c.median():.3f}" if len(c) > len(mine) / 2 else "-" for c in cells]
            rows.append([world, search, *shown])
    return _table(("world", "search", "10", "50", "100", "200", "300"), rows)


def _beside(runs: pd.DataFrame, names: Sequence[str]) -> list[list[str]]:
    rows = []
    for world in names:
        ours = runs[(runs["world"] == world) & (runs["search"] == "cost_aware")]
        local = runs[(runs["world"] == world) & (runs["search"] == "local")]
        if not len(ours):
            continue
        ratio = against_local(runs, world, 0.99)
        cells = [spread(t[f"to_{s}"].to_list()) for s in (0.95, 0.98, 0.99) for t in (ours, local)]
        rows.append([world, *cells, _times(ratio)])
    return rows


BESIDE: Final = (
    "world",
    "95 %: ours",
    "local",
    "98 %: ours",
    "local",
    "99 %: ours",
    "local",
    "ratio at 99 %",
)


def untuned(runs: pd.DataFrame) -> str:
    """Every device of every data set beside the local search; in sum and the worst first."""
    found = {w: m for w, m in _medians(runs, "cost_aware", "to_0.99", *CELLS).items()}
    ratios = {w: r for w in found if (r := against_local(runs, w, 0.99)) is not None}
    if not ratios:
        return "No runs yet."
    where, most = _worst(ratios)
    behind = sum(r > 1 for r in ratios.values())
    text = (
        "Trainings to 99 % by those of the local search: median "
        f"{np.median(list(ratios.values())):.2f}, worst {_times(most)} ({where}), {behind} of {len(ratios)} "
        "above 1."
    )
    names = sorted(found, key=lambda w: (-found[w], w))
    return f"{text}\n\n{_table(BESIDE, _beside(runs, names))}"


GENERIC: Final = (
    "timm_zoo/",
    "synthetic/",
    "facelandmark/",
    "macro/params",
    "shuffled/",
    "noise/",
    "plain/",
    "file/",
)


def generic(runs: pd.DataFrame) -> str:
    """Other spaces, and worlds that took something away from ours."""
    every = sorted(set(runs["world"]))
    names = [w for b in GENERIC for w in every if w.startswith(b)]
    return _table(BESIDE, _beside(runs, names))


def new_chip(runs: pd.DataFrame) -> str:
    """Share of the hypervolume with the archives of three other chips, and after ten trainings more."""
    rows = []
    for world in sorted(w for w in set(runs["world"]) if w.startswith(NEW_CHIP)):
        ours = runs[(runs["world"] == world) & (runs["search"] == "warm")]
        local = runs[(runs["world"] == world) & (runs["search"] == "warm_local")]
        cells = [
            " / ".join(f"{v:.4f}" for v in quantiles(t[c].dropna())) if t[c].notna().any() else "-"
            for t, c in ((local, "share_at_0"), (ours, "share_at_0"), (ours, "share_at_10"))
        ]
        rows.append([world.removeprefix(NEW_CHIP), *cells])
    head = ("chip", "archives of local searches", "archives of ours", "ours, 10 trainings more")
    return _table(head, rows)


def harness(runs: pd.DataFrame) -> str:
    """Rivals as they came out here, and as `search_baselines.csv` has them."""
    rows = []
    kept = pd.read_csv(ELSEWHERE).set_index(["world", "algorithm"])
    for world in DEVELOPMENT:
        for search, name in SAME_AS.items():
            mine = runs[(runs["world"] == world) & (runs["search"] == search)]
            if (world, name) not in kept.index or not len(mine):
                continue
            there = kept.loc[(world, name)]
            cells = [
                f"{_count(quantiles(mine[f'to_{s}'])[1])} ({_count(float(there[f'to_{s}']))})"
                for s in (0.95, 0.98, 0.99)
            ]
            rows.append([world, search, f"{len(mine)} ({there['n']:.0f})", *cells])
    return _table(("world", "search", "seeds", "95 %", "98 %", "99 %"), rows)


def overhead_table(overhead: Mapping[str, Any]) -> str:
    """Milliseconds a trial by how many were told; distinct networks in 1,000 trials."""
    times, distinct = overhead.get("ms_per_trial", {}), overhead.get("distinct_of_1000", {})
    told = ("100", "1000", "10000")
    rows = []
    for search in dict.fromkeys([*times, *distinct]):
        ms = [f"{times[search][n]:.2f}" if n in times.get(search, {}) else "-" for n in told]
        of = distinct.get(search)
        share = "-" if not of else f"{np.median(of) / 10:.1f} %"
        rows.append([search, *ms, share])
    head = ("search", "100 told", "1,000 told", "10,000 told", "distinct in 1,000 trials")
    return _table(head, rows)


def searches(runs: pd.DataFrame) -> str:
    """Every search with its options and where it was stopped."""
    ran = set(runs["search"])
    rows = [
        [n, s.about, f"{s.trainings:,}", f"{s.trials:,}", f"{s.seeds}"]
        for n, s in SEARCHES.items()
        if n in ran
    ]
    return _table(("search", "options", "trainings at most", "trials at most", "seeds at most"), rows)


def render(page: str) -> str:
    """The page with every table made again."""
    runs = results()
    overhead = json.loads(OVERHEAD.read_text()) if OVERHEAD.is_file() else {}
    made: dict[str, Callable[[], str]] = {
        "goals": lambda: goals(runs, overhead),
        "development": lambda: development(runs),
        "shares": lambda: shares(runs),
        "untuned": lambda: untuned(runs),
        "generic": lambda: generic(runs),
        "new_chip": lambda: new_chip(runs),
        "harness": lambda: harness(runs),
        "overhead": lambda: overhead_table(overhead),
        "searches": lambda: searches(runs),
    }

    def again(found: re.Match[str]) -> str:
        return f"<!-- made: {found[1]} -->\n{made[found[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- made: (\w+) -->\n.*?<!-- end -->", again, page, flags=re.DOTALL)


def write_elsewhere(data: Path) -> None:
    """Median distinct trainings of `search_baselines.csv`, as the page needs them."""
    table = pd.read_csv(data / "search_baselines.csv")
    table["world"] = table["problem"].str.removeprefix("nb201_") + "/" + table["device"]
    columns = {f"to_{s}": f"distinct_to_{s}" for s in (0.95, 0.98, 0.99)}
    with ELSEWHERE.open("w") as file:
        file.write("world,algorithm,n," + ",".join(columns) + "\n")
        for (world, algorithm), rows in table.groupby(["world", "algorithm"]):
            middle = [quantiles(rows[c].astype(float).fillna(np.inf))[1] for c in columns.values()]
            file.write(f"{world},{algorithm},{len(rows)}," + ",".join(f"{m:g}" for m in middle) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--elsewhere", type=Path, help="directory of search_baselines.csv, to be read anew")
    args = parser.parse_args()
    if args.elsewhere:
        write_elsewhere(args.elsewhere)
    page = PAGE.read_text()
    made = render(page)
    if args.check and made != page:
        raise SystemExit("docs/search.md and its results differ; run python benchmarks/search_page.py")
    PAGE.write_text(made)


if __name__ == "__main__":
    main()
