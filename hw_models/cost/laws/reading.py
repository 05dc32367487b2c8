"""Files of constants: those in force, or those that never saw a fold of families or a device."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from hw_models.errors import InputError
from hw_models.shipped import shipped_yaml


def constants_of(file: str, lowering: str, crossfit: str | None, chips: str) -> tuple[dict[str, Any], str]:
    """The constants of a law under any lowering that merges operators, and where they are from.

    Args:
        file: of this package.
        lowering: how networks come to the chips; their compilers merge whatever framework they came from.
        crossfit: what the constants must not have seen; one that the file does not know it never saw.
        chips: of which the law is, in words.

    Raises:
        InputError: no lowering of that name.
    """
    from hw_models.lowering import LOWERINGS

    if lowering not in LOWERINGS:
        raise InputError(f"no law of {chips} for lowering '{lowering}'; known: {', '.join(LOWERINGS)}")
    data = _read(file)
    row = {**data["constants"], **((data.get("crossfit") or {}).get(crossfit) or {})}
    return row, f"{data['source']}; {data['obtained']}"


@cache
def _read(file: str) -> Mapping[str, Any]:
    data: Mapping[str, Any] = shipped_yaml("hw_models.cost.laws", file)
    return data
