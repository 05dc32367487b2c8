"""Networks that tables name have the parameters and MACs that their authors state."""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hw_models.workload.named import NamedNetwork
from search_spaces.published.catalogue import published_network

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

FIGURES = Path(__file__).parents[2] / "golden" / "architectures.csv"


def golden() -> list[tuple[str, list[dict[str, str]]]]:
    with FIGURES.open(encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["case"])
    return [(case, list(of)) for case, of in groupby(rows, key=lambda row: row["case"])]


def named(case: str, figures: list[dict[str, str]]) -> Workload:
    dataset, _, rest = case.partition("/")
    name, _, side = rest.partition("@")
    stated = {row["quantity"]: float(row["value"]) for row in figures}
    request = NamedNetwork(dataset, name, img_size=int(side) if side else None, **stated)
    return published_network(request)


@pytest.mark.parametrize(("case", "figures"), golden(), ids=[case for case, _ in golden()])
def test_published_figures(case: str, figures: list[dict[str, str]]) -> None:
    workload = named(case, figures)
    for row in figures:
        found = getattr(workload, row["quantity"])
        assert found == pytest.approx(float(row["value"]), rel=float(row["tolerance"])), row
