"""Networks of MLPerf Inference at the edge: the MobileNet grid, and the reference networks of the tasks.

A name of the grid states family, width, image size and precision in any order, as each submitter wrote it;
the precision changes nothing here. Quantised and sparse forms of a network count as the dense one.

Source: mlcommons/inference, vision/classification_and_detection (Apache-2.0), and the tables of its
submitters.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.published.base import own
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


def _resnet50(_match: re.Match[str], _request: NamedNetwork) -> Workload:
    return timm_workload("resnet50", IMAGENET)


RULES: Final[tuple[tuple[re.Pattern[str], Builder], ...]] = (
    (re.compile(r"mobilenet[-_]?v(?P<version>[123])(?P<rest>[-_].*)?"), _mobilenet),
    (re.compile(r"efficientnet[-_](?:\w+[-_])?lite(?P<size>[0-4])(?:[-_].*)?"), _efficientnet_lite),
    (re.compile(r"resnet[-_]?50"), _resnet50),
)
"""What a name looks like, and who builds it; the first that fits."""

EXAMPLES: Final = ("mobilenet-v1-0.25-128-quantized", "efficientnet-lite0-quantized", "resnet50")
"""Names to suggest where none fits."""
