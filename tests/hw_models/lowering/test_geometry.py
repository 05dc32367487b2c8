"""Geometry of convolutions and gathers, from torch and from ONNX, after fusion."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from hw_models.cost.arrays import GEOMETRY, KernelClass
from hw_models.lowering import LOWERINGS, lower
from hw_models.workload.from_onnx import read_onnx
from hw_models.workload.from_torch import trace

CONTRACTIONS = (KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED, KernelClass.DEPTHWISE)

# stride y, x; dilation y, x; input y, x; padding y, x; transposed
CASES = {
    "stride": (nn.Conv2d(3, 8, 3, 2, 1), (17, 20), (2, 2, 1, 1, 17, 20, 1, 1, 0)),
    "dilation": (nn.Conv2d(3, 8, 3, 1, 2, dilation=2), (16, 20), (1, 1, 2, 2, 16, 20, 2, 2, 0)),
    "same, even taps": (nn.Conv2d(3, 8, (3, 5), padding="same"), (16, 20), (1, 1, 1, 1, 16, 20, 1, 2, 0)),
    "valid": (nn.Conv2d(3, 8, 3, padding="valid"), (16, 20), (1, 1, 1, 1, 16, 20, 0, 0, 0)),
    "uneven": (nn.Conv2d(3, 8, (3, 5), (2, 1), (1, 2)), (16, 20), (2, 1, 1, 1, 16, 20, 1, 2, 0)),
    "grouped": (nn.Conv2d(4, 8, 3, 1, 1, groups=2), (9, 9), (1, 1, 1, 1, 9, 9, 1, 1, 0)),
    "one axis": (nn.Conv1d(3, 8, 5, 2, padding=2), (32,), (1, 2, 1, 1, 1, 32, 0, 2, 0)),
    "three axes": (nn.Conv3d(3, 8, 3, (1, 2, 2), 1), (8, 16, 20), (2, 2, 1, 1, 128, 20, 1, 1, 0)),
    "transposed": (nn.ConvTranspose2d(3, 8, 4, 2, 1), (16, 20), (2, 2, 1, 1, 16, 20, 1, 1, 1)),
}


def rows(workload, lowering):
    kernels = lower([workload], lowering=lowering, precision="int8")
    return kernels.geometry[np.isin(kernels.cls, CONTRACTIONS)].tolist()


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize(("module", "size", "expected"), CASES.values(), ids=CASES)
def test_convolutions_from_torch(module, size, expected, lowering):
    channels = module.in_channels
    assert rows(trace(module.eval(), input_shape=(1, channels, *size)), lowering) == [list(expected)]


def test_what_is_fused_does_not_change_it():
    module = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1))
    first, second = rows(trace(module.eval(), input_shape=(1, 3, 16, 20)), "ideal")
    assert first == [2, 2, 1, 1, 16, 20, 1, 1, 0]
    assert second == [1, 1, 1, 1, 8, 10, 0, 0, 0]


@pytest.mark.parametrize(
    ("size", "attributes", "expected"),
    [
        ((17, 20), {"strides": [2, 2], "pads": [1, 1, 1, 1]}, (2, 2, 1, 1, 17, 20, 1, 1, 0)),
        ((16, 20), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, (2, 2, 1, 1, 16, 20, 0, 0, 0)),
        ((16, 20), {"dilations": [2, 2], "auto_pad": "SAME_LOWER"}, (1, 1, 2, 2, 16, 20, 2, 2, 0)),
        ((16, 20), {"auto_pad": "VALID"}, (1, 1, 1, 1, 16, 20, 0, 0, 0)),
        ((16, 20), {"pads": [0, 1, 2, 1]}, (1, 1, 1, 1, 16, 20, 0, 1, 0)),
    ],
)
def test_convolutions_from_onnx(tmp_path, size, attributes, expected):
    weight = helper.make_tensor("w", TensorProto.FLOAT, (8, 3, 3, 3), np.zeros(8 * 27))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, *size))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    graph = helper.make_graph([node], "g", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "conv.onnx")
    assert rows(read_onnx(tmp_path / "conv.onnx"), "ideal") == [list(expected)]


def test_an_embedding_is_read_in_rows():
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(100, 24)
            self.register_buffer("at", torch.arange(8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.table(self.at) + x

    kernels = lower([trace(Words().eval(), input_shape=(8, 24))], lowering="eager", precision="int8")
    gathers = kernels.geometry[kernels.cls == KernelClass.GATHER]
    assert gathers[:, GEOMETRY.index("in_x")].tolist() == [24]
