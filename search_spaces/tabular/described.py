"""A table of results with a description beside it: which columns are knobs, which quality, which costs.

table: nets.csv                  # CSV or parquet, beside the description
knobs: [depth, width, kind]
quality: {column: top1, means: accuracy, data_set: CIFAR-100, source: "somebody, 2024, table 3"}
costs: {latency_ms: raspi4, params_m: {column: params, scale: 1.0e-6}}
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hw_models.errors import FileError, Finding, did_you_mean, nearest, sentence
from hw_models.spec.load import line_finder
from search_spaces.tabular.reading import numbers_of, read_rows
from search_spaces.tabular.table import TableSpace, domain_of

SUFFIXES: Final = (".yaml", ".yml")


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QualityColumn(_Described):
    """The column that says how good a network is."""

    column: str = Field(description="heading of the column, in per cent")
    means: Literal["accuracy", "error"] = Field(default="accuracy", description="accuracy or error")
    data_set: str = Field(description="what it was measured on")
    source: str = Field(description="who published it")


class CostColumn(_Described):
    """A column that is known without training."""

    column: str = Field(description="heading of the column")
    scale: float = Field(default=1.0, gt=0, description="factor that gives the unit of the quantity's name")


class Description(_Described):
    """What the columns of a table mean."""

    table: str = Field(description="a CSV or parquet file, beside this one")
    knobs: tuple[str, ...] = Field(min_length=1, description="headings of the columns that may be chosen")
    ordered: tuple[str, ...] = Field(
        default=(), description="knobs of text whose values stand in the table from few to many"
    )
    quality: QualityColumn | None = Field(
        default=None, description="{column: ..., means: accuracy or error, data_set: ..., source: ...}"
    )
    costs: dict[str, CostColumn] = Field(
        default={}, description="quantity, with its unit in its name: column"
    )

    @field_validator("costs", mode="before")
    @classmethod
    def _plain_columns(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {name: {"column": c} if isinstance(c, str) else c for name, c in given.items()}


class DescribedTable(TableSpace):
    """The rows of a table as candidates, with the columns of its quality and its costs.

    Attributes:
        path: of the description.
        description: what the columns mean.
        digest: of the description and the table, so that a search that is resumed knows whether they changed.
    """

    def __init__(self, path: Path, description: Description) -> None:
        where = path.parent / description.table
        rows = read_rows(where)
        shown = str(where)
        domains = {n: domain_of(rows, n, shown, ordered=n in description.ordered) for n in description.knobs}
        super().__init__(path.name.partition(".")[0], domains, rows, source=shown)
        self.path, self.description = path, description
        content = hashlib.sha256(description.model_dump_json().encode() + where.read_bytes())
        self.digest = content.hexdigest()[:12]
        for column in self.columns:
            numbers_of(rows, column, shown)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of numbers: the quality, if there is one, then the costs."""
        quality = self.description.quality
        first = () if quality is None else (quality.column,)
        return (*first, *(c.column for c in self.description.costs.values()))


def read_table(path: str | Path) -> DescribedTable:
    """The space of a description.

    Raises:
        FileError: a file that is missing or wrong inside; every mistake of the description with its line.
        InputError: a cell of the table that cannot be read, with its row and column.
    """
    where = Path(path).resolve()
    if where.suffix not in SUFFIXES:
        said = "given as the description of a table, expected a YAML file with `table:`, `knobs:`, `costs:`"
        raise FileError.at(path, said)
    raw = _parsed(where)
    try:
        description = Description.model_validate(raw)
    except ValidationError as error:
        line = line_finder(where)
        places = [(_path(e["loc"]), _said(e)) for e in error.errors()]
        findings = [Finding(str(where), line(path), path, said) for path, said in places]
        raise FileError(sorted(findings, key=lambda f: f.line or 0)) from None
    wrong = next((n for n in description.ordered if n not in description.knobs), None)
    if wrong is not None:
        said = sentence(f"'{wrong}' is no knob", did_you_mean(nearest(wrong, description.knobs)))
        raise FileError.at(where, said, line=line_finder(where)("ordered"), path="ordered")
    return DescribedTable(where, description)


def _parsed(where: Path) -> Mapping[str, Any]:
    try:
        raw = YAML(typ="safe").load(where.read_text("utf-8"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = str(error.problem or error.context).splitlines()[0]
        raise FileError.at(where, f"is not YAML here: {said}", line=mark.line + 1 if mark else None) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise FileError.at(where, f"is not YAML: {' '.join(str(error).split())}") from None
    except OSError as error:
        said = f"cannot be read: {error.strerror or error}; expected the description of a table"
        raise FileError.at(where, said) from None
    if not isinstance(raw, Mapping):
        raise FileError.at(where, "describes no table; expected `table:`, `knobs:`, `quality:`, ...", line=1)
    return raw


def _path(loc: tuple[str | int, ...]) -> str:
    return ".".join(str(s) for s in loc)


def _said(error: Any) -> str:
    """One of pydantic's errors in our words."""
    kind: type[_Described] = Description
    if len(error["loc"]) > 1:
        kind = QualityColumn if error["loc"][0] == "quality" else CostColumn
    key, fields = str(error["loc"][-1]), kind.model_fields
    wanted = next((f.description for n, f in fields.items() if n == key), fields.get("column", None))
    if error["type"] == "extra_forbidden":
        return sentence("unknown setting", did_you_mean(nearest(key, fields)), f"known: {', '.join(fields)}")
    if error["type"] == "missing":
        return f"is missing; expected {wanted}"
    return f"{error['input']!r} given; expected {wanted} ({error['msg'].lower()})"
