"""A module on the meta device: a copy without data, and which of its children runs now."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from hw_models.workload.from_torch.recorder import Recorder


class _CopyWithoutData(TorchFunctionMode):
    """Turns the copy of a tensor, wherever a module keeps one, into a meta tensor."""

    @override
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is Tensor.__deepcopy__:
            tensor, memo = args
            if id(tensor) not in memo:
                memo[id(tensor)] = tensor.detach().to("meta")
            return memo[id(tensor)]
        return func(*args, **(kwargs or {}))


def meta_copy(module: nn.Module) -> nn.Module:
    """A copy of the module whose tensors have shapes and no data; shared weights stay shared."""
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        data = parameter.detach().to("meta")
        memo[id(parameter)] = nn.Parameter(data, requires_grad=False)
    for buffer in module.buffers():
        memo[id(buffer)] = buffer.detach().to("meta")
    with _CopyWithoutData():
        return copy.deepcopy(module, memo)


@contextmanager
def module_paths(module: nn.Module, recorder: Recorder) -> Iterator[None]:
    """While this lasts, `recorder.path` is the path of the innermost child of `module` that runs."""
    names = {id(child): name for name, child in module.named_modules()}
    stack: list[str] = []

    def enter(child: nn.Module, _args: Any) -> None:
        stack.append(recorder.path)
        recorder.path = names.get(id(child), recorder.path)

    def leave(_child: nn.Module, _args: Any, _result: Any) -> None:
        recorder.path = stack.pop()

    handles = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave, always_call=True)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def weights_of(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers."""
    return [*module.parameters(), *module.buffers()]


@contextmanager
def plain_execution() -> Iterator[None]:
    """Inference mode, with the fused path of nn.MultiheadAttention off, so that its operators are seen."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(value=fast_path)
