"""Networks of `drobotics_rdkx5_latency`: timm's classifiers and the YOLO detectors.

Source: D-Robotics/rdk_model_zoo, `samples/vision`, Apache-2.0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.published import registries
from search_spaces.published.base import own, pixels
from search_spaces.published.deployed import deployed, renamed
from search_spaces.published.families import Rule, built, ours
from search_spaces.published.yolo_names import yolo_network

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

RULES: Final = ((r"EfficientViT_MSRA_(m\d)", r"efficientvit_\1"),)
"""Names that the registries write in another way."""

OWN: Final[tuple[Rule, ...]] = ((r"RepVGG_(?P<size>[AB]\d)g(?P<groups>\d)", ours("repvgg:repvgg")),)
"""Architectures of ours by the zoo's names."""

MOBILENET: Final = re.compile(r"mobilenet[-_]?v(?P<version>[12])", re.IGNORECASE)
WIDTHS: Final = (1.0, 0.5, 0.75, 0.25)
"""Multipliers of MobileNets, the one that is meant without a figure first."""


def build(request: NamedNetwork) -> Workload:
    """The network of that name.

    Raises:
        UnknownNameError: one that cannot be rebuilt.
        InputError: where it cannot take the size that is stated.
    """
    size = pixels(request.input_shape, request.img_size)
    found = _mobilenet(request) or built(request, OWN, request.name, size) or yolo_network(request)
    found = found or deployed(request, renamed(request.name, RULES))
    if found is None:
        known = registries.known_names()
        raise UnknownNameError("network of RDK X5", request.name, known, "see docs/published_networks.md")
    return found


def _mobilenet(request: NamedNetwork) -> Workload | None:
    """MobileNet of the width whose parameters are stated."""
    match = MOBILENET.fullmatch(request.name)
    if match is None:
        return None
    size = pixels(request.input_shape, request.img_size) or (224, 224)
    target = f"mobilenets:mobilenet_v{match['version']}"
    built = (own(target, (1, 3, *size), name=f"{request.name} {w}", width=w, classes=1000) for w in WIDTHS)
    return min(built, key=lambda workload: registries.misfit(workload, request))
