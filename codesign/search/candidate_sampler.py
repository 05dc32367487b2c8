"""What samplers that propose whole candidates have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import optuna
from typing_extensions import override

if TYPE_CHECKING:
    import numpy as np
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from codesign.search.samplers import Codec


class CandidateSampler(optuna.samplers.BaseSampler):
    """Proposes all knobs of a space together; a knob asked for alone, which no study does, is drawn.

    Args:
        codec: of the space that is searched.
        rng: of the random choices.
    """

    def __init__(self, codec: Codec, rng: np.random.Generator) -> None:
        self._codec, self._rng = codec, rng

    @override
    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._codec.distributions()

    @override
    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return optuna.samplers.RandomSampler(seed=int(self._rng.integers(2**31))).sample_independent(
            study, trial, param_name, param_distribution
        )
