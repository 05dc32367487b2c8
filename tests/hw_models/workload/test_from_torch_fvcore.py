"""MACs of plain CNNs against fvcore, which counts them by another way (a TorchScript trace with data)."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

import search_spaces  # noqa: F401  (makes torchvision importable)
from hw_models.workload.from_torch import trace

fvcore_nn = pytest.importorskip("fvcore.nn")


@pytest.mark.parametrize(
    "name", ["alexnet", "vgg11", "resnet18", "squeezenet1_1", "mobilenet_v2", "shufflenet_v2_x0_5"]
)
def test_equal_to_fvcore(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torchvision

        with torch.device("meta"):
            net: nn.Module = getattr(torchvision.models, name)(weights=None)
        net = net.to_empty(device="cpu").eval()
        analysis = fvcore_nn.FlopCountAnalysis(net, torch.zeros(1, 3, 64, 64))
        analysis.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False)
        by_operator = analysis.by_operator()
    theirs = sum(by_operator[kind] for kind in ("conv", "linear", "addmm", "matmul"))
    assert trace(net, (1, 3, 64, 64), cache=False).macs == theirs
