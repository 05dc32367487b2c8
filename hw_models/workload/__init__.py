"""What a network computes and moves, and the readers that find it out."""

from hw_models.workload.graph import Op, Tensor, Workload, WorkloadBuilder
from hw_models.workload.op import LOOP_DIMS, OpKind, Precision, TensorKind

__all__ = ["LOOP_DIMS", "Op", "OpKind", "Precision", "Tensor", "TensorKind", "Workload", "WorkloadBuilder"]
