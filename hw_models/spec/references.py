"""Names by which one part of a chip's description points at another: sources, engines, precisions, modes.

Works on plain nested data, so that a file with other mistakes in it answers with all of them at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hw_models.errors import did_you_mean, nearest, sentence

Location = tuple[str | int, ...]
Problem = tuple[Location, str]


def broken_references(chip: Mapping[str, Any]) -> list[Problem]:
    """Every name in `chip` that points nowhere or stands twice, and where; malformed parts are left out."""
    engines = [e for e in _items(chip.get("engines")) if isinstance(e, Mapping)]
    return [
        *_sources(chip),
        *_twice(("engines",), engines),
        *_twice(("memory",), _items(chip.get("memory"))),
        *_twice(("power_modes",), _items(chip.get("power_modes"))),
        *_fallbacks(engines),
        *_modes(chip, engines),
    ]


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _names(items: Iterable[Any]) -> list[str]:
    return [i["name"] for i in items if isinstance(i, Mapping) and isinstance(i.get("name"), str)]


def _unknown(what: str, given: str, known: Sequence[str]) -> str:
    have = f"known: {', '.join(known)}" if known else "none is declared"
    return sentence(f"unknown {what} '{given}'", did_you_mean(nearest(given, known)), have)


def _sources(chip: Mapping[str, Any]) -> Iterator[Problem]:
    declared = chip.get("sources")
    if not isinstance(declared, Mapping):
        return
    known = [str(key) for key in declared]
    for loc, key in _keys(chip, ()):
        if key not in known:
            yield loc, _unknown("source", key, known)


def _keys(node: Any, loc: Location) -> Iterator[tuple[Location, str]]:
    """Every `source: key` below `node`; no chip nests deeper than twenty levels."""
    if len(loc) > 20:
        return
    if isinstance(node, Mapping):
        for name, child in node.items():
            if name == "source" and isinstance(child, str):
                yield (*loc, "source"), child
            elif loc or name != "sources":
                yield from _keys(child, (*loc, name))
    else:
        for i, child in enumerate(_items(node)):
            yield from _keys(child, (*loc, i))


def _twice(loc: Location, items: Sequence[Any]) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, item in enumerate(items):
        name = item.get("name") if isinstance(item, Mapping) else None
        if isinstance(name, str) and name in seen:
            yield (
                (*loc, i, "name"),
                f"'{name}' is already the name of another entry of {loc[-1]}; names must differ",
            )
        if isinstance(name, str):
            seen.add(name)


def _fallbacks(engines: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    names = _names(engines)
    for i, engine in enumerate(engines):
        to = engine.get("fallback")
        if isinstance(to, str) and to == engine.get("name"):
            yield ("engines", i, "fallback"), f"'{to}' falls back to itself; expected another engine or null"
        elif isinstance(to, str) and to not in names:
            yield ("engines", i, "fallback"), _unknown("engine", to, names)


def _modes(chip: Mapping[str, Any], engines: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    names = _names(engines)
    modes = _items(chip.get("power_modes"))
    for i, mode in enumerate(modes):
        for field in ("peak", "vector_peak", "clock"):
            table = mode.get(field) if isinstance(mode, Mapping) else None
            for engine in table if isinstance(table, Mapping) else ():
                if engine not in names:
                    yield ("power_modes", i, field, engine), _unknown("engine", str(engine), names)
    given = chip.get("mode")
    if isinstance(given, str) and given not in _names(modes):
        yield ("mode",), _unknown("power mode", given, _names(modes))
