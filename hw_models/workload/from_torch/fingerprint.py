"""The hash of what is traced: a module's structure, attributes, shapes and code.

What decides a trace and can differ between two modules goes into the hash: the tree of children, every
attribute, the shapes and types of tensors (and the values of those that a forward pass may ask for), and the
bytecode of every method and of every function and global that it names. Code of installed packages counts by
their version. A module that holds something which cannot be hashed faithfully has no fingerprint, and its
trace is not kept.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import importlib.metadata
import logging
import sys
import types
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from hw_models.workload.from_torch.modules import known_by_value

_PLAIN: Final = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), range, slice)
_BY_NAME: Final = (
    torch.dtype,
    torch.device,
    torch.Size,
    torch.layout,
    torch.memory_format,
    enum.Enum,
    np.generic,
    Path,
)
_IGNORED: Final = frozenset({"training", "_backward_hooks", "_backward_pre_hooks", "_is_full_backward_hook"})


class NotHashableError(Exception):
    """Something whose content is not accessible: two that differ could not be told apart."""


def fingerprint(module: nn.Module) -> str | None:
    """Hash of a module as `trace` sees it; None where it holds something that cannot be hashed."""
    digest = _Digest()
    try:
        digest.feed(module)
    except (NotHashableError, RecursionError):
        return None
    return digest.hexdigest()


class _Digest:
    """A hash over Python objects; an object that comes again is hashed as a reference to its first place."""

    def __init__(self) -> None:
        self._hash = hashlib.blake2b(digest_size=20)
        self._places: dict[int, int] = {}
        self._alive: list[Any] = []

    def hexdigest(self) -> str:
        """The hash of all that was fed."""
        return self._hash.hexdigest()

    def _text(self, text: str) -> None:
        self._hash.update(text.encode("utf-8", "surrogatepass"))
        self._hash.update(b"\0")

    def feed(self, value: Any) -> None:
        """Add an object and all that it holds.

        Raises:
            NotHashableError: where the content of an object is not accessible.
        """
        if isinstance(value, _PLAIN + _BY_NAME):
            self._text(f"{type(value).__name__} {value!r}")
            return
        if isinstance(value, tuple):  # equal constants may be one object or two
            self._many("tuple", value)
            return
        place = self._places.get(id(value))
        if place is not None:
            self._text(f"again {place}")
            return
        self._places[id(value)] = len(self._places)
        self._alive.append(value)
        self._feed_new(value)

    def _feed_new(self, value: Any) -> None:
        if isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, Mapping):
            self._many(type(value).__name__, [part for item in value.items() for part in item])
        elif isinstance(value, Set):
            self._many(type(value).__name__, sorted(value, key=repr))
        elif isinstance(value, Sequence):
            self._many(type(value).__name__, value)
        elif isinstance(value, types.CodeType):
            self._code(value)
        elif isinstance(value, types.FunctionType):
            self._function(value)
        elif isinstance(value, types.MethodType):
            self._many("method", (value.__func__, value.__self__))
        elif isinstance(value, functools.partial):
            self._many("partial", (value.func, value.args, value.keywords))
        elif isinstance(value, type):
            self._class(value)
        else:
            self._object(value)

    def _many(self, what: str, values: Sequence[Any]) -> None:
        self._text(f"{what} {len(values)}")
        for value in values:
            self.feed(value)

    def _tensor(self, tensor: Tensor) -> None:
        self._text(f"tensor {tuple(tensor.shape)} {tensor.dtype} {tensor.stride()} {type(tensor).__name__}")
        if known_by_value(tensor):
            self._hash.update(
                tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
            )

    def _object(self, value: Any) -> None:
        if isinstance(value, logging.Logger):
            self._text(f"logger {value.name}")
        elif isinstance(value, types.ModuleType | types.BuiltinFunctionType | types.MethodDescriptorType):
            self._text(f"{type(value).__name__} {getattr(value, '__qualname__', value.__name__)}")
        elif isinstance(value, np.ndarray):
            self._text(f"array {value.shape} {value.dtype}")
            self._hash.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, property | classmethod | staticmethod):
            functions = [getattr(value, n, None) for n in ("fget", "fset", "__func__")]
            self._many("descriptor", [f for f in functions if f is not None])
        elif hasattr(value, "__dict__"):
            self.feed(type(value))
            kept = {k: v for k, v in vars(value).items() if k not in _IGNORED}
            self._many("object", [part for item in kept.items() for part in item])
        else:
            raise NotHashableError(type(value).__name__)

    # -- code --------------------------------------------------------------------------------------------

    def _class(self, cls: type) -> None:
        self._text(f"class {cls.__module__}.{cls.__qualname__}")
        release = _release(cls.__module__)
        if release is not None:
            self._text(release)
            return
        for base in cls.__bases__:
            self.feed(base)
        skipped = {"__dict__", "__weakref__", "__doc__", "__module__", "__annotations__"}
        for name, member in vars(cls).items():
            if name not in skipped and not isinstance(
                member, types.GetSetDescriptorType | types.MemberDescriptorType
            ):
                self._text(name)
                self.feed(member)

    def _function(self, function: types.FunctionType) -> None:
        self._text(f"function {function.__module__}.{function.__qualname__}")
        release = _release(function.__module__)
        if release is None:
            self.feed(function.__code__)
            names = sorted(_names_in(function.__code__))
            for name in names:
                if name in function.__globals__:
                    self._global(name, function.__globals__[name], names)
        else:
            self._text(release)
        cells = [c.cell_contents for c in function.__closure__ or ()]
        self._many("bound", [*cells, function.__defaults__, function.__kwdefaults__])

    def _global(self, name: str, value: Any, names: Sequence[str]) -> None:
        """A global that code names; of a module of the user's, the members that the code can name."""
        self._text(f"global {name}")
        if isinstance(value, types.ModuleType) and _release(value.__name__) is None:
            for member in names:
                if hasattr(value, member):
                    self._text(member)
                    self.feed(getattr(value, member))
        elif not isinstance(value, types.ModuleType):
            self.feed(value)

    def _code(self, code: types.CodeType) -> None:
        self._many("code", (code.co_code, code.co_names, code.co_varnames, code.co_freevars, code.co_consts))


def _names_in(code: types.CodeType) -> set[str]:
    """Names that code and the code inside it look up."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_in(constant)
    return names


@functools.cache
def _release(module: str) -> str | None:
    """Name and version of the installed package that a module belongs to; None for code that may change."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        return f"python {sys.version_info[:3]}"
    loaded = sys.modules.get(top)
    file = getattr(loaded, "__file__", None) or ""
    if not {"site-packages", "dist-packages"} & set(Path(file).parts):
        return None
    try:
        return f"{top} {importlib.metadata.version(top)}"
    except importlib.metadata.PackageNotFoundError:
        version = getattr(loaded, "__version__", None)
        return None if version is None else f"{top} {version}"
