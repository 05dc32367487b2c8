"""Networks of `vitis_ai_dpu_fps`: the Vitis AI model zoo.

The zoo does not publish the widths of its pruned networks. One of those is the whole network with every width
scaled by the same factor until its MACs are the published ones, and says so in its name ("pruned to MACs").

Source: Xilinx/Vitis-AI, model_zoo (Apache-2.0); input sizes of networks whose row gives none: the names of
release 1.2 of the same zoo ("cf_resnet50_imagenet_224_224_7.7G").
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.published import registries
from search_spaces.published.base import Ids, Option, Recipe, Shape, workload_of
from search_spaces.published.rules import (
    Network,
    Rule,
    Size,
    examples,
    matching,
    own,
    stated_size,
    timm,
    torchvision,
)
from search_spaces.published.yolo_names import yolo_network

if TYPE_CHECKING:
    from torch import nn

    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

PRUNED: Final = "search_spaces.published.vitis_ai:pruned_module"

WHOLE: Final = 0.02
"""A network that lacks less than this share of the MACs is not pruned: sources differ by as much."""

BOXES: Final = ("offsets", "scores")
"""Layers of a detector whose widths are those of its anchors and classes."""


def scan(size: Size) -> tuple[Shape | Ids, ...]:
    """A laser scan of five channels."""
    return ((1, 5, *size),)


RULES: Final[tuple[Rule, ...]] = (
    (
        r"(tf_)?resnet_?v1_(?P<depth>50|101|152)|tf_resnet(?P<depth_>50)",
        own("slim_resnet:slim_resnet", version=1),
    ),
    (r"resnet_v2_(?P<depth>50|101|152)", own("slim_resnet:slim_resnet", (299, 299), version=2)),
    (r"mlperf_resnet50|resnet50_pt|personreid[-_]res50", torchvision("resnet50")),
    (r"resnet(?P<depth>50)(_tf2)?", own("resnets:caffe_resnet")),
    (r"resnet18|(chen_color|vehicle_\w+)_resnet18|personreid[-_]res18", torchvision("resnet18")),
    (r"ofa_resnet50", own("resnets:ofa_resnet50")),
    (r"ofa_resnet50_\w+", own("resnets:ofa_resnet50").but(thinned=True)),
    (r"(tf_)?inception_v1", torchvision("googlenet")),
    (r"inception_v2", own("slim_inception:inception_v2")),
    (r"inception_v3", torchvision("inception_v3", (299, 299))),
    (r"inception[-_]v4", timm("inception_v4", (299, 299))),
    (r"inception_resnet_v2", timm("inception_resnet_v2", (299, 299))),
    (r"vgg_(?P<depth>16|19)", torchvision("vgg{depth}")),
    (r"squeezenet", torchvision("squeezenet1_1")),
    (r"(tf_)?mobilenet_v1|mobilenet_(?P<width>[\d_]+?)_224_tf2", own("mobilenets:mobilenet_v1")),
    (r"mobilenet_v(?P<version>[12])_(?P<width>\d_\d+)_\d+", own("mobilenets:mobilenet_v{version}")),
    (r"(tf_)?mobilenet_v2", own("mobilenets:mobilenet_v2")),
    (r"mobilenet_v3_(?P<size>small|large)_1_0", own("mobilenets:mobilenet_v3")),
    (r"mobilenet_edge_(?P<width>\d_\d+)", own("resnets:mobilenet_edge")),
    (r"efficientnet[-_]edgetpu[-_](?P<size>[sml])", own("resnets:edgetpu_efficientnet")),
    (r"efficientnet[-_]b(?P<b>\d)", torchvision("efficientnet_b{b}")),
    (r"facerec-resnet20_mixed", own("resnets:SphereFace", (112, 96))),
    (r"(tf_)?yolov3(_voc|_coco)?", own("yolo_darknet:yolov3", (416, 416))),
    (r"yolov3_bdd", own("yolo_darknet:yolov3", (288, 512))),
    (r"yolov4_(416|512)", own("yolo_darknet:yolov4", (416, 416))),
    (r"ofa_yolo", own("yolo:yolov5", (640, 640), size_="m")),
    (r"tsd_yolox", own("yolox:yolox", (640, 640), size_="m")),
    (r"ssd_mobilenet_v1_coco", own("ssd:ssd_mobilenet", (300, 300))),
    (r"ssd_mobilenet_v2_coco", own("ssd:ssd_mobilenet", (300, 300), version=2, kernel=3)),
    (r"ssdlite_mobilenet_v2_coco", own("ssd:ssd_mobilenet", (300, 300), version=2, lite=True)),
    (r"ssd_inception_v2_coco", own("slim_inception:ssd_inception_v2", (300, 300))),
    (r"ssd_resnet_50_fpn_coco", own("ssd:ssd_fpn", (640, 640))),
    (r"mlperf_ssd_resnet34", own("ssd:ssd_resnet34", (1200, 1200))),
    (r"refinedet_voc", own("refinedet:RefineDet", (320, 320)).but(keep=BOXES)),
    (
        r"refinedet-medical_edd",
        own("refinedet:RefineDet", (320, 320), classes=6).but(keep=BOXES, thinned=True),
    ),
    (r"mobilenet_v2_cityscapes", own("deeplab:deeplab_mobilenet", (1024, 2048), classes=19, output_stride=8)),
    (r"enet_cityscapes", own("road_scenes:enet", (512, 1024))),
    (r"semantic_seg_citys", own("road_scenes:erfnet", (512, 1024))),
    (r"ultrafast", own("road_scenes:Lanes", (288, 800)).but(sized="size")),
    (r"salsanext_v2", own("salsanext:SalsaNext", (64, 2048)).but(inputs=scan, thinned=True, keep=("last",))),
)
"""Names without what is added for the framework and the pruning; the first that fits."""

_SHARE: Final = re.compile(r"[_-](pruned?(_?\d[._]\d+)?|baseline)(?=$|[_-])")
_FRAMEWORK: Final = re.compile(r"_(pt|tf2?)$")


def build(request: NamedNetwork) -> Workload:
    """The network of that name, pruned as far as its row says.

    Raises:
        UnknownNameError: one that cannot be rebuilt.
        InputError: where it cannot be built at that size.
    """
    name = _SHARE.sub("", request.name.lower())
    network = matching(RULES, name, _FRAMEWORK.sub("", name))
    if network is not None:
        return _built(request, network)
    found = yolo_network(request, registries.plain(request.name)) or registries.registered(request)
    if found is None:
        names = [*registries.known_names(), *examples(RULES)]
        raise UnknownNameError(
            "network of the Vitis AI zoo", request.name, names, "see docs/published_networks.md"
        )
    return found


def _built(request: NamedNetwork, network: Network) -> Workload:
    """The network, thinned to the MACs of its row where it is a pruned one."""
    size = stated_size(request, network)
    recipe = network.recipe(size)
    whole = workload_of(recipe, request.name)
    pruned = network.thinned or "prun" in request.name.lower()
    if not pruned or request.macs is None or request.macs >= (1 - WHOLE) * whole.macs:
        return whole
    inner: tuple[tuple[str, Option], ...] = (
        ("target", recipe.target),
        ("options", recipe.options),
        ("keep", network.keep),
    )
    options = (*inner, ("macs", request.macs), ("shape", _shape(recipe)))
    return workload_of(Recipe(PRUNED, recipe.inputs, options), f"{request.name} (pruned to MACs)")


def _shape(recipe: Recipe) -> Shape:
    """Of the one input that a network which is pruned has."""
    (given,) = recipe.inputs
    return given.shape if isinstance(given, Ids) else given


def pruned_module(
    target: str,
    options: tuple[tuple[str, Option], ...],
    keep: tuple[str, ...],
    macs: float,
    shape: tuple[int, ...],
) -> nn.Module:
    """A network thinned to a number of MACs; see `search_spaces.vision.architectures.thinning`."""
    from search_spaces.published.base import module_of
    from search_spaces.vision.architectures.thinning import thinned

    return thinned(lambda: module_of(Recipe(target, (), options))[0], shape, macs, keep)
