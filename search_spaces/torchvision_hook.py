"""Makes `import torchvision` (and so `import timm`) work where torch is a CPU build and torchvision is not.

The package index serves torchvision linked against CUDA. Beside a CPU build of torch its C++ extension cannot
be loaded, the operators `torchvision::nms` and `torchvision::qnms` are then never declared, and the import
dies in the Python code that registers a meta kernel for them. Declaring the two schemas first is enough:
everything but the C++ operators themselves (`nms`, `roi_align`) and the image decoders works.

`install()` puts a finder in front of the import system. It costs nothing until something imports torchvision,
looks once whether the extension loads, and does nothing where it does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    import torch

OPERATORS = ("nms", "qnms")
"""Operators whose schemas torchvision's Python code expects to exist when it is imported."""

_declared: list[torch.library.Library] = []
"""Kept alive: torch withdraws a declaration when its library object dies."""


class TorchvisionSchemas(MetaPathFinder):
    """Finder that finds nothing, and repairs the operator table just before torchvision is imported."""

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Look at the extension when torchvision is asked for; the regular finders then do the import."""
        if fullname != "torchvision":
            return None
        uninstall()
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            repair(Path(spec.origin).parent)
        return None


def install() -> None:
    """Watch for the first import of torchvision, unless it is imported or watched for already."""
    if "torchvision" not in sys.modules and not any(isinstance(f, TorchvisionSchemas) for f in sys.meta_path):
        sys.meta_path.insert(0, TorchvisionSchemas())


def uninstall() -> None:
    """Stop watching."""
    sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, TorchvisionSchemas)]


def repaired() -> bool:
    """Whether the schemas had to be declared in this process."""
    return bool(_declared)


def repair(package: Path) -> bool:
    """Declare the operator schemas where the extension in a folder does not load; whether that was so."""
    import torch

    extensions = sorted(package.glob("_C.*"))
    try:
        for extension in extensions:
            torch.ops.load_library(str(extension))  # type: ignore[no-untyped-call]
    except OSError:
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in OPERATORS:
            schema = f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(schema)  # type: ignore[no-untyped-call]
        _declared.append(library)
        return True
    return False
