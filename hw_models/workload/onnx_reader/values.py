"""Tensors of an ONNX graph while it is being walked, and what their element types mean to us."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import onnx
from onnx import TensorProto, TypeProto, helper, numpy_helper

from hw_models.workload.op import Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

KNOWN_VALUE_LIMIT: Final = 1 << 16
"""Elements up to which the value of a constant is kept; larger ones (weights) keep only their shape."""

_PRECISION: Final[dict[int, Precision]] = {
    TensorProto.FLOAT: Precision.FP32,
    TensorProto.DOUBLE: Precision.FP64,
    TensorProto.FLOAT16: Precision.FP16,
    TensorProto.BFLOAT16: Precision.BF16,
    TensorProto.FLOAT8E4M3FN: Precision.FP8,
    TensorProto.FLOAT8E4M3FNUZ: Precision.FP8,
    TensorProto.FLOAT8E5M2: Precision.FP8,
    TensorProto.FLOAT8E5M2FNUZ: Precision.FP8,
    TensorProto.INT64: Precision.INT64,
    TensorProto.UINT64: Precision.INT64,
    TensorProto.INT32: Precision.INT32,
    TensorProto.UINT32: Precision.INT32,
    TensorProto.INT16: Precision.INT16,
    TensorProto.UINT16: Precision.INT16,
    TensorProto.INT8: Precision.INT8,
    TensorProto.UINT8: Precision.UINT8,
    TensorProto.INT4: Precision.INT4,
    TensorProto.UINT4: Precision.INT4,
    TensorProto.BOOL: Precision.BOOL,
    TensorProto.COMPLEX64: Precision.COMPLEX64,
    TensorProto.COMPLEX128: Precision.COMPLEX128,
}
if hasattr(TensorProto, "FLOAT4E2M1"):  # onnx >= 1.18
    _PRECISION[TensorProto.FLOAT4E2M1] = Precision.FP4

_WEIGHT_PRECISIONS: Final = frozenset(
    {
        Precision.FP64,
        Precision.FP32,
        Precision.BF16,
        Precision.FP16,
        Precision.FP8,
        Precision.FP4,
        Precision.INT8,
        Precision.UINT8,
        Precision.INT4,
        Precision.COMPLEX64,
    }
)


@dataclass(eq=False, slots=True)
class Value:
    """One tensor of the file: its size is always known, its value where it is small and constant.

    Attributes:
        name: the tensor's name in the file.
        shape: dimensions as plain numbers.
        elem_type: ONNX element type code.
        data: the value, where it is known.
        constant: does not depend on what the network is given, so that no row computes it at run time.
        batched: its elements grow with the batch.
        stored: False for a constant that the reader itself made up (an empty state): no weight.
        parameter: False for stored statistics of the training data: a weight in memory, no parameter.
        stored_as: precision in which the file stores a constant that is de-quantised on the way to its user.
        sources: inputs of the network that it depends on.
        items: the tensors of a list; None for a tensor.
        index: position among the workload's tensors; None while no row uses it.
    """

    name: str
    shape: tuple[int, ...]
    elem_type: int
    data: NDArray[np.generic] | None = None
    constant: bool = False
    batched: bool = False
    stored: bool = True
    parameter: bool = True
    stored_as: Precision | None = None
    sources: frozenset[str] = frozenset()
    items: list[Value] | None = None
    index: int | None = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def precision(self) -> Precision:
        """Number format in memory; text, for which there is none, counts as one byte an element."""
        return self.stored_as or _PRECISION.get(self.elem_type, Precision.UINT8)

    @property
    def is_weight(self) -> bool:
        """Whether a constant is a parameter rather than an index table or a scalar."""
        return self.constant and self.stored and self.elements > 1 and self.precision in _WEIGHT_PRECISIONS

    def type_proto(self) -> TypeProto:
        """The type as shape inference wants it."""
        return helper.make_tensor_type_proto(self.elem_type, self.shape)

    def tensor_proto(self, name: str) -> TensorProto | None:
        """The value as shape inference wants it; None where it is unknown."""
        return None if self.data is None else numpy_helper.from_array(np.asarray(self.data), name)


def from_tensor(tensor: TensorProto, name: str | None = None) -> Value:
    """A constant stored in the file; of one in an external file only the shape is known."""
    value = Value(name or tensor.name, tuple(tensor.dims), tensor.data_type, constant=True)
    external = tensor.data_location == TensorProto.EXTERNAL
    if not external and value.elements <= KNOWN_VALUE_LIMIT:
        value.data = numpy_helper.to_array(tensor)
    return value


def from_array(name: str, array: NDArray[np.generic]) -> Value:
    """A constant that was evaluated while reading."""
    array = np.asarray(array)
    return Value(name, array.shape, helper.np_dtype_to_tensor_dtype(array.dtype), array, constant=True)


def from_sparse(tensor: onnx.SparseTensorProto) -> Value:
    """A sparse constant, counted as the dense tensor that it stands for."""
    return Value(tensor.values.name, tuple(tensor.dims), tensor.values.data_type, constant=True)
