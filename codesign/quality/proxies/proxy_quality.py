"""Networks of a space ranked by a proxy: a quality whose error is unknown, for the first stage of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from codesign.quality.proxies.score import ProxyScore
from hw_models.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codesign.data.source import DataSource
    from codesign.quality.base import Rating
    from codesign.quality.proxies.batches import Batches
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

ENSEMBLE: Final = ("parameters", "synflow", "naswot")
"""Members of a rank ensemble where nothing else is said. Source: own choice, one of each kind: how large, how
well connected, how many linear pieces."""


@dataclass(frozen=True)
class ProxyQuality:
    """Ranks networks with their weights as drawn; nothing is trained.

    A rating's error stays unknown; its figure `rank_score` is of fidelity `proxy`. In a study it is the
    quality of a stage before the last, or the objective `rank_score`. It is the same at every precision.

    Args:
        space: whose networks are ranked.
        proxies: names; of several the rank ensemble.
        data: whose training images are shown; None: noise.
        smaller: a space with the same knobs whose networks are built in place of those of `space`, and are
            quicker; None: the networks themselves.
        batch: images of a batch.
        reference: networks drawn from the space that an ensemble ranks each network among.
        seed: of weights, images and reference.

    Raises:
        UnknownNameError: a proxy that there is not.
        InputError: no proxy, or a smaller space with other knobs.
    """

    space: SearchSpace
    proxies: tuple[str, ...] = ("synflow",)
    data: DataSource | None = None
    smaller: SearchSpace | None = None
    batch: int = 64
    reference: int = 64
    seed: int = 0
    _known: dict[Candidate, dict[str, ProxyScore]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        from codesign.quality.proxies.definitions import proxy_of

        if isinstance(self.proxies, str) or not self.proxies:
            msg = f"proxies={self.proxies!r} given, expected one or more names, such as ('synflow', 'naswot')"
            raise InputError(msg)
        for name in self.proxies:
            proxy_of(name)
        if self.smaller is not None and dict(self.smaller.knobs) != dict(self.space.knobs):
            msg = f"'{self.smaller.name}' as the smaller '{self.space.name}' given, expected the same knobs"
            raise InputError(msg)
        if self.batch < 2 or self.reference < 2:
            msg = f"batch={self.batch!r}, reference={self.reference!r} given, expected 2 or more of each"
            raise InputError(msg)

    @property
    def name(self) -> str:
        """Of the score: its proxy, or all of an ensemble."""
        return self.proxies[0] if len(self.proxies) == 1 else f"mean rank of {', '.join(self.proxies)}"

    def rate(self, network: Candidate, precision: str) -> Rating:  # noqa: ARG002 - what is not trained has none
        """The rank score of a network under `rank_score`; the error is unknown."""
        on = f" of {self.smaller.name} with the same knobs, smaller" if self.smaller is not None else ""
        note = (
            f"ranked by {self.name}{on}, untrained, on {self.batches.title}: no accuracy, and the same at "
            "every precision"
        )
        return self.score(network).rating((note,))

    def score(self, network: Candidate) -> ProxyScore:
        """The rank score of a network; of several proxies the mean of its ranks in the reference."""
        found = self.scores(network)
        if len(self.proxies) == 1:
            return found[self.proxies[0]]
        lacking = next((s for s in found.values() if s.value is None), None)
        if lacking is not None:
            return ProxyScore(self.name, None, "mean rank", lacking.reason)
        shares = [rank_in(self._reference[n], s.value or 0.0) for n, s in found.items()]
        return ProxyScore.of(self.name, float(np.mean(shares)), "mean rank")

    def scores(self, network: Candidate) -> dict[str, ProxyScore]:
        """The scores of a network by the name of the proxy."""
        from codesign.quality.proxies.definitions import scores

        network = self.space.canonical(network)
        if network not in self._known:
            built = self.space if self.smaller is None else self.smaller
            workload = built.workload(network) if "macs" in self.proxies else None
            self._known[network] = scores(self._drawn(network), self.batches, self.proxies, workload)
        return self._known[network]

    def features(self, networks: Sequence[Candidate]) -> NDArray[np.float64]:
        """(n, p) scores as features of a predictor; NaN where a proxy gives none."""
        rows = [[self.scores(c)[p].value for p in self.proxies] for c in networks]
        return np.array(rows, np.float64).reshape(len(networks), len(self.proxies))

    @cached_property
    def batches(self) -> Batches:
        """What networks are shown."""
        from codesign.quality.proxies.batches import noise, of_data

        if self.data is not None:
            return of_data(self.data, batch=self.batch, seed=self.seed)
        built = self.space if self.smaller is None else self.smaller
        side = int(getattr(built, "resolution", 224))
        classes = int(getattr(built, "n_classes", 1000))
        shape = getattr(built, "input_shape", (1, 3, side, side))[1:]
        return noise(shape, classes, batch=self.batch, seed=self.seed)

    @cached_property
    def _reference(self) -> dict[str, NDArray[np.float64]]:
        """Sorted scores of networks drawn from the space, by proxy."""
        rng = np.random.default_rng([self.seed, 2])
        drawn = [self.scores(self.space.sample(rng)) for _ in range(self.reference)]
        found = {}
        for name in self.proxies:
            values = [s[name].value for s in drawn]
            found[name] = np.sort(np.array([v for v in values if v is not None]))
        return found

    def _drawn(self, network: Candidate) -> Any:
        """The network with weights that follow from the seed alone."""
        import torch

        built = self.space if self.smaller is None else self.smaller
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return built.build(network)


def rank_in(reference: NDArray[np.float64], value: float) -> float:
    """Share of the sorted reference below a value, equal ones counted half; between two of them by length.

    Source: mean of ranks over proxies: Chen, Gong, Wang: Neural Architecture Search on ImageNet in Four GPU
    Hours (TE-NAS), ICLR 2021; ranks among a fixed sample, so that who else is asked never counts.
    """
    n = len(reference)
    below, upto = np.searchsorted(reference, value, "left"), np.searchsorted(reference, value, "right")
    return float(below + upto) / (2 * n) if n else 0.0
