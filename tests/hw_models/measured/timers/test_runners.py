"""The runtimes themselves, on networks of a millisecond; how steady the machine is, is not tested here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from typing_extensions import override

from hw_models.errors import FileError, InputError
from hw_models.measured.timers.machine import this_machine
from hw_models.measured.timers.measurement import measure_runners
from hw_models.measured.timers.memory import ResidentPeak
from hw_models.measured.timers.onnxruntime import OnnxRuntimeRunner
from hw_models.measured.timers.protocol import TimingPlan
from hw_models.measured.timers.torch import TorchRunner

if TYPE_CHECKING:
    from hw_models.measured.timers.runner import Runner

LOOSE = TimingPlan(budget_s=0.15, warmup_s=0.1, operator_steps=4, allow_noise=True)
linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU on this machine")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=4, dilation=2, groups=8)
        self.head = nn.Linear(8, 10)

    @override
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.depthwise(self.stem(x).relu())
        out: torch.Tensor = self.head(x.mean((2, 3)))
        return out


def onnx_file(folder: Path, *, open_batch: bool = False, open_side: bool = False) -> Path:
    """A convolution and a product, written node by node."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    side = "side" if open_side else 16
    x = helper.make_tensor_value_info("x", kind, ["n" if open_batch else 1, 3, side, side])
    y = helper.make_tensor_value_info("y", kind, None)
    random = np.random.default_rng(0)
    weight = onnx.numpy_helper.from_array(random.standard_normal((32, 3, 3, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="stem", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["y"], name="pool"),
    ]
    graph = helper.make_graph(nodes, "small", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / "small.onnx"
    onnx.save(model, path)
    return path


def test_onnxruntime_network_operators_and_memory(tmp_path: Path) -> None:
    (m,) = measure_runners([lambda: OnnxRuntimeRunner(onnx_file(tmp_path), threads=1)], LOOSE)
    assert (m.network, m.runtime, m.device, m.batch, m.threads) == ("small", "onnxruntime", "cpu", 1, 1)
    assert m.precision == "fp32"
    assert m.times.p50_s is not None
    assert 0 < m.times.p50_s < 1
    (conv,) = (o for o in m.operators if o.kind == "Conv")
    assert conv.times.n == 4
    assert conv.shape == "n=1 g=1 k=32 c=3 oy=16 ox=16 fy=3 fx=3"


def test_torch_network_and_operators() -> None:
    with torch.no_grad():
        net = Net()
    x = torch.randn(2, 3, 32, 32)
    before = torch.get_num_threads()
    (m,) = measure_runners([lambda: TorchRunner(net, [x], name="net", threads=1)], LOOSE)
    assert torch.get_num_threads() == before
    assert (m.batch, m.precision, m.compiled) == (2, "fp32", False)
    shapes = [o.shape for o in m.operators if o.kind == "aten::conv2d"]
    assert shapes == ["n=2 g=1 k=8 c=3 oy=16 ox=16 fy=3 fx=3", "n=2 g=8 k=1 c=1 oy=16 ox=16 fy=5 fx=5"]
    (linear,) = (o for o in m.operators if o.kind == "aten::linear")
    assert linear.shape == "batch=1 m=2 k=10 c=8"
    assert linear.times.n == 4


def test_side_by_side_and_as_records(tmp_path: Path) -> None:
    openers: list[Callable[[], Runner]] = [
        lambda: OnnxRuntimeRunner(onnx_file(tmp_path), threads=1),
        lambda: TorchRunner(Net(), [torch.randn(1, 3, 16, 16)], name="net", threads=1),
    ]
    first, second = measure_runners(openers, LOOSE)
    assert first.interleaved_with == ("net",)
    frame = second.to_records(device="here").frame
    whole = frame[frame["operator"].isna()]
    assert whole["network"].tolist() == ["net"]
    assert whole["p50_s"].iloc[0] == second.times.p50_s
    assert set(frame["device"]) == {"here"}
    assert set(frame["compiled"]) == {0}
    assert frame[frame["operator"] == "conv"]["function"].tolist() == ["aten::conv2d"] * 2


def test_two_networks_of_one_name(tmp_path: Path) -> None:
    path = onnx_file(tmp_path)
    with pytest.raises(InputError, match="'small' given twice"):
        measure_runners([lambda: OnnxRuntimeRunner(path, threads=1)] * 2, LOOSE)


def test_open_dimensions(tmp_path: Path) -> None:
    with OnnxRuntimeRunner(onnx_file(tmp_path, open_batch=True), threads=1) as runner:
        assert runner.batch == 1
    path = onnx_file(tmp_path, open_side=True)
    with pytest.raises(
        InputError, match=r"input 'x' is 1x3xsidexside, which leaves dimensions open; give --shape x="
    ):
        OnnxRuntimeRunner(path)
    with OnnxRuntimeRunner(path, shapes={"x": (1, 3, 8, 9)}, threads=1) as runner:
        assert runner.step() > 0
    with pytest.raises(InputError, match=r"'small' does not run on x 2x3x8x8: .*Got: 2 Expected: 1"):
        OnnxRuntimeRunner(path, shapes={"x": (2, 3, 8, 8)})
    with pytest.raises(InputError, match="shape of 'z' given; the inputs of this network are x"):
        OnnxRuntimeRunner(path, shapes={"z": (1,)})


def test_a_file_that_is_no_network(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(FileError, match="ONNX Runtime cannot load it"):
        OnnxRuntimeRunner(path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has an NVIDIA GPU")
def test_a_gpu_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"device 'cuda' given, but torch .* finds no NVIDIA GPU here"):
        TorchRunner(Net(), [torch.randn(1, 3, 16, 16)], name="net", device="cuda")
    with pytest.raises(InputError, match="has no CUDAExecutionProvider here"):
        OnnxRuntimeRunner(onnx_file(tmp_path), device="cuda")
    with pytest.raises(InputError, match="device 'tpu' given, expected cpu or cuda"):
        OnnxRuntimeRunner(onnx_file(tmp_path), device="tpu")


@gpu
def test_on_a_gpu() -> None:
    x = torch.randn(8, 3, 224, 224)
    (m,) = measure_runners(
        [lambda: TorchRunner(Net(), [x], name="net", device="cuda", precision="fp16")], LOOSE
    )
    assert m.machine.gpu == torch.cuda.get_device_name(0)
    assert m.peak_memory_bytes is not None
    assert m.peak_memory_bytes >= x.nbytes / 2
    assert any(o.times.p50_s for o in m.operators if o.kind == "aten::conv2d")


def test_an_input_that_does_not_fit_a_module() -> None:
    with pytest.raises(InputError, match=r"'net' does not run on 1x4x16x16: .*3 channels"):
        TorchRunner(Net(), [torch.randn(1, 4, 16, 16)], name="net")


def test_precision_of_a_module() -> None:
    x = torch.randn(1, 3, 16, 16)
    with TorchRunner(Net(), [x], name="net", precision="bf16", threads=1) as runner:
        assert runner.step() > 0
    with pytest.raises(
        InputError, match="precision 'fp61' given, expected one of fp32, fp16, bf16; did you mean 'fp16"
    ):
        TorchRunner(Net(), [x], name="net", precision="fp61")


@linux
def test_peak_memory_of_a_known_block() -> None:
    with ResidentPeak() as peak:
        block = np.ones(8_000_000)
        del block
    assert peak.bytes is None or 60e6 < peak.bytes < 90e6


@linux
def test_machine_facts() -> None:
    machine = this_machine()
    assert machine.cpu
    assert machine.memory_bytes is not None
    assert machine.memory_bytes > 1e8
    assert machine.usable_cpus is not None
    assert machine.logical_cpus is not None
    assert 1 <= machine.usable_cpus <= machine.logical_cpus
    assert machine.name == machine.cpu
    assert set(machine.to_row()) >= {"governor", "load_1min", "system", "cores"}
