"""What to call a built network with, read from its workload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from hw_models.workload.op import Precision, TensorKind

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload


def zeros_for(workload: Workload, device: str = "cpu") -> list[torch.Tensor]:
    """A tensor of zeros for each input of the network, in order."""
    fed = [t for t in range(workload.n_tensors) if workload.tensor_kind[t] == TensorKind.INPUT]
    whole = [int(workload.tensor_precision[t]) == Precision.INT64 for t in fed]
    return [
        torch.zeros(workload.shape(t), dtype=torch.long if w else torch.float32, device=device)
        for t, w in zip(fed, whole, strict=True)
    ]
