"""Channels removed over the whole graph: shapes, coupled layers, what is left whole, what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hw_models.errors import InputError, UnknownNameError
from hw_models.workload.from_torch import trace
from search_spaces.closed_form import differences
from search_spaces.compression.groups import group_of, layers
from search_spaces.compression.pruning import cut, kept_of, plan_of, prune, pruned_workload

SHAPE = (1, 3, 32, 32)


def test_kept_channels_are_multiples_and_never_none() -> None:
    assert [kept_of(64, r) for r in (0.0, 0.25, 0.5, 0.99)] == [64, 48, 32, 8]
    assert kept_of(20, 0.5) == 8  # 10 rounds to 8, ties to even
    assert kept_of(4, 0.5) == 4  # fewer than a multiple


def test_pruned_workload_is_the_trace_of_the_pruned_module(coupled: nn.Module) -> None:
    whole = trace(coupled, SHAPE, cache=False)
    plan = plan_of(whole, dict.fromkeys(layers(whole), 0.5))
    smaller = cut(coupled, plan)
    assert differences(pruned_workload(whole, plan), trace(smaller, SHAPE, cache=False)) == []
    assert smaller(torch.zeros(2, *SHAPE[1:])).shape == (2, 10)
    parameters = [sum(p.numel() for p in m.parameters()) for m in (coupled, smaller)]
    assert parameters[1] < 0.4 * parameters[0]


def test_coupled_layers_lose_the_same_channels(coupled: nn.Module) -> None:
    whole = trace(coupled, SHAPE, cache=False)
    smaller = prune(coupled, whole, {"stem.0": 0.5, "fall": 0.5, "grow": 0.25, "gate.3": 0.25})
    sizes = {n: tuple(p.shape) for n, p in smaller.named_parameters()}
    assert sizes["stem.0.weight"] == (16, 3, 3, 3)
    assert sizes["fall.weight"] == (16, 48, 1, 1)
    assert sizes["deep.weight"] == (48, 1, 3, 3)
    assert sizes["gate.1.weight"] == (16, 48, 1, 1)
    assert sizes["side.weight"] == (24, 16, 3, 3)
    assert sizes["head.weight"] == (48, 1024)


def test_flattened_channels_leave_with_all_their_places(coupled: nn.Module) -> None:
    whole = trace(coupled, SHAPE, cache=False)
    smaller = prune(coupled, whole, {"other": 0.8})  # 40 -> 8 of the 64 that are put together
    assert smaller.get_submodule("head").weight.shape == (48, (24 + 8) * 16)


def test_channels_without_weight_go_and_nothing_changes() -> None:
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 16, 3)
    net = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), nn.Linear(256, 4))
    dead = torch.arange(32) % 2 == 0
    with torch.no_grad():
        first.weight[dead] = 0
        first.bias[dead] = 0
    smaller = prune(net, trace(net, (1, 3, 8, 8), cache=False), {"0": 0.5})
    x = torch.randn(3, 3, 8, 8)
    assert smaller[0].out_channels == 16
    torch.testing.assert_close(smaller(x), net(x))


def test_the_smallest_ratio_of_coupled_layers_counts(coupled: nn.Module) -> None:
    whole = trace(coupled, SHAPE, cache=False)
    plan = plan_of(whole, {"stem.0": 0.5})
    assert plan.kept == {}
    assert plan.whole["stem.0"] == "coupled with a layer that keeps its channels"


def test_an_output_keeps_its_channels(coupled: nn.Module) -> None:
    plan = plan_of(trace(coupled, SHAPE, cache=False), {"last": 0.5})
    assert plan.whole == {"last": "the network returns them"}


def test_an_operator_that_is_not_known_is_named(grouped: nn.Module) -> None:
    whole = trace(grouped, SHAPE, cache=False)
    with pytest.raises(InputError, match=r"'first' .* cannot lose channels.*aten.conv2d at 'groups'"):
        plan_of(whole, {"first": 0.5})
    left = plan_of(whole, {"first": 0.5}, leave=True)
    assert left.kept == {}
    assert left.whole == {"first": "aten.conv2d at 'groups'"}


@pytest.mark.parametrize("ratio", [1.0, -0.1, 1.5])
def test_a_ratio_out_of_range_is_refused(coupled: nn.Module, ratio: float) -> None:
    with pytest.raises(InputError, match="expected a share of the channels, 0 to below 1"):
        plan_of(trace(coupled, SHAPE, cache=False), {"grow": ratio})


def test_a_layer_of_another_kind_is_refused() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(16, 3, 1, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.conv2d(x, self.weight)

    net = nn.Sequential(Own(), nn.Conv2d(16, 4, 1))
    with pytest.raises(InputError, match="'0' is a Own, which channels cannot be taken from"):
        prune(net, trace(net, (1, 3, 8, 8), cache=False), {"0": 0.5})


def test_groups_by_number_and_by_name(coupled: nn.Module) -> None:
    whole = trace(coupled, SHAPE, cache=False)
    assert layers(whole)[:3] == ("stem.0", "grow", "deep")
    assert list(group_of(whole, 2).values()) == ["1"] * 5 + ["2"] * 5
    assert group_of(whole, {"gate": ["gate.*"]}) == {"gate.1": "gate", "gate.3": "gate"}
    with pytest.raises(
        UnknownNameError, match=r"unknown layer of the group 'a' in .* 'groww'; did you mean 'grow'"
    ):
        group_of(whole, {"a": ["groww"]})
    with pytest.raises(UnknownNameError, match="unknown layer group '3'"):
        prune(coupled, whole, {"3": 0.5}, groups=2)
