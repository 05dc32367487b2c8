"""Compression as knobs: workload, cost and module change together; bad input is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn.utils.parametrize import is_parametrized

from hw_models.cost.estimate import estimate, estimate_many
from hw_models.errors import InputError, TraceError, UnknownNameError
from hw_models.spec.accelerator import Accelerator
from hw_models.workload.from_torch import trace
from search_spaces.candidate import Candidate
from search_spaces.closed_form import differences
from search_spaces.compression.marks import marked
from search_spaces.compression.space import Compressed
from search_spaces.compression.sparse import baked, magnitude, mask_of, sparsify
from search_spaces.testing.conformance import problems
from search_spaces.testing.plain_cnn import PlainCnn

MakeChip = Callable[..., Accelerator]
NETWORK = {"depth": 4, "width": 32}


def space(**options: object) -> Compressed:
    return Compressed(PlainCnn(), groups=2, **options)  # type: ignore[arg-type]


def test_knobs_are_those_of_the_space_and_of_each_group() -> None:
    found = space(precisions=("base", "int8"), prune=(0.0, 0.5), weights=("dense", "2:4"))
    own = [f"{k}_{g}" for k in ("precision", "prune", "weights") for g in "12"]
    assert list(found.knobs) == ["depth", "width", *own]
    assert found.size == PlainCnn().size * 2**6
    assert problems(found, samples=6) == []


def test_without_a_choice_nothing_changes() -> None:
    found = space(prune=(0.0, 0.5))
    candidate = Candidate(
        {**NETWORK, "precision_1": "base", "precision_2": "base", "prune_1": 0.0, "prune_2": 0.0}
    )
    assert differences(found.workload(candidate), PlainCnn().workload(Candidate(NETWORK))) == []


def test_the_module_is_as_small_as_its_workload_says() -> None:
    found = space(precisions=("base",), prune=(0.0, 0.25, 0.5))
    candidate = Candidate({**NETWORK, "prune_1": 0.25, "prune_2": 0.5})
    module = found.build(candidate)
    assert differences(found.workload(candidate), trace(module, (1, 3, 32, 32), cache=False)) == []
    assert [m.out_channels for m in module.modules() if isinstance(m, torch.nn.Conv2d)] == [24, 24, 24, 16]


def test_all_groups_at_a_precision_cost_what_the_network_costs_there(make_chip: MakeChip) -> None:
    chip = make_chip("npu", {"fp16": 1e11, "int8": 4e11})
    found = space(precisions=("base", "int8", "fp16"))
    plain = PlainCnn().workload(Candidate(NETWORK))

    def cost(one: str, two: str, precision: str) -> float:
        candidate = Candidate({**NETWORK, "precision_1": one, "precision_2": two})
        value = estimate(found.workload(candidate), chip, precision=precision).latency.value
        assert value is not None
        return value

    narrow, wide = (estimate(plain, chip, precision=p).latency.value for p in ("int8", "fp16"))
    assert cost("int8", "int8", "int8") == narrow
    assert cost("base", "base", "int8") == narrow
    assert cost("fp16", "fp16", "fp16") == wide
    assert narrow < cost("int8", "base", "fp16") < wide
    assert narrow < cost("int8", "fp16", "int8") < wide


def test_stored_bytes_follow_each_group() -> None:
    plain = PlainCnn().workload(Candidate(NETWORK))
    told = marked(plain, {"0": "int8", "2": "w4a16"}, {})
    weights = [t for t in range(told.n_tensors) if told.tensor_kind[t] == 1 and len(told.shape(t)) == 4]
    assert [told.tensor(t).precision.label for t in weights] == ["int8", "int4", "fp32", "fp32"]


def test_sparse_weights_gain_where_the_chip_has_the_format(make_chip: MakeChip) -> None:
    dense = make_chip("npu", {"int8": 4e9})
    engine = dense.main_engine.model_dump(exclude_none=True)
    has = {"pattern": "2:4", "precision": "int8", "factor": {"value": 2.0, "source": "inv"}}
    data = dense.model_dump(exclude_none=True) | {"engines": [{**engine, "sparsity": [has]}]}
    sparse = Accelerator.model_validate(data)
    found = space(precisions=("base",), weights=("dense", "2:4"))
    both = Candidate({**NETWORK, "weights_1": "2:4", "weights_2": "2:4"})
    marked_workload, plain = found.workload(both), PlainCnn().workload(Candidate(NETWORK))
    asked = estimate(plain, sparse, precision="int8", sparsity="2:4").latency.value
    without = estimate(plain, sparse, precision="int8").latency.value
    assert estimate(marked_workload, sparse, precision="int8").latency.value == pytest.approx(asked)
    assert asked < 0.6 * without
    # without the format zeros are weights like any others
    grid = estimate_many([marked_workload, plain], [dense], precision="int8").quantities["latency"].value
    assert grid[0, 0] == grid[1, 0]


def test_two_of_four_neighbours_stay() -> None:
    weight = torch.tensor([[1.0, -4.0, 2.0, 3.0, 0.5, 0.4, 0.3, 0.2]])
    assert mask_of(weight, "2:4").tolist() == [[0, 1, 0, 1, 1, 1, 0, 0]]
    with pytest.raises(InputError, match="6 input channels given, expected a multiple of 4"):
        mask_of(torch.ones(2, 6, 3, 3), "2:4")


def test_masks_hold_in_training() -> None:
    found = space(precisions=("base",), weights=("dense", "2:4"))
    module = found.build(Candidate({**NETWORK, "weights_1": "2:4", "weights_2": "2:4"}))
    first, second = [m for m in module.modules() if isinstance(m, torch.nn.Conv2d)][:2]
    optimiser = torch.optim.SGD(module.parameters(), 0.1)
    module(torch.randn(2, 3, 16, 16)).square().sum().backward()
    optimiser.step()
    plain = baked(module)
    layer = [m for m in plain.modules() if isinstance(m, torch.nn.Conv2d)]
    assert (layer[0].weight != 0).all()  # three channels: no pattern
    assert (layer[1].weight == 0).float().mean() == 0.5
    assert {n for n, _ in layer[1].named_parameters()} == {"weight", "bias"}
    assert first.in_channels == 3
    assert is_parametrized(second, "weight")


def test_multiplied_by_chips_it_is_a_joint_space(make_chip: MakeChip) -> None:
    joint = space(prune=(0.0, 0.5)) * [make_chip("npu", {"int8": 4e11})]
    drawn = joint.sample(np.random.default_rng(0))
    assert {"prune_1", "precision_2", "chip", "precision"} <= set(drawn)
    assert joint.size == PlainCnn().size * 2**4


def test_a_chip_that_lacks_the_precision_cannot_run(make_chip: MakeChip) -> None:
    chip = make_chip("npu", {"int8": 4e11})
    found = space(precisions=("base", "fp16"))
    cost = estimate(
        found.workload(Candidate({**NETWORK, "precision_1": "fp16", "precision_2": "base"})),
        chip,
        precision="int8",
    )
    assert cost.latency.value is None
    assert cost.reason == "no known peak at fp16; known: int8"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"precisions": ("base", "int7")}, "unknown precision 'int7'; did you mean 'int"),
        ({"prune": (0.0, 1.0)}, "pruning ratio 1.0 .* expected a share of the channels"),
        ({"weights": ("dense", "4:2")}, "'4:2' is no sparse pattern"),
        ({"groups": 0}, "0 layer groups given, expected at least 1"),
        ({"groups": {"a": ()}}, "expected module paths"),
        ({"unsupported": "skip"}, "expected 'refuse' or 'leave'"),
        ({"multiple": 0}, "expected a positive number"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        _ = Compressed(PlainCnn(), **{"groups": 2, **options}).knobs  # type: ignore[arg-type]


def test_a_group_that_does_not_exist_is_named() -> None:
    found = Compressed(PlainCnn(), groups={"first": ["0"], "none": ["stages.*"]})
    with pytest.raises(UnknownNameError, match=r"unknown layer of the group 'none' .*'stages\.\*'"):
        found.workload(found.sample(np.random.default_rng(0)))
    with pytest.raises(InputError, match=r"knob 'precision_1' .* 'int4' given"):
        space().canonical(Candidate({**NETWORK, "precision_1": "int4", "precision_2": "base"}))


def test_a_module_that_cannot_be_traced_is_named() -> None:
    class Branches(PlainCnn):
        def build(self, candidate: Candidate) -> torch.nn.Module:  # noqa: ARG002
            class Asks(torch.nn.Module):
                def forward(self, x: torch.Tensor) -> torch.Tensor:
                    return x if x.sum() > 0 else -x

            return Asks()

    with pytest.raises(TraceError, match="what the forward pass does next"):
        Compressed(Branches(), groups=1).workload(Candidate({**NETWORK, "precision_1": "int8"}))


def test_the_smallest_weights_go_wherever_they_are() -> None:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 8))
    with torch.no_grad():
        net[0].weight.mul_(100)
    small = baked(magnitude(net, ["0", "1"], 0.5))
    assert (small[0].weight != 0).float().mean() > 0.9
    assert sum(int((layer.weight == 0).sum()) for layer in small) == 64
    with pytest.raises(InputError, match=r"share 1.5 of 2 layers given"):
        magnitude(net, ["0", "1"], 1.5)


def test_masks_are_for_layers() -> None:
    with pytest.raises(InputError, match="'0' is a ReLU, expected a convolution or a linear layer"):
        sparsify(torch.nn.Sequential(torch.nn.ReLU()), ["0"])
