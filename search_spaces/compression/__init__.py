"""Compression as knobs for any network space: precision of layer groups, pruned channels, 2:4 weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.lazy import lazy_names

if TYPE_CHECKING:
    from search_spaces.compression.groups import layers as layers
    from search_spaces.compression.pruning import prune as prune
    from search_spaces.compression.space import Compressed as Compressed
    from search_spaces.compression.sparse import magnitude as magnitude
    from search_spaces.compression.sparse import sparsify as sparsify

_HOMES: Final = {
    "Compressed": "search_spaces.compression.space",
    "layers": "search_spaces.compression.groups",
    "magnitude": "search_spaces.compression.sparse",
    "prune": "search_spaces.compression.pruning",
    "sparsify": "search_spaces.compression.sparse",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605  (a list of the table's keys)

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
