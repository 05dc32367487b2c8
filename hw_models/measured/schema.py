"""Columns of the one table of measurements: name, unit, meaning and what a cell may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

RECORDS_FORMAT: Final = 2
"""Version of the columns below; a file of a version that is not in `READABLE` is refused, never misread."""

READABLE: Final = (1, 2)
"""Versions that are read. Version 1 had fewer columns, all of the same meaning; those it lacks stay empty."""


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


STEP: Final = "step"
"""`scenario`: steps run one after the other, so that the rate is the batch over the time of a step."""

SCENARIOS: Final[dict[str, str]] = {
    STEP: "one step after the other: the rate is the batch over the time of a step",
    "stream": "steps overlap, on several threads, cores or in a pipeline: the rate is not one over the time",
    "offline": "all inputs are there from the start: a rate, no time of a step",
    "server": "inputs arrive at random: the times include waiting",
}
"""What `scenario` may hold."""

COLUMNS: Final[tuple[Column, ...]] = (
    Column("dataset", "text", "Name of the file it came from, up to the first dot.", required=True),
    Column("device", "text", "Key of the device in devices.csv, or the name as measured.", required=True),
    Column("engine", "text", "Engine of the device that ran it: cpu, gpu, npu."),
    Column("n_devices", "count", "Devices that worked together; empty: one.", positive=True),
    Column("power_mode", "text", "Named power mode in force."),
    Column("clock_hz", "number", "Clock of the engine during the run.", positive=True),
    Column("threads", "count", "Threads of the host, or inputs in flight.", positive=True),
    Column("runtime", "text", "What executed it: torch, onnxruntime, qnn_dlc, ..."),
    Column("runtime_version", "text", "Its version."),
    Column("mode", "text", "All that the file tells apart, joined by '|'."),
    Column("scenario", "text", "step, stream, offline or server; empty: step."),
    Column("phase", "text", "infer, train, prefill or decode.", required=True),
    Column("precision", "text", "Arithmetic precision, as specs name it; empty: not stated."),
    Column("storage", "text", "Precision of tensors in memory, where it is not that of the arithmetic."),
    Column("batch", "count", "Inputs of one step; empty: not stated.", positive=True),
    Column("network", "text", "Network, by the name its registry knows; empty for a single operator."),
    Column("component", "text", "Part of the network that was measured alone."),
    Column(
        "family", "text", "Group of related networks; residuals are shared and intervals are split by it."
    ),
    Column("operator", "text", "Kind of operator as traces name it, where one was measured alone."),
    Column("function", "text", "What the operator computes, as the source calls it: linear, gelu, mlp_act."),
    Column("shape", "text", "Loop dimensions of the operator, 'batch=1 m=64 k=64 c=64'."),
    Column("kernel", "text", "Kernel of a library that ran it."),
    Column("img_size", "count", "Height and width of the input image in pixels.", positive=True),
    Column("input_shape", "text", "Dimensions of the input, as the source writes them."),
    Column("tokens", "count", "Tokens of one step.", positive=True),
    Column("layout", "text", "nchw or nhwc."),
    Column("compiled", "flag", "1 where a compiler fused operators, 0 where it ran operator by operator."),
    Column("n", "count", "Timed steps behind the figures.", positive=True),
    Column("mean_s", "number", "Mean time of a step.", positive=True),
    Column("std_s", "number", "Standard deviation of the time of a step."),
    Column("min_s", "number", "Fastest step.", positive=True),
    Column("p50_s", "number", "Median time of a step.", positive=True),
    Column("p90_s", "number", "90th percentile.", positive=True),
    Column("p99_s", "number", "99th percentile.", positive=True),
    Column("p99_9_s", "number", "99.9th percentile.", positive=True),
    Column("max_s", "number", "Slowest step.", positive=True),
    Column("throughput_per_s", "number", "Inputs per second; in decode, tokens per second.", positive=True),
    Column("energy_j", "number", "Energy of a step.", positive=True),
    Column("power_w", "number", "Mean power while it ran, of what the source's meter sees.", positive=True),
    Column("peak_memory_bytes", "number", "Peak memory; where the source gives a range, its upper end."),
    Column("peak_memory_low_bytes", "number", "Lower end of that range."),
    Column("params", "number", "Parameters of the network as the source counts them."),
    Column("macs", "number", "Multiply-accumulates per input as the source counts them."),
    Column(
        "activations", "number", "Output elements of convolutions and matrix products per input, same source."
    ),
    Column("layers", "count", "Layers of the compiled network."),
    Column("layers_npu", "count", "Those of them placed on the NPU."),
    Column("layers_gpu", "count", "Those placed on the GPU."),
    Column("layers_cpu", "count", "Those placed on the CPU."),
    Column("source", "text", "Where the figure was published or taken.", required=True),
    Column("licence", "text", "Licence of the source."),
    Column("file", "text", "File it was read from."),
    Column("row", "count", "Row of that file; the header is row 1.", positive=True),
    Column("hash", "text", "SHA-256 of that file."),
)

BY_NAME: Final = {column.name: column for column in COLUMNS}

PERCENTILES: Final = ("min_s", "p50_s", "p90_s", "p99_s", "p99_9_s", "max_s")
"""Times that cannot fall from left to right."""

MEASURED: Final = ("mean_s", *PERCENTILES, "throughput_per_s", "energy_j")
"""At least one of them makes a row a measurement."""

PLACEMENT: Final = ("layers_npu", "layers_gpu", "layers_cpu")
"""Parts of `layers`."""

PROVENANCE: Final = ("file", "row", "hash")
"""Where a row stood; two rows that differ in nothing else are the same measurement read twice."""
