"""A torch module as an ONNX file, for timing alone: the weights are what they are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import torch
from torch import nn

from hw_models.errors import MissingExtraError, TraceError

LARGE_BYTES: Final = 1.5e9
"""Weights above this go into a file beside the network: a protobuf message ends at 2 GiB."""


def to_onnx(module: nn.Module, inputs: Sequence[torch.Tensor], path: Path) -> Path:
    """Write the module with torch's exporter and return the file.

    Raises:
        MissingExtraError: where onnxscript is not installed.
        TraceError: where the module cannot be exported.
    """
    if find_spec("onnxscript") is None:
        raise MissingExtraError("exporting to ONNX needs onnxscript; pip install 'codesign[measure]'")
    large = sum(t.nbytes for t in (*module.parameters(), *module.buffers())) > LARGE_BYTES
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # deprecations inside the exporter are not the caller's
            torch.onnx.export(
                module.eval(), tuple(inputs), str(path), dynamo=True, external_data=large, verbose=False
            )
    except Exception as error:  # the exporter raises whatever the traced code raises
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise TraceError(
            f"{type(module).__name__} cannot be exported to ONNX: {reason}; time it with --runtime torch"
        ) from error
    return path
