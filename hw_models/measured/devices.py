"""The devices that measurements name: the key behind a file's name, and a key's public figures as a chip.

A device is known by its row of `devices.csv` alone, so that one nobody has seen costs like any other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hw_models.errors import FileError, Finding, InputError, UnknownNameError
from hw_models.measured import stand_ins
from hw_models.measured.schema import Column
from hw_models.measured.tables import NoRowsError, dataset_name, find_tables, read_table, typed
from hw_models.spec.accelerator import Accelerator, DeviceClass, EngineKind
from hw_models.spec.quantities import CLASS_FIGURE

if TYPE_CHECKING:
    import pandas as pd

SHIPPED: Final = Path(__file__).parent / "data"
"""Tables that come with the package; `README.md` beside them states their sources and licences."""

DEVICE_COLUMNS: Final = (
    Column("key", "text", "Name by which the other files know the device.", required=True),
    Column("device", "text", "As people call it.", required=True),
    Column("vendor", "text", "Who makes it.", required=True),
    Column("kind", "text", "gpu, cpu, npu, auto npu, mobile npu, ...", required=True),
    Column("process_nm", "number", "Process node.", positive=True),
    Column("fp32_tflops", "number", "Dense FP32 peak of the vector units.", positive=True),
    Column("fp16_tflops", "number", "Dense FP16 peak with FP32 accumulate.", positive=True),
    Column("int8_tops", "number", "Dense INT8 peak.", positive=True),
    Column("memory", "text", "Size and technology of the external memory."),
    Column(
        "mem_bw_gb_s", "number", "Peak bandwidth of the external memory, or of the host link.", positive=True
    ),
    Column("external_dram", "text", "yes or no."),
    Column("l2_or_sram_mb", "number", "Last shared on-chip memory.", positive=True),
    Column("units", "number", "SMs, CUs or cores.", positive=True),
    Column("clock_mhz", "number", "Rated clock.", positive=True),
    Column("tdp_w", "number", "Thermal design power.", positive=True),
    Column("confidence", "text", "A: vendor or repository page; B, C: unverified."),
    Column("note", "text", "Where the figures are from."),
)

NAME_COLUMNS: Final = (
    Column("dataset", "text", "File in which the name stands, up to the first dot.", required=True),
    Column("column", "text", "Column in which it stands.", required=True),
    Column("name_in_file", "text", "The name.", required=True),
    Column("key", "text", "Key of the device in devices.csv.", required=True),
)

CLASSES: Final[Mapping[str, tuple[DeviceClass, EngineKind]]] = {
    "gpu": ("gpu", "gpu"),
    "cpu": ("cpu", "cpu"),
    "cpu+gpu": ("cpu", "cpu"),
    "npu": ("edge_npu", "npu"),
    "auto npu": ("automotive_soc", "npu"),
    "mobile npu": ("mobile_soc", "npu"),
    "laptop npu": ("laptop_npu", "npu"),
    "fpga npu": ("fpga_npu", "npu"),
    "acap npu": ("fpga_npu", "npu"),
}
"""`kind` of devices.csv -> class of the chip and kind of its engine."""

TECHNOLOGY: Final = re.compile(r"(?:LP|G)?DDR\d\w?|HBM\d?e?|MCDRAM", re.IGNORECASE)
CAPACITY: Final = re.compile(r"([\d.]+)\s*GB", re.IGNORECASE)
MATRIX_FP32: Final = re.compile(r"([\d.]+) vector / ([\d.]+) matrix")
"""How a note tells the FP32 peaks of vector and of matrix units, in TFLOP/s, where they differ."""
BUS: Final = re.compile(r"(\d+)-bit", re.IGNORECASE)
SOURCE: Final = "devices"
"""Key of the table among a chip's sources."""
MEGABYTE: Final = 2.0**20
"""On-chip memories are sold in binary megabytes."""
PEAKS: Final = (("fp32", "fp32_tflops"), ("fp16", "fp16_tflops"), ("int8", "int8_tops"))


@dataclass(frozen=True, eq=False)
class DeviceTable:
    """Public figures by key, and the keys behind the names that files use.

    Attributes:
        figures: key -> row of devices.csv, None where a cell is empty.
        names: (dataset, column, name in the file) -> key.
        files: where both came from.
    """

    figures: Mapping[str, Mapping[str, Any]]
    names: Mapping[tuple[str, str, str], str]
    files: tuple[str, ...] = ()

    def key(self, dataset: str, column: str, name: str) -> str:
        """Key of the device that a file calls `name` in `column`, or in another of its columns.

        Raises:
            UnknownNameError: where neither table knows it; the message has the nearest names.
        """
        elsewhere = self._by_dataset.get((dataset, name), name)
        key = self.names.get((dataset, column, name), elsewhere)
        if key in self.figures:
            return key
        known = {*self.figures, *(n for d, _, n in self.names if d == dataset)}
        raise UnknownNameError("device", name, known, "describe it by a row of devices.csv beside the file")

    def accelerator(self, key: str) -> Accelerator:
        """The device as a chip.

        Raises:
            UnknownNameError: where no row has that key.
            InputError: where its row says too little to be a chip.
        """
        if key not in self.figures:
            raise UnknownNameError("device", key, self.figures)
        return self._chips.setdefault(key, accelerator_from_row(self.figures[key]))

    @cached_property
    def _by_dataset(self) -> dict[tuple[str, str], str]:
        return {(dataset, name): key for (dataset, _, name), key in self.names.items()}

    @cached_property
    def _chips(self) -> dict[str, Accelerator]:
        return {}

    def over(self, other: DeviceTable) -> DeviceTable:
        """This table, with `other` behind it for what it does not name.

        Where both describe a device of one vendor, the other's figures fill the cells that are empty here.
        """
        figures = {**other.figures, **self.figures}
        for key in other.figures.keys() & self.figures.keys():
            figures[key] = _completed(self.figures[key], other.figures[key])
        return DeviceTable(figures, {**other.names, **self.names}, (*self.files, *other.files))


@cache
def shipped_devices() -> DeviceTable:
    """The devices that come with the package."""
    table = read_devices(SHIPPED)
    check_names(table)
    return table


def read_devices(directory: Path) -> DeviceTable:
    """Every `devices` and `device_names` table in `directory` and below as one; without rows, nobody.

    Raises:
        FileError: on a missing column, a wrong cell, two rows that contradict each other.
    """
    found = find_tables(directory)
    figures = _figures([p for p in found if dataset_name(p) == "devices"])
    files = [p for p in found if dataset_name(p) in {"devices", "device_names"}]
    names = _names([p for p in files if dataset_name(p) == "device_names"])
    return DeviceTable(figures, names, tuple(str(p) for p in files))


def check_names(table: DeviceTable) -> None:
    """See that every name leads to a device.

    Raises:
        FileError: where one does not; gives the nearest key.
    """
    findings = []
    for (dataset, column, name), key in table.names.items():
        if key not in table.figures:
            error = UnknownNameError("device key", key, table.figures, "add its row to devices.csv")
            findings.append(
                Finding("device_names.csv", None, "key", f"{error} ({dataset}.{column} '{name}')")
            )
    if findings:
        raise FileError(findings)


def _figures(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Key -> row of all `devices` tables; the same key twice must say the same."""
    rows: dict[str, dict[str, Any]] = {}
    origin: dict[str, str] = {}
    findings = []
    for path in paths:
        frame, wrong = _strict(path, DEVICE_COLUMNS)
        findings += wrong
        for row, cells in zip(frame.index, frame.to_dict("records"), strict=True):
            cleaned = {str(k): _none_if_nan(v) for k, v in cells.items()}
            key = str(cleaned["key"])
            if key in rows and rows[key] != cleaned:
                differ = ", ".join(c for c in cleaned if cleaned[c] != rows[key][c])
                findings.append(
                    Finding(
                        str(path), int(row), "key", f"'{key}' stands in {origin[key]} with another {differ}"
                    )
                )
            rows.setdefault(key, cleaned)
            origin.setdefault(key, f"{path}:{row}")
    if findings:
        raise FileError(findings)
    return rows


def _completed(row: Mapping[str, Any], behind: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row with its empty cells filled from another of the same device; the note says which."""
    if row["vendor"] != behind["vendor"]:
        return row
    figures = [c.name for c in DEVICE_COLUMNS if c.numeric or c.name == "memory"]
    filled = [name for name in figures if row[name] is None and behind[name] is not None]
    if not filled:
        return row
    grade = behind["confidence"] or "not stated"
    said = f"{', '.join(filled)} as shipped with the package, confidence {grade}"
    said += f": {behind['note']}" if behind["note"] else ""
    notes = [row["note"], said] if row["note"] else [said]
    return {**row, **{name: behind[name] for name in filled}, "note": "; ".join(notes)}


def _names(paths: Sequence[Path]) -> dict[tuple[str, str, str], str]:
    names: dict[tuple[str, str, str], str] = {}
    findings = []
    for path in paths:
        frame, wrong = _strict(path, NAME_COLUMNS)
        findings += wrong
        for row, dataset, column, name, key in frame.itertuples(name=None):
            known = names.setdefault((dataset, column, name), key)
            if known != key:
                findings.append(
                    Finding(str(path), int(row), "key", f"'{name}' stands for both '{known}' and '{key}'")
                )
    if findings:
        raise FileError(findings)
    return names


def _strict(path: Path, columns: Sequence[Column]) -> tuple[pd.DataFrame, list[Finding]]:
    try:
        read = typed(read_table(path), columns)
    except NoRowsError:  # nobody is described there
        import pandas as pd

        return pd.DataFrame(columns=[c.name for c in columns]), []
    return read.frame, [Finding(str(path), row, column, reason) for row, column, reason in read.wrong]


def _none_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def accelerator_from_row(row: Mapping[str, Any]) -> Accelerator:
    """A chip from the public figures of one row of devices.csv; an empty cell is unknown.

    Without a peak or a bandwidth nothing could be costed: there figures of the class stand in, under a source
    of their own and with the range of the class (`hw_models.measured.stand_ins`).

    A GPU's FP16 peak is that of its matrix units, its FP32 peak that of its vector units, which run FP32 MACs
    too (TF32 is off in every set that is read) unless the note tells a peak of matrix units for them.

    Raises:
        InputError: where `kind` is none that a chip can have.
    """
    cells = {k: _none_if_nan(v) for k, v in row.items()}
    kind = str(cells["kind"]).lower()
    if kind not in CLASSES:
        raise UnknownNameError(
            "kind of device", kind, CLASSES, f"in the row of '{cells['key']}'; known: {', '.join(CLASSES)}"
        )
    device_class, engine_kind = CLASSES[kind]
    name = re.sub(r"[^a-z0-9]+", "_", str(cells["key"]).lower()).strip("_")
    if not name:
        raise InputError(
            f"device key '{cells['key']}' has no letter or digit; expected a name such as 'rtx3090'"
        )
    missing = [c.name for c in DEVICE_COLUMNS if c.numeric and cells.get(c.name) is None]
    left_out = [f"not given in devices.csv: {', '.join(missing)}"] if missing else []
    sources = {SOURCE: _source(cells)}
    engine, memory = _engine(cells, engine_kind), _memories(cells)
    if used := _stand_in(cells, kind, engine, memory[-1]):
        sources[CLASS_FIGURE] = stand_ins.SOURCE
        left_out.append(stand_ins.named(used))
    return Accelerator.model_validate(
        {
            "name": name,
            "title": cells["device"],
            "vendor": cells["vendor"],
            "device_class": device_class,
            "sources": sources,
            "engines": [engine],
            "memory": memory,
            "tdp": _figure(cells.get("tdp_w")),
            "process_nm": _figure(cells.get("process_nm")),
            "left_out": left_out,
        }
    )


def _stand_in(
    cells: Mapping[str, Any], kind: str, engine: dict[str, Any], outer: dict[str, Any]
) -> list[stand_ins.StandIn]:
    """Put class figures where an engine has no peak and the outer memory no bandwidth; gives those used."""
    used = []
    if not engine["peak"]:
        precision, peak = stand_ins.peak(kind, cells.get("units"), _scaled(cells.get("clock_mhz"), 1e6))
        engine["peak"][precision] = peak.figure()
        used.append(peak)
    if outer["bandwidth"] is None:
        told = str(cells.get("memory") or "")
        bandwidth = stand_ins.host_link(told) if outer["kind"] == "host" else stand_ins.bandwidth(kind, told)
        outer["bandwidth"] = bandwidth.figure()
        used.append(bandwidth)
    return used


def _source(cells: Mapping[str, Any]) -> str:
    grade = cells.get("confidence") or "not stated"
    note = cells.get("note") or "no note"
    return f"devices.csv, confidence {grade}: {note}"


def _figure(value: float | str | None, scale: float = 1.0) -> dict[str, Any] | None:
    """The cell in SI with its source, or None where it is empty."""
    scaled = _scaled(value, scale)
    return None if scaled is None else {"value": scaled, "source": SOURCE}


def _scaled(value: float | str | None, scale: float) -> float | None:
    return None if value is None else float(value) * scale


def _engine(cells: Mapping[str, Any], kind: EngineKind) -> dict[str, Any]:
    peak = {p: figure for p, column in PEAKS if (figure := _figure(cells.get(column), 1e12))}
    has_vector_unit = kind in {"gpu", "cpu"} and "fp32" in peak
    vector_peak = {"fp32": peak["fp32"]} if has_vector_unit else {}
    both = MATRIX_FP32.search(str(cells.get("note") or ""))
    if both and cells.get("fp32_tflops") == float(both[1]):
        peak |= {"fp32": {"value": float(both[2]) * 1e12, "source": SOURCE}}
    return {
        "name": kind,
        "kind": kind,
        "peak": peak,
        "vector_peak": vector_peak,
        "units": _figure(cells.get("units")),
        "clock": _figure(cells.get("clock_mhz"), 1e6),
    }


def _memories(cells: Mapping[str, Any]) -> list[dict[str, Any]]:
    """On-chip level, then what lies outside: DRAM, or a host's memory behind a link."""
    levels: list[dict[str, Any]] = []
    if on_chip := _figure(cells.get("l2_or_sram_mb"), MEGABYTE):
        kind = "sram" if "npu" in str(cells["kind"]) else "cache"
        levels.append({"name": kind, "kind": kind, "capacity": on_chip})
    has_dram = str(cells.get("external_dram") or "yes").lower() != "no"
    link = {"name": "host", "kind": "host", "bandwidth": _figure(cells.get("mem_bw_gb_s"), 1e9)}
    levels.append(_dram(cells) if has_dram else link)
    return levels


def _dram(cells: Mapping[str, Any]) -> dict[str, Any]:
    text = str(cells.get("memory") or "")
    technology, capacity, bus = TECHNOLOGY.search(text), CAPACITY.search(text), BUS.search(text)
    return {
        "name": "dram",
        "kind": "dram",
        "technology": technology[0].upper().replace("HBM2E", "HBM2e") if technology else None,
        "capacity": _figure(capacity[1] if capacity else None, 1e9),
        "bandwidth": _figure(cells.get("mem_bw_gb_s"), 1e9),
        "bus_bits": _figure(bus[1] if bus else None),
    }
