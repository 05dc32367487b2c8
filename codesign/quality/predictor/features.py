"""What is told of a network without training it, for any space: what it counts, else what its graph tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hw_models.errors import CodesignError
from search_spaces.features import Featured, workload_features

if TYPE_CHECKING:
    from codesign.search.cost_aware.known import Counts
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

FloatArray = NDArray[np.float64]


def counts_of(space: SearchSpace) -> Counts | None:
    """What a space counts of its networks; where it counts nothing, what their workloads tell.

    None where the networks have no workload either, as of a table: then the knobs alone are known.
    """
    if isinstance(space, Featured):
        return space.features
    try:
        space.workload(next(iter(space.candidates())))
    except CodesignError:
        return None

    def counts(candidates: Sequence[Candidate]) -> FloatArray:
        return np.array([workload_features(space.workload(c)) for c in candidates])

    return counts


def joined(*counts: Counts) -> Counts:
    """Several counts side by side, such as those of a space and `ProxyQuality.features`."""

    def every(candidates: Sequence[Candidate]) -> FloatArray:
        return np.concatenate([c(candidates) for c in counts], axis=1)

    return every
