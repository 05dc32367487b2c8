"""The real thing: a network exported, quantised by ONNX Runtime and run by it.

Layers of a configuration get QDQ nodes at what they read and at their weights; everything else stays in
floating point.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from codesign.quality.compression.formats import Format, format_of
from codesign.quality.compression.paired import PairedDrop, paired
from hw_models.errors import InputError, MissingExtraError, TraceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codesign.quality.compression.network import Images, Network

BATCH: Final = 250
"""Images of one run, where nobody says."""
OPERATORS: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")
RANGES: Final = "ranges.json"
WIDE_BITS: Final = 16
"""Bits of activations that are to stay in floating point: ONNX Runtime quantises what a node reads as a rule,
and at 16 bits that changes next to nothing."""


@dataclass(frozen=True)
class Ptq:
    """A network in ONNX Runtime, ready to be quantised in any configuration.

    Attributes:
        folder: of the files.
        nodes: path of a layer -> name of its node.
        read: path of a layer -> name of the tensor that it reads; weights: of its weights.
        name: of the graph's input.
        calibration: images that activation ranges are taken from, once for all configurations.
        batch: images of one run; the graph is exported for so many, and the last run is filled up.
    """

    folder: Path
    nodes: Mapping[str, str]
    read: Mapping[str, str]
    weights: Mapping[str, str]
    name: str
    calibration: Images
    batch: int = BATCH

    @classmethod
    def of(cls, network: Network, calibration: Images, folder: Path | str, batch: int = BATCH) -> Ptq:
        """Export a network.

        Args:
            network: with norms folded.
            calibration: images that activation ranges are taken from.
            folder: for the files.
            batch: images of one run.

        Raises:
            MissingExtraError: ONNX Runtime or the exporter is not installed.
            TraceError: the network cannot be exported, or a layer is not found in the graph.
        """
        if find_spec("onnxruntime") is None:
            raise MissingExtraError(
                "measuring a quantised network needs onnxruntime; pip install 'codesign[measure]'"
            )
        import onnx

        from hw_models.measured.timers.to_onnx import to_onnx

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        example = torch.zeros(batch, *network.input_shape)
        to_onnx(network.module, [example], place / "float.onnx")
        (place / RANGES).unlink(missing_ok=True)
        graph = onnx.load(str(place / "float.onnx")).graph
        made = cls(place, *_layers_in(graph, network), graph.input[0].name, calibration, batch)
        made.quantise(dict.fromkeys(made.nodes, "int8"), "int8")  # leaves the ranges of all tensors
        return made

    def quantise(self, precisions: Mapping[str, str], name: str = "quantised") -> Path:
        """Quantise layers by ONNX Runtime; the file.

        Args:
            precisions: of layers by path; what is left out stays in floating point.
            name: of the file.

        Raises:
            UnknownNameError: a layer that there is not, or a precision without a rule of quantisation.
        """
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

        formats = {path: form for path, p in precisions.items() if (form := format_of(p)) is not None}
        self._check(formats)
        target = self.folder / f"{name}.onnx"
        source = self.folder / "float.onnx"
        if not formats:
            target.write_bytes(source.read_bytes())
            return target
        options = {
            "TensorQuantOverrides": self._overrides(formats),
            "OpTypesToExcludeOutputQuantization": list(OPERATORS),
            "QuantizeBias": False,
            "UseQDQContribOps": True,
        }
        with _quiet():
            quantize_static(
                str(source),
                str(target),
                _Reader(self.calibration, self.name, self.batch),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                calibrate_method=CalibrationMethod.MinMax,
                op_types_to_quantize=list(OPERATORS),
                nodes_to_quantize=[self.nodes[p] for p in formats],
                calibration_cache_path=str(self.folder / RANGES),
                extra_options=options,
            )
        return target

    def measure(self, precisions: Mapping[str, str], images: Images) -> PairedDrop:
        """What a configuration loses on images against the network in floating point, both run here.

        Raises:
            InputError: labels of the images are not known.
            UnknownNameError: a layer that there is not, or a precision without a rule of quantisation.
        """
        if images.labels is None:
            raise InputError(
                "images without labels tell no accuracy; compare `logits` of the two files instead"
            )
        quantised = self.quantise(precisions)
        return paired(
            self.logits(self.folder / "float.onnx", images), self.logits(quantised, images), images.labels
        )

    def logits(self, file: Path, images: Images) -> NDArray[np.float32]:
        """(n, classes) what a file answers to images."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        found = []
        for x, n in _filled(images, self.batch):
            found.append(session.run(None, {name: x})[0][:n])
        return np.concatenate(found)

    def _check(self, formats: Mapping[str, Format]) -> None:
        from hw_models.errors import UnknownNameError

        for path, form in formats.items():
            if path not in self.nodes:
                raise UnknownNameError("layer", path, self.nodes, f"the graph has {len(self.nodes)} layers")
            wrong = form.weight_bits not in (4, 8, 16) or form.activation_bits not in (8, 16, None)
            if wrong:
                told = f"{form.weight_bits} bit weights and {form.activation_bits} bit activations"
                raise InputError(
                    f"'{path}' with {told} given: ONNX Runtime runs 4, 8 or 16 and 8, 16 or float"
                )

    def _overrides(self, formats: Mapping[str, Format]) -> dict[str, list[dict[str, Any]]]:
        """Types tensor by tensor; a tensor that several layers read has the fewest bits that one asks for."""
        from onnxruntime.quantization import QuantType

        weight = {4: QuantType.QInt4, 8: QuantType.QInt8, 16: QuantType.QInt16}
        bits: dict[str, int] = {}
        found: dict[str, list[dict[str, Any]]] = {}
        for path, form in formats.items():
            read = self.read[path]
            bits[read] = min(bits.get(read, WIDE_BITS), form.activation_bits or WIDE_BITS)
            found[self.weights[path]] = [
                {"quant_type": weight[form.weight_bits], "axis": 0, "symmetric": True}
            ]
        for read, n in bits.items():
            found[read] = [{"quant_type": QuantType.QUInt8 if n == 8 else QuantType.QUInt16}]
        return found


class _Reader:
    """Calibration images as ONNX Runtime asks for them."""

    def __init__(self, images: Images, name: str, batch: int) -> None:
        self._name = name
        self._batches: Iterator[tuple[NDArray[np.float32], int]] = _filled(images, batch)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next batch; None: there is none."""
        found = next(self._batches, None)
        return None if found is None else {self._name: found[0]}


def _filled(images: Images, batch: int) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Batches of the exported size and how many of their images count; the last one is filled up."""
    for x in images.batches(batch):
        n = len(x)
        values = x.numpy()
        if n < batch:
            values = np.concatenate([values, np.repeat(values[-1:], batch - n, axis=0)])
        yield values, n


def _layers_in(graph: Any, network: Network) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Node, input and weights of each layer, found by the name of its weights."""
    by_weight = {i: node for node in graph.node if node.op_type in OPERATORS for i in node.input[1:2]}
    through = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Transpose"}
    weights = {**{w: w for w in by_weight}, **{through[w]: w for w in by_weight if w in through}}
    nodes, read, held = {}, {}, {}
    for path in network.layers:
        name = weights.get(f"{path}.weight")
        if name is None:
            raise TraceError(
                f"layer '{path}' is not in the exported graph under its name; leave it out, "
                "or measure with fake quantisation"
            )
        node = by_weight[name]
        nodes[path], read[path], held[path] = node.name, node.input[0], name
    return nodes, read, held


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the library prints and warns about its own steps."""
    import warnings

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
