"""Mappings in Timeloop's notation, as one line and as YAML, for a machine whose memories they name.

One line: `L3[WIO] K8 - L2[WI] K16X - L1[O] C4 P8 C16X - L0[W] P16`. Levels from the outermost inward, each
with the operands it keeps and its loops, outermost first; X and Y mark loops spread over the array below the
level. L0 is the machine's first memory. R, S are the taps and P, Q the outputs along x and y.

Source: NVlabs/timeloop, documentation of mappings; ucb-bar/dosa @a7a3239 for the one line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hw_models.cost.tiled.loopnest.mapping import INPUT, OPERANDS, OUTPUT, WEIGHT, LoopNest
from hw_models.cost.tiled.loopnest.yaml_file import Steps, YamlFile
from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from hw_models.cost.tiled.loopnest.machine import Machine

DIMS: Final = {"R": "fx", "S": "fy", "P": "ox", "Q": "oy", "C": "c", "K": "k", "N": "n", "G": "g"}
"""Timeloop's loops of a convolution and ours."""

_KEPT: Final = {"W": WEIGHT, "I": INPUT, "O": OUTPUT}
_DATA_SPACES: Final = {"Weights": WEIGHT, "Inputs": INPUT, "Outputs": OUTPUT}
_LEVEL: Final = re.compile(r"^L(\d+)\[([WIO]*)\]\s*(.*)$")
_LOOP: Final = re.compile(r"^([A-Z])=?(\d+)([XY]?)$")
_FIELDS: Final = ("target", "type", "factors", "permutation", "split", "keep", "bypass")


@dataclass
class _Level:
    kept: set[int]
    temporal: list[tuple[str, int]] = field(default_factory=list)
    """Innermost first."""
    spatial: list[tuple[str, int, str]] = field(default_factory=list)
    """Loop, units, and the axis that the notation names, X or Y."""


def parse_timeloop(text: str, machine: Machine, axes: Mapping[str, str]) -> LoopNest:
    """A mapping from one line.

    Args:
        text: the mapping.
        machine: its memories are L0, L1 and so on.
        axes: axis of the array of the loops that are spread below a level, as "L1X".

    Raises:
        InputError: the text is no mapping, or not one for this machine.
    """
    levels: dict[int, _Level] = {}
    for part in text.split(" - "):
        match = _LEVEL.match(part.strip())
        if match is None:
            raise InputError(
                f"'{part.strip()}' is no level of a mapping; expected such as 'L1[O] C4 P8 C16X'"
            )
        number = int(match[1])
        if number >= len(machine.stores):
            last = len(machine.stores) - 1
            raise InputError(f"L{number} is no memory of {machine.name}; its memories are L0 to L{last}")
        level = levels.setdefault(number, _Level({_KEPT[letter] for letter in match[2]}))
        for word in reversed(match[3].split()):
            dim, size, side = _loop(word)
            if side:
                level.spatial.append((dim, size, side))
            else:
                level.temporal.append((dim, size))
    return _nest(machine, levels, axes)


def load_timeloop_mapping(file: Path | str, machine: Machine, axes: Mapping[str, str]) -> LoopNest:
    """A mapping from Timeloop's YAML: entries with target, type, factors and permutation (innermost first).

    Args:
        file: with a list of entries, or one below `mapping`.
        machine: targets are its memories, by name.
        axes: axis of the array of the loops that are spread below a memory, as "buffer.X".

    Raises:
        FileError: it is missing, unreadable or wrong inside.
        InputError: the mapping is not one for this machine.
    """
    document = YamlFile.read(file)
    root: Steps = ("mapping",) if isinstance(document.root, dict) else ()
    names = [store.name for store in machine.stores]
    levels = {i: _Level(set(store.operands)) for i, store in enumerate(machine.stores)}
    for i in range(len(document.sequence(root))):
        here = (*root, i)
        document.mapping(here, _FIELDS)
        target = document.at((*here, "target"))
        if target not in names:
            document.wrong((*here, "target"), f"is {target!r}; the machine has {', '.join(names)}")
            continue
        _entry(document, here, levels[names.index(target)])
    document.raise_if_wrong()
    return _nest(
        machine, levels, {f"L{names.index(k.split('.')[0])}{k.split('.')[-1]}": v for k, v in axes.items()}
    )


def _entry(document: YamlFile, here: Steps, level: _Level) -> None:
    kind = document.at((*here, "type"))
    if kind in {"bypass", "datatype"}:
        for verb in ("keep", "bypass"):
            for i, name in enumerate(document.sequence((*here, verb))):
                if name not in _DATA_SPACES:
                    known = ", ".join(_DATA_SPACES)
                    document.wrong((*here, verb, i), f"is {name!r}; expected one of {known}")
                elif verb == "bypass":
                    level.kept.discard(_DATA_SPACES[name])
        return
    if kind not in {"temporal", "spatial"}:
        document.wrong((*here, "type"), f"is {kind!r}; expected temporal, spatial or bypass")
        return
    words = _words(document.at((*here, "factors")))
    order = str(document.at((*here, "permutation")) or "").replace(",", "").replace(" ", "")
    split = document.at((*here, "split"))
    found: dict[str, tuple[str, int]] = {}
    for i, word in enumerate(words):
        try:
            dim, size, _ = _loop(word)
        except InputError as error:
            document.wrong((*here, "factors"), f"entry {i}: {error}")
            continue
        found[word[0]] = (dim, size)
    ranked = sorted(found, key=lambda letter: order.index(letter) if letter in order else len(order))
    if kind == "temporal":
        level.temporal += [found[letter] for letter in ranked]
        return
    for place, letter in enumerate(ranked):
        beyond = isinstance(split, int) and place >= split
        level.spatial.append((*found[letter], "Y" if beyond else "X"))


def _words(factors: Any) -> Sequence[str]:
    if isinstance(factors, list):
        return [str(word) for word in factors]
    return str(factors or "").replace(",", " ").split()


def _loop(word: str) -> tuple[str, int, str]:
    match = _LOOP.match(word)
    if match is None or match[1] not in DIMS or int(match[2]) < 1:
        raise InputError(f"'{word}' is no loop; expected one of {', '.join(DIMS)} and its size, such as 'C4'")
    return DIMS[match[1]], int(match[2]), match[3]


def _nest(machine: Machine, levels: Mapping[int, _Level], axes: Mapping[str, str]) -> LoopNest:
    spatial: dict[str, list[tuple[str, int]]] = {axis: [] for axis in machine.axes}
    temporal: list[tuple[str, int]] = []
    held: dict[int, int] = {}
    for number in range(len(machine.stores)):
        level = levels.get(number, _Level(set(machine.stores[number].operands)))
        for dim, size, side in level.spatial:
            axis = axes.get(f"L{number}{side}")
            if axis is None and size > 1:
                raise InputError(
                    f"loop {dim} is spread below L{number} along {side}; axes has no 'L{number}{side}'"
                )
            if axis is not None and axis not in machine.axes:
                raise UnknownNameError("axis of the array", axis, machine.axes)
            if axis is not None and size > 1:
                spatial[axis].append((dim, size))
        temporal += [(dim, size) for dim, size in level.temporal if size > 1]
        held[number] = len(temporal)
        missing = set(machine.stores[number].operands) - level.kept
        if missing:
            names = ", ".join(OPERANDS[op] for op in sorted(missing))
            store = machine.stores[number].name
            raise InputError(f"L{number} bypasses the {names}, which {machine.name} keeps in {store}")
    cuts = {name: tuple(held[i] for i in machine.levels[op]) for op, name in enumerate(OPERANDS)}
    return LoopNest({axis: tuple(loops) for axis, loops in spatial.items()}, tuple(temporal), cuts)
