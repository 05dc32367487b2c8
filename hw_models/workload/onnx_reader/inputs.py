"""Sizes of the network's inputs: from the file, from the user, never guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hw_models.errors import InputError, UnknownNameError
from hw_models.workload.onnx_reader.values import Value, from_array

if TYPE_CHECKING:
    from onnx import GraphProto, TypeProto, ValueInfoProto

Dim = int | str | None
"""A dimension as a file declares it: a number, a name, or nothing."""


@dataclass
class Sizes:
    """What is known of sizes before the graph is walked.

    Attributes:
        inputs: the network's inputs, in the file's order.
        declared: dimensions that the file states for tensors inside the graph.
        symbols: numbers that the named dimensions stand for.
        given: shapes that the user gave for tensors inside the graph.
        batch: leading dimension of the first input that has one.
    """

    inputs: dict[str, Value]
    declared: dict[str, tuple[Dim, ...]]
    symbols: dict[str, int]
    given: dict[str, tuple[int, ...]] = field(default_factory=dict)
    batch: int = 1

    def of(self, name: str) -> tuple[int | None, ...] | None:
        """What is stated for a tensor inside the graph; None where nothing is."""
        if name in self.given:
            return self.given[name]
        if name not in self.declared:
            return None
        return tuple(self.symbols.get(d) if isinstance(d, str) else d for d in self.declared[name])


def bind(
    graph: GraphProto,
    shapes: Mapping[str, Sequence[int]],
    constants: Mapping[str, float | Sequence[float]],
    batch: int | None,
) -> Sizes:
    """Sizes of all inputs of `graph`.

    Args:
        graph: the main graph of the file.
        shapes: shape by tensor name (input, or tensor inside the graph that cannot be sized), or one number
            by the name of a dimension; the name "" stands for the only input.
        constants: value by input name, for inputs that choose a path ("sr").
        batch: number to put where a leading dimension is open.

    Raises:
        InputError: where a name is unknown, a rank or fixed dimension is not met, or a dimension stays open.
    """
    stored = {t.name for t in graph.initializer}
    infos = {i.name: i for i in graph.input if i.name not in stored}
    declared = {name: _declared(info, shapes) for name, info in infos.items()}
    shapes = _named(shapes, declared)
    inner = {v.name: dims for v in (*graph.value_info, *graph.output) if (dims := _dims(v.type)) is not None}
    _check_names(graph, shapes, constants, declared)
    symbols = _symbols(declared, shapes, constants, batch)
    sizes = {
        name: _size(name, dims, shapes.get(name), symbols, first_open=batch)
        for name, dims in declared.items()
    }
    _check_complete(declared, sizes, constants)
    inputs = {name: _input(infos[name], sizes[name], constants) for name in infos}
    lead = next((v.shape[0] for v in inputs.values() if v.shape and not v.constant), 1)
    lead_symbol = next((d[0] for n, d in declared.items() if d and n not in constants), None)
    for name, value in inputs.items():
        value.batched = not value.constant and _grows(value.shape, declared[name], lead, lead_symbol)
    given = {n: tuple(s) for n, s in shapes.items() if n not in infos and n not in symbols}
    return Sizes(inputs, inner, symbols, given, max(lead, 1))


def _dims(type_proto: TypeProto) -> tuple[Dim, ...] | None:
    """Declared dimensions; None where not even the rank is. Some exporters write 0 or -1 for an open one."""
    tensor = type_proto.tensor_type
    if not type_proto.HasField("tensor_type") or not tensor.HasField("shape"):
        return None
    return tuple(d.dim_value if d.dim_value > 0 else (d.dim_param or None) for d in tensor.shape.dim)


def _declared(info: ValueInfoProto, shapes: Mapping[str, Sequence[int]]) -> tuple[Dim, ...]:
    dims = _dims(info.type)
    if dims is not None:
        return dims
    if not info.type.HasField("tensor_type"):
        msg = f"input '{info.name}' is a {info.type.WhichOneof('value')}, expected a tensor"
        raise InputError(msg)
    if info.name not in shapes:
        msg = f"input '{info.name}' states no rank; give its shape: --shape {info.name}=<d0>x<d1>x..."
        raise InputError(msg)
    return (None,) * len(shapes[info.name])


def _named(
    shapes: Mapping[str, Sequence[int]], declared: Mapping[str, tuple[Dim, ...]]
) -> dict[str, tuple[int, ...]]:
    """The shapes with the anonymous one given to the only input that has dimensions."""
    named = {name: tuple(int(d) for d in shape) for name, shape in shapes.items()}
    if "" in named:
        candidates = [n for n, d in declared.items() if d] or list(declared)
        if len(candidates) != 1:
            msg = (
                f"a shape without a name given, but the network has {len(declared)} inputs: {flags(declared)}"
            )
            raise InputError(msg)
        named[candidates[0]] = named.pop("")
    return named


def _check_names(
    graph: GraphProto,
    shapes: Mapping[str, Sequence[int]],
    constants: Mapping[str, float | Sequence[float]],
    declared: Mapping[str, tuple[Dim, ...]],
) -> None:
    symbols = {d for dims in declared.values() for d in dims if isinstance(d, str)}
    inner = {name for node in graph.node for name in node.output}
    for name in shapes:
        if name not in declared and name not in symbols and name not in inner:
            raise UnknownNameError(
                "input", name, [*declared, *symbols], f"the inputs are {listing(declared)}"
            )
    for name in constants:
        if name not in declared:
            raise UnknownNameError("input", name, declared, f"the inputs are {listing(declared)}")
    for name, shape in shapes.items():
        if any(d < 1 for d in shape):
            msg = f"shape {times(shape)} given for '{name}', expected positive dimensions"
            raise InputError(msg)
        if name in declared and not declared[name] and len(shape) == 1:
            msg = f"input '{name}' is a scalar and has no shape; give its value: --constant {name}={shape[0]}"
            raise InputError(msg)
        if name in declared and len(declared[name]) != len(shape):
            msg = (
                f"shape {times(shape)} given for input '{name}' has rank {len(shape)}, expected rank "
                f"{len(declared[name])}: {times(declared[name])}"
            )
            raise InputError(msg)


def _symbols(
    declared: Mapping[str, tuple[Dim, ...]],
    shapes: Mapping[str, tuple[int, ...]],
    constants: Mapping[str, float | Sequence[float]],
    batch: int | None,
) -> dict[str, int]:
    """Numbers of the named dimensions; a name that gets two numbers is refused."""
    named = {d for dims in declared.values() for d in dims if isinstance(d, str)} - set(declared)
    symbols = {name: shape[0] for name, shape in shapes.items() if name in named and len(shape) == 1}
    source = dict.fromkeys(symbols, "what was given for it")
    for name in (n for n in declared if n in shapes):
        for dim, number in zip(declared[name], shapes[name], strict=True):
            if not isinstance(dim, str) or not _is_name(dim):
                continue
            if symbols.setdefault(dim, number) != number:
                msg = (
                    f"dimension '{dim}' is {symbols[dim]} in {source[dim]} but {number} in '{name}'; "
                    "expected one number for it"
                )
                raise InputError(msg)
            source.setdefault(dim, f"'{name}'")
    if batch is not None:
        for name, dims in declared.items():
            if dims and isinstance(dims[0], str) and _is_name(dims[0]) and name not in constants:
                symbols.setdefault(dims[0], batch)
    return symbols


def _is_name(dim: str) -> bool:
    """Whether a dimension's text is a name: equal wherever it stands, unlike '?' and '-1'."""
    return dim not in {"?", "-1", "None"}


def _size(
    name: str,
    dims: tuple[Dim, ...],
    given: tuple[int, ...] | None,
    symbols: Mapping[str, int],
    first_open: int | None,
) -> tuple[int | None, ...]:
    """Dimensions of one input; None where one stays open."""
    if given is not None:
        fixed = [
            (i, d, g)
            for i, (d, g) in enumerate(zip(dims, given, strict=True))
            if isinstance(d, int) and d != g
        ]
        if fixed:
            i, d, g = fixed[0]
            msg = (
                f"shape {times(given)} given for input '{name}', but the file fixes it at {times(dims)}: "
                f"dimension {i} is {d}, not {g}; export the network again with that dimension dynamic"
            )
            raise InputError(msg)
        return given
    sizes = [symbols.get(d) if isinstance(d, str) else d for d in dims]
    if sizes and sizes[0] is None:
        sizes[0] = first_open
    return tuple(sizes)


def _check_complete(
    declared: Mapping[str, tuple[Dim, ...]],
    sizes: Mapping[str, tuple[int | None, ...]],
    constants: Mapping[str, float | Sequence[float]],
) -> None:
    still_open = {n: declared[n] for n, size in sizes.items() if None in size and n not in constants}
    if not still_open:
        return
    flag_texts = flags(still_open)
    example = " ".join(f"--shape {name}={_example(dims)}" for name, dims in still_open.items())
    only_first = all(None not in sizes[n][1:] for n in still_open)
    also = " (or only --batch 1, as no other dimension is open)" if only_first else ""
    raise InputError(
        f"dynamic dimensions in {listing(still_open)}; give their sizes: {flag_texts}, for example "
        f"{example}{also}"
    )


def _example(dims: tuple[Dim, ...]) -> str:
    """A shape that a user may start from: batch 1, pixels 224, anything else 128."""
    usual = 224 if len(dims) == 4 else 128
    return times([d if isinstance(d, int) else 1 if i == 0 else usual for i, d in enumerate(dims)])


def _input(
    info: ValueInfoProto, size: tuple[int | None, ...], constants: Mapping[str, float | Sequence[float]]
) -> Value:
    elem_type = info.type.tensor_type.elem_type
    if info.name in constants:
        from onnx.helper import tensor_dtype_to_np_dtype

        given = from_array(info.name, np.asarray(constants[info.name], tensor_dtype_to_np_dtype(elem_type)))
        if len(given.shape) != len(size):
            msg = f"value of rank {len(given.shape)} given for input '{info.name}', expected rank {len(size)}"
            raise InputError(msg)
        return given
    sources = frozenset((info.name,))
    return Value(info.name, tuple(d for d in size if d is not None), elem_type, sources=sources)


def _grows(shape: tuple[int, ...], dims: tuple[Dim, ...], lead: int, lead_symbol: Dim) -> bool:
    """Whether an input grows with the batch: it has the first input's leading dimension, by name or size."""
    if not shape:
        return False
    named = isinstance(lead_symbol, str) and _is_name(lead_symbol) and lead_symbol in dims
    return named or shape[0] == lead


def times(dims: Sequence[Dim]) -> str:
    """A shape as the command line writes it: 1x3x224x224."""
    return "x".join("?" if d is None else str(d) for d in dims) or "scalar"


def listing(declared: Mapping[str, tuple[Dim, ...]]) -> str:
    """Inputs with their declared dimensions."""
    return ", ".join(f"'{name}' ({times(dims)})" for name, dims in declared.items())


def flags(declared: Mapping[str, tuple[Dim, ...]]) -> str:
    """The flags that would size these inputs; every open dimension in angle brackets."""
    return " ".join(
        f"--shape {name}={times([_bracketed(d, i) for i, d in enumerate(dims)])}"
        for name, dims in declared.items()
    )


def _bracketed(dim: Dim, position: int) -> Dim:
    """An open dimension as a place to fill in: by its name where that is a word, else by its position."""
    if isinstance(dim, int):
        return dim
    return f"<{dim}>" if dim is not None and dim.isidentifier() else f"<d{position}>"
