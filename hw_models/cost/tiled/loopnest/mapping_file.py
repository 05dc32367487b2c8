"""Reads and writes a `LoopNest` as YAML; a bad file is answered with file, line and path.

```yaml
schema_version: 1
spatial:            # axis of the array -> loops spread over it and the units each occupies
  D1: [[k, 32]]
  D2: [[c, 16], [fx, 2]]
temporal:           # innermost first
  - [fx, 2]
  - [ox, 56]
  - [c, 4]
levels:             # operand -> temporal loops at or below each of its memories, innermost memory first
  output: [1, 2, 3]
  weight: [0, 3]
  input: [2, 3]
```

Without `levels` each memory takes, innermost first, the loops that leave the least traffic above it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hw_models.cost.tiled.loopnest.mapping import OPERANDS, LoopNest, Loops
from hw_models.cost.tiled.loopnest.yaml_file import YamlFile
from hw_models.errors import InputError

SCHEMA_VERSION: Final = 1

FIELDS: Final = ("schema_version", "spatial", "temporal", "levels")


def load_loopnest(file: Path | str) -> LoopNest:
    """The mapping that a YAML file gives.

    Raises:
        FileError: it is missing, unreadable or wrong inside; the message has every finding.
    """
    return loopnest_of(YamlFile.read(Path(file)))


def loopnest_of(document: YamlFile) -> LoopNest:
    """The mapping that an opened document gives.

    Raises:
        FileError: it is wrong inside.
    """
    raw = document.mapping((), FIELDS)
    if raw.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        document.wrong(("schema_version",), f"is {raw['schema_version']}; expected {SCHEMA_VERSION}")
    spatial = {
        str(axis): _loops(document, ("spatial", str(axis))) for axis in document.mapping(("spatial",), None)
    }
    temporal = _loops(document, ("temporal",))
    levels = None
    if raw.get("levels") is not None:
        named = document.mapping(("levels",), OPERANDS)
        levels = {operand: _cuts(document, ("levels", operand)) for operand in named}
    document.raise_if_wrong()
    try:
        return LoopNest(spatial, temporal, levels)
    except InputError as error:
        document.wrong((), str(error))
        document.raise_if_wrong()
        raise


def _loops(document: YamlFile, path: tuple[str | int, ...]) -> Loops:
    loops: list[tuple[str, int]] = []
    for i, entry in enumerate(document.sequence(path)):
        pair = entry if isinstance(entry, Sequence) and not isinstance(entry, str) else ()
        match [*pair]:
            case [str() as dim, int() as size] if size >= 1 and not isinstance(size, bool):
                loops.append((dim.lower(), size))
            case _:
                document.wrong((*path, i), f"is {entry!r}; expected a loop such as [ox, 56]")
    return tuple(loops)


def _cuts(document: YamlFile, path: tuple[str | int, ...]) -> tuple[int, ...]:
    cuts = document.sequence(path)
    for i, cut in enumerate(cuts):
        if not isinstance(cut, int) or isinstance(cut, bool) or cut < 0:
            document.wrong((*path, i), f"is {cut!r}; expected a count of temporal loops")
    return tuple(int(cut) for cut in cuts if isinstance(cut, int))


def dump_loopnest(nest: LoopNest) -> str:
    """The mapping as YAML text that `load_loopnest` reads back equal."""
    lines = [f"schema_version: {SCHEMA_VERSION}", "spatial:" if nest.spatial else "spatial: {}"]
    lines += [f"  {axis}: {_flow(loops)}" for axis, loops in nest.spatial.items()]
    lines += ["temporal: # innermost first" if nest.temporal else "temporal: []"]
    lines += [f"  - [{dim}, {size}]" for dim, size in nest.temporal]
    if nest.levels is not None:
        lines += ["levels: # temporal loops at or below each memory, innermost memory first"]
        lines += [f"  {operand}: {list(cuts)}" for operand, cuts in nest.levels.items()]
    return "\n".join(lines) + "\n"


def _flow(loops: Loops) -> str:
    return "[" + ", ".join(f"[{dim}, {size}]" for dim, size in loops) + "]"


def as_mapping(nest: LoopNest) -> Mapping[str, Any]:
    """The mapping as plain values, for JSON."""
    return {
        "spatial": {axis: [list(loop) for loop in loops] for axis, loops in nest.spatial.items()},
        "temporal": [list(loop) for loop in nest.temporal],
        "levels": None if nest.levels is None else {k: list(v) for k, v in nest.levels.items()},
    }
