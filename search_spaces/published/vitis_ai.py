"""Networks of `vitis_ai_dpu_fps`: the Vitis AI model zoo.

The zoo does not publish the widths of its pruned networks. One of those is the whole network with every width
scaled by the same factor until its MACs are the published ones, and says so in its name ("pruned to MACs").

Source: Xilinx/Vitis-AI, model_zoo (Apache-2.0); input sizes of networks whose row gives none: the names of
release 1.2 of the same zoo ("cf_resnet50_imagenet_224_224_7.7G").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError
from search_spaces.published import registries
from search_spaces.published.base import Option, Recipe, pixels, workload_of

if TYPE_CHECKING:
    from torch import nn

    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

PRUNED: Final = "search_spaces.published.vitis_ai:pruned_module"
HOME: Final = "search_spaces.vision.architectures."
TORCHVISION: Final = "search_spaces.published.registries:torchvision_module"
IMAGENET: Final = (224, 224)


@dataclass(frozen=True, slots=True)
class Zoo:
    """A network of the zoo.

    Attributes:
        target: what makes it.
        options: of the function.
        size: height and width where a row states none.
        thinned: whether networks of this name are pruned though the name does not say so.
        keep: ends of the paths of layers that pruning leaves as wide as they are.
    """

    target: str
    options: Mapping[str, Option] = field(default_factory=dict)
    size: tuple[int, int] = IMAGENET
    thinned: bool = False
    keep: tuple[str, ...] = ()


def _own(target: str, size: tuple[int, int] = IMAGENET, **options: Option) -> Zoo:
    return Zoo(HOME + target, options, size)


def _torchvision(name: str, size: tuple[int, int] = IMAGENET) -> Zoo:
    return Zoo(TORCHVISION, {"name": name}, size)


def _timm(name: str, size: tuple[int, int] = IMAGENET) -> Zoo:
    return Zoo("search_spaces.vision.timm_models:build", {"arch": name}, size)


RULES: Final[tuple[tuple[str, Zoo], ...]] = (
    (
        r"(tf_)?resnet_?v1_(?P<depth>50|101|152)|tf_resnet(?P<tf_depth>50)",
        _own("slim_resnet:slim_resnet", version=1),
    ),
    (r"resnet_v2_(?P<depth>50|101|152)", _own("slim_resnet:slim_resnet", (299, 299), version=2)),
    (r"mlperf_resnet50|resnet50_pt|personreid[-_]res50", _torchvision("resnet50")),
    (r"resnet(?P<depth>50)(_tf2)?", _own("resnets:caffe_resnet")),
    (r"resnet18|(chen_color|vehicle_\w+)_resnet18|personreid[-_]res18", _torchvision("resnet18")),
    (r"ofa_resnet50", _own("resnets:ofa_resnet50")),
    (r"ofa_resnet50_\w+", replace(_own("resnets:ofa_resnet50"), thinned=True)),
    (r"(tf_)?inception_v1", _torchvision("googlenet")),
    (r"inception_v2", _own("slim_inception:inception_v2")),
    (r"inception_v3", _torchvision("inception_v3", (299, 299))),
    (r"inception[-_]v4", _timm("inception_v4", (299, 299))),
    (r"inception_resnet_v2", _timm("inception_resnet_v2", (299, 299))),
    (r"vgg_(?P<depth>16|19)", _torchvision("vgg{depth}")),
    (r"squeezenet", _torchvision("squeezenet1_1")),
    (r"(tf_)?mobilenet_v1|mobilenet_(?P<width>[\d_]+?)_224_tf2", _own("mobilenets:mobilenet_v1")),
    (r"mobilenet_v(?P<version>[12])_(?P<width>\d_\d+)_\d+", _own("mobilenets:mobilenet_v{version}")),
    (r"(tf_)?mobilenet_v2", _own("mobilenets:mobilenet_v2")),
    (r"mobilenet_v3_(?P<size>small|large)_1_0", _own("mobilenets:mobilenet_v3")),
    (r"mobilenet_edge_(?P<width>\d_\d+)", _own("resnets:mobilenet_edge")),
    (r"efficientnet[-_]edgetpu[-_](?P<size>[sml])", _own("resnets:edgetpu_efficientnet")),
    (r"efficientnet[-_]b(?P<b>\d)", _torchvision("efficientnet_b{b}")),
    (r"facerec-resnet20_mixed", _own("resnets:SphereFace", (112, 96))),
)
"""What a name looks like, without what is added for the framework and the pruning, and what it means; the
first that fits. A group is an option of the function, or fills a brace of its text."""

_SHARE: Final = re.compile(r"[_-](pruned?(_?\d[._]\d+)?|baseline)(?=$|[_-])")
_FRAMEWORK: Final = re.compile(r"_(pt|tf2?)$")


def build(request: NamedNetwork) -> Workload:
    """The network of that name, pruned as far as its row says.

    Raises:
        UnknownNameError: one that cannot be rebuilt.
        InputError: where it cannot be built at that size.
    """
    name = _SHARE.sub("", request.name.lower())
    for pattern, zoo in RULES:
        match = re.fullmatch(pattern, name) or re.fullmatch(pattern, _FRAMEWORK.sub("", name))
        if match:
            return _built(request, _filled(zoo, match))
    found = registries.registered(request)
    if found is None:
        names = [*registries.known_names(), *(pattern for pattern, _ in RULES)]
        raise UnknownNameError(
            "network of the Vitis AI zoo", request.name, names, "see docs/published_networks.md"
        )
    return found


def _filled(zoo: Zoo, match: re.Match[str]) -> Zoo:
    """The rule with the groups of its pattern filled in."""
    groups = {k.removeprefix("tf_"): v for k, v in match.groupdict().items() if v}
    texts = (zoo.target, *(v for v in zoo.options.values() if isinstance(v, str)))
    used = {k for k in groups if any(f"{{{k}}}" in text for text in texts)}
    options = {k: v.format(**groups) if isinstance(v, str) else v for k, v in zoo.options.items()}
    given = {k: _number(v) for k, v in groups.items() if k not in used}
    return replace(zoo, target=zoo.target.format(**groups), options={**options, **given})


def _number(text: str) -> Option:
    """A whole number, a decimal one written "0_25", or the text itself."""
    if text.isdigit():
        return int(text)
    decimal = text.replace("_", ".")
    return float(decimal) if re.fullmatch(r"\d+\.\d+", decimal) else text


def _built(request: NamedNetwork, zoo: Zoo) -> Workload:
    size = pixels(request.input_shape, request.img_size) or zoo.size
    recipe = Recipe(zoo.target, ((1, 3, *size),), tuple(sorted(zoo.options.items())))
    whole = workload_of(recipe, request.name)
    pruned = zoo.thinned or "prun" in request.name.lower()
    if not pruned or request.macs is None or request.macs >= whole.macs:
        return whole
    inner = (("target", zoo.target), ("options", recipe.options), ("keep", zoo.keep))
    options = (*inner, ("macs", request.macs), ("shape", (1, 3, *size)))
    return workload_of(Recipe(PRUNED, recipe.inputs, options), f"{request.name} (pruned to MACs)")


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
