"""Every way in which a record may say that a network was run has a law, whatever the engine."""

from __future__ import annotations

import pytest

from hw_models.cost.chips import ENGINE_KINDS
from hw_models.cost.laws.catalogue import law
from hw_models.lowering.recipes import RECIPES


@pytest.mark.parametrize("kind", ENGINE_KINDS)
@pytest.mark.parametrize("lowering", RECIPES)
def test_every_lowering_has_a_law(kind: str, lowering: str) -> None:
    for runtime in (None, "torch 2.4.0", "a runtime that nobody knows"):
        assert law(kind, lowering, runtime, "family:1").overlap >= 1.0
