"""What may be built, and its workload without building it: spaces of networks and of chips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.lazy import lazy_names
from search_spaces import torchvision_hook

if TYPE_CHECKING:
    from search_spaces.candidate import Candidate as Candidate
    from search_spaces.catalogue import list_spaces as list_spaces
    from search_spaces.catalogue import load_space as load_space
    from search_spaces.knobs import Bool as Bool
    from search_spaces.knobs import Choice as Choice
    from search_spaces.knobs import IntRange as IntRange
    from search_spaces.product import Product as Product
    from search_spaces.space import SearchSpace as SearchSpace

_HOMES: Final = {
    "Bool": "search_spaces.knobs",
    "Candidate": "search_spaces.candidate",
    "Choice": "search_spaces.knobs",
    "IntRange": "search_spaces.knobs",
    "Product": "search_spaces.product",
    "SearchSpace": "search_spaces.space",
    "list_spaces": "search_spaces.catalogue",
    "load_space": "search_spaces.catalogue",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  (a list of the table's keys)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)

torchvision_hook.install()
