"""YAML -> Accelerator. A bad file is answered as by a compiler: every mistake, with file, line and path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hw_models import registry
from hw_models.errors import FileError, Finding, InputError, UnknownNameError, did_you_mean, nearest, sentence
from hw_models.spec.accelerator import SCHEMA_VERSION, Accelerator
from hw_models.spec.explain import explain, shown_path
from hw_models.spec.quantities import BORDER
from hw_models.spec.references import broken_references
from hw_models.spec.show import ChipReport, chip_report

if TYPE_CHECKING:
    from hw_models.spec.references import Location

__all__ = ["CHIPS_ENV", "ChipReport", "chip_files", "chip_report", "list_chips", "load_chip", "read_chip"]

CHIPS_ENV: Final = "CODESIGN_CHIPS"
"""Environment variable that names folders with own chip files, parted as PATH is; they come first."""

PACKAGED: Final = Path(__file__).resolve().parent.parent / "chips"
SUFFIXES: Final = (".yaml", ".yml")
CALIBRATION: Final = ".calibration"
"""Ending of the names of what lies beside chip files and is none."""


def load_chip(name: str | os.PathLike[str], mode: str | None = None) -> Accelerator:
    """The chip called `name`, or described by the file `name`, at a power mode (None: at its maximum).

    Args:
        name: a packaged or own chip ("rtx3090") or a path; with its mode: "jetson_agx_orin_64@30W".
        mode: name of one of its power modes.

    Returns:
        The chip; the same object for the same unchanged file.

    Raises:
        UnknownNameError: no such chip or mode; the message has the nearest names.
        FileError: the file is missing, unreadable or wrong inside; the message has every finding.
        InputError: two different modes are named.
    """
    text, in_name = _without_mode(os.fspath(name))
    if in_name and mode and in_name != mode:
        raise InputError(
            f"'{name}' names the power mode '{in_name}', and mode='{mode}' another; give one of them"
        )
    mode = mode or in_name or None
    if _is_path(text):
        return _current(Path(text)).at_mode(mode)
    files = chip_files()
    if text not in files:
        hint = "run `codesign chips list` for all of them, or give a path to a .yaml file"
        raise UnknownNameError("chip", text, files, hint)
    return _current(files[text]).at_mode(mode)


def list_chips(pattern: str = "*") -> list[str]:
    """Names of the chips that match `pattern` ("*npu*"; case is ignored), sorted; none: an empty list."""
    return [name for name in chip_files() if fnmatchcase(name.lower(), pattern.lower())]


def chip_files() -> dict[str, Path]:
    """Name -> file of every chip that loads by name: `CODESIGN_CHIPS` first, then packaged, then plug-ins."""
    found: dict[str, Path] = {}
    for folder in _folders():
        for file in sorted(folder.iterdir()):
            if file.suffix in SUFFIXES and not file.stem.endswith(CALIBRATION):
                found.setdefault(file.stem, file)
    return dict(sorted(found.items()))


def _folders() -> Iterator[Path]:
    for text in os.environ.get(CHIPS_ENV, "").split(os.pathsep):
        folder = Path(text).expanduser()
        if text and not folder.is_dir():
            expected = f"expected folders of chip files, parted by '{os.pathsep}'"
            raise InputError(f"{CHIPS_ENV} names '{text}', which is not a folder; {expected}")
        if text:
            yield folder
    yield PACKAGED
    for plugin in registry.plugins("codesign.chips"):
        if not plugin.broken:
            yield Path(plugin.loaded)


def _without_mode(text: str) -> tuple[str, str]:
    """A chip's name or file and the power mode behind its "@", if there is one; a folder may have an @."""
    chip, _, mode = text.rpartition("@")
    if not chip or os.sep in mode or mode.endswith(SUFFIXES):
        return text, ""
    return chip, mode


def _is_path(text: str) -> bool:
    return text.endswith(SUFFIXES) or os.sep in text


def _current(file: Path) -> Accelerator:
    """The chip of a file, read once as long as the file does not change."""
    try:
        changed = file.stat().st_mtime_ns
    except OSError as error:
        raise _unreadable(file, error) from None
    return _read_once(file, changed)


def file_of(chip: Accelerator) -> Path | None:
    """The file that a chip was read from in this process as long as it says the same; None: there is none."""
    named = chip_files().get(chip.name)
    files: list[Path] = [*_READ.get(chip.name, ()), *([named] if named else [])]
    for file in files:
        if file.is_file() and any(chip == known for known in _in_mode(_current(file), chip.mode)):
            return file
    return None


def _in_mode(chip: Accelerator, mode: str | None) -> list[Accelerator]:
    """The chip as its file has it, and at a power mode."""
    return [chip, *(chip.at_mode(m.name) for m in chip.power_modes if m.name == mode and chip.mode is None)]


_READ: Final[dict[str, list[Path]]] = {}
"""Files that chips of a name were read from, the last one first."""


@lru_cache(maxsize=512)
def _read_once(file: Path, _changed: int) -> Accelerator:
    chip = read_chip(file)
    known = _READ.setdefault(chip.name, [])
    known[:] = [file, *(k for k in known if k != file)]
    return chip


def read_chip(file: str | os.PathLike[str]) -> Accelerator:
    """Read one file, without the linter.

    Args:
        file: path to a YAML file.

    Returns:
        The chip at its maximum, unless the file says a mode.

    Raises:
        FileError: the file is missing, unreadable or wrong inside; the message has every finding.
    """
    path = Path(file)
    text = _text(path)
    raw = _mapping(path, text, YAML(typ="safe"))
    _refuse_other_version(path, text, raw)
    try:
        return Accelerator.model_validate(raw, context=BORDER)
    except ValidationError as error:
        problems = explain(error)
    # pydantic follows references only once every field is right; all mistakes are to be told at once
    told = {loc for loc, _ in problems}
    problems += [(loc, said) for loc, said in broken_references(raw) if loc not in told]
    lines = _Lines(_mapping(path, text, YAML(typ="rt")))
    findings = [Finding(str(file), lines.of(loc), shown_path(loc), said) for loc, said in problems]
    raise FileError(sorted(findings, key=lambda f: f.line or 0))


def line_finder(file: Path) -> Callable[[str], int | None]:
    """A function from a path with names in it ("engines.npu.peak.int8") to its line in `file`."""
    lines = _Lines(_mapping(file, _text(file), YAML(typ="rt")))
    return lambda path: lines.of(tuple(path.split("."))) if path else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        said = f"is not UTF-8 text ({error.reason} at byte {error.start}); expected a YAML file"
        raise FileError.at(path, said) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> FileError:
    beside = {p.stem: p.name for p in path.parent.glob("*.y*ml")} if path.parent.is_dir() else {}
    files = [beside[stem] for stem in nearest(path.stem, beside)]
    near = did_you_mean(files or nearest(path.stem, chip_files(), n=1))
    return FileError.at(path, sentence(f"cannot be read: {error.strerror}", near, "expected a chip file"))


def _mapping(path: Path, text: str, yaml: YAML) -> Mapping[str, Any]:
    try:
        raw = yaml.load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise FileError.at(path, _syntax(error, text, line), line=line) from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise FileError.at(path, f"is not YAML: {' '.join(str(error).split())}") from None
    if raw is None:
        raise FileError.at(path, "is empty; expected a chip, see `codesign chips new NAME`", line=1)
    if not isinstance(raw, Mapping):
        kind = "a list" if isinstance(raw, Sequence) and not isinstance(raw, str) else f"only {raw!r}"
        expected = f"expected a mapping that begins with 'schema_version: {SCHEMA_VERSION}'"
        raise FileError.at(path, f"holds {kind}; {expected}", line=1)
    return raw


def _syntax(error: MarkedYAMLError, text: str, line: int | None) -> str:
    rows = text.splitlines()
    row = rows[line - 1] if line and line <= len(rows) else ""
    problem = str(error.problem or error.context or "cannot be read").split("\n", 1)[0]
    if "duplicate key" in problem and '"' in problem:
        key = problem.split('"')[1]
        return f"'{key}' stands twice in this mapping; expected each key once"
    if "\t" in row:
        return "a tab where YAML wants spaces; indent with spaces"
    return f"is not YAML here: {problem}"


def _refuse_other_version(path: Path, text: str, raw: Mapping[str, Any]) -> None:
    given = raw.get("schema_version")
    if given == SCHEMA_VERSION and not isinstance(given, bool):
        return
    line = _Lines(_mapping(path, text, YAML(typ="rt"))).of(("schema_version",))
    if "schema_version" not in raw:
        near = did_you_mean(["schema_version"]) if nearest("schema_version", map(str, raw)) else ""
        said = sentence("is missing", near, f"expected 'schema_version: {SCHEMA_VERSION}'")
    else:
        said = f"version {given!r} is not supported; this release reads version {SCHEMA_VERSION}"
    raise FileError.at(path, said, line=line, path="schema_version")


class _Lines:
    """Where things stand in a file that was read with the round-trip loader."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def of(self, loc: Location) -> int:
        """Line of the deepest part of `loc` that the file has, from 1; a list entry may go by its name."""
        node: Any = self._root
        line = node.lc.line
        for step in loc:
            try:
                at = self._position(node, step)
                line = node.lc.key(at)[0] if isinstance(node, CommentedMap) else node.lc.item(at)[0]
                node = node[at]
            except (KeyError, IndexError, TypeError, AttributeError):
                break
        return int(line) + 1

    @staticmethod
    def _position(node: Any, step: str | int) -> str | int:
        if isinstance(step, str) and isinstance(node, list):
            names = [item.get("name") for item in node]
            return names.index(step) if step in names else step
        return step
