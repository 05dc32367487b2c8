"""What detectors return: maps of strides 8, 16 and 32, channels of heads; and what blocks keep."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from hw_models.workload.from_torch.modules import WithoutInitialisation
from search_spaces.vision.architectures.efficientdet import EfficientDet
from search_spaces.vision.architectures.hardnet import links
from search_spaces.vision.architectures.layers import ConvBnAct
from search_spaces.vision.architectures.mobilenets import mobilenet_v2_features
from search_spaces.vision.architectures.ssd import ssd_mobilenet
from search_spaces.vision.architectures.yolo import Scale, yolo11, yolov5, yolov8, yolov10
from search_spaces.vision.architectures.yolo_blocks import ConvAttention, SplitCsp
from search_spaces.vision.architectures.yolo_darknet import yolov3_tiny
from search_spaces.vision.architectures.yolov6 import yolov6
from search_spaces.vision.architectures.yolov7 import yolov7_tiny
from search_spaces.vision.architectures.yolov9 import yolov9
from search_spaces.vision.architectures.yolox import yolox
from search_spaces.vision.widths import divisible

SIDE = 128


def shapes(module: Callable[[], nn.Module], side: int = SIDE) -> list[tuple[int, ...]]:
    with torch.device("meta"), torch.no_grad(), WithoutInitialisation():
        out: Sequence[Tensor] = module().eval()(torch.empty(1, 3, side, side))
    return [tuple(y.shape[1:]) for y in out]


def levels(*channels: int, side: int = SIDE, strides: tuple[int, ...] = (8, 16, 32)) -> list[tuple[int, ...]]:
    return [(c, side // stride, side // stride) for stride in strides for c in channels]


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (lambda: yolov5("n"), levels(255)),
        (lambda: yolov5("n", levels=6), levels(255, strides=(8, 16, 32, 64))),
        (lambda: yolov5("n", split_head=True), levels(64, 80)),
        (lambda: yolov6("n"), levels(80, 4)),
        (yolov7_tiny, levels(255)),
        (lambda: yolov8("n"), levels(64, 80)),
        (lambda: yolov8("n", "pose"), levels(64, 1, 51)),
        (lambda: yolov8("n", "seg"), [*levels(64, 80, 32), (32, SIDE // 4, SIDE // 4)]),
        (lambda: yolov5("n", "seg"), [*levels(3 * 117), (32, SIDE // 4, SIDE // 4)]),
        (lambda: yolov9("e"), levels(64, 80)),
        (lambda: yolov10("n"), levels(64, 80)),
        (lambda: yolo11("n"), levels(64, 80)),
        (lambda: yolox("nano"), levels(80, 4, 1)),
        (yolov3_tiny, levels(255, strides=(32, 16))),
    ],
)
def test_maps_of_detectors(module: Callable[[], nn.Module], expected: list[tuple[int, ...]]) -> None:
    assert shapes(module) == expected


def test_ssd_has_the_1917_anchors_of_its_paper() -> None:
    boxes = shapes(ssd_mobilenet, 300)[::2]
    assert sum(c // 4 * h * w for c, h, w in boxes) == 1917


def test_heads_of_efficientdet_share_weights_unless_compiled() -> None:
    with torch.device("meta"), torch.no_grad(), WithoutInitialisation():
        shared, own = (EfficientDet(0, shared=s) for s in (True, False))
    heads = [sum(p.numel() for p in net.classes.parameters()) for net in (shared, own)]
    assert heads[0] < heads[1] <= 5 * heads[0]


@pytest.mark.parametrize(("stride", "side"), [(32, 4), (8, 16)])
def test_output_stride_trades_stride_for_dilation(stride: int, side: int) -> None:
    with torch.device("meta"), torch.no_grad(), WithoutInitialisation():
        features = mobilenet_v2_features(output_stride=stride, head=False)
        assert features(torch.empty(1, 3, 128, 128))[-1].shape == (1, 320, side, side)


def test_scale_rounds_channels_up_and_keeps_one_repeat() -> None:
    scale = Scale(0.33, 0.25, 512)
    assert [scale.channels(c) for c in (64, 100, 1024)] == [16, 32, 128]
    assert [scale.repeats(n) for n in (1, 3, 6, 9)] == [1, 1, 2, 3]


def test_harmonic_links_are_powers_of_two_apart() -> None:
    assert [links(n) for n in (0, 1, 2, 3, 4, 6, 8)] == [
        [],
        [0],
        [1, 0],
        [2],
        [3, 2, 0],
        [5, 4],
        [7, 6, 4, 0],
    ]


def test_channels_are_never_rounded_down_by_more_than_a_tenth() -> None:
    assert [divisible(c) for c in (8, 11.2, 18, 20, 35.2)] == [8, 16, 24, 24, 32]


def test_areas_attend_to_themselves_alone() -> None:
    torch.manual_seed(0)
    block = ConvAttention(16, 2, key_ratio=1.0, position=1, areas=2).eval()
    x = torch.randn(1, 16, 4, 4)
    changed = x.clone()
    changed[..., :2, :] += 1
    same = block(x)[..., 2:, :], block(changed)[..., 2:, :]
    torch.testing.assert_close(*same)


def test_split_csp_joins_every_step() -> None:
    block = SplitCsp(8, 16, 3, lambda a, b: ConvBnAct(a, b, 3))
    assert block.last.conv.in_channels == (2 + 3) * 8
    assert block(torch.zeros(1, 8, 5, 5)).shape == (1, 16, 5, 5)
