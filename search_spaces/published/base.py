"""From a recipe to a workload: architectures built on the meta device, traced once and kept on disk."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import search_spaces
from hw_models.errors import InputError, TraceError
from hw_models.workload import cache as kept
from hw_models.workload.op import TRACER_VERSION

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hw_models.workload.from_torch.tracing import Inputs
    from hw_models.workload.graph import Workload

Shape = tuple[int, ...]
Option = str | int | float | bool | tuple[Any, ...] | None

RELEASES: Final = ("timm", "torch", "torchvision")
"""Packages whose code decides what is traced."""

MOST_CHANNELS: Final = 6
"""Numbers of a shape up to this one are the batch and the channels."""

_OWN_IMPORT: Final = re.compile(
    r"^\s*(?:from|import) (search_spaces[\w.]*)(?: import \(?([\w, ]+))?", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Ids:
    """An input of whole numbers (token ids, masks).

    Attributes:
        shape: the batch first.
    """

    shape: Shape


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a network is made.

    Attributes:
        target: what makes the module when called, as `package.module:function`.
        inputs: one for each positional argument of its forward pass, the batch (1) first.
        options: keyword arguments of the function.
    """

    target: str
    inputs: tuple[Shape | Ids, ...]
    options: tuple[tuple[str, Option], ...] = ()


def own(target: str, *inputs: Shape | Ids, name: str, **options: Option) -> Workload:
    """The workload of a function that makes a module.

    Args:
        target: `package.module:function`; without a package, of `search_spaces.vision.architectures`.
        *inputs: shapes of the positional arguments of the forward pass, the batch (1) first.
        name: what the workload is called.
        **options: arguments of the function.

    Raises:
        InputError: where it cannot be built or run so.
    """
    full = target if target.startswith("search_spaces.") else f"search_spaces.vision.architectures.{target}"
    return workload_of(Recipe(full, inputs, tuple(sorted(options.items()))), name)


@functools.lru_cache(maxsize=1024)
def workload_of(recipe: Recipe, name: str) -> Workload:
    """The workload of a recipe at batch 1, traced once; the same object for the same recipe.

    Raises:
        InputError: where it cannot be built or run so.
    """
    key = kept.key_of(
        ["published", repr(recipe), name, *releases(), *_sources(recipe.target.partition(":")[0])]
    )
    return kept.cached(key, lambda: _traced(recipe, name))


@functools.cache
def releases() -> tuple[str, ...]:
    """What a trace depends on beside the code of this package."""
    return (*(f"{package} {version(package)}" for package in RELEASES), f"tracer {TRACER_VERSION}")


def pixels(input_shape: str, img_size: int | None = None) -> tuple[int, int] | None:
    """Height and width of an image as sources write it; None where they do not say.

    The last two of "224x224", "1 x 3 x 473 x 473", "224x224x3", "720p (720x1280)"; "1x3x224" is square.
    """
    numbers = [int(n) for n in re.findall(r"\d+(?!\d*p\b)", input_shape)]
    numbers = [n for n in numbers if n > MOST_CHANNELS]
    if len(numbers) >= 2:
        return numbers[-2], numbers[-1]
    side = numbers[0] if numbers else img_size
    return None if side is None else (side, side)


def squashed(name: str) -> str:
    """Letters and digits of a name in lower case: names that differ in the rest mean the same network."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@functools.cache
def _sources(module: str) -> tuple[str, ...]:
    """Hashes of the files of ours that a module is made of, itself first."""
    done: dict[str, str] = {}
    waiting = [module]
    while waiting:
        here = waiting.pop()
        file = Path(search_spaces.__file__).parents[1] / Path(*here.split(".")).with_suffix(".py")
        if here in done or not here.startswith("search_spaces.") or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        done[here] = hashlib.sha256(text.encode()).hexdigest()
        waiting += _imported(text)
    return tuple(done.values())


def _imported(text: str) -> Iterable[str]:
    """Modules of ours that a file may import."""
    for package, names in _OWN_IMPORT.findall(text):
        yield package
        yield from (f"{package}.{name.strip()}" for name in names.split(","))


def _traced(recipe: Recipe, name: str) -> Workload:
    from hw_models.workload.from_torch.tracing import record

    try:
        module, known = module_of(recipe)
    except (AssertionError, RuntimeError, ValueError, TypeError) as error:
        msg = f"{name} cannot be built: {error}"
        raise InputError(msg) from error
    try:
        return record(module, _inputs(recipe), name, known)
    except TraceError as error:
        shapes = ", ".join(str(i.shape if isinstance(i, Ids) else i) for i in recipe.inputs)
        msg = f"{name} does not run on {shapes}: {error}"
        raise InputError(msg) from error


def module_of(recipe: Recipe) -> tuple[nn.Module, Sequence[tuple[Tensor, Tensor]]]:
    """The module on the meta device, and those of its tensors that are known by value, with the values.

    A constructor that computes with values (a schedule of drop rates) runs on the CPU and is copied.
    """
    import torch

    from hw_models.workload.from_torch.modules import WithoutInitialisation, meta_copy

    path, _, function = recipe.target.partition(":")
    make = getattr(import_module(path), function)
    try:
        with torch.device("meta"), torch.no_grad(), WithoutInitialisation():
            return make(**dict(recipe.options)), ()
    except (NotImplementedError, RuntimeError) as error:
        if "meta" not in str(error):
            raise
    return meta_copy(make(**dict(recipe.options)))


def _inputs(recipe: Recipe) -> Inputs:
    import torch

    from hw_models.workload.from_torch.tracing import Inputs

    return Inputs(
        tuple(
            torch.empty(given.shape, dtype=torch.int64, device="meta")
            if isinstance(given, Ids)
            else torch.empty(given, device="meta")
            for given in recipe.inputs
        ),
        {},
    )
