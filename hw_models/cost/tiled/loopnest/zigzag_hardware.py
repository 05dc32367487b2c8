"""Reads a hardware description of ZigZag (YAML, release 3.9) into a `Machine`.

Left out, and refused by name: in-memory-computing arrays, and costs that ZigZag asks of CACTI.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from hw_models.cost.tiled.loopnest.machine import Machine, Port, Store, Way
from hw_models.cost.tiled.loopnest.mapping import INPUT, OUTPUT, WEIGHT
from hw_models.cost.tiled.loopnest.yaml_file import Steps, YamlFile

MEMORY_OPERANDS: Final = {"O": OUTPUT, "I2": WEIGHT, "I1": INPUT}
"""ZigZag's names of what a memory holds; which layer operand is meant is its `memory_operand_links`."""

WAYS: Final = {"tl": Way.READ_DOWN, "fl": Way.WRITE_UP, "th": Way.READ_UP, "fh": Way.WRITE_DOWN}
"""ZigZag's data directions: to and from the level below (l) and above (h)."""

_MEMORY_FIELDS: Final = (
    "size",
    "r_cost",
    "w_cost",
    "area",
    "latency",
    "mem_type",
    "auto_cost_extraction",
    "operands",
    "ports",
    "served_dimensions",
    "force_double_buffering",
)
_ARRAY_FIELDS: Final = ("unit_energy", "unit_area", "dimensions", "sizes", "systolic_dimensions")
_ARRAY_IGNORED: Final = ("input_precision", "is_imc", "imc_type", "adc_resolution", "bit_serial_precision")
_PORT_FIELDS: Final = ("name", "type", "bandwidth_min", "bandwidth_max", "allocation")
_FORBIDDEN: Final = {"read": (Way.WRITE_UP, Way.WRITE_DOWN), "write": (Way.READ_UP, Way.READ_DOWN)}


def load_zigzag_hardware(file: Path | str) -> Machine:
    """The machine that a ZigZag hardware file describes.

    Raises:
        FileError: it is missing, unreadable, wrong inside, or describes what is not modelled.
    """
    document = YamlFile.read(file, last_key_wins=True)
    document.mapping((), ("name", "memories", "operational_array", "dataflows"))
    name = document.need(("name",), str, "a name")
    axes, mac_pj, systolic = _array(document)
    memories = document.mapping(("memories",), None)
    if not memories:
        document.wrong(("memories",), "is missing or empty; expected memories, innermost first")
    stores = [_store(document, ("memories", key), set(axes)) for key in memories]
    document.raise_if_wrong()
    machine = Machine(name, axes, mac_pj, tuple(s for s in stores if s is not None), systolic)
    for lack in machine.missing():
        document.wrong(("memories",), lack)
    document.raise_if_wrong()
    return machine


def _array(document: YamlFile) -> tuple[dict[str, int], float, frozenset[str]]:
    here: Steps = ("operational_array",)
    given = document.mapping(here, (*_ARRAY_FIELDS, *_ARRAY_IGNORED))
    if given.get("is_imc"):
        document.wrong((*here, "is_imc"), "in-memory computing is not modelled; expected a digital array")
        document.raise_if_wrong()
    names = document.sequence((*here, "dimensions"))
    sizes = document.sequence((*here, "sizes"))
    if not names or len(names) != len(sizes) or not all(isinstance(s, int) and s >= 1 for s in sizes):
        document.wrong((*here, "sizes"), f"is {list(sizes)}; expected one size for each of {list(names)}")
    mac_pj = document.need((*here, "unit_energy"), (int, float), "the energy of one MAC in pJ")
    if isinstance(mac_pj, int | float) and mac_pj < 0:
        document.wrong((*here, "unit_energy"), f"is {mac_pj}; expected 0 or more")
    systolic = document.sequence((*here, "systolic_dimensions"))
    for i, axis in enumerate(systolic):
        if axis not in names:
            document.wrong((*here, "systolic_dimensions", i), f"no dimension '{axis}' in {list(names)}")
    return dict(zip(map(str, names), sizes, strict=False)), float(mac_pj or 0), frozenset(map(str, systolic))


def _store(document: YamlFile, here: Steps, axes: set[str]) -> Store | None:
    given = document.mapping(here, _MEMORY_FIELDS)
    if given.get("auto_cost_extraction"):
        document.wrong(
            (*here, "auto_cost_extraction"), "costs by CACTI are not modelled; state r_cost and w_cost"
        )
        return None
    bits = document.need((*here, "size"), int, "its size in bits")
    costs = [
        document.need((*here, key), (int, float), "energy per access in pJ") for key in ("r_cost", "w_cost")
    ]
    operands = [
        _operand(document, (*here, "operands", i)) for i in range(len(_listed(document, here, "operands")))
    ]
    for i, axis in enumerate(document.sequence((*here, "served_dimensions"))):
        if axis not in axes:
            document.wrong(
                (*here, "served_dimensions", i), f"no dimension '{axis}'; known: {', '.join(axes)}"
            )
    ports = _ports(document, (*here, "ports"), [op for op in operands if op is not None])
    if bits is not None and bits < 1:
        document.wrong((*here, "size"), f"is {bits}; expected bits, 1 or more")
    if bits is None or None in costs or None in operands or ports is None:
        return None
    held = tuple(op for op in operands if op is not None)
    served = tuple(str(axis) for axis in document.sequence((*here, "served_dimensions")))
    read, write = (float(cost) for cost in costs)
    halved = bool(given.get("force_double_buffering", False))
    return Store(str(here[-1]), bits, read, write, held, served, ports, halved)


def _listed(document: YamlFile, here: Steps, key: str) -> tuple[Any, ...]:
    found = tuple(document.sequence((*here, key)))
    if not found:
        document.wrong((*here, key), "is missing or empty; expected a list")
    return found


def _operand(document: YamlFile, here: Steps) -> int | None:
    name = document.at(here)
    if name not in MEMORY_OPERANDS:
        document.wrong(here, f"is {name!r}; expected one of {', '.join(MEMORY_OPERANDS)}")
    return MEMORY_OPERANDS.get(name)


def _ports(document: YamlFile, here: Steps, operands: list[int]) -> tuple[Port, ...] | None:
    """Ports of one memory; of a way that several name, the last one moves it, as in ZigZag."""
    before = len(document.findings)
    owner: dict[tuple[int, Way], int] = {}
    widths: list[tuple[str, int, int]] = []
    for i in range(len(_listed(document, here[:-1], "ports"))):
        document.mapping((*here, i), _PORT_FIELDS)
        name = document.need((*here, i, "name"), str, "a name")
        kind = document.at((*here, i, "type"))
        if kind not in {"read", "write", "read_write"}:
            document.wrong((*here, i, "type"), f"is {kind!r}; expected read, write or read_write")
        least = document.need((*here, i, "bandwidth_min"), int, "bits of the shortest access")
        most = document.need((*here, i, "bandwidth_max"), int, "bits of the widest access")
        if least is not None and most is not None and not 1 <= least <= most:
            document.wrong((*here, i, "bandwidth_min"), f"is {least}; expected 1 to bandwidth_max, {most}")
        widths.append((name, least, most))
        for j, text in enumerate(_listed(document, (*here, i), "allocation")):
            served = _way(document, (*here, i, "allocation", j), text, operands, kind)
            if served is not None:
                owner[served] = i
    if len(document.findings) > before:
        return None
    ranked = sorted(owner, key=lambda served: operands.index(served[0]))
    serves = {i: tuple(s for s in ranked if owner[s] == i) for i in range(len(widths))}
    return tuple(Port(*width, serves[i]) for i, width in enumerate(widths) if serves[i])


def _way(
    document: YamlFile, here: Steps, text: Any, operands: list[int], kind: Any
) -> tuple[int, Way] | None:
    operand, _, direction = str(text).partition(", ")
    if operand not in MEMORY_OPERANDS or direction not in WAYS:
        document.wrong(here, f"is {text!r}; expected an operand and a direction such as 'I1, fh'")
        return None
    if MEMORY_OPERANDS[operand] not in operands:
        document.wrong(here, f"the memory does not hold {operand}")
        return None
    if WAYS[direction] in _FORBIDDEN.get(kind, ()):
        document.wrong(here, f"a {kind} port cannot serve '{direction}'")
        return None
    return MEMORY_OPERANDS[operand], WAYS[direction]
