"""The spaces that can be named: those that ship, and anything that Python can import."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from hw_models.errors import InputError, UnknownNameError
from search_spaces.space import SearchSpace

SPACES: Final[Mapping[str, str]] = {
    "timm_zoo": "search_spaces.vision.timm_zoo:TimmZoo",
    "cell": "search_spaces.vision.cell:Cell",
    "elastic_cnn": "search_spaces.vision.elastic_cnn:ElasticCnn",
    "elastic_resnet": "search_spaces.vision.elastic_resnet:ElasticResnet",
    "elastic_small": "search_spaces.vision.elastic_small:ElasticSmall",
    "elastic_vit": "search_spaces.vision.elastic_vit:ElasticVit",
    "decoder": "search_spaces.language.decoder:Decoder",
    "decoder_prefill": "search_spaces.language.decoder:DecoderPrefill",
    "detector": "search_spaces.driving.detector:Detector",
    "bev": "search_spaces.driving.bev:Bev",
    "systolic": "search_spaces.chips.systolic:Systolic",
    "vector": "search_spaces.chips.vector:Vector",
    "soc": "search_spaces.chips.soc:Soc",
}
"""Name -> where the space is made."""

TABLE: Final = "table:"
"""Begins a reference to the description of a table."""

CHIP_FAMILIES: Final = ("soc", "systolic", "vector")
"""Those of them that are spaces of chips, to be multiplied by a space of networks."""


def list_spaces() -> list[str]:
    """Names of the spaces that ship, sorted."""
    return sorted(SPACES)


def load_space(name: str) -> SearchSpace:
    """A space by name, or one's own as `package.module:object` (a space, or what makes one when called).

    `table:nets.yaml` is the table of results that the file describes (`search_spaces.tabular.described`).

    Raises:
        UnknownNameError: a name that there is not.
        InputError: a reference that cannot be imported or is no space.
    """
    if name.startswith(TABLE):
        from search_spaces.tabular.described import read_table

        return read_table(name.removeprefix(TABLE))
    if ":" not in name and name not in SPACES:
        raise UnknownNameError(
            "space",
            name,
            SPACES,
            "`codesign spaces list` names them; or give package.module:object, or table:FILE.yaml",
        )
    found = _imported(SPACES.get(name, name))
    space = (
        found()
        if (callable(found) and not isinstance(found, SearchSpace)) or isinstance(found, type)
        else found
    )
    if not isinstance(space, SearchSpace):
        msg = (
            f"'{name}' is a {type(space).__name__}, expected a search space (name, knobs, build; "
            "see search_spaces.space)"
        )
        raise InputError(msg)
    return space


def reference(space: SearchSpace) -> str | None:
    """What `load_space` takes to make an equal space again; None where there is no such name."""
    path = getattr(space, "path", None)
    if isinstance(path, Path):
        return f"{TABLE}{path}"
    kind = type(space)
    known = {target: name for name, target in SPACES.items()}
    target = f"{kind.__module__}:{kind.__qualname__}"
    try:
        again = load_space(known.get(target, target))
    except (InputError, TypeError):
        return None
    return known.get(target, target) if again == space else None


def _imported(target: str) -> Any:
    module, _, path = target.partition(":")
    try:
        found: Any = import_module(module)
        for step in path.split("."):
            found = getattr(found, step)
    except (ImportError, AttributeError, ValueError) as error:
        msg = f"'{target}' cannot be imported: {error}; expected package.module:object, importable from here"
        raise InputError(msg) from error
    return found
