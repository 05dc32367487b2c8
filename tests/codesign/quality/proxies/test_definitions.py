"""Proxies against arithmetic by hand, what they refuse, and what never changes them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from codesign.quality.proxies.batches import Batches, noise, of_data
from codesign.quality.proxies.definitions import PROXIES, proxy_of, scores
from codesign.quality.proxies.probe import Probe
from hw_models.errors import InputError, UnknownNameError


def linear(*weights) -> nn.Sequential:
    """Flatten, then matrices with ReLU between them, without biases."""
    layers: list[nn.Module] = [nn.Flatten()]
    for at, w in enumerate(weights):
        matrix = torch.tensor(w, dtype=torch.float32)
        layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False)
        layer.weight = nn.Parameter(matrix)
        layers += [layer] if at == len(weights) - 1 else [layer, nn.ReLU()]
    return nn.Sequential(*layers)


def shown(*batches, labels=None) -> Batches:
    """Batches of images of one channel and one line of pixels."""
    images = tuple(torch.tensor(b, dtype=torch.float32)[:, None, None, :] for b in batches)
    kept = labels or [[0] * len(b) for b in batches]
    return Batches(images, tuple(torch.tensor(y) for y in kept), "by hand")


TWO = shown([[1.0, 0.0], [0.0, 1.0]])


def small(activation: type[nn.Module] = nn.ReLU, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        activation(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        activation(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 4),
    )


def test_synflow_is_two_matrices_times_the_flow_through_both() -> None:
    # R = 1 |W2| |W1| 1 = (3 + 4) * (1 + 2) = 21, and each of the two layers conserves it
    net = linear([[1.0, -2.0]], [[-3.0], [4.0]])
    assert scores(net, TWO, ["synflow"])["synflow"].value == pytest.approx(math.log(42.0))
    assert net[1].weight.tolist() == [[1.0, -2.0]]


def test_synflow_takes_norms_out_and_does_not_overflow() -> None:
    deep = nn.Sequential(
        nn.Flatten(), *(nn.Linear(64, 64, bias=False) for _ in range(60)), nn.Linear(64, 2, bias=False)
    )
    for layer in deep[1:]:
        nn.init.constant_(layer.weight, 1.0)
    many = noise((1, 8, 8), 2, batch=4)
    found = scores(deep, many, ["synflow"])["synflow"].value
    assert found == pytest.approx(math.log(61 * 2.0) + 61 * math.log(64.0))  # 1e112: no single precision
    bare = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    torch.manual_seed(0)
    normed = nn.Sequential(bare[0], nn.BatchNorm2d(4), *bare[1:])
    nn.init.uniform_(normed[1].weight)
    image = noise((3, 4, 4), 3, batch=4)
    both = [scores(net, image, ["synflow"])["synflow"].value for net in (bare, normed)]
    assert both[0] == both[1]


def test_naswot_counts_units_on_which_two_images_agree() -> None:
    # units on: image 0 (yes, no, yes), image 1 (no, yes, yes); they agree on one of three: |3 1; 1 3| = 8
    net = linear([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [[1.0, 1.0, 1.0]])
    assert scores(net, TWO, ["naswot"])["naswot"].value == pytest.approx(math.log(8.0))


def test_naswot_sees_functions_as_it_sees_modules() -> None:
    class Called(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = small(nn.Identity)

        def forward(self, x):
            for layer in self.inner:
                x = torch.relu(layer(x)) if isinstance(layer, nn.BatchNorm2d) else layer(x)
            return x

    called, images = Called(), noise((3, 8, 8), 4, batch=8)
    written = small()
    written.load_state_dict(called.inner.state_dict())
    both = [scores(net, images, ["naswot"])["naswot"].value for net in (called, written)]
    assert both[0] == both[1] is not None


@pytest.mark.parametrize("activation", [nn.SiLU, nn.GELU, nn.Hardswish, nn.Tanh])
def test_naswot_is_none_without_linear_pieces_and_says_why(activation) -> None:
    found = scores(small(activation), noise((3, 8, 8), 4, batch=4), ["naswot", "synflow"])
    assert found["naswot"].value is None
    expected = (
        "no ReLU" if activation is nn.Tanh else f"2 x {activation.__name__.lower()} beside 0 rectifiers"
    )
    assert expected in found["naswot"].reason
    assert found["synflow"].value is not None


def test_jacob_cov_of_images_with_equal_and_with_opposite_jacobians() -> None:
    # image 0 turns unit 0 on, image 1 unit 1: Jacobians (1, -1) and (-1, 1) are fully anticorrelated;
    # the matrix |1 -1; -1 1| has the eigenvalues 2 and 0
    net = linear([[1.0, -1.0], [-1.0, 1.0]], [[1.0, 1.0]])
    k = 1e-5
    expected = -(math.log(2 + k) + 1 / (2 + k) + math.log(k) + 1 / k)
    assert scores(net, TWO, ["jacob_cov"])["jacob_cov"].value == pytest.approx(expected, rel=1e-4)


def test_grad_norm_of_one_matrix() -> None:
    # logits 0, so the softmax is 1/2 each: for label 0 the slope is (-1/2, 1/2) x image, mean of two images
    net = linear([[0.0, 0.0], [0.0, 0.0]])
    slope = np.array([[-0.25, -0.25], [0.25, 0.25]])
    assert scores(net, TWO, ["grad_norm"])["grad_norm"].value == pytest.approx(
        math.log(np.linalg.norm(slope))
    )


def test_zico_is_mean_over_spread_of_the_gradient_of_each_weight() -> None:
    # images of one pixel, logits 0: slopes (-1/2, 1/2) x pixel; batches of pixels 1 and 3: |g| = 0.5, 1.5
    net = linear([[0.0], [0.0]])
    batches = shown([[1.0], [1.0]], [[3.0], [3.0]])
    assert scores(net, batches, ["zico"])["zico"].value == pytest.approx(math.log(2 * 1.0 / 0.5))
    same = scores(net, shown([[1.0], [1.0]], [[1.0], [1.0]]), ["zico"])["zico"]
    assert same.value is None
    assert "no gradient changes" in same.reason
    assert "needs two" in scores(net, TWO, ["zico"])["zico"].reason


def test_parameters_and_macs_are_counted() -> None:
    found = scores(small(), noise((3, 8, 8), 4, batch=4), ["parameters", "macs"])
    assert found["parameters"].value == 3 * 8 * 9 + 8 + 16 + 8 * 8 * 9 + 8 + 16 + 8 * 4 + 4
    assert found["macs"].value == 64 * (3 * 8 * 9 + 8 * 8 * 9) + 8 * 4


def test_the_module_is_left_as_it_was_and_the_same_comes_out_again() -> None:
    net, images = small(), noise((3, 8, 8), 4, batch=8)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    first = scores(net, images)
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert net.training
    assert all(s.value is not None for s in first.values())
    assert scores(net, noise((3, 8, 8), 4, batch=8)) == first
    assert scores(net, images, ["zico"])["zico"] == first["zico"]  # alone as among others
    assert scores(net, noise((3, 8, 8), 4, batch=8, seed=1))["naswot"] != first["naswot"]


def test_a_network_that_cuts_its_image_off_has_no_score_but_for_its_size() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(3, 2, bias=False)

        def forward(self, x):
            return self.last(torch.relu(x.mean((2, 3)) * 0.0))

    found = scores(Cut(), noise((3, 4, 4), 2, batch=4), ["parameters", "synflow", "jacob_cov", "grad_norm"])
    assert found["parameters"].value == 6
    for name in ("synflow", "jacob_cov", "grad_norm"):
        assert found[name].value is None
        assert found[name].reason.startswith(f"{name}: ")


def test_every_proxy_says_where_it_comes_from_and_what_it_cannot_do() -> None:
    assert set(PROXIES) == {"parameters", "macs", "synflow", "naswot", "jacob_cov", "grad_norm", "zico"}
    for proxy in PROXIES.values():
        assert proxy.source
        assert proxy.definition
        assert proxy.scale
        assert proxy.needs
        assert proxy.cannot
    with pytest.raises(UnknownNameError, match="unknown proxy 'sinflow'; did you mean 'synflow'"):
        proxy_of("sinflow")


def test_what_is_shown(data) -> None:
    images = of_data(data, batch=16, n=3)
    assert [x.shape for x in images.images] == [(16, 3, 16, 16)] * 3
    assert float(torch.cat(images.images).mean()) == pytest.approx(0, abs=0.2)
    assert "48" not in images.title
    assert "road_signs (synthetic)" in images.title
    with pytest.raises(InputError, match=r"2 batches of 900 of the 360 training images of 'road_signs'"):
        of_data(data, batch=900)
    with pytest.raises(InputError, match="at least 2 images"):
        noise((3, 4, 4), 2, batch=1)
    with pytest.raises(InputError, match="label 11 and a network of 4 classes"):
        Probe(small(), of_data(data)).gradients(0)
