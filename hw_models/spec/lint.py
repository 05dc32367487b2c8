"""Internal-consistency checks of a chip's numbers (the rules follow)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator


@dataclass(frozen=True, slots=True)
class Lint:
    """One thing about a chip's numbers that cannot be, or is unlikely to be, right."""

    severity: Literal["error", "warning"]
    rule: str
    path: str
    message: str


def lint(chip: Accelerator) -> list[Lint]:
    """Everything that the rules find, errors first."""
    return []
