"""Networks that are taken out of a supernet compute what the supernet computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from codesign.quality.supernet.net import SuperNet, calibrate
from codesign.quality.supernet.sandwich import Sandwich
from codesign.quality.supernet.sharing import cover, extremes
from hw_models.errors import InputError, UnknownNameError
from search_spaces.knobs import Choice
from search_spaces.narrowed import Narrowed
from search_spaces.space import SearchSpace
from search_spaces.testing.plain_cnn import PlainCnn
from search_spaces.vision.elastic_cnn import ElasticCnn
from search_spaces.vision.elastic_resnet import ElasticResnet
from search_spaces.vision.elastic_small import HEAD, ElasticSmall
from search_spaces.vision.elastic_vit import ElasticVit

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate

RESNET = Narrowed(
    ElasticResnet(n_classes=5),
    {
        "resolution": (128,),
        "block": ("basic",),
        "stem": ("conv7",),
        "shortcut": ("conv",),
        **{f"depth_{s}": (1, 2) for s in (1, 2, 3, 4)},
        **{f"width_{s}": (0.5, 1.0) for s in (1, 2, 3)},
        "width_4": (0.5,),
        **{f"ratio_{s}": (0.25,) for s in (1, 2, 3, 4)},
    },
)
CNN = Narrowed(
    ElasticCnn(n_classes=5),
    {
        "resolution": (128,),
        "activation": ("hardswish",),
        "features": (640, 960),
        **{f"depth_{s}": (1, 2) for s in (1, 2)},
        **{f"depth_{s}": (1,) for s in (3, 4, 5)},
        **{f"width_{s}": w for s, w in zip((3, 4, 5), ((40,), (56, 88), (80,)), strict=True)},
        **{f"kernel_{s}": (3, 5, 7) if s == 2 else (3,) for s in (1, 2, 3, 4, 5)},
        **{f"excite_{s}": (False, True) if s < 3 else (False,) for s in (1, 2, 3, 4, 5)},
        **{
            f"expand_{s}_{b}": (3.0, 6.0) if s == 1 else (3.0,) for s in (1, 2, 3, 4, 5) for b in (1, 2, 3, 4)
        },
    },
)


def _stirred(net: SuperNet) -> SuperNet:
    """With weights of no special value: also biases, slopes and kernel matrices."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim < 4:
                weight.add_(torch.randn(weight.shape, generator=rng), alpha=0.2)
    return net


@pytest.fixture(scope="module")
def small(space):
    return _stirred(SuperNet(space, seed=2))


@pytest.mark.parametrize("of", ["small", "resnet", "cnn"])
def test_a_network_taken_out_gives_the_same_outputs(of, small):
    net = small if of == "small" else _stirred(SuperNet({"resnet": RESNET, "cnn": CNN}[of]))
    rng = np.random.default_rng(0)
    x = torch.randn(4, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    seen = set()
    drawn = [net.space.sample(rng) for _ in range(8 if of == "small" else 2)]
    for network in (net.smallest, net.largest, *drawn):
        alone = calibrate(net.extract(network), [x, x.flip(0) * 0.5])
        seen.add(net.space.workload(network).params)
        assert sum(p.numel() for p in alone.parameters()) == net.space.workload(network).params
        with torch.no_grad():
            told = net.eval()(x, network, dict(alone.named_buffers()))
            assert torch.equal(alone(x), told)
    assert len(seen) > 2


def test_a_small_network_is_the_large_one_with_parts_of_it_silenced(space):
    """Not by cutting weights: the largest network with channels, blocks and kernel rims at zero."""
    net = _stirred(SuperNet(space, kernels="cropped"))
    large = net.extract(net.largest).eval()
    network = net.smallest.replace(width_1=24, kernel_2=5, depth_1=2)
    blocks = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)]
    stages = large.features.stages
    c_in = 16
    for at, (stage, block) in enumerate(blocks, 1):
        if block > int(network[f"depth_{stage}"]):
            stages[at] = nn.Identity()
            continue
        width, hidden = int(network[f"width_{stage}"]), c_in * int(network[f"expand_{stage}"])
        _silence(stages[at].layers[0], hidden)
        _silence(stages[at].layers[1], hidden, int(network[f"kernel_{stage}"]))
        _silence(stages[at].layers[2], width)
        c_in = width
    _silence(stages[-1], HEAD * c_in)
    x = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(net.extract(network).eval()(x), large(x), rtol=1e-5, atol=1e-5)


def _silence(layer: nn.Module, channels: int, kernel: int | None = None) -> None:
    if kernel is not None:
        rim = (layer.conv.kernel_size[0] - kernel) // 2
        whole = layer.conv.weight.detach().clone()
        layer.conv.weight.data.zero_()
        inside = slice(rim, rim + kernel)
        layer.conv.weight.data[:, :, inside, inside] = whole[:, :, inside, inside]
    heard = (torch.arange(layer.norm.num_features) < channels).view(1, -1, 1, 1)
    layer.register_forward_hook(lambda *told: told[-1] * heard)


def test_a_small_kernel_is_the_middle_times_a_matrix(space):
    net = SuperNet(space)
    name = "stages/2/1/layers/1/conv/weight"
    whole = net.weights[name]
    assert tuple(whole.shape[-2:]) == (7, 7)
    network = net.largest.replace(kernel_2=3)
    path = "features.stages.3.layers.1.conv.weight"
    assert torch.equal(net.cut(network)[path], whole[:, :, 2:5, 2:5])
    five, three = torch.randn(25, 25), torch.randn(9, 9)
    with torch.no_grad():
        net.transforms[f"{name}/5"].copy_(five)
        net.transforms[f"{name}/3"].copy_(three)
    middle = (whole[:, 0, 1:6, 1:6].reshape(-1, 25) @ (torch.eye(25) + five)).view(-1, 5, 5)
    expected = (middle[:, 1:4, 1:4].reshape(-1, 9) @ (torch.eye(9) + three)).view(-1, 1, 3, 3)
    torch.testing.assert_close(net.cut(network)[path], expected)


def test_each_step_trains_the_largest_the_smallest_and_some_between(small):
    net, seen = small, []
    sandwich = Sandwich(net, n_random=2)
    x, labels = torch.randn(8, 3, 24, 24), torch.arange(8) % 5
    hook = net.register_forward_pre_hook(lambda _, given: seen.append(given[1:]))
    net.train()
    net.zero_grad()
    torch.manual_seed(0)
    losses = []
    for loss in sandwich(x, labels):
        loss.backward()
        losses.append(loss.detach())
    hook.remove()
    assert len(losses) == 4
    assert seen[0] == ()
    assert seen[1] == (net.smallest,)
    assert len({s[0] for s in seen[1:]}) == 3
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in net.weights.values())
    torch.manual_seed(0)
    assert sandwich.drawn() == tuple(s[0] for s in seen[1:])


def test_all_but_the_largest_learn_from_its_answers(small):
    net = small.train()
    x, labels = torch.randn(8, 3, 24, 24), torch.arange(8) % 5
    _, smallest = Sandwich(net, n_random=0)(x, labels)
    with torch.no_grad():
        answers, told = net(x).softmax(1), net(x, net.smallest).log_softmax(1)
    assert float(smallest.detach()) == pytest.approx(float(-(answers * told).sum(1).mean()), rel=1e-5)
    own = torch.autograd.grad(smallest, [net.weights["stages/1/2/layers/0/conv/weight"]], allow_unused=True)
    assert own == (None,)  # a block that the smallest has not, and no gradient through the answers


def test_images_are_scaled_to_a_networks_own_side(space):
    net = SuperNet(space, own_resolution=True)
    x = torch.randn(2, 3, 24, 24)
    assert net.scaled(x, net.smallest).shape[2:] == (16, 16)
    assert net.scaled(x, net.largest) is x


def test_random_numbers_elsewhere_do_not_depend_on_what_is_known(small, space):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fresh = SuperNet(space)
    fresh.extract(fresh.smallest)
    assert torch.equal(torch.rand(3), expected)
    assert all(
        torch.equal(a, b) for a, b in zip(fresh.parameters(), SuperNet(space).parameters(), strict=True)
    )


def test_calibration_is_the_mean_over_batches():
    norm = nn.BatchNorm2d(1)
    first, second = torch.randn(4, 1, 2, 2), 3 + torch.randn(4, 1, 2, 2)
    calibrate(norm, [first, second])
    assert float(norm.running_mean) == pytest.approx(float((first.mean() + second.mean()) / 2), rel=1e-5)
    assert float(norm.running_var) == pytest.approx(float((first.var() + second.var()) / 2), rel=1e-5)
    assert (norm.momentum, norm.training) == (0.1, False)


def test_a_weight_that_only_a_smaller_network_has_is_shared_too():
    """A basic stage of the stem's 64 channels needs no projection; one of 32 does."""
    small, large = extremes(RESNET)
    assert (small["width_1"], large["width_1"]) == (0.5, 1.0)
    net = SuperNet(RESNET)
    path = "stages.0.0.shortcut.1.conv.weight"
    assert path not in net.layout(net.largest).parameters
    assert tuple(net.cut(net.largest.replace(width_1=0.5))[path].shape) == (32, 64, 1, 1)
    assert cover(RESNET)[0] == large


def test_spaces_that_share_nothing_are_refused():
    with pytest.raises(InputError, match=r"'elastic_vit' does not say which weights .* `shared_parts`"):
        SuperNet(Narrowed(ElasticVit(), {f"attention_{g}": ("global",) for g in (1, 2, 3, 4)}))
    with pytest.raises(InputError, match=r"'plain_cnn' does not say .* or train its networks alone"):
        SuperNet(PlainCnn())
    with pytest.raises(
        InputError,
        match=r"knob 'block' .* of different kinds .* keep one of them: Narrowed\(space, \{'block'",
    ):
        SuperNet(ElasticResnet())
    with pytest.raises(UnknownNameError, match="unknown way to cut kernels 'croped'; did you mean 'cropped'"):
        SuperNet(PlainCnn(), kernels="croped")


def test_a_candidate_outside_the_supernet_is_named(small):
    with pytest.raises(InputError, match=r"knob 'width_1' of the space 'elastic_small': 32 given, expected"):
        small.extract(small.largest.replace(width_1=32))
    with pytest.raises(UnknownNameError, match="depth_9"):
        small(torch.zeros(1, 3, 24, 24), small.largest.replace(depth_9=1))


class Swapped(SearchSpace):
    """Says that layers of two kinds are one."""

    name = "swapped"

    @property
    def knobs(self) -> dict[str, Choice]:
        return {"linear": Choice((0, 1), ordered=True)}

    def build(self, candidate: Candidate) -> nn.Module:
        return nn.Sequential(nn.Linear(3, 3) if candidate["linear"] else nn.Conv2d(3, 3, 1))

    def workload(self, candidate: Candidate):  # noqa: ARG002
        return ElasticSmall().workload(next(iter(ElasticSmall().candidates())))

    def shared_parts(self, candidate: Candidate) -> dict[str, str]:  # noqa: ARG002
        return {}


def test_layers_of_two_kinds_with_one_name_are_refused():
    with pytest.raises(
        InputError, match=r"'0.weight' is \(3, 3\) in one network and \(3, 3, 1, 1\) in another"
    ):
        SuperNet(Swapped())
