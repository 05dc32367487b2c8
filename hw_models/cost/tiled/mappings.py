"""Mappings that a file gives for the layers of a network; the other layers are searched.

```yaml
schema_version: 1
mappings:                     # layer or kernel -> mapping, in a notation that the chip's organisation reads
  layer1.0.conv1: "dram[weight stays] k64 c64 oy7 ox56 | sram[output stays] k16 c16 ox56"
  layer1.*.conv2:             # a pattern stands for all layers that no line above it names
    outer: {k: 64, c: 64, oy: 7, ox: 56}
    local: {k: 16, c: 16, ox: 56}
    stationary: {dram: weight, sram: output}
  blocks.0.attn:              # a kernel of several contractions has one mapping for each, in order
    - "dram[weight stays] k197 c64 ox197 | sram[output stays] k16 c16 ox197"
    - "dram[weight stays] k64 c197 ox197 | sram[output stays] k16 c16 ox197"
```

A layer is named as in the tables of a cost: by its whole label or by the module before the first space.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.tiled.loopnest.yaml_file import YamlFile
from hw_models.errors import FileError, UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

    from hw_models.cost.arrays import Kernels

SCHEMA_VERSION: Final = 1
FIELDS: Final = ("schema_version", "mappings")


@dataclass(frozen=True, eq=False)
class Given:
    """One mapping as a file gives it.

    Attributes:
        value: text, or a structure of dicts and lists.
        file, path, line: where it stands.
    """

    value: Any
    file: str
    path: str
    line: int | None

    def error(self, message: str) -> FileError:
        """What to raise where the mapping is wrong."""
        return FileError.at(self.file, message, line=self.line, path=self.path)


@dataclass(frozen=True)
class GivenMappings:
    """Mappings by layer.

    Attributes:
        document: the file.
        names: layers and patterns as it has them, in order.
    """

    document: YamlFile
    names: tuple[str, ...]

    @classmethod
    def load(cls, file: Path | str) -> GivenMappings:
        """Read a file.

        Raises:
            FileError: it is missing or not of this format; the message names the line.
        """
        document = YamlFile.read(file)
        raw = document.mapping((), FIELDS)
        if raw.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
            document.wrong(("schema_version",), f"is {raw['schema_version']}; expected {SCHEMA_VERSION}")
        layers = document.mapping(("mappings",), None)
        if not layers:
            document.wrong(("mappings",), "is missing or empty; expected layer: mapping")
        for name, value in layers.items():
            if not isinstance(value, str | dict | list) or not value:
                document.wrong(
                    ("mappings", name), f"is {value!r}; expected a mapping, or text that stands for one"
                )
        document.raise_if_wrong()
        return cls(document, tuple(str(name) for name in layers))

    def of(self, label: str) -> tuple[Given, ...] | None:
        """The mappings of a kernel's contractions; None: the file gives none."""
        layer = label.partition(" ")[0]
        for name in self.names:
            if name in {label, layer} or fnmatchcase(layer, name):
                value = self.document.at(("mappings", name))
                if isinstance(value, list):
                    return tuple(self._part(("mappings", name, i)) for i in range(len(value)))
                return (self._part(("mappings", name)),)
        return None

    def applied_to(self, kernels: Kernels) -> Kernels:
        """The kernels, those that have a mapping apart from equal ones that have none or another.

        Raises:
            UnknownNameError: a name that is no layer of the networks.
            FileError: a mapping for a kernel without a contraction.
        """
        given = [self.of(label) for label in kernels.labels]
        self._check_names(kernels)
        rows, index = list(range(kernels.n_distinct)), kernels.index.copy()
        own: list[tuple[Given, ...] | None] = [None] * kernels.n_distinct
        seen: dict[tuple[int, str], int] = {}
        for i, mapping in enumerate(given):
            if mapping is None:
                continue
            u = int(kernels.index[i])
            if not kernels.macs[u] > 0:
                raise mapping[0].error(f"'{kernels.labels[i]}' has no contraction to map")
            key = (u, mapping[0].path)
            if key not in seen:
                seen[key] = len(rows)
                rows.append(u)
                own.append(mapping)
            index[i] = seen[key]
        apart = kernels.take(np.array(rows, np.int64))
        column = np.array([*own, None], object)[:-1]
        return replace(apart, index=index, given=column)

    def _part(self, path: tuple[str | int, ...]) -> Given:
        document = self.document
        return Given(document.at(path), document.name, ".".join(map(str, path)), document.lines.get(path))

    def _check_names(self, kernels: Kernels) -> None:
        layers = list(dict.fromkeys(label.partition(" ")[0] for label in kernels.labels))
        for name in self.names:
            if name not in kernels.labels and not any(fnmatchcase(layer, name) for layer in layers):
                line = self.document.lines.get(("mappings", name))
                known = "`codesign estimate MODEL --chip C --kernels` lists the layers"
                raise UnknownNameError(f"layer ({self.document.name}:{line})", name, layers, known)
