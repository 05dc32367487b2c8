"""Reads the layers that ZigZag (release 3.9) would cost: of its YAML workloads, and of an ONNX network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np

from hw_models.cost.tiled.loopnest.layer import Layer, Window
from hw_models.cost.tiled.loopnest.mapping import INPUT, OUTPUT, WEIGHT
from hw_models.cost.tiled.loopnest.yaml_file import Steps, YamlFile
from hw_models.cost.tiled.problem import Problems
from hw_models.errors import InputError
from hw_models.workload.onnx_nodes import OnnxNode, onnx_nodes

_OPERANDS: Final = {"O": OUTPUT, "W": WEIGHT, "I": INPUT}
_FIELDS: Final = (
    "id",
    "name",
    "operator_type",
    "equation",
    "dimension_relations",
    "loop_dims",
    "loop_sizes",
    "operand_precision",
    "operand_source",
    "pr_loop_dims",
    "pr_loop_sizes",
    "padding",
)
_TERM: Final = re.compile(r"([A-Z])((?:\[\w*\])+)")
_RELATION: Final = re.compile(r"^(\w+)\s*=\s*(?:(\w+)\s*\*\s*)?(\w+)\s*\+\s*(?:(\w+)\s*\*\s*)?(\w+)$")
_CONTRACTIONS: Final = frozenset({"Conv", "QLinearConv", "Gemm", "MatMul"})
_CONV: Final = "O[b][g][k][oy][ox]+=W[g][k][c][fy][fx]*I[b][g][c][iy][ix]"


def load_zigzag_workload(file: Path | str) -> tuple[Layer, ...]:
    """Layers of a workload in ZigZag's YAML.

    Raises:
        FileError: it is missing, unreadable or wrong inside.
    """
    document = YamlFile.read(file)
    if not isinstance(document.root, list) or not document.root:
        document.wrong((), "expected a list of layers")
    layers = [_yaml_layer(document, (i,)) for i in range(len(document.sequence(())))]
    document.raise_if_wrong()
    return tuple(layer for layer in layers if layer is not None)


def _yaml_layer(document: YamlFile, here: Steps) -> Layer | None:
    given = document.mapping(here, _FIELDS)
    before = len(document.findings)
    kind = document.need((*here, "operator_type"), str, "an operator")
    equation = document.need((*here, "equation"), str, "an equation such as O[k]+=W[k][c]*I[c]")
    dims, sizes = document.sequence((*here, "loop_dims")), document.sequence((*here, "loop_sizes"))
    if not dims or len(dims) != len(sizes) or not all(isinstance(s, int) and s >= 1 for s in sizes):
        document.wrong((*here, "loop_sizes"), f"is {list(sizes)}; expected one size for each of {list(dims)}")
    precision = document.mapping((*here, "operand_precision"), ("O", "O_final", "W", "I"))
    for key in ("O", "O_final"):
        document.need((*here, "operand_precision", key), int, "bits of an element")
    relations = [str(r) for r in document.sequence((*here, "dimension_relations"))]
    for i, relation in enumerate(relations):
        if _RELATION.match(relation) is None:
            document.wrong((*here, "dimension_relations", i), f"is {relation!r}; expected 'ix=2*ox+1*fx'")
    if len(document.findings) > before:
        return None
    extents = {str(d).lower(): int(s) for d, s in zip(dims, sizes, strict=True)}
    axes = [str(d).lower() for d in given.get("pr_loop_dims") or ()]
    stored = dict(zip(axes, given.get("pr_loop_sizes") or (), strict=False))
    padding = dict(zip(axes, given.get("padding") or (), strict=False))
    name = given.get("name") or f"Layer{given.get('id', here[-1])}"
    try:
        return layer_of(str(name), kind, equation, extents, precision, relations, stored, padding)
    except InputError as error:
        document.wrong((*here, "equation"), str(error))
        return None


def layer_of(
    name: str,
    kind: str,
    equation: str,
    extents: Mapping[str, int],
    precision: Mapping[str, int],
    relations: Sequence[str] = (),
    stored: Mapping[str, int] | None = None,
    padding: Mapping[str, Sequence[int]] | None = None,
) -> Layer:
    """A layer from ZigZag's terms.

    Args:
        name: for tables.
        kind: its operator, by which a mapping is chosen.
        equation: such as `O[b][k]+=W[k][c]*I[b][c]`.
        extents: loop -> size, lower case, in order.
        precision: bits of O (partial sum), O_final, W, I.
        relations: axes of the input that two loops share, `ix=2*ox+1*fx`.
        stored: axis -> positions stored; where none is given they follow from the loops.
        padding: axis -> positions before and after that are not stored.

    Raises:
        InputError: the equation is not one of O, W and I.
    """
    terms = [(op, tuple(d.lower() for d in re.findall(r"\w+", dims))) for op, dims in _TERM.findall(equation)]
    if sorted(op for op, _ in terms) != ["I", "O", "W"] or terms[0][0] != "O":
        raise InputError(f"is {equation!r}; expected one output O and two inputs, W and I")
    dims = dict(terms)
    windows = tuple(_window(r, extents, stored or {}, padding or {}) for r in relations)
    axes = {match[1].lower() for r in relations if (match := _RELATION.match(r)) is not None}
    holders = [_OPERANDS[op] for op, names in terms if axes & set(names)]
    walks = [tuple(d for d in dims[op] if d not in axes) for op in ("O", "W", "I")]
    order = tuple(_OPERANDS[op] for op, _ in terms)
    full, final = precision["O"], precision["O_final"]
    return Layer(
        name,
        dict(extents),
        (walks[0], walks[1], walks[2]),
        windows,
        holders[0] if holders else INPUT,
        (full, precision.get("W", 0), precision.get("I", 0), final),
        (order[0], order[1], order[2]),
        kind,
    )


def _window(
    relation: str, extents: Mapping[str, int], stored: Mapping[str, int], padding: Mapping[str, Sequence[int]]
) -> Window:
    match = _RELATION.match(relation)
    if match is None:
        raise InputError(f"is {relation!r}; expected 'ix=2*ox+1*fx'")
    axis, outer, tap = match[1].lower(), match[3].lower(), match[5].lower()
    steps = (int(match[2] or 1), int(match[4] or 1))
    free = Window(outer, tap, *steps, size=2**62).span(extents.get(outer, 1), extents.get(tap, 1))
    return Window(outer, tap, *steps, size=int(stored.get(axis, free - sum(padding.get(axis, ())))))


def load_zigzag_onnx(file: Path | str) -> tuple[Layer, ...]:
    """The convolutions and matrix products of an ONNX network, as ZigZag reads them; the rest costs nothing.

    ZigZag takes the first entry of `kernel_shape` and `strides` for the columns; kept, for costs to be equal.

    Source: ZigZag 3.9.1, zigzag/parser/onnx.

    Raises:
        FileError: it is missing, no ONNX file, or its shapes are not inferred.
    """
    return tuple(
        _onnx_conv(node) if node.op.endswith("Conv") else _onnx_gemm(node)
        for node in onnx_nodes(file, _CONTRACTIONS)
    )


def _precision(attributes: Mapping[str, Any], constant: bool) -> dict[str, int]:
    act = int(attributes.get("act_size", 8))
    weight = int(attributes.get("weight_size", 8)) if constant else act
    return {"W": weight, "I": act, "O_final": act, "O": int(attributes.get("output_size", 2 * act))}


def _onnx_conv(node: OnnxNode) -> Layer:
    attributes, given, out = node.attributes, node.given, node.out
    kernel = list(attributes["kernel_shape"])
    strides = list(attributes.get("strides", [1, 1]))
    dilations = list(attributes.get("dilations", [1, 1]))
    groups = int(attributes.get("group", 1))
    extents = {
        "b": max(out[0], 1),
        "k": ceil(out[1] / groups),
        "g": groups,
        "ox": out[3],
        "oy": out[2],
        "c": ceil(given[1] / groups),
        "fx": kernel[0],
        "fy": kernel[1],
    }
    relations = [f"ix={strides[0]}*ox+{dilations[0]}*fx", f"iy={strides[1]}*oy+{dilations[1]}*fy"]
    stored = {"ix": given[3], "iy": given[2]}
    return layer_of(node.name, node.op, _CONV, extents, _precision(attributes, True), relations, stored)


def _onnx_gemm(node: OnnxNode) -> Layer:
    out, constant = node.out, node.computed < 2
    rows = node.given[::-1] if node.attributes.get("transA", 0) else node.given
    outer = dict(zip(("b", "h"), (max(1, size) for size in rows[:-2]), strict=False))
    extents = {"c": rows[-1], "d": rows[-2], "k": out[-1], **outer}
    batch = "".join(f"[{d}]" for d in outer)
    equation = f"O{batch}[d][k]+=I{batch}[d][c]*W{'' if constant else batch}[c][k]"
    return layer_of(node.name, node.op, equation, extents, _precision(node.attributes, constant))


def problems_of(layers: Sequence[Layer]) -> Problems:
    """The same contractions as `Problems`, their loops merged by the operands they walk through."""
    rows, steps, spreads, sizes = [], [], [], []
    for layer in layers:
        taps = {w.tap: w for w in layer.windows}
        outer = {w.outer: w for w in layer.windows}
        row = dict.fromkeys(("n", "g", "k", "c", "oy", "ox", "fy", "fx"), 1)
        for dim, size in layer.sizes.items():
            if dim in taps or dim in outer:
                row[("f" if dim in taps else "o") + dim[-1]] *= size
                continue
            in_o, in_w, in_i = (dim in walk for walk in layer.walks)
            place = "g" if in_o and in_w and in_i else "k" if in_o and in_w else "c" if in_w else "n"
            row["ox" if place == "n" and not layer.windows else place] *= size
        by_axis = {w.outer[-1]: w for w in layer.windows}
        rows.append(list(row.values()))
        windows = [by_axis.get(axis) for axis in "yx"]
        steps.append([w.outer_step if w else 1 for w in windows])
        spreads.append([w.tap_step if w else 1 for w in windows])
        sizes.append([w.size if w else row["o" + axis] for w, axis in zip(windows, "yx", strict=True)])
    bits = np.array([layer.bits for layer in layers], np.float64)
    found = Problems.of(rows, stride=np.array(steps), dilation=np.array(spreads), in_size=np.array(sizes))
    found.weight_bits[:], found.input_bits[:], found.output_bits[:] = bits[:, 1], bits[:, 2], bits[:, 3]
    return found
