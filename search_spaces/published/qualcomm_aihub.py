"""Networks of `qualcomm_aihub_latency`: torchvision's and timm's names, and architectures of our own.

Source: qualcomm/ai-hub-models, `qai_hub_models/models/*/info.yaml` (input size, parameters, origin),
BSD-3-Clause.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.published import registries

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

MEANT: Final[Mapping[str, str]] = {
    "wideresnet50": "wide_resnet50_2",
    "mobile_vit": "mobilevit_s",
    "nasnet": "nasnetalarge",
    "resnet_3d": "r3d_18",
    "resnet_mixed": "mc3_18",
    "resnet_2plus1d": "r2plus1d_18",
}
"""Networks whose names the registries write in another way; what the rules find is not listed."""


def build(request: NamedNetwork) -> Workload:
    """The network of that name.

    Raises:
        UnknownNameError: one that cannot be rebuilt.
    """
    found = registries.registered(request, MEANT.get(request.name))
    if found is None:
        raise UnknownNameError(
            "network of Qualcomm AI Hub",
            request.name,
            [*MEANT, *registries.known_names()],
            "docs/published_networks.md lists what can be rebuilt",
        )
    return found
