"""The grammar of YOLO names, and that a release is chosen by the figures of a table."""

from __future__ import annotations

import pytest

from hw_models.workload.named import NamedNetwork
from search_spaces.published.yolo_names import Yolo, parsed, yolo_network


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("yolov5s", Yolo(5, "s")),
        ("YOLOv5su", Yolo(5, "s", split=True)),
        ("yolov5m6_6.1", Yolo(5, "m", levels=6, release=(6, 1))),
        ("yolov5s_relu", Yolo(5, "s", act="relu")),
        ("YOLO11l-Seg", Yolo(11, "l", "seg")),
        ("yolov11x", Yolo(11, "x")),
        ("yolov8_det", Yolo(8)),
        ("yolov8n-obb", Yolo(8, "n", "obb")),
        ("tiny_yolov4", Yolo(4, tiny=True)),
        ("yolov7-tiny", Yolo(7, tiny=True)),
        ("yolo-v3-coco", Yolo(3)),
        ("yolov3_gluon_416", Yolo(3, side=416)),
        ("yolov6n_0.2.1_nms_core", Yolo(6, "n", release=(0, 2, 1))),
        ("yolox_s_wide_leaky", Yolo(0, "s", act="leaky", wide=True)),
        ("yolox_nano", Yolo(0, "n")),
        ("yolov5xs_wo_spp", Yolo(5, "s", small_pools=True)),
    ],
)
def test_names_are_understood(name: str, meant: Yolo) -> None:
    assert parsed(name) == meant


@pytest.mark.parametrize("name", ["yolov3_spp", "yolov5s_c3tr", "yolo_world_v2s", "resnet50", "yolact_550"])
def test_a_word_that_is_not_understood_means_another_network(name: str) -> None:
    assert parsed(name) is None


@pytest.mark.parametrize("name", ["YOLOv13n", "yolov7w", "yolov8t"])
def test_versions_and_sizes_that_are_not_built(name: str) -> None:
    assert yolo_network(NamedNetwork("any", name)) is None


def test_figures_choose_the_release() -> None:
    early = yolo_network(NamedNetwork("any", "yolov5s", params=7.46e6, macs=8.72e9))
    late = yolo_network(NamedNetwork("any", "yolov5s"))
    assert early is not None
    assert late is not None
    assert round(early.params / 1e6, 2) == 7.47
    assert round(late.params / 1e6, 2) == 7.24


def test_figures_choose_the_size() -> None:
    found = yolo_network(NamedNetwork("any", "yolov8_det", params=3.16e6))
    assert found is not None
    assert round(found.params / 1e6, 2) == 3.16


def test_the_name_tells_the_image_size_where_the_row_does_not() -> None:
    named, plain = (yolo_network(NamedNetwork("any", n)) for n in ("tiny_yolov3_416", "tiny_yolov3"))
    stated = yolo_network(NamedNetwork("any", "tiny_yolov3", input_shape="608x608"))
    assert named is not None
    assert plain is not None
    assert stated is not None
    assert named.macs == plain.macs
    assert stated.macs == pytest.approx(named.macs * (608 / 416) ** 2, rel=0.001)
