"""What Arm's Vela reports: a summary of a network, and cycles of its layers. Estimates, not measurements.

The summary has seconds, bandwidths in GiB/s and memory in KiB; the layers have cycles alone: their seconds
need the core clock, which is given or stands in the one summary beside the file whose network has the same
name.

Source: ethos-u-vela 5.2.0 (Apache-2.0), ethosu/vela/stats_writer.py and npu_performance.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hw_models.measured.importers.source import TWO_RUNS, Source, delimited, need
from hw_models.measured.profile import NetworkTime, OperatorTime, Profile, RunFacts, Times

TOOL: Final = "vela"
_LAYERS: Final = ("Original Operator", "NNG Operator", "Target", "Op Cycles", "NPU", "MAC Count", "Name")
_SUMMARY: Final = (
    "network",
    "accelerator_configuration",
    "system_config",
    "memory_mode",
    "core_clock",
    "batch_size",
    "inference_time",
    "sram_memory_used",
    "nn_macs",
    "cycles_total",
)
_PER_LAYER: Final = "_per-layer.csv"
_NOTE: Final = "Vela's own estimate: it ran nothing"


def recognises(source: Source) -> bool:
    """Whether the file is one of the two."""
    head = source.lines()[0]
    return _is_summary(head) or head.startswith("Original Operator,") or '"NNG Operator"' in head


def _is_summary(head: str) -> bool:
    return head.startswith("experiment,network,") and "core_clock" in head


def read(source: Source, facts: RunFacts) -> Profile:
    """The whole network, or its layers.

    Raises:
        FileError: where the header is another version's, a second table begins, or the clock is not known.
    """
    return _summary(source) if _is_summary(source.lines()[0]) else _layers(source, facts)


def _summary(source: Source) -> Profile:
    (_, header), *rows = delimited(source, ",")
    need(_SUMMARY, header, source, 1, "Vela")
    networks: list[NetworkTime] = []
    which = header.index("memory_mode") + 1
    seen: set[tuple[str, ...]] = {tuple(header[:which])}
    for line, cells in rows:
        if tuple(cells[:which]) in seen:
            raise source.refuse(f"the network a second time: {TWO_RUNS}", line)
        seen.add(tuple(cells[:which]))
        networks.append(
            _network(source, dict(zip(header, cells, strict=False)), len(cells) - len(header), line)
        )
    if not networks:
        raise source.refuse("no network below the header", 1)
    return Profile(TOOL, "model", networks=tuple(networks), notes=(_NOTE,))


def _network(source: Source, row: dict[str, str], surplus: int, line: int) -> NetworkTime:
    if surplus:
        raise source.refuse(f"{abs(surplus)} cells too {'many' if surplus > 0 else 'few'}", line)
    seconds, cycles, clock, batch = (
        source.number(row[name], line, name)
        for name in ("inference_time", "cycles_total", "core_clock", "batch_size")
    )
    if not seconds or not clock or not cycles or abs(cycles / clock - seconds) > 0.01 * seconds:
        given = f"{row['cycles_total']} cycles at {row['core_clock']} Hz"
        message = f"{row['inference_time']} s is not {given}: mixed units"
        raise source.refuse(message, line, "inference_time")
    used = source.number(row["sram_memory_used"], line, "sram_memory_used")
    return NetworkTime(
        row["network"],
        Times(mean_s=seconds),
        device=row["accelerator_configuration"].lower(),
        engine="npu",
        batch=int(batch or 1),
        runtime=TOOL,
        clock_hz=clock,
        peak_memory_bytes=None if used is None else used * 1024,
        mode=f"{row['system_config']}|{row['memory_mode']}",
        macs=source.number(row["nn_macs"], line, "nn_macs"),
        line=line,
    )


def _layers(source: Source, facts: RunFacts) -> Profile:
    (_, header), *rows = delimited(source, ",")
    need(_LAYERS, header, source, 1, "Vela")
    clock, origin = _clock(source, facts)
    operators, fused, cycles = [], 0, 0.0
    for line, cells in rows:
        if cells == header:
            raise source.refuse(f"a second header: {TWO_RUNS}", line)
        if len(cells) != len(header):
            raise source.refuse(f"{len(cells)} cells found, expected {len(header)}", line)
        row = dict(zip(header, cells, strict=True))
        count = source.number(row["Op Cycles"], line, "Op Cycles") or 0.0
        cycles += count
        if not count and row["Target"] == "NPU":
            fused += 1
            continue
        times = Times(mean_s=count / clock if count else None)
        operators.append(
            OperatorTime(
                row["Name"],
                row["NNG Operator"],
                times,
                engine=row["Target"].lower(),
                line=line,
            )
        )
    if not operators:
        raise source.refuse("no layer below the header", 1)
    notes = (
        _NOTE,
        f"{cycles:.0f} cycles at {clock:g} Hz ({origin})",
        f"{fused} operators are part of the one above them",
    )
    return Profile(TOOL, "model", operators=tuple(operators), notes=notes)


def _clock(source: Source, facts: RunFacts) -> tuple[float, str]:
    """Core clock in Hz, and where it is from."""
    if facts.clock_hz is not None:
        return facts.clock_hz, "given"
    path = Path(source.path)
    if path.name.endswith(_PER_LAYER):
        name = path.name.removesuffix(_PER_LAYER)
        beside = sorted(path.parent.glob(f"{name}_summary_*.csv"))
        if len(beside) == 1:
            clock = _summary(Source.open(beside[0])).networks[0].clock_hz
            if clock:
                return clock, beside[0].name
    message = (
        "cycles without a clock: give it (--clock-hz 500e6), or keep Vela's one summary file beside this one"
    )
    raise source.refuse(message, 1, "Op Cycles")
