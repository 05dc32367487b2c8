"""Near names of torchvision and timm mean the networks that their figures say."""

from __future__ import annotations

import pytest

from hw_models.errors import InputError
from hw_models.workload.named import NamedNetwork
from search_spaces.published.base import pixels, squashed
from search_spaces.published.registries import misfit, plain, registered, torchvision_entries

M, G = 1e6, 1e9


def asked(name: str, **figures: float | int | str) -> NamedNetwork:
    return NamedNetwork("some_table", name, **figures)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("pt_resnet50_imagenet", "resnet50"),
        ("tf2_mobilenetv1", "mobilenetv1"),
        ("inception_v3_pruned_0_5_pt", "inception_v3"),
        ("efficientvit_b2_cls", "efficientvit_b2"),
        ("ResNet-18", "resnet-18"),
        ("whisper_small_quantized", "whisper_small"),
    ],
)
def test_decoration_is_taken_off(name: str, left: str) -> None:
    assert plain(name) == left


def test_spelling_does_not_matter() -> None:
    assert squashed("ResNeXt-50 32x4d") == squashed("resnext50_32x4d") == "resnext5032x4d"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("224x224", (224, 224)),
        ("1 x 3 x 473 x 473", (473, 473)),
        ("720p (720x1280)", (720, 1280)),
        ("1x3x224", (224, 224)),
        ("224x224x3", (224, 224)),
        ("", None),
    ],
)
def test_pixels_as_sources_write_them(text: str, size: tuple[int, int] | None) -> None:
    assert pixels(text) == size


def test_pixels_of_a_square_stand_in() -> None:
    assert pixels("", 96) == (96, 96)


@pytest.mark.parametrize(
    ("name", "figures", "means"),
    [
        ("MobileNet-v2", {}, "mobilenet_v2@224"),
        ("pt_squeezenet1_1", {}, "squeezenet1_1@224"),
        ("mnasnet05", {}, "mnasnet0_5@224"),
        ("regnet", {"params": 15.3 * M}, "regnet_x_3_2gf@224"),
        ("shufflenet_v2", {"params": 1.37 * M}, "shufflenet_v2_x0_5@224"),
        ("levit", {"params": 7.82 * M}, "levit_128s@224"),
        ("resnext50", {"params": 25.0 * M}, "resnext50_32x4d@224"),
        ("vgg16", {"macs": 15.5 * G}, "vgg16@224"),
        ("efficientvit_b0_cls", {}, "efficientvit_b0@224"),
        ("swin_tiny", {"params": 28.8 * M}, "swin_t@224"),
        ("vit_base", {"params": 86.6 * M}, "vit_b_16@224"),
    ],
)
def test_near_names(name: str, figures: dict[str, float], means: str) -> None:
    found = registered(asked(name, img_size=224, **figures))
    assert found is not None
    assert found.name == means
    assert misfit(found, asked(name, **figures)) <= 1


def test_an_ambiguous_name_without_figures_is_nobodys() -> None:
    assert registered(asked("regnet")) is None


def test_no_network_of_the_name_has_those_parameters() -> None:
    assert registered(asked("regnet", params=2.0 * M)) is None


def test_detectors_of_torchvision_are_refused_with_the_reason() -> None:
    with pytest.raises(InputError, match=r"fasterrcnn_resnet50_fpn \(detection\).*depends on the image"):
        registered(asked("fasterrcnn_resnet50_fpn"))


def test_segmentation_has_no_auxiliary_head() -> None:
    found = registered(asked("fcn_resnet50", img_size=64))
    assert found is not None
    head = 1024 * 256 * 9 + 2 * 256 + 256 * 21 + 21
    assert found.params == 35_322_218 - head  # torchvision's count, with the head that only training needs


def test_tasks_of_torchvision() -> None:
    entries = torchvision_entries()
    tasks = {entries[n].task for n in ("resnet50", "fcn_resnet50", "r3d_18", "ssd300_vgg16", "raft_large")}
    assert tasks == {"", "segmentation", "video", "detection", "optical_flow"}
    assert entries["resnet50"].params == 25_557_032
