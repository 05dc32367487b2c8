"""Plug-ins by entry point: chips, cost models, importers. One that does not load stays visible."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from hw_models.errors import InputError, UnknownNameError

GROUPS: Final = {
    "codesign.chips": "a folder of chip files (a path), or a function that returns it",
    "codesign.cost_models": "an object with `name`, `contract`, `supports(chip)` and `terms(kernels, chips)`",
    "codesign.organisations": "a class with `kind`, `parameters`, `missing(chip)`, `terms(problems, chips)`",
    "codesign.importers": "an `Importer`: how to recognise and read a foreign file of measurements",
}
"""Entry-point group -> what an entry of it must be."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point: what it loaded to, or why it did not load."""

    group: str
    name: str
    target: str
    package: str
    loaded: Any = None
    error: str = ""

    @property
    def broken(self) -> bool:
        """Whether it could not be loaded."""
        return bool(self.error)


@cache
def plugins(group: str) -> tuple[Plugin, ...]:
    """Every entry point of `group`, loaded, sorted by name; a broken one carries its error.

    Raises:
        UnknownNameError: no such group.
    """
    if group not in GROUPS:
        raise UnknownNameError("plug-in group", group, GROUPS)
    return tuple(_load(group, e) for e in sorted(entry_points(group=group), key=lambda e: e.name))


def plugin(group: str, name: str) -> Any:
    """What the plug-in `name` of `group` loaded to.

    Raises:
        UnknownNameError: no such plug-in.
        InputError: it is installed but does not load; the message says why.
    """
    found = {p.name: p for p in plugins(group)}
    if name not in found:
        raise UnknownNameError(f"plug-in of {group}", name, found)
    if found[name].broken:
        raise InputError(
            f"plug-in '{name}' of {group} ({found[name].target}) does not load: {found[name].error}"
        )
    return found[name].loaded


def broken_plugins() -> tuple[Plugin, ...]:
    """Every plug-in of every group that does not load."""
    return tuple(p for group in GROUPS for p in plugins(group) if p.broken)


def _load(group: str, entry: Any) -> Plugin:
    package = entry.dist.name if entry.dist is not None else ""
    about = (group, entry.name, entry.value, package)
    try:
        loaded = entry.load()
        if group == "codesign.chips":
            loaded = _folder(loaded() if callable(loaded) else loaded)
    except Exception as error:  # whatever a stranger's code raises must not end the program
        return Plugin(*about, error=f"{type(error).__name__}: {error}")
    return Plugin(*about, loaded=loaded)


def _folder(given: Any) -> Path:
    folder = Path(os.fspath(given))
    if not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder; expected a folder of chip files")
    return folder
