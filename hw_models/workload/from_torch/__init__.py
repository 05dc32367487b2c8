"""`trace`: any `torch.nn.Module` into a `Workload`, on the meta device, without its weights.

The way of a module, file by file: `modules` copies it without data, `tracing` runs it once, `recorder` sees
each operator go by, `plans` says what to do with it, `shapes` answers the common ones, `rules` (with
`contractions`, `vector`, `reductions`, `movement`, `recurrent`) turns it into a row, and `ledger` knows
which tensor of the graph each Python tensor stands for.
"""

from hw_models.workload.from_torch.tracing import trace

__all__ = ["trace"]
