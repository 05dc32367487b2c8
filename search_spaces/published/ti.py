"""Networks of `ti_tidl_evm_latency`: TI's examples, named by task, runtime, training framework and file.

Source: TexasInstruments/edgeai-tidl-tools, `examples/`, and the projects that the files are from.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.published import registries
from search_spaces.published.base import pixels
from search_spaces.published.deployed import deployed, renamed
from search_spaces.published.families import Rule, built, ours
from search_spaces.published.yolo_names import yolo_network

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

DECORATION: Final = re.compile(
    r"^(cl|od|ss|kd|od2d)-(tfl|ort|dlr|onnxrt|tvm\w*)-|^(tflite|onnx)_|_device$|_float$"
)
"""Task, runtime, framework; what says where it runs or how it is stored."""

ADE20K: Final = (1, 3, 512, 512)
SSD_SIDE: Final = (1, 3, 300, 300)

OWN: Final[tuple[Rule, ...]] = (
    (r"mobilenet_?v(?P<version>[12])(_(?P<width>\d\.\d+))?(_224)?", ours("mobilenets:mobilenet_v{version}")),
    (r"deeplabv3_mnv2_ade20k", ours("deeplab:deeplab_mobilenet", ADE20K, classes=32)),
    (r"ssd_mobilenet_v1(_coco)?(_300)?", ours("ssd:ssd_mobilenet", SSD_SIDE)),
    (r"ssd_mobilenet_v2(_coco)?(_300)?", ours("ssd:ssd_mobilenet", SSD_SIDE, version=2, lite=True)),
)
"""Architectures of ours by TI's names."""

RENAMED: Final = (
    (r"inceptionnet_?v(\d)", r"inception_v\1"),
    (r"(resnet\d+)-?v1", r"\1"),
    (r"(regnetx|efficientnet)[-_](.*)", r"\1_\2"),
)
"""Names that the registries write in another way."""

NATIVE: Final = {"inception_v3": (299, 299)}
"""Sizes of networks that were not made for 224 pixels."""


def build(request: NamedNetwork) -> Workload:
    """The network of that name.

    Raises:
        UnknownNameError: one that cannot be rebuilt.
        InputError: where it cannot take the size that is stated.
    """
    name, before = request.name.lower(), ""
    while name != before:
        name, before = DECORATION.sub("", name), name
    size = pixels(request.input_shape, request.img_size)
    found = built(request, OWN, name, size) or yolo_network(request, name)
    if found is None:
        known = renamed(name, RENAMED)
        size = size or NATIVE.get(known)
        found = (
            registries.from_registry(known, size) if size and known in NATIVE else deployed(request, known)
        )
    if found is None:
        raise UnknownNameError(
            "network of TI's examples", name, registries.known_names(), "see docs/published_networks.md"
        )
    return found
