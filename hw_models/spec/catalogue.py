"""All chips at a glance: those that load, and those that do not with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, get_args

from hw_models.errors import FileError, UnknownNameError
from hw_models.registry import plugins
from hw_models.spec.accelerator import Accelerator, DeviceClass
from hw_models.spec.load import list_chips, load_chip

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What a listing found.

    Attributes:
        chips: those that load, by name.
        broken: (name, reason) of files and plug-ins that do not load.
    """

    chips: tuple[Accelerator, ...]
    broken: tuple[tuple[str, str], ...]


def catalogue(pattern: str = "*", device_class: str | None = None) -> Catalogue:
    """The chips whose name matches `pattern` and whose class matches `device_class`; case is ignored.

    Args:
        pattern: name with wildcards.
        device_class: class with wildcards; None: any.

    Returns:
        The chips, and all that is broken under the pattern.

    Raises:
        UnknownNameError: no name or no class matches.
    """
    names = list_chips(pattern)
    if not names:
        raise UnknownNameError(
            "chip or pattern", pattern, list_chips(), "run `codesign chips list` for all of them"
        )
    classes = _classes(device_class)
    chips, broken = [], []
    for name in names:
        try:
            chip = load_chip(name)
        except FileError as error:
            broken.append((name, str(error)))
            continue
        if chip.device_class in classes:
            chips.append(chip)
    broken += [(f"plug-in {p.name} ({p.target})", p.error) for p in plugins("codesign.chips") if p.broken]
    return Catalogue(tuple(chips), tuple(broken))


def _classes(pattern: str | None) -> Sequence[str]:
    known: tuple[str, ...] = get_args(DeviceClass)
    if pattern is None:
        return known
    hits = [name for name in known if fnmatchcase(name, pattern.lower())]
    if not hits:
        raise UnknownNameError("class of chips", pattern, known, f"known: {', '.join(known)}")
    return hits
