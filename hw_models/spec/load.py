"""YAML -> Accelerator. A bad file is answered as a compiler would: every mistake at once, each with file, line and path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hw_models import registry
from hw_models.errors import FileError, Finding, InputError, UnknownNameError
from hw_models.spec.accelerator import SCHEMA_VERSION, Accelerator
from hw_models.spec.quantities import BORDER
from hw_models.spec.references import broken_references
from hw_models.spec.explain import Location, explain, shown_path
from hw_models.spec.show import ChipReport, chip_report

__all__ = ["CHIPS_ENV", "ChipReport", "chip_files", "chip_report", "list_chips", "load_chip", "read_chip"]

CHIPS_ENV: Final = "CODESIGN_CHIPS"
"""Environment variable that names folders with own chip files, parted as PATH is; they come before the packaged ones."""

PACKAGED: Final = Path(__file__).resolve().parent.parent / "chips"
SUFFIXES: Final = (".yaml", ".yml")


def load_chip(name: str | os.PathLike[str], mode: str | None = None) -> Accelerator:
    """The chip called `name`, or described by the file `name`, at power mode `mode` (None: at its maximum).

    Args:
        name: a packaged or own chip ("rtx3090"), one with its mode ("jetson_agx_orin_64@30W"), or a path to a file.
        mode: name of one of its power modes.

    Raises:
        UnknownNameError: no such chip or mode; the message has the nearest names.
        FileError: the file is missing, unreadable or wrong inside; the message has every finding.
        InputError: a mode is named twice, differently.
    """
    text = os.fspath(name)
    if _is_path(text):
        return _checked(Path(text)).at_mode(mode)
    text, _, in_name = text.partition("@")
    if in_name and mode and in_name != mode:
        raise InputError(
            f"'{name}' names the power mode {in_name!r}, and mode={mode!r} another; give one of them"
        )
    files = chip_files()
    if text not in files:
        raise UnknownNameError(
            "chip", text, files, "run `codesign chips list` for all of them, or give a path to a .yaml file"
        )
    return _checked(files[text]).at_mode(mode or in_name or None)


def list_chips(pattern: str = "*") -> list[str]:
    """Names of the chips that match `pattern` ("*npu*", "jetson_?_*"; case is ignored), sorted.

    A pattern without wildcards that is no chip's name gives an empty list.
    """
    return [n for n in chip_files() if fnmatchcase(n.lower(), pattern.lower())]


def chip_files() -> dict[str, Path]:
    """Name -> file of every chip that can be loaded by name: folders of `CODESIGN_CHIPS`, packaged, then plug-ins."""
    found: dict[str, Path] = {}
    for folder in _folders():
        for file in sorted(folder.iterdir()):
            if file.suffix in SUFFIXES:
                found.setdefault(file.stem, file)
    return dict(sorted(found.items()))


def _folders() -> Iterator[Path]:
    own = [Path(p).expanduser() for p in os.environ.get(CHIPS_ENV, "").split(os.pathsep) if p]
    for folder in own:
        if not folder.is_dir():
            raise InputError(
                f"{CHIPS_ENV} names '{folder}', which is not a folder; expected folders of chip files, parted by '{os.pathsep}'"
            )
    yield from own
    yield PACKAGED
    for plugin in registry.plugins("codesign.chips"):
        if plugin.loaded is not None:
            folder = Path(os.fspath(plugin.loaded))
            if folder.is_dir():
                yield folder


def _is_path(text: str) -> bool:
    return text.endswith(SUFFIXES) or os.sep in text


def _checked(file: Path) -> Accelerator:
    try:
        stamp = file.stat().st_mtime_ns
    except OSError as error:
        raise FileError.at(file, f"cannot be read: {error.strerror or error}; expected a chip file") from None
    return _cached(file, stamp)


@lru_cache(maxsize=512)
def _cached(file: Path, stamp: int) -> Accelerator:  # noqa: ARG001 - a changed file is another entry
    return read_chip(file)


def read_chip(file: str | os.PathLike[str]) -> Accelerator:
    """Read one file, whatever its name, without the linter.

    Raises:
        FileError: the file is missing, unreadable or wrong inside.
    """
    path = Path(file)
    text = _text(path)
    raw = _parsed(path, text, YAML(typ="safe"))
    problems: list[tuple[Location, str]]
    try:
        return Accelerator.model_validate(raw, context=BORDER)
    except ValidationError as error:
        problems = explain(error)
    # a file that fails its fields has not had its names checked yet
    seen = {loc for loc, _ in problems}
    problems += [(loc, said) for loc, said in broken_references(raw) if loc not in seen]
    lines = _Lines(_parsed(path, text, YAML(typ="rt")))
    findings = [Finding(str(file), lines.of(loc), shown_path(loc), said) for loc, said in problems]
    raise FileError(sorted(findings, key=lambda f: f.line or 0))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise FileError.at(
            path, f"is not UTF-8 text ({error.reason} at byte {error.start}); expected a YAML file"
        ) from None
    except OSError as error:
        raise FileError.at(path, f"cannot be read: {error.strerror or error}; expected a chip file") from None


def _parsed(path: Path, text: str, yaml: YAML) -> Mapping[str, Any]:
    """The file's mapping, at a schema version that this release reads."""
    try:
        raw = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FileError.at(path, _syntax(error, text), line=mark.line + 1 if mark else None) from None
    except YAMLError as error:
        raise FileError.at(path, f"is not YAML: {' '.join(str(error).split())}") from None
    if raw is None:
        raise FileError.at(path, "is empty; expected a chip, see `codesign chips new NAME`", line=1)
    if not isinstance(raw, Mapping):
        kind = (
            "a list"
            if isinstance(raw, Sequence) and not isinstance(raw, str)
            else f"the single value {raw!r}"
        )
        raise FileError.at(
            path,
            f"holds {kind}; expected a mapping that begins with 'schema_version: {SCHEMA_VERSION}'",
            line=1,
        )
    return raw


def _syntax(error: MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark or error.context_mark
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    problem = str(error.problem or error.context or "cannot be read").split("\n", 1)[0]
    if "duplicate key" in problem:
        key = problem.split('"')[1] if '"' in problem else problem
        return f"'{key}' stands twice in this mapping; expected each key once"
    if "\t" in line:
        return "a tab where YAML wants spaces; indent with spaces"
    return f"is not YAML here: {problem}"


class _Lines:
    """Where things stand in a file that was read with the round-trip loader."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def of(self, loc: Location) -> int | None:
        """Line of the deepest part of `loc` that the file has, counted from 1."""
        node: Any = self._root
        line = node.lc.line
        for step in loc:
            try:
                line = node.lc.key(step)[0] if isinstance(node, Mapping) else node.lc.item(step)[0]
                node = node[step]
            except (KeyError, IndexError, TypeError, AttributeError):
                break
        return int(line) + 1
