"""`cd.validate`: predicted against measured, with networks found by their timm names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hw_models.validation import Validation
    from hw_models.workload.graph import Workload


def validate(data: str | Path | None = None, **options: Any) -> Validation:
    """Predict every measured row that can be predicted, and score the predictions.

    Args:
        data: directory with files of the known names; None: the rows that ship.
        **options: as `hw_models.validation.validate` takes them.
    """
    from hw_models import validation

    return validation.validate(data, resolver=timm_network, **options)


def timm_network(model: str, img_size: int | None, reparameterize: bool) -> Workload:
    """A network by its timm name, the resolver that `hw_models.validation` is handed."""
    from search_spaces.vision.timm_models import timm_workload

    return timm_workload(model, img_size, reparameterize=reparameterize)
