"""The architectures of timm (PyTorch Image Models) as workloads, built without weights.

Source: Wightman, PyTorch Image Models, https://github.com/huggingface/pytorch-image-models (Apache-2.0).
"""

from __future__ import annotations

import functools
import os
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from hw_models.errors import InputError, UnknownNameError
from hw_models.workload import cache as kept
from hw_models.workload.op import TRACER_VERSION

if TYPE_CHECKING:
    from torch import nn

    from hw_models.workload.graph import Workload

Size = tuple[int, int, int]
"""(C, H, W) of an input image."""


class Catalogue(NamedTuple):
    """What the installed timm registers.

    Attributes:
        sizes: native input size by architecture.
        former: today's architecture by names that earlier releases had for it.
    """

    sizes: dict[str, Size]
    former: dict[str, str]


def timm_architectures() -> tuple[str, ...]:
    """Names of every architecture that the installed timm registers, sorted."""
    return tuple(_catalogue().sizes)


def is_timm_model(name: str) -> bool:
    """Whether timm registers that architecture, today or formerly; a pretrained tag after '.' is ignored."""
    return _architecture(name) in _catalogue().sizes


def native_input(arch: str) -> Size:
    """(C, H, W) that the architecture's default weights were made for.

    Raises:
        UnknownNameError: where timm has no such architecture.
    """
    sizes, arch = _catalogue().sizes, _architecture(arch)
    if arch not in sizes:
        raise UnknownNameError("timm architecture", arch, sizes, "see 'codesign networks list'")
    return sizes[arch]


def timm_workload(
    arch: str,
    img_size: int | tuple[int, int] | None = None,
    *,
    reparameterize: bool = False,
    cache: bool = True,
) -> Workload:
    """The workload of a timm architecture at batch 1 in fp32.

    Args:
        arch: registered name, or one of an earlier timm ("gluon_resnet50_v1b"); a pretrained tag
            ("resnet50.a1_in1k") is ignored, as it changes weights only.
        img_size: side of the square input, or (height, width); the architecture's native size by default.
        reparameterize: the form it is deployed in, with parallel branches merged where timm knows how.
        cache: read and keep the trace on disk; a kept one needs neither timm nor torch.

    Raises:
        UnknownNameError: where timm has no such architecture.
        InputError: where the network cannot take that size.
    """
    arch = _architecture(arch)
    size = _pixels(img_size)
    if cache:
        return _remembered(_key(arch, size, reparameterize=reparameterize), arch, size, reparameterize)
    return _traced(arch, size, reparameterize=reparameterize)


def _architecture(name: str) -> str:
    """Today's architecture of a model name, without its pretrained tag."""
    arch = name.partition(".")[0]
    return _catalogue().former.get(arch, arch)


def _pixels(img_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if img_size is None:
        return None
    height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
    if height < 1 or width < 1:
        msg = f"image size {img_size!r} given, expected positive pixels such as 224 or (224, 320)"
        raise InputError(msg)
    return height, width


@functools.cache
def _releases() -> tuple[str, ...]:
    return tuple(f"{package} {version(package)}" for package in ("timm", "torch"))


def _key(arch: str, size: tuple[int, int] | None, *, reparameterize: bool) -> str:
    """Hash of what decides the trace; the variable switches timm between two forms of attention."""
    attention = os.environ.get("TIMM_FUSED_ATTN", "")
    parts = ["timm", arch, str(size), f"reparameterize {reparameterize}", f"fused {attention}", *_releases()]
    return kept.key_of([*parts, f"tracer {TRACER_VERSION}"])


@functools.lru_cache(maxsize=2048)
def _remembered(key: str, arch: str, size: tuple[int, int] | None, reparameterize: bool) -> Workload:
    """The same object for the same network, so that what was worked out for it is found again."""
    return kept.cached(key, lambda: _traced(arch, size, reparameterize=reparameterize))


@functools.cache
def _catalogue() -> Catalogue:
    """What timm registers; kept on disk, because importing timm takes seconds."""
    key = kept.key_of(["timm names and sizes", *_releases()])
    found = kept.load_json(key)
    if found is None:
        found = _read_catalogue()
        kept.store_json(key, found)
    sizes, former = found
    return Catalogue({arch: (size[0], size[1], size[2]) for arch, size in sizes.items()}, former)


def _read_catalogue() -> tuple[dict[str, Any], dict[str, str]]:
    import timm
    from timm.models import get_deprecated_models, get_pretrained_cfg

    sizes = {}
    for arch in timm.list_models():
        config = get_pretrained_cfg(arch)
        sizes[arch] = config.input_size if config is not None and config.input_size else (3, 224, 224)
    former = {}
    for old, new in get_deprecated_models().items():
        successor = (new or "").partition(".")[0]
        if successor in sizes and _width(old) in {None, _width(successor)}:
            former[old] = successor
    return sizes, former


def _width(arch: str) -> str | None:
    """The width in the name of a ResNeXt ("32x16d"); timm gives some former names one of another width."""
    found = re.search(r"\d+x\d+d", arch)
    return found.group() if found else None


def _traced(arch: str, size: tuple[int, int] | None, *, reparameterize: bool) -> Workload:
    import torch

    from hw_models.errors import TraceError
    from hw_models.workload.from_torch.tracing import Inputs, record

    channels, *native = native_input(arch)
    height, width = size or native
    asked = f"{height}x{width} pixels (native {native[0]}x{native[1]})"
    try:
        module = build(arch, size, reparameterize=reparameterize)
    except (AssertionError, RuntimeError, ValueError, TypeError) as error:
        msg = f"timm cannot build {arch} at {asked}: {error}"
        raise InputError(msg) from error
    name = f"{arch}@{height}" if height == width else f"{arch}@{height}x{width}"
    image = torch.empty((1, channels, height, width), device="meta")
    try:
        return record(module, Inputs((image,), {}), name)
    except TraceError as error:
        if size is None or size == tuple(native):
            raise
        msg = f"{arch} does not run at {asked}: {error}"
        raise InputError(msg) from error


def timm_module(arch: str, img_size: int | tuple[int, int] | None = None) -> nn.Module:
    """The architecture with random weights on the CPU, in evaluation mode: to be run, not traced.

    Raises:
        UnknownNameError: where timm has no such architecture.
        InputError: where it cannot be built at that size.
    """
    import timm

    arch, size = _architecture(arch), _pixels(img_size)
    native_input(arch)
    sized: dict[str, Any] = {} if size is None else {"img_size": size}
    try:
        try:
            module = timm.create_model(arch, pretrained=False, **sized)
        except TypeError as error:
            if "img_size" not in str(error):
                raise
            module = timm.create_model(arch, pretrained=False)
    except (AssertionError, RuntimeError, ValueError, TypeError) as error:
        raise InputError(f"timm cannot build {arch} at {size}: {error}") from error
    built: nn.Module = module.eval()
    return built


def build(arch: str, img_size: tuple[int, int] | None = None, *, reparameterize: bool = False) -> nn.Module:
    """The module on the meta device, told the image size where its constructor asks for one."""
    import timm
    import torch
    from timm.utils.model import reparameterize_model

    from hw_models.workload.from_torch.modules import WithoutInitialisation

    options: dict[str, Any] = {"pretrained": False, "scriptable": False, "exportable": False}
    sized = options if img_size is None else {**options, "img_size": img_size}
    with torch.device("meta"), torch.no_grad(), WithoutInitialisation():
        try:
            module = timm.create_model(arch, **sized)
        except TypeError as error:
            if "img_size" not in str(error):
                raise
            module = timm.create_model(arch, **options)
        return reparameterize_model(module) if reparameterize else module
