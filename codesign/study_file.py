"""Reading a study file: every mistake at once, each with its line, what was expected, the nearest name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from codesign.config import (
    CustomObjective,
    StudyConfig,
    at_full_path,
    chip_names,
    no_chips_beside_a_table,
    recorded,
    shown_path,
    table_quality,
    told,
)
from codesign.objectives import Constraint, objective
from hw_models.errors import CodesignError, FileError, Finding, UnknownNameError, nearest

Place = tuple[str | int, ...]


def read_study(file: Path | str) -> StudyConfig:
    """Read a study file.

    Raises:
        FileError: the file is missing or wrong inside; the message has every finding with its line.
    """
    path = Path(file)
    raw = _parsed(path)
    try:
        config = _placed(StudyConfig.model_validate(_plain(raw)), path.parent)
    except ValidationError as error:
        findings = [
            Finding(str(path), _line(raw, e["loc"]), shown_path(e["loc"]), told(e)) for e in _mistakes(error)
        ]
        raise FileError(sorted(set(findings), key=lambda f: f.line or 0)) from None
    findings = [
        Finding(str(path), _line(raw, at), shown_path(at), said)
        for at, said in _misnamed(config, path.parent)
    ]
    if findings:
        raise FileError(findings)
    return config.model_copy(update={"chips": chip_names(config.chips, path.parent)})


def _placed(config: StudyConfig, beside: Path) -> StudyConfig:
    """With the full paths of the tables that it names."""
    quality = None if config.quality is None else at_full_path(config.quality, beside)
    return config.model_copy(update={"space": at_full_path(config.space, beside), "quality": quality})


def _mistakes(error: ValidationError) -> list[Any]:
    """Pydantic's errors, without a "missing" where the setting is there, misspelt."""
    errors = error.errors()
    misspelt = [str(e["loc"][-1]) for e in errors if e["type"] == "extra_forbidden"]
    meant = {near for key in misspelt for near in nearest(key, StudyConfig.model_fields, n=1)}
    return [e for e in errors if not (e["type"] == "missing" and e["loc"][-1] in meant)]


def _parsed(path: Path) -> Mapping[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        raw = YAML(typ="rt").load(path.read_text("utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = str(error.problem or error.context).splitlines()[0]
        raise FileError.at(path, f"is not YAML here: {said}", line=mark.line + 1 if mark else None) from None
    except YAMLError as error:
        raise FileError.at(path, f"is not YAML: {' '.join(str(error).split())}") from None
    except UnicodeDecodeError as error:
        raise FileError.at(
            path, f"is not UTF-8 text ({error.reason} at byte {error.start}); expected a YAML file"
        ) from None
    except OSError as error:
        raise FileError.at(
            path, f"cannot be read: {error.strerror or error}; expected a study file"
        ) from None
    if not isinstance(raw, Mapping):
        raise FileError.at(path, "holds no settings; expected `space:`, `chips:`, `objectives:`, ...", line=1)
    return raw


def _plain(value: Any) -> Any:
    """The settings without what ruamel.yaml keeps beside them."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _misnamed(config: StudyConfig, beside: Path) -> Iterator[tuple[Place, str]]:
    """Names that do not exist and bounds that cannot be read, with their place in the file."""
    for at, check in _checks(config, beside):
        try:
            check()
        except CodesignError as error:
            yield at, str(error)


def _checks(config: StudyConfig, beside: Path) -> Iterator[tuple[Place, Callable[[], object]]]:
    """Every name and bound of a study, with the look-up that fails where it is wrong."""
    from codesign.search.guards import need_known_names
    from codesign.search.samplers import sampler_choice
    from search_spaces.catalogue import load_space

    own = {o.name: recorded(o) for o in config.objectives if isinstance(o, CustomObjective)}
    yield ("space",), lambda: load_space(config.space)
    if config.quality is not None:
        yield ("quality",), lambda: _rates(config)
    yield from _chip_checks(config, beside)
    for n, precision in enumerate(config.precisions or ()):
        yield ("precisions", n), lambda precision=precision: _known_precision(precision)  # type: ignore[misc]
    for n, wanted in enumerate(config.objectives):
        if isinstance(wanted, str):
            yield ("objectives", n), lambda wanted=wanted: objective(wanted)  # type: ignore[misc]
    for name, bound in config.constraints.items():
        yield (
            ("constraints", name),
            lambda name=name, bound=bound: Constraint.parse(own.get(name) or objective(name), bound),  # type: ignore[misc]
        )
    yield ("sampler",), lambda: sampler_choice(config.sampler)
    yield ("model",), lambda: need_known_names(config.model, None)
    yield ("lowering",), lambda: need_known_names("roofline", config.lowering)
    if config.stages is not None:
        yield ("stages",), _stages_in_a_file


def _chip_checks(config: StudyConfig, beside: Path) -> Iterator[tuple[Place, Callable[[], object]]]:
    from hw_models.spec.load import load_chip
    from search_spaces.catalogue import CHIP_FAMILIES, TABLE

    if config.space.startswith(TABLE):
        yield ("chips",), lambda: no_chips_beside_a_table(config)
        return
    if not config.chips:
        yield ("chips",), _no_chips
    for n, chip in enumerate(config.chips):
        if chip in CHIP_FAMILIES:
            continue
        yield ("chips", n), lambda chip=chip: [load_chip(c) for c in chip_names([chip], beside)]  # type: ignore[misc]


def _rates(config: StudyConfig) -> None:
    """Whether the table rates the networks of the space; a space that cannot be found is told by itself."""
    from search_spaces.catalogue import load_space

    try:
        space = load_space(config.space)
    except CodesignError:
        return
    table_quality(config, space)


def _no_chips() -> None:
    raise CodesignError("is missing or empty; expected chips, for example ['*orin*', l4]")


def _stages_in_a_file() -> None:
    raise CodesignError("stages are given in Python, with what rates networks: cd.Study(..., stages=[...])")


def _known_precision(name: str) -> None:
    from hw_models.spec.accelerator import PRECISIONS

    if name not in PRECISIONS:
        raise UnknownNameError("precision", name, PRECISIONS, f"known: {', '.join(PRECISIONS)}")


def _line(raw: Mapping[str, Any], loc: tuple[str | int, ...]) -> int | None:
    """Line of the deepest part of `loc` that the file has, counted from 1."""
    node: Any = raw
    line = 0
    for step in loc:
        try:
            lc = node.lc  # where ruamel.yaml's round-trip loader keeps the place
            line = lc.key(step)[0] if isinstance(node, Mapping) else lc.item(step)[0]
            node = node[step]
        except (KeyError, IndexError, TypeError, AttributeError):
            break
    return line + 1
