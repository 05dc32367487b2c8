"""What evaluates the candidates of a study that brings no evaluator, and what it may know unpaid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codesign.evaluate import CostEvaluator
from codesign.search.free import Free, TellsCosts
from codesign.search.guards import need_known_names
from codesign.tabular import TableEvaluator
from hw_models.errors import InputError
from search_spaces.product import Product
from search_spaces.tabular.described import DescribedTable

if TYPE_CHECKING:
    from codesign.config import StudyConfig
    from codesign.evaluate import Evaluator
    from codesign.objectives import Demands
    from codesign.quality.base import Quality
    from codesign.search.samplers import SamplerChoice
    from search_spaces.space import SearchSpace


def cost_evaluator(
    space: SearchSpace, config: StudyConfig, demands: Demands, quality: Quality | None, *, staged: bool
) -> Evaluator:
    """Cost model and quality of a joint space; a table looks its rows up.

    Args:
        space: what is searched.
        config: cost model, lowering, batch, rate.
        demands: objectives and constraints.
        quality: how good a network is; None: what is published.
        staged: whether stages tell the quality.

    Raises:
        InputError: a space without chips; an accuracy is asked for that nobody tells.
        UnknownNameError: a cost model or a lowering that there is not.
    """
    if isinstance(space, DescribedTable):
        return TableEvaluator(space)
    if not isinstance(space, Product):
        msg = (
            f"the space '{space.name}' has no chips; "
            "multiply it by some (`space * chips`), or pass an evaluator"
        )
        raise InputError(msg)
    need_known_names(config.model, config.lowering)
    made = CostEvaluator(space, quality, config.rate_hz, config.batch, config.model, config.lowering)
    asked = {o.name for o in demands.objectives} | {b.name for b in demands.constraints}
    if staged:
        made.quality = None
    elif made.quality is None and asked & {"error_pct", "top1_pct"}:
        msg = (
            f"no accuracy is published for the networks of '{space.networks.name}', but "
            f"{sorted(asked & {'error_pct', 'top1_pct'})[0]} is asked for; pass quality=, or leave it out"
        )
        raise InputError(msg)
    return made


def what_is_free(
    evaluator: Evaluator, demands: Demands, space: SearchSpace, sampler: SamplerChoice
) -> Free | None:
    """What may be known before anything is paid; None: nothing.

    Raises:
        InputError: nothing, and the sampler needs it.
    """
    free = Free.of(evaluator, demands, space)
    if free is None and sampler.needs_costs:
        paid = evaluator.paid if isinstance(evaluator, TellsCosts) else ()
        why = f"one objective of {', '.join(paid)}" if paid else "an evaluator with `paid` and `free`"
        msg = (
            f"sampler '{sampler.name}' with the objectives {', '.join(demands.names())} given, "
            f"expected {why}: it looks at costs before it trains; 'local' needs neither"
        )
        raise InputError(msg)
    return free
