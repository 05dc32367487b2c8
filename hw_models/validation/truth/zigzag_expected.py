"""What ZigZag's own tests expect of whole networks: energy and cycles of the mappings its search finds.

One model against another: agreement, not truth. The hardware, mapping and network files are those of release
3.9.1 (MIT); the figures are of its main branch, whose latency differs from the release by 4 to 6 %.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Final

from hw_models.cost.tiled.loopnest.assign import assignments
from hw_models.cost.tiled.loopnest.search import best_mapping
from hw_models.cost.tiled.loopnest.zigzag_hardware import load_zigzag_hardware
from hw_models.cost.tiled.loopnest.zigzag_mapping import load_zigzag_mapping, rule_for
from hw_models.cost.tiled.loopnest.zigzag_workload import load_zigzag_onnx, load_zigzag_workload
from hw_models.errors import FileError, InputError
from hw_models.validation.truth.base import Points, TruthSet, point_frame
from hw_models.validation.truth.figures import read_figures

DATA: Final = Path(__file__).parent / "data"

LEFT_OUT: Final = {
    "test_imc": "in-memory computing is not modelled",
    "test_with_exploit_data_locality": "tensors kept on the chip between layers are no part of a mapping",
    "test_with_mix_spatial_mapping": "its choice of several loops on one axis of the array is not searched",
    "test_parserless": "a network that is built in code is not among the files",
}
"""First part of a test's name -> why its rows are not compared."""

TEXTS: Final = ("test", "hardware", "mapping", "workload")
QUANTITIES: Final = ("energy_pj", "latency_cycles")


def predict(path: Path) -> Points:
    """Energy and cycles of every row whose hardware, mapping and network are at hand.

    Raises:
        FileError: the file is not what its name says.
    """
    frame = read_figures(path, texts=TEXTS, numbers=QUANTITIES)
    skipped: Counter[str] = Counter()
    rows: list[tuple[object, ...]] = []
    for row in frame.to_dict("records"):
        test, hardware, mapping, network = (str(row[c]) for c in TEXTS)
        reason, totals = _totals(test, hardware, mapping, network, path.parent)
        given = {quantity: float(row[quantity]) for quantity in QUANTITIES}
        if totals is None:
            skipped[reason] += len(given)
            continue
        for (quantity, figure), predicted in zip(given.items(), totals, strict=True):
            if math.isnan(figure):
                skipped[f"no {quantity} given"] += 1
            else:
                rows.append(("ZigZag", Path(network).stem, quantity, figure, predicted, hardware))
    names = ("device", "mode", "quantity", "measured", "predicted", "hardware")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    return Points(point_frame(**columns), "tiled", skipped=dict(skipped))


def _totals(
    test: str, hardware: str, mapping: str, network: str, beside: Path
) -> tuple[str, tuple[float, float] | None]:
    """Energy and cycles, or the reason why there are none."""
    for start, reason in LEFT_OUT.items():
        if test.startswith(start):
            return reason, None
    wanted = (f"hardware_{hardware}.yaml", f"mapping_{mapping}.yaml", f"workload_{network}")
    files = {name: file for name in wanted if (file := find(name, beside)) is not None}
    for name in wanted:
        if name not in files:
            return f"no {name.replace('_', ' ', 1)} among ZigZag's files", None
    try:
        return "", network_totals(*files.values())
    except FileError:
        raise
    except InputError as error:
        return str(error), None


def find(name: str, beside: Path) -> Path | None:
    """A file of ZigZag's: beside the figures, else the copy that ships."""
    places = (beside / f"zigzag_{name}", DATA / f"zigzag_{name}")
    return next((place for place in places if place.is_file()), None)


@cache
def network_totals(hardware: Path, mapping: Path, workload: Path) -> tuple[float, float]:
    """Energy in pJ and cycles of a network, each layer at its least latency, as ZigZag's tests have it.

    Raises:
        FileError: a file is wrong inside.
        InputError: a layer has no mapping that fits.
    """
    machine, rules = load_zigzag_hardware(hardware), load_zigzag_mapping(mapping)
    read = load_zigzag_onnx if workload.suffix == ".onnx" else load_zigzag_workload
    energy, cycles = 0.0, 0.0
    known: dict[object, tuple[float, float]] = {}
    for layer in read(workload):
        rule = rule_for(rules, layer)
        shape = (tuple(layer.sizes.items()), layer.walks, layer.windows, layer.bits, rule.name)
        if shape not in known:
            spatial = assignments(machine, layer, rule)
            found = best_mapping(machine, layer, spatial, "latency", order=rule.order).evaluation
            known[shape] = (found.total_pj, found.cycles)
        energy, cycles = energy + known[shape][0], cycles + known[shape][1]
    return energy, cycles


SETS: Final = (TruthSet("zigzag_expected", "model", predict, shipped=DATA / "zigzag_expected.csv"),)
