"""Tables of figures that ship with the package as YAML."""

from __future__ import annotations

from importlib.resources import files
from typing import Any


def shipped_yaml(package: str, name: str) -> Any:
    """The content of a file that lies in a package ("hw_models.cost", "class_priors.yaml"); plain data."""
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load((files(package) / name).read_text("utf-8"))
