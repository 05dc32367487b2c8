"""What a chip makes of a network: workloads, chips, costs. Names load what they need when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.lazy import lazy_names

if TYPE_CHECKING:
    from hw_models.cost.arrays import CostGrid as CostGrid
    from hw_models.cost.base import Cost as Cost
    from hw_models.cost.base import Estimate as Estimate
    from hw_models.cost.estimate import compare as compare
    from hw_models.cost.estimate import estimate as estimate
    from hw_models.cost.estimate import estimate_many as estimate_many
    from hw_models.errors import CodesignError as CodesignError
    from hw_models.lowering import lower as lower
    from hw_models.spec.accelerator import Accelerator as Accelerator
    from hw_models.spec.load import list_chips as list_chips
    from hw_models.spec.load import load_chip as load_chip
    from hw_models.workload.from_onnx import read_onnx as read_onnx
    from hw_models.workload.from_tflite import read_tflite as read_tflite
    from hw_models.workload.from_torch import trace as trace
    from hw_models.workload.graph import Workload as Workload

_HOMES: Final = {
    "Accelerator": "hw_models.spec.accelerator",
    "CodesignError": "hw_models.errors",
    "Cost": "hw_models.cost.base",
    "CostGrid": "hw_models.cost.arrays",
    "Estimate": "hw_models.cost.base",
    "Workload": "hw_models.workload.graph",
    "compare": "hw_models.cost.estimate",
    "estimate": "hw_models.cost.estimate",
    "estimate_many": "hw_models.cost.estimate",
    "list_chips": "hw_models.spec.load",
    "load_chip": "hw_models.spec.load",
    "lower": "hw_models.lowering",
    "read_onnx": "hw_models.workload.from_onnx",
    "read_tflite": "hw_models.workload.from_tflite",
    "trace": "hw_models.workload.from_torch",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  (a list of the table's keys)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
