"""The one door to networks that tables name."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from hw_models.errors import InputError, UnknownNameError
from hw_models.workload.named import NamedNetwork
from search_spaces.published.catalogue import BUILDERS, published_network
from search_spaces.vision.timm_models import timm_workload


@pytest.mark.parametrize("module", sorted(set(BUILDERS.values())))
def test_every_data_set_has_a_builder(module: str) -> None:
    assert callable(import_module(module).build)


def test_a_data_set_that_names_no_networks_is_refused_by_name() -> None:
    with pytest.raises(
        UnknownNameError, match=r"unknown data set of networks 'hailo'; did you mean 'hailo_fps'"
    ):
        published_network(NamedNetwork("hailo", "resnet50"))


@pytest.mark.parametrize("dataset", ["qualcomm_aihub_latency", "vitis_ai_dpu_fps"])
def test_a_name_that_nobody_knows_is_refused_with_the_nearest(dataset: str) -> None:
    with pytest.raises(
        UnknownNameError, match=r"'resnett50'; did you mean .*resnet50.*published_networks\.md"
    ):
        published_network(NamedNetwork(dataset, "resnett50", img_size=224))


def test_timm_names_are_timms() -> None:
    asked = NamedNetwork("timm_throughput", "resnet18", img_size=160)
    assert published_network(asked) is timm_workload("resnet18", 160)


def test_the_same_request_is_the_same_object() -> None:
    asked = NamedNetwork("vitis_ai_dpu_fps", "resnet_v1_50_tf", input_shape="224x224")
    assert published_network(asked) is published_network(asked)


def test_a_size_that_does_not_fit_is_an_input_error() -> None:
    with pytest.raises(
        InputError, match=r"cavaface@64x64 does not run on \(1, 3, 64, 64\): .*check input_shape"
    ):
        published_network(NamedNetwork("qualcomm_aihub_latency", "cavaface", input_shape="64x64"))


def test_looking_for_a_builder_loads_no_torch() -> None:
    modules = "search_spaces.published.qualcomm_aihub, search_spaces.published.vitis_ai"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
