"""`trace`: any `torch.nn.Module` into a `Workload`, on the meta device, without its weights."""

from hw_models.workload.from_torch.trace import trace

__all__ = ["trace"]
