"""From a path to a checked ONNX model: what is missing, unreadable or empty is said in one line."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import ModelProto

from hw_models.errors import FileError, did_you_mean, nearest, sentence


def load_model(path: Path) -> ModelProto:
    """The model in `path`, its local functions inlined; tensors kept in external files are not loaded.

    Raises:
        FileError: where the file is missing, is not an ONNX model, or holds an empty graph.
    """
    _check_exists(path)
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except _decode_errors() as error:
        raise FileError.at(
            path,
            f"is not an ONNX model, or is cut off ({error}); expected a file written by onnx.save",
        ) from error
    except OSError as error:
        raise FileError.at(path, f"cannot be read: {error.strerror}") from error
    _check_content(path, model)
    return _inlined(path, model)


def _decode_errors() -> tuple[type[Exception], ...]:
    """What protobuf raises on bytes that are no message; it ships no types, so its class is looked up."""
    from importlib import import_module

    decode_error: type[Exception] = import_module("google.protobuf.message").DecodeError
    return (decode_error, ValueError)


def _check_exists(path: Path) -> None:
    if path.is_dir():
        raise FileError.at(path, "is a folder, expected an ONNX file")
    if not path.exists():
        here = [p.name for p in path.parent.glob("*.onnx")] if path.parent.is_dir() else []
        reason = sentence("no such file", did_you_mean(nearest(path.name, here)))
        raise FileError.at(path, reason)


def _check_content(path: Path, model: ModelProto) -> None:
    if not model.HasField("graph") or not model.opset_import:
        raise FileError.at(
            path,
            "is not an ONNX model: no graph or no operator set in it; expected a file written by onnx.save",
        )
    if not model.graph.node:
        raise FileError.at(path, "holds an empty graph: no operator to read")


def _inlined(path: Path, model: ModelProto) -> ModelProto:
    """The model with the functions that it defines itself written out."""
    if not model.functions:
        return model
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except (RuntimeError, ValueError) as error:
        raise FileError.at(path, f"its local functions cannot be inlined: {error}") from error
