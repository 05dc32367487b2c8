"""The Vitis AI zoo: operations of the names are those of the networks, pruned ones by construction.

Expected values: `gops` of vitis_ai_dpu_fps (1e9 operations, two a MAC), from the zoo's names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from hw_models.workload.named import NamedNetwork
from hw_models.workload.op import OpKind
from search_spaces.published.catalogue import published_network

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload


def zoo(name: str, shape: str = "", gops: float | None = None) -> Workload:
    macs = None if gops is None else gops * 1e9 / 2
    return published_network(NamedNetwork("vitis_ai_dpu_fps", name, input_shape=shape, macs=macs))


def convolutions(workload: Workload) -> int:
    return int(np.count_nonzero(workload.op_kind == OpKind.CONV))


@pytest.mark.parametrize(
    ("name", "shape", "gops", "within"),
    [
        ("resnet_v1_50_tf", "224x224", 6.97, 0.005),
        ("resnet_v2_50_tf", "299x299", 13.1, 0.005),
        ("resnet50_tf2", "224x224", 7.76, 0.01),
        ("resnet50_pt", "224x224", 8.2, 0.01),
        ("inception_v2_tf", "224x224", 3.88, 0.005),
        ("Inception_v3_tf", "299x299", 11.45, 0.005),
        ("mobilenet_v1_0_25_128_tf", "128x128", 0.027, 0.01),
        ("mobilenet_v2_1_4_224_tf", "224x224", 1.16, 0.005),
        ("efficientNet-edgetpu-S_tf", "224x224", 4.72, 0.005),
        ("facerec-resnet20_mixed_pt", "112x96", 3.5, 0.005),
        ("personreid-res18_pt", "176x80", 1.1, 0.02),
        ("ofa_resnet50_baseline_pt", "224x224", 15.0, 0.005),
        ("ssd_inception_v2_coco_tf", "300x300", 9.62, 0.005),
        ("ENet_cityscapes_pt", "512x1024", 8.6, 0.03),
        ("semantic_seg_citys_tf2", "512x1024", 54.0, 0.02),
        ("yolov3_coco_tf2", "416x416", 65.9, 0.005),
        ("refinedet_VOC_tf", "320x320", 81.9, 0.005),
        ("RefineDet-Medical_EDD_baseline_tf", "320x320", 81.28, 0.005),
    ],
)
def test_operations_of_the_names(name: str, shape: str, gops: float, within: float) -> None:
    assert 2e-9 * zoo(name, shape, gops).macs == pytest.approx(gops, rel=within)


@pytest.mark.parametrize(
    ("name", "whole", "shape", "gops"),
    [
        ("mobilenet_v1_1_0_224_pruned_0_12_tf", "mobilenet_v1_1_0_224_tf", "224x224", 1.0),
        ("resnet50_pruned_0_7_pt", "resnet50_pt", "224x224", 2.5),
    ],
)
def test_pruned_networks_keep_their_layers(name: str, whole: str, shape: str, gops: float) -> None:
    pruned, unpruned = zoo(name, shape, gops), zoo(whole, shape)
    assert pruned.name == f"{name} (pruned to MACs)"
    assert 2e-9 * pruned.macs == pytest.approx(gops, rel=0.01)
    assert convolutions(pruned) == convolutions(unpruned)
    assert pruned.params < unpruned.params
    assert pruned.tensor_dims[-1] == unpruned.tensor_dims[-1]  # as many classes


def test_a_pruned_network_without_figures_is_the_whole_one() -> None:
    assert "pruned to MACs" not in zoo("resnet50_pruned_0_7_pt", "224x224").name


def test_rows_without_a_size_get_the_networks_own() -> None:
    assert 2e-9 * zoo("Inception_v4").macs == pytest.approx(24.5, rel=0.005)  # cf_inceptionv4_..._24.5G
    assert 2e-9 * zoo("resnet50").macs == pytest.approx(7.7, rel=0.005)  # cf_resnet50_..._7.7G
