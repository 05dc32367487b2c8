"""How good a network is with the weights of a supernet: a rank, checked against training alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from codesign.quality.base import Rating
from codesign.quality.published import at_precision
from codesign.quality.supernet.agreement import FEWEST, RANKS_FROM, RankAgreement, read, write
from codesign.quality.training.errors import DivergedError
from codesign.quality.training.store import Outcome, Place
from codesign.quality.training.trained import WORST_SLICE, TrainedQuality, check_fits, input_side
from hw_models.cost.base import Estimate
from hw_models.errors import CodesignError, InputError

if TYPE_CHECKING:
    import torch

    from codesign.data.source import DataSource, Split
    from codesign.quality.supernet.net import Kernels, SuperNet
    from codesign.quality.training.plan import TrainingPlan
    from codesign.quality.training.result import Epoch, Score, TrainingResult
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

FIDELITY: Final = "supernet"
SHARING: Final = 1
"""Version of what is shared and how; weights of another one are refused."""
CALIBRATED_AT_ONCE: Final = 256


class DoesNotRankError(CodesignError):
    """A supernet that was not shown to rank networks as training them alone does."""


@dataclass(frozen=True)
class SupernetQuality:
    """Networks are rated with the weights of one supernet, which is trained when the first one is asked for.

    A rating is the error on the validation images after the batch norms of that network were calibrated. It
    ranks, and is not the error that the network reaches when it is trained alone. So it is given only once
    `compare` has trained at least 30 networks alone and found Kendall's tau to be at least 0.6.

    Args:
        space: networks that share weights; with as many classes as the data has.
        data: what they are trained on.
        plan: of the supernet's training.
        folder: where its weights and the comparison are kept, and found again.
        n_random: networks of a step besides the largest and the smallest.
        kernels: how small kernels are cut from large ones; as `SuperNet` has it.
        own_resolution: images are scaled to the side that a network's cost is told for: the resolution is
            elastic, too.
        calibrated_on: training images from which batch norms are calibrated.
        allow_unranked: rate without a comparison, or with one that failed; every rating says so.
        progress: told every epoch of the supernet.

    Raises:
        InputError: a space for another number of classes, or a number that makes no sense.
    """

    space: SearchSpace
    data: DataSource
    plan: TrainingPlan
    folder: Path | str
    n_random: int = 2
    kernels: Kernels = "transformed"
    own_resolution: bool = False
    calibrated_on: int = 1024
    allow_unranked: bool = False
    progress: Callable[[Epoch], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_fits(self.space, self.data, self.plan, own_resolution=self.own_resolution)
        for name, least in (("n_random", 0), ("calibrated_on", 2)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                msg = f"{name}={value!r} given, expected an integer of at least {least}"
                raise InputError(msg)

    # -- the supernet ----------------------------------------------------------------------------------

    @cached_property
    def trained(self) -> tuple[SuperNet, TrainingResult]:
        """The supernet with its weights, trained unless that was done, and how its training went.

        The errors of the result are those of the largest network.

        Raises:
            TrainingError: the training failed.
            StorageError: weights of another space, data, plan or version, or a file that cannot be read.
        """
        place = self._place
        net = self._untrained()
        with place.held():
            known = place.read()
            if known is not None and known.result is None:
                raise DivergedError(known.problem)
            try:
                result = self._run(net, place)
            except DivergedError as error:
                place.write(Outcome(self.plan.epochs, None, str(error)))
                raise
            if result.epochs_paid or known is None:
                place.write(Outcome(self.plan.epochs, result))
        return net.eval(), result

    def _untrained(self) -> SuperNet:
        from codesign.quality.supernet.net import SuperNet

        return SuperNet(
            self.space, kernels=self.kernels, own_resolution=self.own_resolution, seed=self.plan.seed
        )

    def _run(self, net: SuperNet, place: Place) -> TrainingResult:
        from codesign.quality.supernet.sandwich import Sandwich
        from codesign.quality.training.loop import Hooks, train

        losses = Sandwich(net, self.n_random, self.plan.label_smoothing)
        hooks = Hooks(epoch=self.progress, owner=self._owner, losses=losses)
        return train(net, self._data, self.plan, checkpoint=place.checkpoint, hooks=hooks)

    @property
    def _owner(self) -> str:
        from codesign.config import fingerprint

        (space, knobs), *_ = fingerprint(self.space).items()
        where = "its own resolution" if self.own_resolution else "the data's resolution"
        return (
            f"supernet {SHARING} of {space} {knobs}, {self.n_random} random networks a step, kernels "
            f"{self.kernels}, each network at {where}"
        )

    @cached_property
    def _place(self) -> Place:
        key = {"supernet": self._owner, "plan": self.plan.identity(), "data": self.data.fingerprint}
        return Place(Path(self.folder), key)

    @cached_property
    def _data(self) -> DataSource:
        return self.data.in_memory()

    # -- networks --------------------------------------------------------------------------------------

    def network(self, network: Candidate) -> Any:
        """The network by itself: the module that the space builds, shared weights, its own batch norms.

        Raises:
            InputError: a candidate that is none of the space.
        """
        from codesign.quality.supernet.net import calibrate

        net, _ = self.trained
        network = self.space.canonical(network)
        return calibrate(net.extract(network), self._seen(network))

    def score(self, network: Candidate) -> Score:
        """How the network does with shared weights, on the validation images.

        Raises:
            InputError: a candidate that is none of the space.
        """
        from codesign.quality.training.device import device_of, repeatable
        from codesign.quality.training.loop import scored

        network = self.space.canonical(network)
        found = self._scores.get(network)
        if found is None:
            with repeatable(device_of(self.plan)):
                module, split = self.network(network), self._data.val
                every = np.arange(len(split))
                found = scored(module, "val", split, self._batches(split, every, network))
            self._scores[network] = found
        return found

    @cached_property
    def _scores(self) -> dict[Candidate, Score]:
        return {}

    def _seen(self, network: Candidate) -> Iterator[torch.Tensor]:
        """Training images to calibrate on, evenly spaced, as the network sees them."""
        split = self._data.train
        n = min(self.calibrated_on, len(split))
        return self._batches(split, np.unique(np.linspace(0, len(split) - 1, n).astype(np.int64)), network)

    def _batches(self, split: Split, at: Any, network: Candidate) -> Iterator[torch.Tensor]:
        from codesign.quality.training.device import device_of
        from codesign.quality.training.feed import Feed, Normal

        net, result = self.trained
        normal = Normal(result.mean, result.std)
        feed = Feed(self._data, self.plan, normal, device_of(self.plan))
        for some in np.array_split(at, math.ceil(len(at) / CALIBRATED_AT_ONCE)):
            yield net.scaled(feed.plain_at(split, some, self.plan.parts[-1]), network)

    # -- ranking ---------------------------------------------------------------------------------------

    @property
    def agreement(self) -> RankAgreement | None:
        """What `compare` found of these weights; None: they were never compared.

        Raises:
            StorageError: a file that is no comparison of this supernet.
        """
        found = read(self._file, self._compared)
        return found if found is not None and found.weights == self._weights else None

    @cached_property
    def _weights(self) -> str:
        from codesign.quality.supernet.net import weights_digest

        return weights_digest(self.trained[0])

    def compare(
        self,
        alone: TrainedQuality,
        n: int = FEWEST,
        *,
        seed: int = 0,
        progress: Callable[[Candidate, float, float], None] | None = None,
    ) -> RankAgreement:
        """Train networks alone and say how far the supernet ranks them alike; kept with the weights.

        A run that is cut off goes on where it was: networks that were trained are found again. The errors
        of training alone are those on the test images, so that no luck of the validation images is in both.

        Args:
            alone: how networks are trained alone, on the same data.
            n: networks, drawn at random and all different.
            seed: of the draw.
            progress: told each network, its error with shared weights and alone, in per cent.

        Raises:
            InputError: another space or other data, fewer than 3 networks, more than there are.
            TrainingError: a training failed.
        """
        self._check_alone(alone)
        networks = self.drawn(n, seed)
        shared, errors, params = [], [], []
        for network in networks:
            result = alone.result(network)
            shared.append(_error_pct(self.score(network)))
            errors.append(_error_pct(result.score))
            params.append(int(self.space.workload(network).params))
            if progress is not None:
                progress(network, shared[-1], errors[-1])
        what = f"{result.score.split} error after {result.epochs} epochs, {result.fidelity}"
        found = RankAgreement(
            tuple(c.key for c in networks),
            tuple(shared),
            tuple(errors),
            tuple(params),
            what,
            self._weights,
        )
        write(self._file, self._compared, found)
        return found

    def rate(self, network: Candidate, precision: str) -> Rating:
        """The error of a network with shared weights, where these may rank.

        Its interval is what 90 % of the compared networks scattered by; without a comparison that of so many
        images alone.

        Raises:
            DoesNotRankError: never compared, with too few networks, or tau below 0.6.
            InputError: a candidate that is none of the space.
            TrainingError: the training of the supernet failed.
        """
        network = self.space.canonical(network)
        agreement = self.agreement
        warning = self._refusal(agreement)
        if warning and not self.allow_unranked:
            raise DoesNotRankError(warning)
        score = self.score(network)
        error = score.total.error(FIDELITY)
        if agreement is not None and error.value is not None:
            reach = agreement.scatter
            low, high = max(0.0, error.value - reach), min(100.0, error.value + reach)
            error = Estimate(error.value, low, high, FIDELITY, "%")
        rating = at_precision(error, precision, self._note(score))
        worst = at_precision(score.worst_error(FIDELITY), precision, "").error
        marks = (f"NOT SHOWN TO RANK: {warning}",) if warning else ()
        told = () if agreement is None else (agreement.told,)
        further = {} if worst.value is None else {WORST_SLICE: worst}
        return Rating(rating.error, (*marks, *told, *rating.notes, *self._beside(network)), further)

    def _refusal(self, agreement: RankAgreement | None) -> str:
        """Why this supernet may not rank; "": it may."""
        if agreement is not None and agreement.ranks:
            return ""
        anyway = "SupernetQuality(..., allow_unranked=True) rates anyway, marked"
        if agreement is None:
            why = "the supernet was never compared with networks trained alone"
            return f"{why}; `compare(TrainedQuality(...))` does it with {FEWEST} of them; {anyway}"
        if agreement.n < FEWEST:
            why = f"the supernet was compared with {agreement.n} networks trained alone, {FEWEST} are needed"
            return f"{why}; `compare(TrainedQuality(...), n={FEWEST})` goes on; {anyway}"
        low, high = agreement.interval
        return (
            f"the supernet does not rank as training alone does: Kendall tau {agreement.tau:.2f} "
            f"(90 % {low:.2f} to {high:.2f}) over {agreement.n} networks, expected at least {RANKS_FROM}; "
            f"train it longer, narrow the space, or rate with TrainedQuality; {anyway}"
        )

    def _note(self, score: Score) -> str:
        _, result = self.trained
        return (
            f"error on {score.total.n} val images with shared weights after {result.epochs} of "
            f"{result.epochs_asked} epochs on {self.data.title}, batch norms calibrated on "
            f"{min(self.calibrated_on, len(self.data.train))} images: it ranks, and is not the error of a "
            "network trained alone"
        )

    def _beside(self, network: Candidate) -> tuple[str, ...]:
        costed = input_side(self.space, network)
        seen = costed if self.own_resolution else self.plan.parts[-1].resolution or self.data.input_shape[1]
        return () if seen == costed else (f"seen at {seen} pixels a side, its cost is told for {costed}",)

    def _check_alone(self, alone: TrainedQuality) -> None:
        from codesign.config import fingerprint

        if fingerprint(alone.space) != fingerprint(self.space):
            given, mine = alone.space.name, self.space.name
            msg = f"trainings of '{given}' given, expected the supernet's '{mine}' with the same knobs"
            raise InputError(msg)
        if alone.data.fingerprint != self.data.fingerprint:
            msg = f"trainings on {alone.data!r} given, expected the supernet's {self.data!r}"
            raise InputError(msg)
        if alone.own_resolution != self.own_resolution:
            told = f"own_resolution={alone.own_resolution}"
            msg = f"trainings with {told} given, expected {self.own_resolution} as the supernet has"
            raise InputError(msg)

    def drawn(self, n: int = FEWEST, seed: int = 0) -> tuple[Candidate, ...]:
        """The networks that `compare` trains alone.

        Raises:
            InputError: fewer than 3 networks, or more than there are.
        """
        if not 3 <= n <= self.space.size:
            msg = f"n={n} networks given, expected 3 to {self.space.size}"
            raise InputError(msg)
        rng, found = np.random.default_rng(seed), dict[Any, None]()
        for _ in range(100 * n):
            found.setdefault(self.space.sample(rng))
            if len(found) == n:
                return tuple(found)
        msg = f"n={n} networks given, but the space has hardly more than {len(found)} different ones"
        raise InputError(msg)

    @property
    def _compared(self) -> dict[str, Any]:
        """What a comparison is of: the weights, and how they are made ready for a rating."""
        return {**self._place.key, "calibrated_on": self.calibrated_on}

    @property
    def _file(self) -> Path:
        return self._place.file.with_name(f"{self._place.stem}.{self.calibrated_on}.agreement.json")


def _error_pct(score: Score) -> float:
    return 100.0 * score.total.wrong / score.total.n
