"""Classifiers and other networks by the names that torchvision and timm have for them, and near ones.

Tables write the same name in many ways: "ResNet-50", "pt_resnet50_imagenet", "efficientvit_b2_cls", "regnet".
A name is looked up with framework, data set and precision taken off and everything but letters and digits
left out; one that is the beginning of several names ("regnet", "levit") means the one whose parameters or
MACs agree with what the table states.

Sources: torchvision, https://github.com/pytorch/vision (BSD-3-Clause); timm,
https://github.com/huggingface/pytorch-image-models (Apache-2.0).
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.errors import CodesignError, InputError
from hw_models.workload import cache as kept
from hw_models.workload.conventions import nearest_count
from search_spaces.published.base import Recipe, Shape, pixels, releases, squashed, workload_of
from search_spaces.vision.timm_models import native_input, timm_architectures, timm_workload

if TYPE_CHECKING:
    from torch import nn

    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

BUILD: Final = "search_spaces.published.registries:torchvision_module"

CLIP: Final[Shape] = (3, 16, 112, 112)
"""Channels, frames, height and width that torchvision's video networks take by default (R3D-18)."""

SAME_PARAMS: Final = 0.02
SAME_MACS: Final = 0.05
"""Relative differences up to which a network is taken for the one that a table means."""

MOST_CANDIDATES: Final = 24
"""Names that share a beginning, of which so many are tried."""

DECORATION: Final = re.compile(
    r"^(pt|tf2?|torchvision|timm|mlperf|cf|dk)[_-]|"
    r"[_-](pt|tf2?|cls|quantized|quant|float|imagenet(1k)?|in1k|hf|pruned[_-]?\d*[._]?\d*|torchvision|timm|onnx|tflite)$",
    re.IGNORECASE,
)
"""What tables put around a name: the framework, the data set, the precision."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A network of torchvision: its kind of task ("" for classifiers) and parameters with auxiliary heads."""

    task: str
    params: int


def plain(name: str) -> str:
    """A name without what says where it is from and how it was quantised, in lower case."""
    name, before = name.strip().lower(), ""
    while name != before:
        name, before = DECORATION.sub("", name), name
    return name


def shortened(name: str) -> str:
    """A name with its size as torchvision writes it ("swin_tiny", "vit_base_16": "swin_t", "vit_b_16")."""
    return re.sub(r"(?<=[_-])(tiny|small|base|large|huge)(?=$|[_-])", lambda size: size[0][0], name)


def known_names() -> tuple[str, ...]:
    """Every name of torchvision and timm."""
    return (*torchvision_entries(), *timm_architectures())


def registered(request: NamedNetwork, name: str | None = None) -> Workload | None:
    """The network of torchvision or timm that a name means; None where neither has it.

    Args:
        request: what was asked for.
        name: instead of the request's, where a table of exceptions says so.
    """
    name = plain(name or request.name)
    size = pixels(request.input_shape, request.img_size)
    spellings = [squashed(name), squashed(shortened(name))]
    for spelling in spellings:
        exact = [n for n in known_names() if squashed(n) == spelling]
        if exact:
            return from_registry(exact[0], size)
    for names in (torchvision_entries(), timm_architectures()):
        for spelling in spellings:
            found = _agreeing(request, [n for n in names if squashed(n).startswith(spelling)], size)
            if found is not None:
                return found
    return None


def from_registry(name: str, size: tuple[int, int] | None) -> Workload:
    """A network by its exact name in torchvision, else in timm."""
    entry = torchvision_entries().get(name)
    if entry is None:
        return timm_workload(name, size)
    return torchvision_workload(name, size, entry.task)


def torchvision_workload(name: str, size: tuple[int, int] | None, task: str = "") -> Workload:
    """A network of torchvision at a size, its default one if None.

    Raises:
        InputError: for those whose work depends on what they see (detectors), and sizes that do not fit.
    """
    if task in {"detection", "optical_flow", "quantization"}:
        msg = f"torchvision's {name} ({task}) is not rebuilt: what it computes depends on the image"
        raise InputError(msg)
    height, width = size or (224, 224)
    if task == "video":
        shape: Shape = (1, *CLIP[:2], *(size or CLIP[2:]))
        return workload_of(Recipe(BUILD, (shape,), (("name", name),)), f"{name}@{shape[-2]}x{shape[-1]}")
    options: tuple[tuple[str, Any], ...] = (("name", name),)
    if name.startswith("vit_"):
        options += (("image_size", height),)
    recipe = Recipe(BUILD, ((1, 3, height, width),), options)
    return workload_of(recipe, f"{name}@{height}" if height == width else f"{name}@{height}x{width}")


def torchvision_module(name: str, **options: Any) -> nn.Module:
    """A network of torchvision without weights and without the heads that only training needs."""
    from torchvision.models import get_model

    if name in {"googlenet", "inception_v3"}:
        options |= {"aux_logits": False, "init_weights": False}
    if "." in name or _task(name) == "segmentation":
        options |= {"weights_backbone": None}
        if not name.startswith("lraspp"):
            options |= {"aux_loss": False}
    module: nn.Module = get_model(name, weights=None, **options)
    return module


@functools.cache
def torchvision_entries() -> dict[str, Entry]:
    """Names of torchvision; kept on disk, because importing it takes seconds."""
    key = kept.key_of(["torchvision names", *releases()])
    found = kept.load_json(key)
    if found is None:
        found = _read_entries()
        kept.store_json(key, found)
    return {name: Entry(task, params) for name, (task, params) in found.items()}


def _read_entries() -> dict[str, tuple[str, int]]:
    from torchvision.models import get_model_weights, list_models

    entries = {}
    for name in list_models():
        if name.startswith("quantized_"):
            continue
        weights = list(get_model_weights(name))
        entries[name] = (_task(name), max((int(w.meta["num_params"]) for w in weights), default=0))
    return entries


def _task(name: str) -> str:
    """The package of torchvision that makes a network, "" for classifiers."""
    from torchvision.models import get_model_builder

    part = get_model_builder(name).__module__.removeprefix("torchvision.models.").split(".")
    return part[0] if len(part) > 1 else ""


def _agreeing(request: NamedNetwork, names: Sequence[str], size: tuple[int, int] | None) -> Workload | None:
    """Of networks whose names begin alike, the one that the table's figures mean; None where none agrees.

    Those made for the size that is asked for go first: one architecture may be registered at several.
    """
    if request.params is None and request.macs is None:
        return None
    entries = torchvision_entries()
    native = [n for n in names if n in entries or native_input(n)[1:] == size]
    for group in (native, [n for n in names if n not in native]):
        fitting = [(misfit(w, request), w) for w in _built(group, size, request.params)]
        far, best = min(fitting, key=operator.itemgetter(0), default=(np.inf, None))
        if far <= 1:
            return best
    return None


def _built(names: Iterable[str], size: tuple[int, int] | None, params: float | None) -> Iterator[Workload]:
    """Those that can be built at that size; of torchvision only those with about so many parameters."""
    entries = torchvision_entries()
    likely = [n for n in names if n not in entries or params is None or _near(entries[n].params, params)]
    for name in likely[:MOST_CANDIDATES]:
        try:
            yield from_registry(name, size)
        except CodesignError:
            continue


def _near(counted: int, params: float) -> bool:
    return not counted or abs(counted / params - 1) < 5 * SAME_PARAMS


def misfit(workload: Workload, request: NamedNetwork) -> float:
    """How far a network is from the figures of a table, in tolerances; above 1 it is another one."""
    far = 0.0
    if request.params:
        far = max(far, abs(workload.params / request.params - 1) / SAME_PARAMS)
    if request.macs:
        far = max(far, abs(nearest_count(workload, request.macs) / request.macs - 1) / SAME_MACS)
    return far
