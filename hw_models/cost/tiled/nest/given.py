"""A mapping that somebody gives for a contraction: as a table prints it, or as a structure.

```yaml
mappings:
  conv1: "dram[weight stays] k64 c64 oy7 ox56 | sram[output stays] k16 c16 ox56 | array[reduction x filter]"
  conv2: {outer: {k: 64, c: 64, oy: 7, ox: 56}, local: {k: 16, c: 16, ox: 56},
          stationary: {dram: weight, sram: output}, layout: reduction x filter}
```

`outer` is the tile in the last on-chip memory, `local` the one in the memories beside the array; a loop that
is left out has size 1. Whatever the tiles leave over is a shorter last tile. The layout may be left out where
there is one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility
from hw_models.cost.tiled.nest.chosen import Chosen
from hw_models.cost.tiled.nest.count import STATIONARY, Mappings, count
from hw_models.cost.tiled.nest.machine import machine
from hw_models.cost.tiled.nest.price import demands, price
from hw_models.cost.tiled.organisation import BESIDE, TiledTerms
from hw_models.cost.tiled.problem import LOOPS
from hw_models.errors import InputError, UnknownNameError, did_you_mean, nearest, sentence

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, IntArray
    from hw_models.cost.tiled.nest.machine import Build
    from hw_models.cost.tiled.nest.spatial import Layout
    from hw_models.cost.tiled.organisation import Parameter
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator

TEXT: Final = re.compile(
    r"dram\[(?P<dram>\w+) stays\](?P<outer>[^|]*)\|\s*sram\[(?P<sram>\w+) stays\](?P<local>[^|]*)"
    r"(?:\|\s*array\[(?P<layout>[^\]]*)\])?\s*"
)
FORM: Final = "dram[OPERAND stays] LOOPSIZE ... | sram[OPERAND stays] LOOPSIZE ... | array[LAYOUT]"
FIELDS: Final = ("outer", "local", "stationary", "layout")


def given_mapping(value: Any, extents: IntArray, layouts: Sequence[Layout]) -> tuple[Mappings, int]:
    """The one mapping that `value` stands for, and which of the layouts it uses.

    Raises:
        InputError: it cannot be read, or does not fit the loops of the contraction.
    """
    found = _of_text(value) if isinstance(value, str) else _of_structure(value)
    tiles = {level: _tile(found[level], extents, level) for level in ("local", "outer")}
    for name, local, outer, extent in zip(LOOPS, tiles["local"], tiles["outer"], extents, strict=True):
        if outer < local or (outer % local and outer != extent):
            whole = f"expected whole local tiles of {local}, or all {extent}"
            raise InputError(f"outer tile {name}{outer} is no whole number of local tiles; {whole}")
    orders = [_stationary(found["stationary"], boundary) for boundary in ("sram", "dram")]
    one = Mappings(tiles["local"][None], tiles["outer"][None], np.array(orders[:1]), np.array(orders[1:]))
    return one, _layout(found["layout"], layouts)


def given_terms(
    problems: Problems,
    chips: Sequence[Accelerator],
    mappings: Sequence[Any],
    layouts: Callable[[Build], Sequence[Layout]],
    parameters: Mapping[str, Parameter],
    beside: FloatArray | None = None,
) -> TiledTerms:
    """Terms of one given mapping for each problem; what does not fit has a code, demand and bound.

    `beside` (D, C, 4): bytes that move beside each contraction, in the order of `BESIDE`; None: none.

    Raises:
        InputError: a mapping that cannot be read or does not fit its problem.
    """
    shape = (len(problems), len(chips))
    moved = np.zeros((*shape, len(BESIDE))) if beside is None else beside
    seconds, actions = np.full((*shape, len(RESOURCES)), np.inf), np.full((*shape, len(ACTIONS)), np.nan)
    code = np.full(shape, Feasibility.OK, np.int8)
    demand, bound, told = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, None, object)
    for column, chip in enumerate(chips):
        built = machine(chip, parameters)
        laid = layouts(built.build)
        for row, value in enumerate(mappings):
            one, at = given_mapping(value, problems.dims[row], laid)
            rate = built.rate(problems.weight_bits[row], problems.input_bits[row])
            if rate is None:
                code[row, column] = Feasibility.PRECISION
                continue
            counts = count(problems, row, built.build, laid[at], one)
            over = demands(counts, built)[0] - [b.capacity for b in built.buffers]
            if over.max() > 0:
                worst = int(over.argmax())
                code[row, column] = Feasibility.CAPACITY
                bound[row, column] = built.buffers[worst].capacity
                demand[row, column] = bound[row, column] + over[worst]
                continue
            priced = price(counts, built, laid[at], *rate, moved[row, column].tolist())
            seconds[row, column], actions[row, column] = priced.seconds[0], priced.actions[0]
            tiles = [*one.inner[0], *one.outer[0], one.order_local[0], one.order_dram[0], at]
            told[row, column] = Chosen.of(np.array(tiles), laid)
    return TiledTerms(seconds, actions, code, demand, bound, np.full(shape, np.nan), told)


def _of_text(text: str) -> dict[str, Any]:
    match = TEXT.fullmatch(text.strip())
    if match is None:
        raise InputError(f"'{text}' is no mapping; expected '{FORM}', as the tables of a cost print it")
    tiles: dict[str, dict[str, int]] = {}
    for level in ("outer", "local"):
        tiles[level] = {}
        for word in match[level].split():
            loop = re.fullmatch(r"([a-z]+)([0-9]+)", word)
            if loop is not None:
                tiles[level][loop[1]] = int(loop[2])
            elif word != "1":
                raise InputError(f"'{word}' is no loop with its size; expected for example k64")
    stationary = {"dram": match["dram"], "sram": match["sram"]}
    return {**tiles, "stationary": stationary, "layout": match["layout"]}


def _of_structure(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"is {value!r}; expected '{FORM}', or {', '.join(FIELDS)}")
    for key in value:
        if key not in FIELDS:
            near = did_you_mean(nearest(str(key), FIELDS))
            raise InputError(sentence(f"unknown field '{key}'", near or f"known: {', '.join(FIELDS)}"))
    for level in ("outer", "local", "stationary"):
        if not isinstance(value.get(level, {}), Mapping):
            raise InputError(f"{level} is {value[level]!r}; expected name: value")
    plain = {level: dict(value.get(level, {})) for level in ("outer", "local", "stationary")}
    return {**plain, "layout": value.get("layout")}


def _tile(sizes: Mapping[str, Any], extents: IntArray, level: str) -> IntArray:
    tile = np.ones(len(LOOPS), np.int64)
    for name, size in sizes.items():
        if name not in LOOPS:
            raise UnknownNameError(
                f"loop of the {level} tile", str(name), LOOPS, f"loops: {', '.join(LOOPS)}"
            )
        extent = int(extents[LOOPS.index(name)])
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= extent:
            raise InputError(f"{level} tile {name} is {size!r}; expected 1 to {extent}, the loop's extent")
        tile[LOOPS.index(name)] = size
    return tile


def _stationary(given: Mapping[str, Any], boundary: str) -> int:
    operand = given.get(boundary, "output")
    if operand not in STATIONARY:
        known = f"operands: {', '.join(STATIONARY)}"
        raise UnknownNameError(f"stationary operand of {boundary}", str(operand), STATIONARY, known)
    return STATIONARY.index(operand)


def _layout(name: Any, layouts: Sequence[Layout]) -> int:
    names = [layout.name for layout in layouts]
    if name is None and len(names) == 1:
        return 0
    if name not in names:
        raise UnknownNameError("layout on the array", str(name), names, f"layouts: {', '.join(names)}")
    return names.index(name)
