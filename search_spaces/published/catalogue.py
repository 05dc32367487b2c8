"""Which data sets name networks that can be rebuilt, and who rebuilds them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from hw_models.errors import UnknownNameError

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

BUILDERS: Final[Mapping[str, str]] = {
    "drobotics_rdkx5_latency": "search_spaces.published.drobotics",
    "hailo_fps": "search_spaces.published.hailo",
    "measured": "search_spaces.published.timm_throughput",
    "mlperf_edge_closed": "search_spaces.published.mlperf",
    "mlperf_edge_grid": "search_spaces.published.mlperf",
    "mlperf_mobile": "search_spaces.published.mlperf",
    "mlperf_tiny": "search_spaces.published.mlperf",
    "paddleclas_latency": "search_spaces.published.paddleclas",
    "profile": "search_spaces.published.timm_throughput",
    "qualcomm_aihub_latency": "search_spaces.published.qualcomm_aihub",
    "rockchip_fps": "search_spaces.published.rockchip",
    "ti_tidl_evm_latency": "search_spaces.published.ti",
    "timm_throughput": "search_spaces.published.timm_throughput",
    "vitis_ai_dpu_fps": "search_spaces.published.vitis_ai",
}
"""Data set -> module with `build(request: NamedNetwork) -> Workload`; what is timed here has timm's names."""


def published_network(request: NamedNetwork) -> Workload:
    """The network that a row of a published table measured, at batch 1.

    Args:
        request: the network as the table names it, with what the table says of it. Parameters and MACs are
            used to choose between networks of one name; whether they agree is for the caller to check.

    Raises:
        UnknownNameError: a data set, or a name in it, that nobody can rebuild.
        InputError: a network that cannot take the input that is stated.
    """
    if request.dataset not in BUILDERS:
        raise UnknownNameError("data set of networks", request.dataset, BUILDERS)
    workload: Workload = import_module(BUILDERS[request.dataset]).build(request)
    return workload
