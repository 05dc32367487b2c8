"""Totals of the networks of NVDLA's performance sheet, from `nvdla_spec.yaml` beside the rows."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from hw_models.validation.truth.nvdla_sheet import Sheet

SPEC: Final = "nvdla_spec.yaml"
"""Name of the file of totals."""

KEY: Final = re.compile(r"totals_([\d.]+)mac_([\d.]+)KiB_([\d.]+)GHz_([\d.]+)GBs")
"""Key of the totals of one machine."""

CASE: Final = re.compile(r"(?P<network>[^_]+)(?P<cvsram>_\d+MiB_sram)?(?P<summary>_sheet_summary)?")
"""Key of one total: the network, whether it has a CVSRAM, and whether it is the sheet's summary line.

The summary line of GoogLeNet, although headed by the CVSRAM, adds the rows that have none: its 1,222,071
cycles and its 527,789 cycles of the MAC array (43.188 %) are both met by these rows alone.
"""

Row = tuple[str, str, str, float, float]
"""(network, layer or case, quantity, published, ours)."""

FIGURES: Final = ("run_ms", "fps", "hw_mac_util")
"""Quantities of a total that are compared."""


def total_points(
    path: Path, frame: pd.DataFrame, ours: Mapping[str, Any], sheet: Sheet
) -> tuple[list[Row], Counter[str]]:
    """(network, case, quantity, published, ours) of the totals of this machine, and why others are left out.

    Args:
        path: of the file of rows.
        frame: its rows.
        ours: column -> our figure of every row.
        sheet: the machine.
    """
    found: list[Row] = []
    left = Counter[str]()
    for case, published in _published(path.parent / SPEC, sheet).items():
        told = CASE.fullmatch(case)
        network = told["network"] if told else case
        rows = (frame["network"] == network).to_numpy()
        if told is None or not rows.any():
            left[f"{SPEC}: no rows of '{case}'"] += len(published)
            continue
        if not frame["type"][rows].astype(str).str.contains("fc").any():
            left[f"total of '{case}': the table lacks the last rows of the network"] += len(published)
            continue
        placed = told["cvsram"] is not None and told["summary"] is None
        # rows without cycles of their own are parts of a combined one
        whole = frame[["max_cycles", "max_cycles_with_cvsram"]].notna().any(axis=1).to_numpy()
        rows = rows & whole if whole.any() else rows
        figures = _totals(ours, rows, sheet.clock, placed=placed)
        found += [
            (network, case, f"total_{q}", float(published[q]), figures[q]) for q in FIGURES if q in published
        ]
    return found, left


def _totals(ours: Mapping[str, Any], rows: Any, clock: float, *, placed: bool) -> dict[str, float]:
    cycles = float(np.nansum(ours["max_cycles_with_cvsram" if placed else "max_cycles"][rows]))
    mac = float(np.nansum(ours["mac_cycles"][rows]))
    run_ms = cycles / clock / 1e6
    return {"run_ms": run_ms, "fps": 1e3 / run_ms, "hw_mac_util": mac / cycles}


def _published(path: Path, sheet: Sheet) -> dict[str, Mapping[str, float]]:
    """Case -> quantity -> figure, of the machine of this sheet; empty where there is no such file."""
    if not path.is_file():
        return {}
    from ruamel.yaml import YAML

    content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    machine = (sheet.macs, sheet.buffer_kib, sheet.clock, sheet.bandwidth)
    for key, cases in (content or {}).items():
        found = KEY.fullmatch(str(key))
        if found and tuple(map(float, found.groups())) == machine:
            return dict(cases)
    return {}
