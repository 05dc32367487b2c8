"""Mappings in the notation of `gemmini_rtl.csv`, outermost memory first.

    L3[WIO] K48 - L2[WI] N1 K16X - L1[O] C48 P16 C16X - L0[W] P8

Each memory names the operands it keeps (W weights, I inputs, O outputs) and the loops above the next one, a
letter and a factor; X: spread over the array. Letters: N images, K filters, C channels, P and Q columns and
rows of the output, R and S taps along columns and rows.

Source of the notation: ucb-bar/dosa @a7a3239, after Timeloop's. That P is along the columns and R with it was
found from the measured cycles: the other way round the error trebles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from hw_models.errors import InputError, UnknownNameError, sentence

LOOPS: Final = {
    "N": "images",
    "K": "filters",
    "C": "channels",
    "P": "columns",
    "Q": "rows",
    "R": "taps along columns",
    "S": "taps along rows",
}
"""Letter -> loop."""

TILE_ORDER: Final = ("P", "Q", "K", "C", "R", "S")
"""Letters in the order of `layer_cycles.Tile`."""

PRINTED: Final = re.compile(
    r"tile (\d+)x(\d+)x(\d+) \(rows x columns x filters\), (\d+) channels, (\d+)x(\d+) taps"
)
"""A tile as the tables of a cost print it."""

EXAMPLE: Final = "L3[WIO] K48 - L2[WI] N1 K16X - L1[O] C48 P16 C16X - L0[W] P8"

LEVEL: Final = re.compile(r"L(?P<number>\d+)\[(?P<kept>[A-Z]*)\](?P<loops>(?:\s+\S+)*)\s*")
FACTOR: Final = re.compile(r"(?P<letter>[A-Za-z]+)(?P<factor>\d+)(?P<spatial>X?)")


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop of a level: its letter, how often it runs, and whether it is spread over the array."""

    letter: str
    factor: int
    spatial: bool = False


@dataclass(frozen=True, slots=True)
class Level:
    """One memory: its number, the operands it keeps, the loops above the next memory inside."""

    number: int
    kept: str
    loops: tuple[Loop, ...]


@dataclass(frozen=True, slots=True)
class GivenMapping:
    """A mapping as written, outermost memory first."""

    levels: tuple[Level, ...]

    def factor(self, letter: str) -> int:
        """Product of a loop's factors over all levels."""
        return prod(x.factor for level in self.levels for x in level.loops if x.letter == letter)

    def tile(self, letter: str) -> int:
        """Product of a loop's factors below the outermost memory: how much of it is on the chip at once."""
        return prod(x.factor for level in self.levels[1:] for x in level.loops if x.letter == letter)

    @property
    def tiles(self) -> tuple[int, ...]:
        """Extents of a tile in the order of `TILE_ORDER`."""
        return tuple(self.tile(letter) for letter in TILE_ORDER)


def printed_tile(text: object, extents: Mapping[str, int]) -> tuple[int, ...] | None:
    """Extents of a tile as tables print it, in the order of `TILE_ORDER`; None: it is in another notation.

    Raises:
        InputError: a tile that is larger than its problem, or empty.
    """
    read = PRINTED.fullmatch(text.strip()) if isinstance(text, str) else None
    if read is None:
        return None
    rows, columns, filters, channels, down, along = (int(x) for x in read.groups())
    tile = dict(zip(TILE_ORDER, (columns, rows, filters, channels, along, down), strict=True))
    for letter, size in tile.items():
        if not 1 <= size <= extents[letter]:
            said = f"'{text}' has {size} {LOOPS[letter]}"
            raise InputError(sentence(said, f"expected 1 to {extents[letter]}, those of the problem"))
    return tuple(tile.values())


def parse_mapping(text: str, extents: Mapping[str, int] | None = None) -> GivenMapping:
    """Read a mapping.

    Args:
        text: as written.
        extents: letter -> extent of the problem that it must cover exactly; None: not checked.

    Raises:
        InputError: a level or loop that cannot be read, or factors that do not multiply to an extent.
        UnknownNameError: a letter that is no loop or no operand.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(sentence(f"'{text}' is no mapping", f"expected for example '{EXAMPLE}'"))
    found = GivenMapping(tuple(_level(part.strip(), text) for part in re.split(r"\s+-\s+", text.strip())))
    numbers = [level.number for level in found.levels]
    if numbers != sorted(set(numbers), reverse=True):
        said = f"memories {', '.join(f'L{n}' for n in numbers)} in mapping '{text}'"
        raise InputError(sentence(said, "expected each once, the outermost (highest) first"))
    if extents is not None:
        _check_cover(found, extents, text)
    return found


def _level(part: str, text: str) -> Level:
    read = LEVEL.fullmatch(part)
    if read is None:
        said = f"'{part}' in mapping '{text}' is no memory with its loops"
        raise InputError(sentence(said, "expected for example 'L1[O] C48 P16 C16X', memories apart by ' - '"))
    for operand in read["kept"]:
        if operand not in "WIO":
            raise UnknownNameError(f"operand in mapping '{text}'", operand, "WIO", "known: W, I, O")
    loops = tuple(_loop(word, text) for word in read["loops"].split())
    return Level(int(read["number"]), read["kept"], loops)


def _loop(word: str, text: str) -> Loop:
    read = FACTOR.fullmatch(word)
    if read is None:
        said = f"'{word}' in mapping '{text}' is no loop"
        raise InputError(sentence(said, "expected a letter, a factor and perhaps X, for example 'K16X'"))
    if read["letter"] not in LOOPS:
        known = f"known: {', '.join(f'{k} {v}' for k, v in LOOPS.items())}"
        raise UnknownNameError(f"loop in mapping '{text}'", read["letter"], LOOPS, known)
    if int(read["factor"]) < 1:
        raise InputError(sentence(f"factor of '{word}' in mapping '{text}'", "expected at least 1"))
    return Loop(read["letter"], int(read["factor"]), bool(read["spatial"]))


def _check_cover(found: GivenMapping, extents: Mapping[str, int], text: str) -> None:
    wrong: Sequence[str] = [
        f"{letter}: factors multiply to {found.factor(letter)}, the problem has {extents.get(letter, 1)}"
        for letter in LOOPS
        if found.factor(letter) != extents.get(letter, 1)
    ]
    if wrong:
        raise InputError(f"mapping '{text}' does not cover its problem; {'; '.join(wrong)}")


__all__ = ["EXAMPLE", "LOOPS", "TILE_ORDER", "GivenMapping", "Level", "Loop", "parse_mapping", "printed_tile"]
