"""Reads a mapping file of ZigZag (YAML, release 3.9): spatial loops and, if given, the order in time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hw_models.cost.tiled.loopnest.yaml_file import Steps, YamlFile

if TYPE_CHECKING:
    from hw_models.cost.tiled.loopnest.layer import Layer
    from hw_models.cost.tiled.loopnest.mapping import Loops

_FIELDS: Final = (
    "name",
    "spatial_mapping",
    "spatial_mapping_hint",
    "memory_operand_links",
    "temporal_ordering",
)
_LOOP: Final = re.compile(r"^([A-Z]+\d*), (\d+)$")
_LINKS: Final = {"O": "O", "W": "I2", "I": "I1"}


@dataclass(frozen=True, slots=True)
class MappingRule:
    """How layers of one name or kind are mapped.

    Attributes:
        name: of a layer, of an operator, or "default".
        spatial: axis of the array -> loops spread over it, as the file asks; axes left out are open.
        hints: axis -> loops that may be spread over it where it is open.
        order: loops in time, innermost first; size None: all that is left of it; empty: open.
    """

    name: str
    spatial: Mapping[str, Loops]
    hints: Mapping[str, tuple[str, ...]]
    order: tuple[tuple[str, int | None], ...] = ()


def load_zigzag_mapping(file: Path | str) -> tuple[MappingRule, ...]:
    """The rules of a ZigZag mapping file.

    Raises:
        FileError: it is missing, unreadable or wrong inside.
    """
    document = YamlFile.read(file)
    if not isinstance(document.root, list):
        document.wrong((), "expected a list of mappings")
    rules = tuple(_rule(document, (i,)) for i in range(len(document.sequence(()))))
    if rules and all(rule.name != "default" for rule in rules):
        document.wrong((), "has no mapping named 'default'")
    document.raise_if_wrong()
    return rules


def rule_for(rules: Sequence[MappingRule], layer: Layer) -> MappingRule:
    """The rule of a layer: by its name, else by its operator, else the default."""
    by_name = {rule.name: rule for rule in reversed(rules)}
    return by_name.get(layer.name) or by_name.get(layer.kind) or by_name["default"]


def _rule(document: YamlFile, here: Steps) -> MappingRule:
    given = document.mapping(here, _FIELDS)
    name = document.need((*here, "name"), str, "a layer, an operator, or default")
    links = document.mapping((*here, "memory_operand_links"), tuple(_LINKS))
    if links and dict(links) != _LINKS:
        document.wrong((*here, "memory_operand_links"), f"is {dict(links)}; only {_LINKS} is modelled")
    spatial = {
        str(axis): _loops(document, (*here, "spatial_mapping", axis))
        for axis in document.mapping((*here, "spatial_mapping"), None)
    }
    hints = {
        str(axis): tuple(str(d).lower() for d in document.sequence((*here, "spatial_mapping_hint", axis)))
        for axis in document.mapping((*here, "spatial_mapping_hint"), None)
    }
    order = [
        _timed(document, (*here, "temporal_ordering", i), e) for i, e in enumerate(_ordering(document, here))
    ]
    return MappingRule(
        str(name or given.get("name")), spatial, hints, tuple(o for o in order if o is not None)
    )


def _ordering(document: YamlFile, here: Steps) -> Sequence[Any]:
    return document.sequence((*here, "temporal_ordering"))


def _loops(document: YamlFile, here: Steps) -> Loops:
    found = []
    for i, text in enumerate(document.sequence(here)):
        match = _LOOP.match(str(text))
        if match is None or int(match[2]) < 1:
            document.wrong((*here, i), f"is {text!r}; expected a loop such as 'K, 32'")
        else:
            found.append((match[1].lower(), int(match[2])))
    return tuple(found)


def _timed(document: YamlFile, here: Steps, entry: Any) -> tuple[str, int | None] | None:
    match entry:
        case [str() as dim, int() as size] if size >= 1 and not isinstance(size, bool):
            return dim.lower(), size
        case [str() as dim, "*"]:
            return dim.lower(), None
    document.wrong(here, f"is {entry!r}; expected a loop such as [OX, 112] or [OX, '*']")
    return None
