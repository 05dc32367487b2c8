"""A study as one YAML file: what is searched, what is wanted, and how.

space: timm_zoo
chips: [jetson_agx_orin_64@30W, hailo_8, my_npu.yaml]     # names, patterns ("*npu*"), files
objectives: [error_pct, latency_ms, energy_mj]
constraints: {latency_ms: "<= 33", power_w: "<= 15"}
rate_hz: 30
n_trials: 400
storage: runs/camera
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from codesign.objectives import Objective, objective
from codesign.runs import RUN_FORMAT
from hw_models.errors import InputError, did_you_mean, nearest, sentence

if TYPE_CHECKING:
    from codesign.quality.base import Quality
    from search_spaces.space import SearchSpace

IN_PYTHON: Final = "python:"
"""Marks what was made in Python and cannot be made again from its name."""


class CustomObjective(BaseModel):
    """An objective that was given in Python, as a run folder remembers it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    goal: Literal["min", "max"]
    unit: str = ""


class StageConfig(BaseModel):
    """A stage of quality that was given in Python, as a run folder remembers it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    charge: float = Field(gt=0)
    continues: bool = False
    epochs: float | None = None
    data: float = 1.0
    resolution: int | None = None


class LadderConfig(BaseModel):
    """The stages of a study, cheapest first, and who goes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reduction: float = Field(ge=1)
    settle: int = Field(ge=0)
    of: tuple[StageConfig, ...] = Field(min_length=1)


class StudyConfig(BaseModel):
    """All that a study is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = Field(default=RUN_FORMAT, description="version of this file's format")
    question: str = Field(
        default="", description="what the study answers, in a sentence; the title of its report"
    )
    space: str = Field(
        default="timm_zoo",
        description="a space by name (`codesign spaces list`), as package.module:object, or table:FILE.yaml",
    )
    quality: str | None = Field(
        default=None, description="table:FILE.yaml, a table of results that rates the networks of the space"
    )
    chips: tuple[str, ...] = Field((), description="chips: names, patterns, files; or one chip family")
    precisions: tuple[str, ...] | None = Field(
        default=None, description="precisions to choose between; left out: fp16, int8, fp32"
    )
    objectives: tuple[str | CustomObjective, ...] = Field(
        min_length=1, description="quantities to minimise or maximise"
    )
    constraints: dict[str, str] = Field(
        default={}, description="quantity: bound, for example latency_ms: '<= 10'"
    )
    rate_hz: float | None = Field(
        default=None, gt=0, description="images per second that the application needs"
    )
    seed: int = Field(default=0, ge=0, description="same seed, same front")
    sampler: str = Field(default="nsga2", description="who proposes: nsga2, cost_aware, local, tpe, random")
    stages: LadderConfig | None = Field(
        default=None, description="written by codesign: stages of quality, which are given in Python"
    )
    batch: int = Field(default=1, ge=1, description="images of one inference")
    model: str = Field(default="roofline", description="cost model")
    lowering: str | None = Field(
        default=None, description="what really runs: ideal, eager, compiled; left out: compiled"
    )
    allow_unknown: bool = Field(
        default=False, description="let points in whose constraints cannot be told, marked"
    )
    allow_unmodelled: bool = Field(
        default=False, description="let points in that are more than 20 % unmodelled, marked"
    )
    known: tuple[str, ...] = Field(
        default=(), description="earlier results to start from: run folders and archives of qualities"
    )
    n_trials: int = Field(default=200, ge=1, description="trials in all")
    storage: str | None = Field(default=None, description="run folder; left out: runs/<name of this file>")
    fingerprint: dict[str, str] = Field(
        default={}, description="written by codesign: digests of space and chips"
    )

    @field_validator("known", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return [given] if isinstance(given, str) else given

    @classmethod
    def made(cls, **settings: Any) -> StudyConfig:
        """Settings given in Python.

        Raises:
            InputError: one that does not fit; the message names it.
        """
        try:
            return cls(**settings)
        except ValidationError as error:
            first = error.errors()[0]
            msg = f"{shown_path(first['loc'])}: {told(first)}"
            raise InputError(msg) from error

    def wanted(self) -> tuple[Objective, ...]:
        """The objectives; one that was given in Python reads what its trials recorded."""
        return tuple(objective(o) if isinstance(o, str) else recorded(o) for o in self.objectives)

    def differences(self, other: StudyConfig) -> list[str]:
        """What another study is asked for differently; where and how many does not count."""
        mine, theirs = self.identity(), other.identity()
        said = [
            f"{key} is {theirs.get(key)!r} here and {mine.get(key)!r} there"
            for key in dict.fromkeys([*mine, *theirs])
            if mine.get(key) != theirs.get(key) and key != "fingerprint"
        ]
        there, here = self.fingerprint, other.fingerprint
        parts = [p for p in dict.fromkeys([*there, *here]) if there.get(p) != here.get(p)]
        return [*said, *(_changed(p, there=p in there, here=p in here) for p in parts)]

    def identity(self) -> dict[str, Any]:
        """What makes two studies the same; chips and space count by their fingerprints."""
        return self.model_dump(
            mode="json",
            exclude={"question", "n_trials", "storage", "chips", "space", "quality", "known", "fingerprint"},
        )

    def to_yaml(self) -> str:
        """The file that `read_study` reads."""
        from ruamel.yaml import YAML

        yaml, out = YAML(), io.StringIO()
        yaml.width = 4096
        data = self.model_dump(mode="json", exclude_none=True)
        yaml.dump({k: v for k, v in data.items() if v not in ("", {}, [])}, out)
        return f"# a codesign study; `codesign search run --help`\n{out.getvalue()}"


def recorded(custom: CustomObjective) -> Objective:
    """The objective that reads what the trials of a run recorded."""
    return Objective(custom.name, custom.goal, lambda e: e.facts.get(custom.name), custom.unit)


def _changed(part: str, *, there: bool, here: bool) -> str:
    if there and here:
        return f"{part} has changed since"
    return f"{part} is only {'there' if there else 'here'}"


def fingerprint(space: SearchSpace, quality: Quality | None = None) -> dict[str, str]:
    """Digests of what is searched: knobs and their values, every chip's figures, the table that rates."""
    from search_spaces.product import ChipList, Product

    networks = space.networks if isinstance(space, Product) else space
    own = getattr(networks, "digest", None)  # a table counts with its rows
    found = {f"space {networks.name}": own or _digest({n: list(k) for n, k in networks.knobs.items()})}
    if isinstance(space, Product) and isinstance(space.chips, ChipList):
        found |= {f"chip {c.label}": _digest(c.model_dump(mode="json")) for c in space.chips.chips}
    elif isinstance(space, Product):
        found[f"chips {space.chips.name}"] = _digest({n: list(k) for n, k in space.chips.knobs.items()})
    rates = getattr(getattr(quality, "table", None), "digest", None)
    return found if rates is None else {**found, "quality": rates}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def table_quality(config: StudyConfig, space: SearchSpace) -> Quality | None:
    """What the table that a study file names says of the networks; None: it names none.

    Raises:
        InputError: no description of a table, or one whose knobs are not those of the space.
    """
    if config.quality is None:
        return None
    from codesign.tabular import rated_by
    from search_spaces.catalogue import TABLE
    from search_spaces.product import Product
    from search_spaces.tabular.described import read_table

    if not config.quality.startswith(TABLE):
        msg = f"'{config.quality}' given as quality, expected {TABLE}FILE.yaml, the description of a table"
        raise InputError(msg)
    networks = space.networks if isinstance(space, Product) else space
    return rated_by(read_table(config.quality.removeprefix(TABLE)), networks)


def joint_space(config: StudyConfig) -> SearchSpace:
    """The space that a study file names: networks and chips, or a table of results alone.

    Raises:
        CodesignError: a space or chip that cannot be found; the message has the nearest names.
    """
    from search_spaces.catalogue import CHIP_FAMILIES, TABLE, load_space
    from search_spaces.product import DEFAULT_PRECISIONS, Product

    for named in (config.space, *config.chips):
        if named.startswith(IN_PYTHON):
            what = named.removeprefix(IN_PYTHON)
            msg = f"{what} was made in Python and cannot be made again from a file; resume the study there"
            raise InputError(msg)
    if config.space.startswith(TABLE):
        no_chips_beside_a_table(config)
        return load_space(config.space)
    families = [name for name in config.chips if name in CHIP_FAMILIES]
    if families and len(config.chips) > 1:
        msg = f"chips: {', '.join(config.chips)} given; expected one chip family alone, or chips"
        raise InputError(msg)
    chips = load_space(families[0]) if families else config.chips
    return Product.of(load_space(config.space), chips, config.precisions or DEFAULT_PRECISIONS)


def no_chips_beside_a_table(config: StudyConfig) -> None:
    """A table states the costs of its rows.

    Raises:
        InputError: chips are given too.
    """
    if config.chips:
        msg = (
            f"{', '.join(config.chips)} given beside '{config.space}', whose rows state their costs; "
            "expected no chips, or a space that builds networks with `quality: table:FILE.yaml`"
        )
        raise InputError(msg)


def at_full_path(named: str, beside: Path) -> str:
    """A reference to the description of a table with its full path; any other reference as it is."""
    from search_spaces.catalogue import TABLE

    if not named.startswith(TABLE):
        return named
    name = named.removeprefix(TABLE)
    file = beside / name if (beside / name).is_file() else Path(name)
    return f"{TABLE}{file.resolve()}"


def chip_names(wanted: Sequence[str], beside: Path = Path()) -> tuple[str, ...]:
    """Chips by name, patterns as the chips they match, files by their full path; none twice.

    Args:
        wanted: as a study file has them.
        beside: folder that files are looked for in first.

    Raises:
        InputError: a pattern that matches nothing.
    """
    from hw_models.spec.load import list_chips

    found: dict[str, None] = {}
    for name in wanted:
        if name.endswith((".yaml", ".yml")):
            file = beside / name if (beside / name).is_file() else Path(name)
            found.setdefault(str(file.resolve()))
            continue
        if not any(c in name for c in "*?["):
            found.setdefault(name)
            continue
        matches = list_chips(name)
        if not matches:
            msg = f"no chip matches '{name}'; `codesign chips list` names them"
            raise InputError(msg)
        found.update(dict.fromkeys(matches))
    return tuple(found)


def shown_path(loc: tuple[str | int, ...]) -> str:
    """A place in the settings as messages show it."""
    return ".".join(str(s) for s in loc if s not in ("str", "CustomObjective"))


def told(error: Any) -> str:
    """One of pydantic's errors in our words."""
    key = str(error["loc"][0])
    fields = StudyConfig.model_fields
    wanted = fields[key].description if key in fields else ""
    given = repr(error["input"])
    match error["type"]:
        case "extra_forbidden":
            return sentence(
                "unknown setting", did_you_mean(nearest(key, fields)), f"known: {', '.join(fields)}"
            )
        case "missing":
            return f"is missing; expected {wanted}"
        case "too_short":
            return f"is empty; expected {wanted}"
        case "literal_error" if key == "format":
            return f"format {given} given; this release reads format {RUN_FORMAT}"
    return (
        f"{given if len(given) < 60 else given[:57] + '...'} given; "
        f"expected {wanted} ({error['msg'].lower()})"
    )
