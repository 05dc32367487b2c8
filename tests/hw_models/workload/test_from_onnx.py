"""ONNX files as the world writes them: model zoo, PaddleOCR, Silero, torch's dynamo exporter."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from hw_models.errors import InputError, TraceError
from hw_models.workload import OpKind, Workload
from hw_models.workload.from_onnx import read_onnx

ZOO = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def package_file(package: str, *parts: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f"package {package} is not installed")
    path = Path(spec.origin).parent.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{package} does not carry {path.name}")
    return path


def zoo(name: str) -> Path:
    path = ZOO / f"light_{name}.onnx"
    if not path.exists():
        pytest.skip(f"this version of onnx does not carry {path.name}")
    return path


@pytest.mark.parametrize(
    ("name", "gmacs", "params", "source"),
    [
        # torchvision.models, "Table of all available classification weights": GFLOPS (GMACs), Params
        ("resnet50", 4.09, 25_557_032, "torchvision ResNet50"),
        (
            "densenet121",
            2.83,
            7_978_856 + 83_648,
            "torchvision DenseNet121, every norm with a second scale and shift",
        ),
        ("squeezenet", 0.35, 1_235_496, "torchvision SqueezeNet 1.1"),
        ("vgg19", 19.63, 143_667_240, "torchvision VGG19"),
        # Sze et al., Efficient Processing of Deep Neural Networks, Proc. IEEE 2017, table II: MACs, weights
        ("inception_v1", 1.43, 7.0e6, "Sze et al., 2017, GoogLeNet"),
        ("bvlc_alexnet", None, 61.0e6, "Sze et al., 2017, AlexNet (its MACs are at 227 pixels)"),
    ],
)
def test_published_size_of_zoo_networks(name: str, gmacs: float | None, params: float, source: str) -> None:
    workload = read_onnx(zoo(name))
    if gmacs is not None:
        assert workload.macs / 1e9 == pytest.approx(gmacs, abs=0.0051), source
    assert workload.params == pytest.approx(params, rel=0.006), source
    assert workload.op_modelled.all()
    assert workload.batch == 1


def test_alexnet_by_hand() -> None:
    """Krizhevsky et al., 2012, with groups, at 224 pixels, padded as in the file: 54, 26, 12, 12, 12."""
    convolutions = [
        96 * 54**2 * 3 * 11**2,
        256 * 26**2 * 48 * 5**2,
        384 * 12**2 * 256 * 3**2,
        384 * 12**2 * 192 * 3**2,
        256 * 12**2 * 192 * 3**2,
    ]
    products = [9216 * 4096, 4096 * 4096, 4096 * 1000]
    workload = read_onnx(zoo("bvlc_alexnet"))
    assert workload.op_macs[workload.op_kind == OpKind.CONV].tolist() == convolutions
    assert workload.op_macs[workload.op_kind == OpKind.GEMM].tolist() == products


@pytest.mark.parametrize("path", sorted(ZOO.glob("light_*.onnx")), ids=lambda p: p.stem)
def test_zoo_agrees_with_whole_graph_shape_inference(path: Path) -> None:
    """Another way to the same count: ONNX's inference over the whole graph, output elements times taps."""
    model = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True)
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.value_info, *model.graph.output, *model.graph.input)
    }
    macs = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            macs += int(np.prod(shapes[node.output[0]]) * np.prod(shapes[node.input[1]][1:]))
        elif node.op_type == "Gemm":
            macs += int(np.prod(shapes[node.input[1]]) * shapes[node.output[0]][0])
    workload = read_onnx(path)
    assert workload.macs == macs > 1e8
    assert len(workload.outputs) == 1
    assert workload.shape(workload.outputs[0])[:2] == (1, 1000)


@pytest.mark.parametrize(
    ("file", "pixels"),
    [
        ("ch_PP-OCRv4_det_infer.onnx", (640, 640)),
        ("ch_PP-OCRv4_rec_infer.onnx", (48, 320)),
        ("ch_ppocr_mobile_v2.0_cls_infer.onnx", (48, 192)),
    ],
)
def test_paddle_ocr_needs_a_shape_and_scales_with_it(file: str, pixels: tuple[int, int]) -> None:
    path = package_file("rapidocr_onnxruntime", "models", file)
    with pytest.raises(InputError, match=r"dynamic dimensions in 'x' .*--shape x=<d0>x3x<d2>x<d3>"):
        read_onnx(path)
    height, width = pixels
    one = read_onnx(path, shapes={"x": (1, 3, height, width)})
    assert one.op_modelled.all()
    wide = read_onnx(path, shapes=(1, 3, height, 2 * width))
    convolutions = [w.op_macs[w.op_kind == OpKind.CONV].sum() for w in (one, wide)]
    assert convolutions[1] == pytest.approx(2 * convolutions[0], rel=0.01)  # squeeze-and-excite does not grow


@pytest.mark.parametrize(
    "file",
    ["ch_PP-OCRv4_det_infer.onnx", "ch_PP-OCRv4_rec_infer.onnx", "ch_ppocr_mobile_v2.0_cls_infer.onnx"],
)
def test_another_batch_equals_reading_the_file_at_it(file: str) -> None:
    path = package_file("rapidocr_onnxruntime", "models", file)
    height = 64 if "det" in file else 48  # detection halves its input five times
    rescaled = read_onnx(path, shapes={"x": (1, 3, height, 192)}).at_batch(4)
    read = read_onnx(path, shapes={"x": (4, 3, height, 192)})
    assert read.batch == rescaled.batch == 4
    assert rescaled.macs == read.macs
    assert rescaled.op_vector_ops.sum() == pytest.approx(read.op_vector_ops.sum(), rel=1e-12)
    assert rescaled.tensor_bytes.sum() == pytest.approx(read.tensor_bytes.sum(), rel=1e-3)


SILERO = {"input": (1, 512), "state": (2, 1, 128)}


@pytest.mark.parametrize(
    ("file", "shapes", "constants"),
    [
        ("silero_vad.onnx", SILERO, {"sr": 16000}),
        ("silero_vad.onnx", {**SILERO, "input": (1, 256)}, {"sr": 8000}),
        ("silero_vad_16k_op15.onnx", SILERO, {}),
        ("silero_vad_half.onnx", SILERO, {}),
        ("silero_vad_op18_ifless.onnx", SILERO, {"sr": 16000}),
        ("silero_vad_openvino_16k.onnx", {}, {}),
        ("silero_vad_16k_sequence.onnx", {"input": (1, 576)}, {}),
    ],
)
def test_silero(file: str, shapes: dict[str, tuple[int, ...]], constants: dict[str, float]) -> None:
    path = package_file("silero_vad", "data", file)
    workload = read_onnx(path, shapes=shapes, constants=constants)
    assert workload.op_modelled.all()
    assert workload.unmodelled_share() == {"output_elements": 0.0, "bytes": 0.0}
    assert workload.macs > 3e5


def test_silero_recurrence_by_hand() -> None:
    """Four gates of 128 on an input and a state of 128, one step: two products of 512 x 128."""
    workload = read_onnx(package_file("silero_vad", "data", "silero_vad_16k_op15.onnx"), shapes=SILERO)
    products = workload.op_macs[workload.op_kind == OpKind.GEMM].tolist()
    assert products == [512 * 128, 512 * 128]
    assert OpKind.SCAN in workload.op_kind


def test_undecided_branch_is_a_row_without_a_rule() -> None:
    """At 256 samples both branches fit: nothing tells which one runs."""
    path = package_file("silero_vad", "data", "silero_vad.onnx")
    workload = read_onnx(path, shapes={**SILERO, "input": (1, 256)})
    (unknown,) = [op for op in workload.ops if not op.modelled]
    assert unknown.target == "If"
    assert unknown.macs == 0
    assert workload.unmodelled_share()["bytes"] > 0.99
    assert any("--constant sr=<value>" in note for note in workload.meta["notes"])


def test_only_branch_that_fits_is_read_with_a_note() -> None:
    """512 samples fit the 16 kHz branch alone."""
    path = package_file("silero_vad", "data", "silero_vad.onnx")
    workload = read_onnx(path, shapes=SILERO)
    decided = read_onnx(path, shapes=SILERO, constants={"sr": 16000})
    assert workload.macs == decided.macs
    assert "only its then_branch accepts these sizes" in workload.meta["notes"][0]


def test_size_that_no_branch_accepts() -> None:
    path = package_file("silero_vad", "data", "silero_vad.onnx")
    with pytest.raises(
        TraceError, match=r"silero_vad.onnx: operator If 'If_0' .* none of its branches accepts"
    ):
        read_onnx(path, shapes={**SILERO, "input": (1, 2000)})


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Workload, Workload]]:
    """Networks through torch's dynamo exporter and through our tracer."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from torch import nn

    from hw_models.workload.from_torch import trace

    torch.set_num_threads(1)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(32), nn.LayerNorm(32)
            self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)
            self.mlp = nn.Sequential(nn.Linear(32, 128), nn.GELU(), nn.Linear(128, 32))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            n, length, width = x.shape
            qkv = self.qkv(self.norm1(x)).reshape(n, length, 3, 4, 8).permute(2, 0, 3, 1, 4)
            y = nn.functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
            x = x + self.out(y.transpose(1, 2).reshape(n, length, width))
            return x + self.mlp(self.norm2(x))

    networks = {
        "cnn": (
            nn.Sequential(
                nn.Conv2d(3, 16, 3, stride=2, padding=1),
                nn.BatchNorm2d(16),
                nn.ReLU(),
                nn.Conv2d(16, 16, 3, padding=1, groups=16),
                nn.Hardswish(),
                nn.MaxPool2d(2),
                nn.ConvTranspose2d(16, 8, 2, stride=2),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(8, 10),
            ),
            (1, 3, 32, 32),
        ),
        "block": (Block(), (1, 20, 32)),
    }
    folder = tmp_path_factory.mktemp("exported")

    def export(name: str) -> tuple[Workload, Workload]:
        module, shape = networks[name]
        path = folder / f"{name}.onnx"
        torch.onnx.export(module.eval(), (torch.zeros(shape),), path, dynamo=True, verbose=False)
        return read_onnx(path), trace(module, shape, cache=False)

    return export


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["cnn", "block"])
def test_dynamo_export_counts_as_the_torch_trace(
    exported: Callable[[str], tuple[Workload, Workload]], name: str
) -> None:
    from_file, from_module = exported(name)
    assert from_file.op_modelled.all()
    assert from_file.macs == from_module.macs
    for kind in (OpKind.CONV, OpKind.POOL):
        ours, theirs = ([op for op in w.ops if op.kind == kind] for w in (from_file, from_module))
        assert [(o.dims, o.attrs["fn"], o.attrs["stride"], o.attrs["rank"]) for o in ours] == [
            (o.dims, o.attrs["fn"], o.attrs["stride"], o.attrs["rank"]) for o in theirs
        ]
    norms = {
        w.name: [(o.dims, o.vector_ops) for o in w.ops if o.kind == OpKind.NORM]
        for w in (from_file, from_module)
    }
    if name == "block":
        assert len(set(map(str, norms.values()))) == 1
        assert {"mlp.0", "qkv"} <= set(from_file.op_module)
