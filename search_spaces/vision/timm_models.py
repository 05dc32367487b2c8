"""The architectures of timm (PyTorch Image Models) as workloads, built without weights.

Source: Wightman, PyTorch Image Models, https://github.com/huggingface/pytorch-image-models (Apache-2.0).
"""

from __future__ import annotations

from functools import cache as memoised
from typing import TYPE_CHECKING, Any

from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from torch import nn

    from hw_models.workload.graph import Workload


@memoised
def timm_architectures() -> tuple[str, ...]:
    """Names of every architecture that the installed timm registers, sorted."""
    import timm

    return tuple(timm.list_models())


def is_timm_model(name: str) -> bool:
    """Whether the installed timm registers an architecture of that name (a pretrained tag after '.' is
    ignored).
    """
    return name.split(".", maxsplit=1)[0] in timm_architectures()


def native_input(arch: str) -> tuple[int, int, int]:
    """(C, H, W) that the architecture's default weights were made for."""
    from timm.models import get_pretrained_cfg

    config = get_pretrained_cfg(arch)
    return tuple(config.input_size) if config is not None and config.input_size else (3, 224, 224)


def timm_workload(
    arch: str,
    img_size: int | tuple[int, int] | None = None,
    *,
    reparameterize: bool = False,
    cache: bool = True,
) -> Workload:
    """The workload of a timm architecture at batch 1 in fp32.

    Args:
        arch: registered name; a pretrained tag ("resnet50.a1_in1k") is ignored, as it changes weights only.
        img_size: side of the square input, or (height, width); the architecture's native size by default.
        reparameterize: the form it is deployed in, with parallel branches merged where timm knows how.
        cache: read and keep the trace on disk.

    Raises:
        UnknownNameError: where timm has no such architecture.
        InputError: where the network cannot take that size.
    """
    del cache
    arch = arch.split(".", maxsplit=1)[0]
    if not is_timm_model(arch):
        raise UnknownNameError(
            "timm architecture", arch, timm_architectures(), "see 'codesign networks list'"
        )
    return _traced(arch, _size(arch, img_size), img_size is not None, reparameterize=reparameterize)


def _size(arch: str, img_size: int | tuple[int, int] | None) -> tuple[int, int, int]:
    channels, height, width = native_input(arch)
    if img_size is not None:
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
    if height < 1 or width < 1:
        msg = f"image size {img_size!r} given, expected positive pixels such as 224 or (224, 320)"
        raise InputError(msg)
    return channels, height, width


def _traced(arch: str, size: tuple[int, int, int], resized: bool, *, reparameterize: bool) -> Workload:
    import torch

    from hw_models.errors import TraceError
    from hw_models.workload.from_torch.trace import Inputs, record

    native = native_input(arch)
    try:
        module = build(arch, size[1:] if resized else None, reparameterize=reparameterize)
    except (AssertionError, RuntimeError, ValueError, TypeError) as error:
        msg = f"timm cannot build {arch} at {size[1]}x{size[2]} pixels: {error}; its native size is {native[1]}x{native[2]}"
        raise InputError(msg) from error
    name = f"{arch}@{size[1]}" if size[1] == size[2] else f"{arch}@{size[1]}x{size[2]}"
    try:
        return record(module, Inputs((torch.empty((1, *size), device="meta"),), {}), name)
    except TraceError as error:
        if size == native:
            raise
        msg = f"{arch} does not run at {size[1]}x{size[2]} pixels (native {native[1]}x{native[2]}): {error}"
        raise InputError(msg) from error


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
