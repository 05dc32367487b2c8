"""Networks of `paddleclas_latency`: ImageNet classifiers under PaddleClas's names.

The list names no image size: it is the network's own, or the one at which the MACs are those of the list.

Source: PaddlePaddle/PaddleClas, `docs/zh_CN/models/ImageNet1k/model_list.md`, Apache-2.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hw_models.errors import InputError, UnknownNameError
from search_spaces.published import registries
from search_spaces.published.deployed import renamed
from search_spaces.published.families import Rule, built, ours

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

DECORATION: Final = re.compile(r"(?i)_?ssld$|^fix_|\[\d+\]$|_wsl")
"""What says how the weights were trained."""

SIDES: Final = (224, 240, 256, 260, 299, 300, 320, 380, 384, 456, 528, 600)
"""Pixels that are tried in turn until the MACs agree."""

RESNET: Final = "resnet_variants:resnet_variant"
OWN: Final[tuple[Rule, ...]] = (
    (r"ResNet(?P<depth>\d+)(_(?P<variant>v[cd]))?", ours(RESNET)),
    (r"SE_ResNet(?P<depth>\d+)(_(?P<variant>v[cd]))?", ours(RESNET, excite=True)),
    (r"ResNeXt(?P<depth>\d+)(_(?P<variant>vd))?_(?P<cardinality>\d+)x(?P<width>\d+)d", ours(RESNET)),
    (
        r"SE_ResNeXt(?P<depth>\d+)(_(?P<variant>vd))?_(?P<cardinality>\d+)x(?P<width>\d+)d",
        ours(RESNET, excite=True),
    ),
    (r"Res2Net(?P<depth>\d+)(_(?P<variant>vd))?_(?P<width>\d+)w_(?P<scales>\d)s", ours(RESNET)),
    (
        r"MobileNetV(?P<version>[12])(_x(?P<width>\d_\d+))?",
        ours("mobilenets:mobilenet_v{version}", classes=1000),
    ),
    (
        r"MobileNetV3_(?P<size>large|small)_x(?P<width>\d_\d+)",
        ours("mobilenets:mobilenet_v3", classes=1000, hidden=1280),
    ),
    (r"ShuffleNetV2(_x(?P<width>\d_\d+))?", ours("pplcnet:shufflenet_v2")),
    (r"PPLCNet_x(?P<width>\d_\d+)", ours("pplcnet:pplcnet")),
    (r"DenseNet(?P<depth>\d+)", ours("pplcnet:densenet")),
    (r"HarDNet(?P<depth>\d+)", ours("hardnet:hardnet")),
    (r"HarDNet(?P<depth>\d+)_ds", ours("hardnet:hardnet", separable=True)),
)
"""Architectures of ours by PaddleClas's names."""

RENAMED: Final = (
    (r"PPHGNet(V2)?_(\w+)", r"hgnet\1_\2"),
    (r"TNT_(s)mall", r"tnt_\1_legacy_patch16_224"),
    (r"(PVT_V2_B2)_Linear", r"\1_li"),
    (r"HRNet_(W\d+)_C", r"hrnet_\1"),
    (r"(Ghost|ReX)Net_x?(\d)_(\d)", r"\1net_\g<2>\g<3>0"),
    (r"SwinTransformer_(\w+)", r"swin_\1"),
    (r"(DeiT_\w+?)_distilled_(\w+)", r"\1_distilled_\2"),
    (r"(pcpvt_\w+)", r"twins_\1"),
    (r"alt_gvt_(\w+)", r"twins_svt_\1"),
    (r"ResNeSt(\d+)", r"resnest\1"),
    (r"RegNetX_(\d)GF", r"regnetx_0\g<1>0"),
)
"""Names that the registries write in another way."""


def build(request: NamedNetwork) -> Workload:
    """The network of that name.

    Raises:
        UnknownNameError: one that cannot be rebuilt.
    """
    name, before = request.name, ""
    while name != before:
        name, before = DECORATION.sub("", name), name
    forms = _forms(request, name)
    native = next(forms, None)
    if native is None:
        known = registries.known_names()
        raise UnknownNameError("network of PaddleClas", name, known, "see docs/published_networks.md")
    if registries.misfit(native, request) <= 1:
        return native
    best = min(forms, key=lambda form: registries.misfit(form, request), default=native)
    return best if registries.misfit(best, request) <= 1 else native


def _forms(request: NamedNetwork, name: str) -> Iterator[Workload]:
    """The network at its own size, then at others."""
    for side in (None, *SIDES):
        sized = replace(request, img_size=side)
        try:
            found = built(sized, OWN, name, (side, side) if side else None)
            found = found or registries.registered(sized, renamed(name, RENAMED))
        except InputError:
            continue
        if found is None:
            return
        yield found
