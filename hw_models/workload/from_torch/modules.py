"""A module on the meta device: a copy without data, what it stores, and which of its children runs now."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from threading import get_ident
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from hw_models.errors import TraceError
from hw_models.workload.op import TensorKind

if TYPE_CHECKING:
    from hw_models.workload.from_torch.ledger import Ledger


def known_by_value(tensor: Tensor) -> bool:
    """Whether a forward pass may ask for the values of a stored tensor: whole numbers, and single real ones.

    These values are part of what is traced, and so of its hash; weights are not.
    """
    return not tensor.is_meta and (not tensor.is_floating_point() or tensor.numel() == 1)


class _WithoutData(TorchFunctionMode):
    """Turns the copy of a tensor, wherever a module keeps one, into a meta tensor.

    Attributes:
        known: meta tensors of those that are known by value, with the values.
    """

    def __init__(self) -> None:
        super().__init__()
        self.known: list[tuple[Tensor, Tensor]] = []

    def twin(self, tensor: Tensor) -> Tensor:
        """The meta tensor that stands for a tensor."""
        made = tensor.detach().to("meta", copy=True)
        made = nn.Parameter(made, requires_grad=False) if isinstance(tensor, nn.Parameter) else made
        if known_by_value(tensor):
            self.known.append((made, tensor.detach()))
        return made

    @override
    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is Tensor.__deepcopy__:
            tensor, memo = args
            if id(tensor) not in memo:
                memo[id(tensor)] = self.twin(tensor)
            return memo[id(tensor)]
        return func(*args, **(kwargs or {}))


def meta_copy(module: nn.Module) -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """A copy of a module whose tensors have shapes only; those that are known by value, with their values.

    Shared weights stay shared. What cannot be copied (locks, open files) is shared with the original.

    Raises:
        TraceError: for TorchScript, and where the shapes of weights are not known yet.
    """
    children = list(module.modules())
    if any(isinstance(child, torch.jit.ScriptModule) for child in children):
        msg = f"{type(module).__name__} holds a TorchScript module; give the Python module it was made from"
        raise TraceError(msg)
    if any(is_lazy(parameter) for parameter in module.parameters()):
        msg = f"{type(module).__name__} has lazy parameters; run it once on an input, then trace it"
        raise TraceError(msg)
    without_data = _WithoutData()
    stored = (*module.parameters(), *module.buffers())
    memo: dict[int, Any] = {id(tensor): without_data.twin(tensor) for tensor in stored}
    memo |= {id(child): object.__new__(type(child)) for child in children}
    with without_data:
        for child in children:
            vars(memo[id(child)]).update({k: _copied(v, memo) for k, v in vars(child).items()})
    copied: nn.Module = memo[id(module)]
    return copied, without_data.known


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, torch.Generator):  # its state is a tensor that must not lose its data
        return value
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # an object may refuse a copy in any way
        return value


def stored_tensors(module: nn.Module) -> Iterator[tuple[Tensor, TensorKind]]:
    """Parameters and buffers; a buffer is a weight if it is kept with the weights and holds real numbers."""
    for parameter in module.parameters():
        yield parameter, TensorKind.WEIGHT
    for child in module.modules():
        for name, buffer in child.named_buffers(recurse=False):
            weight = buffer.is_floating_point() and name not in child._non_persistent_buffers_set
            yield buffer, TensorKind.WEIGHT if weight else TensorKind.CONSTANT


class WithoutInitialisation(TorchDispatchMode):
    """Leaves out what fills tensors in place: a meta tensor has nothing to fill, and torch is slow at it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    @override
    def _should_skip_dynamo(cls) -> bool:
        """Not wrapped against torch.compile, whose import takes a second."""
        return False

    @override
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func._schema.is_mutable and func._schema.name.endswith("_") and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def module_paths(module: nn.Module, ledger: Ledger) -> Iterator[None]:
    """While this lasts, `ledger.path` is the path of the innermost child of `module` that runs."""
    names = {id(child): name for name, child in module.named_modules()}
    stack: list[tuple[nn.Module, str]] = []
    thread = get_ident()  # the hooks see the modules of every thread

    def enter(child: nn.Module, _args: Any) -> None:
        if get_ident() == thread:
            stack.append((child, ledger.path))
            ledger.path = names.get(id(child), ledger.path)

    def leave(child: nn.Module, _args: Any, _result: Any) -> None:
        while stack and get_ident() == thread:
            left, ledger.path = stack.pop()
            if left is child:
                return

    handles = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def plain_execution() -> Iterator[None]:
    """Inference mode, without what hides operators: fused attention layers, compiled functions."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    try:
        with eager, torch.inference_mode():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(value=fast_path)
