"""Columns of the one table of measurements: name, unit, meaning and what a cell may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

RECORDS_FORMAT: Final = 1
"""Version of the columns below; a file of another version is refused, never misread."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table.

    Attributes:
        name: header; ends in the unit wherever there is one.
        holds: "text"; "count", an integer; "number"; "flag", 0 or 1.
        meaning: one sentence.
        required: whether an empty cell is an error. Elsewhere an empty cell means "not given upstream".
        positive: whether zero is an error; negative numbers always are.
    """

    name: str
    holds: Literal["text", "count", "number", "flag"]
    meaning: str
    required: bool = False
    positive: bool = False

    @property
    def numeric(self) -> bool:
        """Whether cells are numbers."""
        return self.holds != "text"


COLUMNS: Final[tuple[Column, ...]] = (
    Column("dataset", "text", "Name of the file it came from, up to the first dot.", required=True),
    Column("device", "text", "Key of the device in devices.csv, or the name as measured.", required=True),
    Column("engine", "text", "Engine of the device that ran it."),
    Column("power_mode", "text", "Named power mode in force."),
    Column("clock_hz", "number", "Clock of the engine during the run.", positive=True),
    Column("runtime", "text", "What executed it: torch, onnxruntime, qnn_dlc, ..."),
    Column("runtime_version", "text", "Its version."),
    Column("mode", "text", "All that the file tells apart, joined by '|'."),
    Column("phase", "text", "infer or train.", required=True),
    Column("precision", "text", "Arithmetic precision, as specs name it.", required=True),
    Column("batch", "count", "Inputs of one step.", required=True, positive=True),
    Column("network", "text", "Network, by the name its registry knows; empty for a single operator."),
    Column(
        "family", "text", "Group of related networks; residuals are shared and intervals are split by it."
    ),
    Column("operator", "text", "Operator, where one was measured alone."),
    Column("shape", "text", "Loop dimensions of the operator, 'm=64 n=64 k=64'."),
    Column("img_size", "count", "Height and width of the input image in pixels.", positive=True),
    Column("layout", "text", "nchw or nhwc."),
    Column("compiled", "flag", "1 where a compiler fused operators, 0 where it ran operator by operator."),
    Column("n", "count", "Timed steps behind the figures.", positive=True),
    Column("mean_s", "number", "Mean time of a step.", positive=True),
    Column("p50_s", "number", "Median time of a step.", positive=True),
    Column("p90_s", "number", "90th percentile.", positive=True),
    Column("p99_s", "number", "99th percentile.", positive=True),
    Column("p99_9_s", "number", "99.9th percentile.", positive=True),
    Column("max_s", "number", "Slowest step.", positive=True),
    Column("energy_j", "number", "Energy of a step.", positive=True),
    Column("throughput_per_s", "number", "Inputs per second.", positive=True),
    Column("params", "number", "Parameters of the network as the source counts them."),
    Column("macs", "number", "Multiply-accumulates per input as the source counts them."),
    Column(
        "activations", "number", "Output elements of convolutions and matrix products per input, same source."
    ),
    Column("source", "text", "Where the figure was published or taken.", required=True),
    Column("licence", "text", "Licence of the source."),
    Column("file", "text", "File it was read from."),
    Column("row", "count", "Row of that file; the header is row 1.", positive=True),
    Column("hash", "text", "SHA-256 of that file."),
)

BY_NAME: Final = {column.name: column for column in COLUMNS}

PERCENTILES: Final = ("p50_s", "p90_s", "p99_s", "p99_9_s", "max_s")
"""Times that cannot fall from left to right."""

PROVENANCE: Final = ("file", "row", "hash")
"""Where a row stood; two rows that differ in nothing else are the same measurement read twice."""
