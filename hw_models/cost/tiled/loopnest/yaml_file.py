"""A YAML document that collects what is wrong with it, each finding with its line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from hw_models.errors import FileError, Finding, did_you_mean, nearest, sentence

Steps = tuple[str | int, ...]
"""Keys and positions from the root of a document to one of its values."""


@dataclass(eq=False)
class YamlFile:
    """One file, read with its line numbers.

    Attributes:
        name: of the file, for messages.
        root: what it holds.
        lines: path -> line, counted from 1.
        findings: what was wrong so far; `raise_if_wrong` raises them all at once.
    """

    name: str
    root: Any = None
    lines: dict[Steps, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path | str, *, last_key_wins: bool = False) -> Self:
        """Open a file.

        Args:
            file: its path.
            last_key_wins: of equal keys the last one counts, as PyYAML has it; else they are an error.

        Raises:
            FileError: it is missing, unreadable or no YAML.
        """
        try:
            text = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is no UTF-8 text"
            raise FileError.at(file, f"{reason}; expected a YAML file") from None
        return cls.parse(text, str(file), last_key_wins=last_key_wins)

    @classmethod
    def parse(cls, text: str, name: str, *, last_key_wins: bool = False) -> Self:
        """Open a document from its text.

        Raises:
            FileError: it is no YAML.
        """
        reader = YAML(typ="safe", pure=True)
        document = cls(name)
        try:
            node = reader.compose(text)
            if node is not None:
                document.root = document._plain(node, (), reader.constructor.construct_object, last_key_wins)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = None if mark is None else mark.line + 1
            raise FileError.at(name, f"is not YAML: {error.problem or error.context}", line=line) from None
        except YAMLError as error:
            raise FileError.at(name, f"is not YAML: {error}") from None
        document.raise_if_wrong()
        return document

    def _plain(self, node: Node, path: Steps, scalar: Any, last_key_wins: bool) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, SequenceNode):
            return [self._plain(n, (*path, i), scalar, last_key_wins) for i, n in enumerate(node.value)]
        if not isinstance(node, MappingNode):
            return scalar(node)
        found: dict[str | int, Any] = {}
        for key_node, value_node in node.value:
            key = scalar(key_node)
            here = (*path, key)
            if key in found and not last_key_wins:
                first = self.lines[here]
                self.wrong(here, f"stands twice, in lines {first} and {key_node.start_mark.line + 1}")
            self.lines[here] = key_node.start_mark.line + 1
            found[key] = self._plain(value_node, here, scalar, last_key_wins)
        return found

    def at(self, path: Steps) -> Any:
        """What stands at a path; None where there is nothing."""
        node = self.root
        for step in path:
            keys = range(len(node)) if isinstance(node, list) else node if isinstance(node, dict) else ()
            if step not in keys:
                return None
            node = node[step]
        return node

    def wrong(self, path: Steps, message: str) -> None:
        """Note a finding at a path, or at the nearest thing around it that stands in the file."""
        around = next((path[:n] for n in range(len(path), -1, -1) if path[:n] in self.lines), ())
        dotted = ".".join(str(step) for step in path)
        self.findings.append(Finding(self.name, self.lines.get(around), dotted, message))

    def raise_if_wrong(self) -> None:
        """Raise all findings so far at once, if there are any.

        Raises:
            FileError: there were findings.
        """
        if self.findings:
            raise FileError(self.findings)

    def mapping(self, path: Steps, known: Collection[str] | None) -> Mapping[Any, Any]:
        """A mapping at a path, its keys checked against `known`; empty where it is missing."""
        node = self.at(path)
        if node is None:
            return {}
        if not isinstance(node, dict):
            self.wrong(path, f"is {node!r}; expected a mapping")
            return {}
        for key in node:
            if known is not None and str(key) not in known:
                near = did_you_mean(nearest(str(key), known))
                self.wrong((*path, key), sentence("unknown field", near or f"known: {', '.join(known)}"))
        return node

    def sequence(self, path: Steps) -> Sequence[Any]:
        """A list at a path; empty where it is missing."""
        node = self.at(path)
        if node is None:
            return ()
        if not isinstance(node, list):
            self.wrong(path, f"is {node!r}; expected a list")
            return ()
        return node

    def need(self, path: Steps, kind: type | tuple[type, ...], expected: str) -> Any:
        """A scalar that must be there and of this kind; None, with a finding, where it is not."""
        value = self.at(path)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            said = "is missing" if value is None else f"is {value!r}"
            self.wrong(path, f"{said}; expected {expected}")
            return None
        return value
