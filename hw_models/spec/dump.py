"""Accelerator -> YAML, so that what a program builds or scales can be kept and loaded again unchanged."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from hw_models import units
from hw_models.spec.parts import PowerMode
from hw_models.spec.quantities import Sourced

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator


def dump_chip(chip: Accelerator) -> str:
    """The chip as a file that `load_chip` reads back as an equal one; what is unknown is left out."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_plain(chip), stream)
    return stream.getvalue()


def _plain(node: Any) -> Any:
    if isinstance(node, Sourced):
        return _number(node)
    if isinstance(node, BaseModel):
        kept = {f: getattr(node, f) for f in type(node).model_fields if _said(node, f)}
        return CommentedMap({f: _plain(child) for f, child in kept.items()})
    if isinstance(node, Mapping):
        return CommentedMap({key: _plain(child) for key, child in node.items()})
    if isinstance(node, tuple):
        items = CommentedSeq(_plain(child) for child in node)
        if all(isinstance(child, int) for child in node):
            items.fa.set_flow_style()
        return items
    return node


def _said(node: BaseModel, field: str) -> bool:
    """Whether a field says something: a null that a power mode states means unknown, and is kept."""
    if isinstance(node, PowerMode) and field == "bandwidth":
        return node.states_bandwidth
    return getattr(node, field) not in (None, (), {})


def _number(number: Sourced) -> CommentedMap:
    flat = CommentedMap()
    for key in ("value", "low", "high"):
        if (figure := getattr(number, key)) is not None:
            text = units.exact(figure, number.unit)
            flat[key] = text if number.unit else float(text) if "." in text or "e" in text else int(text)
    flat["source"] = number.source
    if number.note is not None:
        # ruamel.yaml leaves ":0" bare in a flow mapping, where it cannot be read back
        flat["note"] = DoubleQuotedScalarString(number.note)
    flat.fa.set_flow_style()
    return flat
