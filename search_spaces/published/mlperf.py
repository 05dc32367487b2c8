"""Networks of MLPerf Inference at the edge: the MobileNet grid, and the reference networks of the tasks.

A name of the grid states family, width, image size and precision in any order, as each submitter wrote it;
the precision changes nothing here.

Source: mlcommons/inference, vision/classification_and_detection (Apache-2.0), and the tables of its
submitters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.published import registries
from search_spaces.published.base import Ids, Option, Shape, own
from search_spaces.published.yolo_names import yolo_network
from search_spaces.vision.timm_models import timm_workload

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

Builder = Callable[[re.Match[str], "NamedNetwork"], "Workload"]

IMAGENET: Final = 224
LITE_SIDE: Final = {"0": 224, "1": 240, "2": 260, "3": 280, "4": 300}
"""Pixels of EfficientNet-Lite; tensorflow/tpu, models/official/efficientnet/lite."""

_WIDTH: Final = re.compile(r"(?<![\d.])(\d\.\d+)(?![\d.])")
_SIDE: Final = re.compile(r"(?<![\d.])(\d{2,4})(?![\d.])")


def build(request: NamedNetwork) -> Workload:
    """The network that an MLPerf submission names.

    Raises:
        UnknownNameError: where no rule covers the name.
        InputError: where it cannot be built so.
    """
    for pattern, make in RULES:
        if match := pattern.fullmatch(request.name):
            return make(match, request)
    found = registries.registered(request)
    if found is not None:
        return found
    raise UnknownNameError("MLPerf network", request.name, EXAMPLES, "see docs/published_networks.md")


def _mobilenet(match: re.Match[str], request: NamedNetwork) -> Workload:
    """MobileNet V1, V2 or V3 of the width and size in the name."""
    rest = match["rest"]
    width = float(found[1]) if (found := _WIDTH.search(rest)) else 1.0
    side = int(found[1]) if (found := _SIDE.search(rest)) else request.img_size or IMAGENET
    options: dict[str, str | bool] = {}
    if match["version"] == "3":
        options = {"size": "small" if "small" in rest else "large", "minimalistic": "minimalistic" in rest}
    target = f"mobilenets:mobilenet_v{match['version']}"
    return own(target, (1, 3, side, side), name=request.name, width=width, **options)


def _efficientnet_lite(match: re.Match[str], request: NamedNetwork) -> Workload:
    return timm_workload(f"efficientnet_lite{match['size']}", request.img_size or LITE_SIDE[match["size"]])


def _timm(arch: str, side: int | None = None) -> Builder:
    return lambda _match, _request: timm_workload(arch, side)


def _ours(target: str, *inputs: Shape | Ids, **options: Option) -> Builder:
    return lambda _match, request: own(target, *inputs, name=request.name, **options)


def _ssd_fpn(match: re.Match[str], request: NamedNetwork) -> Workload:
    """TensorFlow's SSD with a feature pyramid, of any backbone and size."""
    backbone = match["backbone"].replace("-", "_")
    backbone = re.sub(r"(resnet\d+)_v1", r"\1", backbone)
    side = int(match["side"] or 640)
    lite = bool(match["lite"])
    return own("ssd:ssd_fpn", (1, 3, side, side), name=request.name, backbone=backbone, lite=lite)


def _yolo(match: re.Match[str], request: NamedNetwork) -> Workload:
    found = yolo_network(request)
    if found is None:
        raise UnknownNameError("YOLO network", match[0], EXAMPLES, "see docs/published_networks.md")
    return found


BERT: Final = "search_spaces.language.encoders:Bert"
QUESTION: Final = Ids((1, 384))
"""Tokens of a question and its passage, SQuAD v1.1."""
BERT_LARGE: Final = _ours(BERT, QUESTION, layers=24, width=1024, head="")
MOBILEBERT: Final = _ours("search_spaces.language.encoders:MobileBert", QUESTION, head=False)

RULES: Final[tuple[tuple[re.Pattern[str], Builder], ...]] = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        (r"mobilenet[-_]?v(?P<version>[123])(?P<rest>[-_].*)?", _mobilenet),
        (r"efficientnet[-_](?:\w+[-_])?lite(?P<size>[0-4])(?:[-_].*)?", _efficientnet_lite),
        (r"resnet[-_]?50(?:[-_]v1(?:\.5)?)?", _timm("resnet50", IMAGENET)),
        (r"yolo.*", _yolo),
        (r"ssd[-_]?resnet[-_]?34", _ours("ssd:ssd_resnet34", (1, 3, 1200, 1200))),
        (r"retinanet", _ours("ssd:retinanet", (1, 3, 800, 800))),
        (
            r"ssd[-_]mobilenet(?:[-_]v1)?(?:[-_](?:quantized|coco))*",
            _ours("ssd:ssd_mobilenet", (1, 3, 300, 300)),
        ),
        (
            r"ssd(?:lite)?[-_]mobilenet[-_]v2(?:[-_](?:coco|320x320))*",
            _ours("ssd:ssd_mobilenet", (1, 3, 300, 300), version=2, lite=True),
        ),
        (
            r"ssd[-_](?P<backbone>mobilenet[-_]v[12]|resnet\d+[-_]v1)[-_]fpn(?P<lite>lite)?"
            r"(?:[-_]sbp)?(?:[-_]coco)?(?:[-_](?P<side>\d+)x\d+)?",
            _ssd_fpn,
        ),
        (r"bert-99(?:\.9)?(?:_bert_large_\w+)?|(?:o?bert)-large-base-none-bert-99", BERT_LARGE),
        (
            r"mobilebert-(?:none-)?base(?:_quant)?-none-bert-99|mlperf_mobile/natural_language_processing",
            MOBILEBERT,
        ),
        (r"mlperf_tiny/ic", _ours("tiny:resnet8", (1, 3, 32, 32))),
        (r"mlperf_tiny/kws", _ours("tiny:ds_cnn", (1, 1, 49, 10))),
        (r"mlperf_tiny/vww", _ours("mobilenets:mobilenet_v1", (1, 3, 96, 96), width=0.25, classes=2)),
        (r"mlperf_tiny/ad", _ours("tiny:autoencoder", (1, 640))),
        (r"mlperf_mobile/image_classification(?:_offline)?", _timm("mobilenet_edgetpu_100", IMAGENET)),
        (r"mlperf_mobile/image_classification(?:_offline)?_v2", _timm("mobilenetv4_conv_large", 384)),
    )
)
"""What a name looks like, and who builds it; the first that fits. Pruned networks are not among them: what
runs of them depends on where their zeros are."""

EXAMPLES: Final = ("mobilenet-v1-0.25-128-quantized", "efficientnet-lite0-quantized", "resnet50", "bert-99")
"""Names to suggest where none fits."""
