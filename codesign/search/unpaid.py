"""What is told without being paid for: what no way of running makes feasible, and what is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from codesign.search.cost_aware.known import allowed_ways

if TYPE_CHECKING:
    from codesign.evaluate import Evaluation, Evaluator
    from codesign.search.free import Free
    from codesign.search.warm_start import WarmStart
    from search_spaces.candidate import Candidate


def paid_if_allowed(evaluator: Evaluator, free: Free, wanted: Sequence[Candidate]) -> Iterator[Evaluation]:
    """One evaluation for each, in order; without quality where the constraints forbid all ways to run it.

    Args:
        evaluator: what is asked where something is allowed.
        free: what is known before anything is paid.
        wanted: canonical candidates.
    """
    costs, _ = free.look([free.ways.trained(c) for c in wanted])
    allowed: list[bool] = np.any(allowed_ways(costs), axis=1).tolist()
    paid = iter(evaluator([c for c, ok in zip(wanted, allowed, strict=True) if ok]))
    for candidate, ok in zip(wanted, allowed, strict=True):
        found = next(paid if ok else iter(free.evaluator.free([candidate])), None)
        if found is None:
            return
        yield found


def paid_if_unknown(
    evaluator: Evaluator, free: Free, start: WarmStart, wanted: Sequence[Candidate]
) -> Iterator[Evaluation]:
    """One evaluation for each, in order; what earlier studies paid for is not paid again.

    Args:
        evaluator: what is asked where nothing is known.
        free: what is known before anything is paid.
        start: what earlier studies paid for.
        wanted: canonical candidates.
    """
    known = start.evaluations(free, wanted)
    paid = iter(evaluator([c for c in wanted if c not in known]))
    for candidate in wanted:
        found = known.get(candidate) or next(paid, None)
        if found is None:
            return
        yield found
