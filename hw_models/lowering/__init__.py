"""Workload -> kernels, as the compiler of a class of chip would make them."""

from hw_models.lowering.lower import LOWERINGS, lower, lowered
from hw_models.lowering.precision import SCHEMES

__all__ = ["LOWERINGS", "SCHEMES", "lower", "lowered"]
