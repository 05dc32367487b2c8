"""`cd.validate`: predicted against measured, with networks rebuilt by their published names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hw_models.validation import Validation


def validate(data: str | Path | None = None, **options: Any) -> Validation:
    """Predict every measured row that can be predicted, and score the predictions.

    Args:
        data: directory with files of the known names; None: the rows that ship.
        **options: as `hw_models.validation.validate` takes them.
    """
    from hw_models import validation
    from search_spaces.published.catalogue import published_network

    return validation.validate(data, resolver=published_network, **options)
