"""Networks of `hailo_fps`: the Hailo model zoo.

Most are those of other projects under near names; what a suffix says of the training set, of the weights or
of box selection changes nothing here.

Source: hailo-ai/hailo_model_zoo, `docs/public_models/` (MIT), and the projects that its tables link to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.published import registries
from search_spaces.published.base import Option, own, pixels
from search_spaces.published.deployed import deployed, renamed
from search_spaces.published.yolo_names import yolo_network

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

RENAMED: Final = (
    (r"resnet_v1_(\d+)", r"resnet\1"),
    (r"efficientnet_([sml])", r"efficientnet_e\1"),
    (r"squeezenet_v(\d)\.(\d)", r"squeezenet\1_\2"),
    (r"inception_v1", "googlenet"),
    (r"mobilenet_v3", "mobilenet_edgetpu_100"),
    (r"regnet([xy])_(\d)00mf", r"regnet\g<1>_00\2"),
    (r"regnet([xy])_(\d)\.(\d)gf", r"regnet\g<1>_0\2\3"),
    (r"repghost_(\d)_(\d)x", r"repghostnet_\g<1>\g<2>0"),
    (r"resmlp(\d+)(?:_relu)?", r"resmlp_\1_224"),
    (r"(swin_\w+)", r"\1_patch4_window7_224"),
    (r"(vit|deit)_(tiny|small|base)(?:_bn)?", r"\1_\2_patch16_224"),
)
"""Names that the registries write in another way."""

Built = tuple[str, dict[str, Option]]
"""What makes a network, and its options."""


def _groups(target: str, **options: Option) -> Callable[[re.Match[str]], Built]:
    """A function of ours; named groups of the pattern are arguments too, numbers where they look so."""

    def made(match: re.Match[str]) -> Built:
        found = {k: _value(v) for k, v in match.groupdict().items() if v is not None}
        return target, {**options, **found}

    return made


def _value(text: str) -> Option:
    if text.isdigit():
        return int(text)
    return float(text) if re.fullmatch(r"\d+\.\d+", text) else text


OWN: Final[tuple[tuple[str, Callable[[re.Match[str]], Built]], ...]] = (
    (r"mobilenet_v1(?:_(?P<width>\d\.\d+))?", _groups("mobilenets:mobilenet_v1")),
    (r"mobilenet_v2(?:_(?P<width>\d\.\d+))?", _groups("mobilenets:mobilenet_v2")),
    (
        r"resnext(?P<depth>\d+)_(?P<cardinality>\d+)x(?P<width>\d+)d",
        _groups("resnet_variants:resnet_variant"),
    ),
)
"""Architectures of ours by the zoo's names."""


def build(request: NamedNetwork) -> Workload:
    """The network of that name.

    Raises:
        UnknownNameError: one that cannot be rebuilt.
        InputError: where it cannot take the size that is stated.
    """
    found = _own(request) or yolo_network(request) or deployed(request, renamed(request.name, RENAMED))
    if found is None:
        known = registries.known_names()
        raise UnknownNameError(
            "network of the Hailo zoo", request.name, known, "see docs/published_networks.md"
        )
    return found


def _own(request: NamedNetwork) -> Workload | None:
    for pattern, made in OWN:
        if match := re.fullmatch(pattern, request.name):
            target, options = made(match)
            channels = 1 if request.input_shape.endswith("x1") else 3
            size = pixels(request.input_shape, request.img_size) or (224, 224)
            return own(target, (1, channels, *size), name=request.name, **options)
    return None
