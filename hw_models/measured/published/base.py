"""What a published set of measurements is, and the notations that several of them share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from hw_models.measured.schema import Column
    from hw_models.spec.accelerator import Accelerator


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of file.

    Attributes:
        name: of the file, up to the first dot.
        columns: what it must have; rows that are equal in all of them are one measurement.
        to_records: typed columns, indexed by the row of the file -> columns of the records with the same
            index; a row that holds several measurements comes back as several.
        quantity: what was measured, as the file calls it.
        value: the column of the records that holds it.
        configured: (device, row of the records) -> the device as that row ran on it; None: as it is
            described.
        energy: the energy of a step as the file calls it, with its unit; "" where it has none.
        source: repository, commit and path.
        licence: under which the source publishes it.
        device_column: the column whose names `device_names.csv` explains.
        wrong_rows: column -> rule that gives the rows that cannot be what the file says, and why.
        measures: columns that hold a measurement each: a wrong cell there costs that measurement alone.
        operators: of a set of operators measured alone how its calls were timed, one of
            `hw_models.validation.single_calls.TIMED`; "" of all others.
        not_costed: why its rows cannot be predicted yet; "" where they can.
        why_not_shipped: for users; "" where it ships.
        truth: "silicon", "closed_form" or "model".
    """

    name: str
    columns: tuple[Column, ...]
    to_records: Callable[[pd.DataFrame], pd.DataFrame]
    quantity: str
    value: str
    source: str
    licence: str
    device_column: str = "device"
    energy: str = ""
    configured: Callable[[Accelerator, Mapping[Any, Any]], Accelerator] | None = None
    measures: tuple[str, ...] = ()
    wrong_rows: Mapping[str, Callable[[pd.DataFrame], dict[int, str]]] = field(default_factory=dict)
    operators: str = ""
    not_costed: str = ""
    why_not_shipped: str = ""
    truth: str = "silicon"


NO_BUILDER: Final = "its networks have no builder yet"
"""Of sets whose networks nothing here can build."""

MILLI: Final = 1e-3
MEBIBYTE: Final = 2.0**20

FRAMEWORK: Final = re.compile(r"^(?:pt|tf2?|cl|od|ss|tfl|ort|dlr|mxnet)(?=[-_])[-_]", re.IGNORECASE)
"""Prefixes that say with what a network was written, or for which task."""
STEM: Final = re.compile(r"[a-z]{2,}", re.IGNORECASE)
NOT_A_FAMILY: Final = re.compile(r"(?<=[a-z]{3})v$")
MULTIPLES: Final[Mapping[str, float]] = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9}
COUNT: Final = re.compile(r"^\s*([\d.,]+)\s*([kmbg]?)\s*$", re.IGNORECASE)
SQUARE: Final = re.compile(r"^\s*(\d+)\s*[x×*]\s*\1\s*(?:[x×*]\s*\d+)?\s*$")


def one_core(chip: Accelerator) -> Accelerator:
    """A chip's NPU cut to one of the cores that its peak counts together; no cores told: as it is."""
    engine = chip.main_engine
    if engine.units is None or engine.units.value <= 1:
        return chip
    cores = engine.units.value
    peak = {precision: figure.times(1.0 / cores) for precision, figure in engine.peak.items()}
    one = engine.model_copy(update={"peak": peak, "units": engine.units.times(1.0 / cores)})
    return chip.model_copy(update={"engines": (one, *chip.engines[1:])})


def family_of(network: str) -> str:
    """Group of a network by the first word of its name, so that near-twins stay together.

    `yolov8s_seg` and `yolo11n` are both `yolo`, `resnet_v1_50` and `tf_resnet50` both `resnet`.
    """
    name = network
    while stripped := FRAMEWORK.match(name):
        name = name[stripped.end() :]
    stem = STEM.search(name)
    return NOT_A_FAMILY.sub("", stem[0].lower()) if stem else network.lower()


def count_of(text: str) -> float:
    """'83.92M' as 83.92e6; NaN where the text is no such number."""
    match = COUNT.match(text)
    if not match:
        return np.nan
    try:
        return float(match[1].replace(",", "")) * MULTIPLES[match[2].lower()]
    except ValueError:
        return np.nan


def side_of(text: str) -> float:
    """Pixels of a square image, '224x224' or '224x224x3'; NaN where the input is none."""
    match = SQUARE.match(text)
    return float(match[1]) if match else np.nan


def each(given: pd.Series, rule: Callable[[str], object]) -> pd.Series:
    """`rule` of every distinct text, missing where the text is."""
    return given.map({text: rule(text) for text in given.dropna().unique()})


def joined(*parts: pd.Series | str) -> pd.Series:
    """Texts joined by '|'; a missing one is left out."""
    import pandas as pd

    index = next(p.index for p in parts if isinstance(p, pd.Series))
    text = pd.Series("", index, dtype="str")
    for part in parts:
        one = part if isinstance(part, pd.Series) else pd.Series(part, index, dtype="str")
        text = text + ("|" + one.astype("str")).fillna("")
    return text.str.removeprefix("|")


def dims(**columns: pd.Series) -> pd.Series:
    """Whole numbers as one text in the notation of `shape`, 'm=64 k=64'."""
    parts = [f"{name}=" + values.astype("int64").astype("str") for name, values in columns.items()]
    text = parts[0]
    for part in parts[1:]:
        text = text + " " + part
    return text
