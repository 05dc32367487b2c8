"""Organisations by name: what ships keeps the contract; a name that is not there gets its nearest."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hw_models import registry as plug_ins
from hw_models.cost.tiled import registry
from hw_models.cost.tiled.organisation import Parameter
from hw_models.errors import InputError, UnknownNameError
from hw_models.registry import Plugin


@pytest.mark.parametrize("kind", sorted(registry.BUILT_IN))
def test_every_organisation_that_ships_keeps_the_contract(kind):
    found = registry.organisation(kind)
    assert found.kind == kind
    assert registry.organisation(kind) is found
    for name, parameter in found.parameters.items():
        assert isinstance(parameter, Parameter)
        assert name == name.lower()
        assert parameter.unit
        assert parameter.meaning
        assert parameter.default is None or parameter.source, f"{name}: where is the default from?"


def test_an_unknown_organisation_names_the_nearest():
    with pytest.raises(
        UnknownNameError, match=r"unknown organisation \(dataflow.kind\) 'papr'; did you mean 'paper"
    ):
        registry.organisation("papr")


def test_parameters_that_nobody_reads_or_that_are_missing(npu):
    flow = {"kind": "paper", "source": "s", "parameters": {"drain_cycle": {"value": 3, "source": "s"}}}
    unknown, lacking = registry.misfits(npu(engine={"dataflow": flow}).main_engine.dataflow)
    assert "unknown parameter of paper 'drain_cycle'; did you mean 'drain_cycles'" in unknown
    assert lacking == "dataflow.parameters.must is missing; expected given or refused in 1"


def test_plug_ins_come_after_ours_and_broken_ones_say_why(monkeypatch):
    mine = SimpleNamespace(kind="mine", parameters={})
    found = (
        Plugin(registry.GROUP, "broken", "x:y", "p", error="ImportError: no x"),
        Plugin(registry.GROUP, "mine", "a:b", "p", loaded=mine),
        Plugin(registry.GROUP, "paper", "a:c", "p", loaded=mine),
    )
    monkeypatch.setattr(plug_ins, "plugins", lambda group: found if group == registry.GROUP else ())
    assert registry.organisation("mine") is mine
    assert registry.organisation("paper") is not mine
    assert "mine" in registry.organisations()
    assert "broken" not in registry.organisations()
    with pytest.raises(InputError, match=r"'broken' of codesign.organisations \(x:y\) does not load: "):
        registry.organisation("broken")
