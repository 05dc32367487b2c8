"""Make the calibrations that ship, from the records that ship, into `hw_models/chips/calibrations/`.

    python benchmarks/calibrate_shipped.py [--chip rtx4090] [--dataset timm_throughput]

To be run again whenever a law, a lowering, a chip file or a set of records changes: a calibration stands on
the law of its class and is left aside where that has changed. Chips are made twice where others of
their class add to their networks (`hw_models.calibration.anchors`): the second round knows the first.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pandas as pd

from hw_models.calibration.anchors import ENOUGH
from hw_models.calibration.calibrate import calibrate
from hw_models.calibration.file import SUFFIX, write_calibration
from hw_models.calibration.find import SHIPPED
from hw_models.calibration.interval import FEWEST
from hw_models.calibration.setting import figures_hash
from hw_models.errors import CodesignError
from hw_models.measured.devices import shipped_devices
from hw_models.measured.loaders import DATASETS, load
from hw_models.measured.records import Records, concat
from hw_models.measured.schema import STEP
from hw_models.measured.stand_ins import running
from hw_models.spec.load import list_chips, load_chip
from search_spaces.published.catalogue import published_network

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

SETS: Final = (
    "timm_throughput",
    "qualcomm_aihub_latency",
    "vitis_ai_dpu_fps",
    "rockchip_fps",
    "drobotics_rdkx5_latency",
)
"""Sets of whole networks, one inference after the other."""


def by_chip(sets: tuple[str, ...]) -> dict[str, tuple[Accelerator, Records]]:
    """Every measured chip by its key, with its records: from its file, else from its row of devices.csv.

    A row whose figures are not those of the file stands for itself: it is what measurements of that key are
    joined with.
    """
    table, known, found = shipped_devices(), set(list_chips()), dict[str, list[Records]]()
    for name, records in load(datasets=sets).records.items():
        for device in sorted(records.frame["device"].unique()):
            key = table.key(name, DATASETS[name].device_column, device)
            mine = records.of_devices([device])
            frame = mine.frame.assign(device=key)
            found.setdefault(key, []).append(Records(frame, mine.set_aside.assign(device=key)))
    out = {}
    for key, parts in sorted(found.items()):
        together, chip = as_configured(concat(parts), table.accelerator(key))
        if key in known and figures_hash(load_chip(key)) == figures_hash(chip):
            chip = load_chip(key)
        for precision in sorted(together.frame["precision"].dropna().unique()):
            chip = running(chip, precision)
        out[key] = chip, together
    return out


def as_configured(records: Records, board: Accelerator) -> tuple[Records, Accelerator]:
    """Of a board that was set up in several ways the way of most rows, and those rows."""
    set_up = DATASETS[str(records.frame["dataset"].iloc[0])].configured
    if set_up is None or not (records.frame["scenario"] == STEP).any():
        return records, board
    rows = records.frame[records.frame["scenario"] == STEP]
    ways = [set_up(board, row) for row in rows.to_dict("records")]
    hashes = pd.Series([figures_hash(way) for way in ways], index=rows.index)
    usual = hashes.mode().iloc[0]
    chip = ways[list(hashes).index(usual)]
    return Records(rows[hashes == usual], records.set_aside), chip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chip", action="append", help="only these chips")
    parser.add_argument("--dataset", action="append", help="only these sets")
    args = parser.parse_args()
    SHIPPED.mkdir(exist_ok=True)
    records = by_chip(tuple(args.dataset or SETS))
    wanted = [c for c in records if not args.chip or c in args.chip]
    sparse: list[str] = []
    for round_, chips in enumerate((wanted, sparse)):
        for chip in chips:
            try:
                made = calibrate(*records[chip], device=chip, resolver=published_network)
            except CodesignError as error:
                print(f"{chip}: {error}")
                continue
            made = replace(made, settings=tuple(s for s in made.settings if len(s) >= FEWEST))
            if not made.settings:
                print(f"{chip}: fewer than {FEWEST} networks in every way of running")
                continue
            write_calibration(made, SHIPPED / f"{made.chip}{SUFFIX}")
            if not round_ and any(len(s) < ENOUGH for s in made.settings):
                sparse.append(chip)
            columns = ["version", "precision", "lowering", "layout", "networks", "mape", "kendall_tau"]
            columns += ["coverage_90", "width_90", "law_mape", "law_kendall_tau", "sibling_mape"]
            print(chip, made.to_frame()[columns].round(3).to_string(index=False), sep="\n", flush=True)


if __name__ == "__main__":
    main()
