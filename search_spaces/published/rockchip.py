"""Networks of `rockchip_fps`: the RKNN model zoo, each named by its example and its file.

Source: airockchip/rknn_model_zoo, README.md, Apache-2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.published import registries
from search_spaces.published.base import Ids, pixels
from search_spaces.published.deployed import deployed, renamed
from search_spaces.published.families import Rule, built, ours
from search_spaces.published.yolo_names import yolo_network

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

CLIP_TOKENS: Final = 20
"""Tokens of a text in the example."""

OWN: Final[tuple[Rule, ...]] = (
    (r"mobilenetv(?P<version>[12])(-\d+)?", ours("mobilenets:mobilenet_v{version}", classes=1000)),
    (r"resnet(?P<depth>50|101|152|200)-v2(-\d+)?", ours("slim_resnet:slim_resnet", version=2, classes=1000)),
    (r"deeplab-v3-plus-mobilenet-v2", ours("deeplab:deeplab_mobilenet", output_stride=8)),
    (r"ppyoloe_(?P<size>[smlx])", ours("ppyoloe:PpYoloe")),
    (r"lprnet", ours("lprnet:LprNet")),
    (r"clip_text", ours("clip_towers:TextTower", Ids((1, CLIP_TOKENS)), tokens=CLIP_TOKENS, words=True)),
    (r"RetinaFace_mobile\d*", ours("retinaface:retinaface", backbone="mobilenet")),
    (r"RetinaFace_(?P<backbone>resnet\d+?)_\d+", ours("retinaface:retinaface")),
)
"""Architectures of ours by the zoo's names."""

RENAMED: Final = (
    (r"clip_images", "vit_base_patch32_clip_224"),
    (r"resnet(\d+)-v2(?:-\d+)?", r"resnetv2_\1"),
    (r"resnet(\d+)-v1(?:-\d+)?", r"resnet\1"),
)
"""Names that the registries write in another way."""


def build(request: NamedNetwork) -> Workload:
    """The network of that name, without the name of the example in front.

    Raises:
        UnknownNameError: one that cannot be rebuilt.
        InputError: where it cannot take the size that is stated.
    """
    name = request.name.rpartition("/")[2]
    size = pixels(request.input_shape, request.img_size)
    found = built(request, OWN, name, size) or yolo_network(request, name)
    found = found or deployed(request, renamed(name, RENAMED))
    if found is None:
        known = registries.known_names()
        raise UnknownNameError("network of the RKNN zoo", name, known, "see docs/published_networks.md")
    return found
