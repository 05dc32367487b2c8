"""Networks of `timm_throughput`: timm's own names, in the form that the row says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.vision.timm_models import timm_workload

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork


def build(request: NamedNetwork) -> Workload:
    """The timm architecture of that name at that size.

    Raises:
        UnknownNameError: where timm has no such architecture.
        InputError: where it cannot take that size.
    """
    return timm_workload(request.name, request.img_size, reparameterize=bool(request.reparameterize))
