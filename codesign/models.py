"""From what a user calls a network to its workload.

The three forms are `timm:resnet50@288`, the path of an ONNX file, and `package.module:function`.
"""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hw_models.errors import CodesignError, InputError, UnknownNameError, did_you_mean, nearest, sentence

if TYPE_CHECKING:
    from types import ModuleType

    from torch import nn

    from hw_models.workload.graph import Workload

Shape = str | Sequence[int] | Sequence[str] | Mapping[str, Sequence[int]] | None
"""A shape, as text ("1x3x224x224", "x=1x3x224x224") or as numbers, or several of them by input name."""

FORMS: Final = "expected timm:NAME[@SIZE], a file ending in .onnx, or package.module:function"
_SHAPE: Final = re.compile(r"(?:(?P<name>.+)[=:])?(?P<dims>\d+(?:[x,]\d+)*)")
_SIZE: Final = re.compile(r"(?P<height>\d+)(?:x(?P<width>\d+))?")


def resolve_model(
    spec: str,
    *,
    shape: Shape = None,
    constants: Mapping[str, float | Sequence[float]] | None = None,
    batch: int | None = None,
) -> Workload:
    """The workload of the network that `spec` names.

    Args:
        spec: `timm:resnet50`, `timm:vit_base_patch16_224@384`, the path of an ONNX or TFLite file, or
            `package.module:function`, where the function takes no argument and returns an `nn.Module`, a pair
            of one and its input shape, or a `Workload`. The working directory's modules are found first.
        shape: shape of the input, the batch first; by input name where there are several.
        constants: values of inputs that choose what an ONNX network does.
        batch: images of one inference; None: as the network is, 1 for what is traced.

    Raises:
        InputError: where the name, a part of it, or a shape cannot be used.
        FileError: where a file is missing or is not a network.
        TraceError: where the network cannot be read.
    """
    shapes = parse_shapes(shape)
    scheme, colon, rest = spec.partition(":")
    if constants and not spec.endswith(".onnx"):
        msg = f"constants {sorted(constants)} given for '{spec}'; only inputs of an ONNX file can be fixed so"
        raise InputError(msg)
    if scheme == "timm" and colon:
        workload = _from_timm(rest, shapes)
    elif spec.endswith(".tflite"):
        from hw_models.workload.from_tflite import read_tflite

        workload = read_tflite(spec)
    elif spec.endswith(".onnx") or Path(spec).is_file():
        from hw_models.workload.from_onnx import read_onnx

        return read_onnx(spec, shapes=shapes, constants=constants, batch=batch)
    elif colon:
        workload = _from_code(scheme, rest, shapes)
    else:
        raise InputError(_not_a_model(spec))
    return workload if batch is None else workload.at_batch(batch)


def resolve_module(
    model: str | nn.Module, *, shapes: Mapping[str, tuple[int, ...]], batch: int = 1
) -> tuple[nn.Module, dict[str, tuple[int, ...]], str]:
    """The module that `model` is or names, with random weights; the shapes of its inputs; its name.

    Args:
        model: a module, `timm:resnet50@224`, or `package.module:function` as for `resolve_model`.
        shapes: of its inputs, in the order of forward; empty: a timm model's native size, or what the
            function returns beside its module.
        batch: images of one inference where no shape is given.

    Raises:
        InputError: where the name, a part of it, or a shape cannot be used, or no shape is known.
    """
    if not isinstance(model, str):
        return model, _shapes_of(type(model).__name__, shapes, None), type(model).__name__
    scheme, colon, rest = model.partition(":")
    if scheme == "timm" and colon:
        from search_spaces.vision.timm_models import native_input, timm_module

        arch, at, size = rest.partition("@")
        channels, *native = native_input(arch)
        height, width = _sides(arch, size) if at else native
        given = dict(shapes) or {"": (batch, channels, height, width)}
        sides = next(iter(given.values()))[2:] or (height, width)
        module = timm_module(arch, None if list(sides) == native else (sides[0], sides[-1]))
        return module, given, rest
    if not colon:
        raise InputError(_not_a_model(model))
    made = _made(scheme, rest)
    module, own = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not hasattr(module, "forward"):
        msg = f"{model} is a {type(module).__name__}, expected an nn.Module or (nn.Module, shape) to be run"
        raise InputError(msg)
    return module, _shapes_of(model, shapes, own), rest


def _shapes_of(
    name: str, shapes: Mapping[str, tuple[int, ...]], own: Sequence[int] | None
) -> dict[str, tuple[int, ...]]:
    if not shapes and own is None:
        raise InputError(f"no input shape given for {name}, expected one such as 1x3x224x224")
    return dict(shapes) if shapes else {"": tuple(own or ())}


def parse_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Shapes by input name; "" is the only input.

    Raises:
        InputError: where a text is not a shape, or two are given for one input.
    """
    if shape is None:
        return {}
    if isinstance(shape, Mapping):
        return {name: tuple(dims) for name, dims in shape.items()}
    if isinstance(shape, str):
        shape = [shape]
    if all(isinstance(d, int) for d in shape):
        return {"": tuple(int(d) for d in shape)} if shape else {}
    shapes: dict[str, tuple[int, ...]] = {}
    for text in shape:
        match = _SHAPE.fullmatch(str(text))
        if match is None:
            msg = f"shape '{text}' given, expected 1x3x224x224 or NAME=1x3x224x224"
            raise InputError(msg)
        name = match["name"] or ""
        if name in shapes:
            msg = f"two shapes given for input '{name}', expected one; name each: NAME=1x3x224x224"
            raise InputError(msg)
        shapes[name] = tuple(int(d) for d in re.split("[x,]", match["dims"]))
    return shapes


def parse_constants(texts: Sequence[str]) -> dict[str, float | list[float]]:
    """Values by input name, from texts such as "sr=16000" or "flags=1,0".

    Raises:
        InputError: where a text is not of that form.
    """
    constants: dict[str, float | list[float]] = {}
    for text in texts:
        name, _, given = text.rpartition("=")
        try:
            values = [float(v) for v in given.split(",")]
        except ValueError:
            values = []
        if not name or not values:
            msg = f"constant '{text}' given, expected NAME=NUMBER, such as sr=16000"
            raise InputError(msg)
        constants[name] = values if len(values) > 1 else values[0]
    return constants


def _from_timm(name: str, shapes: Mapping[str, tuple[int, ...]]) -> Workload:
    from search_spaces.vision.timm_models import native_input, timm_workload

    arch, at, size = name.partition("@")
    sides = _sides(arch, size) if at else None
    if not shapes:
        return timm_workload(arch, sides)
    (given,) = shapes.values() if len(shapes) == 1 else (None,)
    timm_workload(arch, sides)  # so that a wrong name is said before a wrong shape
    channels = native_input(arch.split(".")[0])[0]
    if given is None or len(given) != 4 or given[1] != channels:
        msg = f"shape {_written(shapes)} given for timm:{arch}, expected one of the form 1x{channels}x224x224"
        raise InputError(msg)
    if sides is not None and given[2:] != sides:
        msg = f"size {size} and shape {_written(shapes)} given for timm:{arch}; give one of them"
        raise InputError(msg)
    return timm_workload(arch, (given[2], given[3])).at_batch(given[0])


def _sides(arch: str, size: str) -> tuple[int, int]:
    """(height, width) from the text behind the '@'."""
    match = _SIZE.fullmatch(size)
    if match is None:
        msg = f"size '{size}' given for timm:{arch}, expected pixels such as 384 or 256x192 (height x width)"
        raise InputError(msg)
    height = int(match["height"])
    return height, int(match["width"] or height)


def _written(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return " ".join(
        f"{name}={'x'.join(map(str, s))}" if name else "x".join(map(str, s)) for name, s in shapes.items()
    )


def _not_a_model(spec: str) -> str:
    """Message for a text that is none of the three forms."""
    from search_spaces.vision.timm_models import timm_architectures

    names = timm_architectures()
    close = (spec,) if spec in names else nearest(spec, names)
    files = nearest(spec, [p.name for p in Path().glob("*.onnx")])
    return sentence(f"'{spec}' is no network: {FORMS}", did_you_mean([*(f"timm:{n}" for n in close), *files]))


def _from_code(module_name: str, attribute: str, shapes: Mapping[str, tuple[int, ...]]) -> Workload:
    spec = f"{module_name}:{attribute}"
    return _workload_of(spec, _made(module_name, attribute), shapes)


def _made(module_name: str, attribute: str) -> Any:
    """What a user's function returns, or the value that bears the name."""
    from hw_models.workload.graph import Workload
    from search_spaces import torchvision_hook

    torchvision_hook.install()  # a user's module may import torchvision
    spec = f"{module_name}:{attribute}"
    with _working_directory_on_path():
        module = _import(module_name)
        if attribute not in vars(module):
            known = [n for n, v in vars(module).items() if callable(v) or isinstance(v, Workload)]
            raise UnknownNameError(
                "name", spec, [f"{module_name}:{n}" for n in known if not n.startswith("_")], FORMS
            )
        made = vars(module)[attribute]
        if callable(made) and (isinstance(made, type) or not hasattr(made, "forward")):
            made = _called(spec, made)
        return made


def _workload_of(spec: str, made: Any, shapes: Mapping[str, tuple[int, ...]]) -> Workload:
    """The workload of what a user's function returned."""
    from hw_models.workload.graph import Workload

    if isinstance(made, Workload):
        if shapes:
            msg = f"shape {_written(shapes)} given, but {spec} returns a workload, whose shapes are fixed"
            raise InputError(msg)
        return made
    from torch import nn

    from hw_models.workload.from_torch import trace

    module, own_shape = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, nn.Module):
        msg = f"{spec} is a {type(made).__name__}, expected an nn.Module, (nn.Module, shape), or a Workload"
        raise InputError(msg)
    name = spec.rpartition(":")[2]
    if "" in shapes:
        return trace(module, shapes[""], name=name)
    if shapes:
        return trace(module, name=name, inputs=dict(shapes))
    return trace(module, name=name) if own_shape is None else trace(module, own_shape, name=name)


@contextmanager
def _working_directory_on_path() -> Iterator[None]:
    """Look for modules in the working directory first, while this lasts."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(here)


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UnknownNameError("module", name, _modules_near(name), FORMS) from error
        raise InputError(_failed(f"importing {name}", error)) from error
    except CodesignError:
        raise
    except Exception as error:  # whatever a user's module does wrong while it is imported
        raise InputError(_failed(f"importing {name}", error)) from error


def _modules_near(name: str) -> list[str]:
    """Names beside the one that is missing: timm's scheme, modules at hand, those of the same package."""
    import pkgutil

    parent, _, _ = name.rpartition(".")
    if not parent:
        return ["timm", *(m.name for m in pkgutil.iter_modules())]
    try:
        package = importlib.import_module(parent)
    except Exception:  # the package itself is missing or broken: its own name is what is near
        return [".".join([near, name.rpartition(".")[2]]) for near in nearest(parent, _modules_near(parent))]
    return [f"{parent}.{m.name}" for m in pkgutil.iter_modules(getattr(package, "__path__", []))]


def _called(spec: str, function: Any) -> Any:
    try:
        return function()
    except CodesignError:
        raise
    except Exception as error:  # whatever a user's function does wrong
        raise InputError(_failed(f"calling {spec}()", error)) from error


def _failed(what: str, error: Exception) -> str:
    """One line on an error in a user's code, with its place."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{what} failed: {type(error).__name__}: {error} ({frame.filename}:{frame.lineno})"
