"""How good a network is by training it: any space whose networks can be built, every result kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from codesign.quality.base import Rating
from codesign.quality.published import at_precision
from codesign.quality.training.errors import DivergedError
from codesign.quality.training.store import Outcome, Place
from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.data.source import DataSource
    from codesign.quality.training.loop import Hopeless
    from codesign.quality.training.plan import TrainingPlan
    from codesign.quality.training.result import Epoch, Score, TrainingResult
    from codesign.search.stages.stage import Resource, Stage
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

WORST_SLICE: Final = "worst_slice_error_pct"
"""Name of the objective that reads the error on the worst slice."""


@dataclass(frozen=True)
class TrainedQuality:
    """Networks are trained as a plan says, once each, and rated by their error.

    Searches decide on the validation images. The error on the test images is looked at once, at the end of
    the full training, is kept with the result and told in the notes.

    Args:
        space: builds the networks; with as many classes as the data has.
        data: what they are trained on.
        plan: how.
        folder: where results and checkpoints are kept, and found again.
        epochs: epochs after which to stop and rate; None: all of the plan.
        rated_on: the split whose error is the rating.
        own_resolution: train each network at the resolution its cost is told for, and not at the plan's.
        hopeless: asked after every epoch whether to stop.
        progress: told every epoch.

    Raises:
        InputError: a space for another number of classes.
    """

    space: SearchSpace
    data: DataSource
    plan: TrainingPlan
    folder: Path | str
    epochs: int | None = None
    rated_on: Literal["val", "test"] = "val"
    own_resolution: bool = False
    hopeless: Hopeless | None = field(default=None, compare=False)
    progress: Callable[[Candidate, Epoch], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_fits(self.space, self.data, self.plan, own_resolution=self.own_resolution)
        until = self.plan.epochs if self.epochs is None else self.epochs
        if not 1 <= until <= self.plan.epochs:
            msg = f"epochs={self.epochs!r} given, expected 1 to {self.plan.epochs} as the plan has"
            raise InputError(msg)
        if self.rated_on == "test" and until < self.plan.epochs:
            msg = f"rated_on='test' after {until} of {self.plan.epochs} epochs given, expected 'val'"
            raise InputError(msg)

    def rate(self, network: Candidate, precision: str) -> Rating:
        """Train the network, unless that was done, and rate it.

        Raises:
            TrainingError: the training failed; nothing that was there before is lost.
        """
        result = self.result(network)
        score = self._score(result)
        error = score.total.error(result.fidelity)
        rating = at_precision(error, precision, self._note(result, score))
        worst = at_precision(score.worst_error(result.fidelity), precision, "").error
        further = {} if worst.value is None else {WORST_SLICE: worst}
        return Rating(rating.error, (*rating.notes, *result.notes, *self._beside(network)), further)

    def result(self, network: Candidate) -> TrainingResult:
        """What came out of the training of a network, which is trained if it was not yet.

        Raises:
            TrainingError: the training failed.
            StorageError: what is kept cannot be read, or cannot be written.
        """
        network = self.space.canonical(network)
        until = self.plan.epochs if self.epochs is None else self.epochs
        place = self._place(network)
        found = place.read()
        if found is None or not found.answers(until):
            with place.held():
                found = place.read()
                if found is None or not found.answers(until):
                    found = self._train(network, until, place)
        if found.result is None:
            raise DivergedError(found.problem)
        return found.result.at(until)

    def trained(self, network: Candidate) -> tuple[Any, TrainingResult]:
        """The network with the weights of its training, which is done if it was not yet, and what came out.

        Raises:
            TrainingError: the training failed.
            StorageError: what is kept cannot be read.
        """
        from codesign.quality.training.loop import Hooks, train

        network = self.space.canonical(network)
        result, place = self.result(network), self._place(network)
        module, hooks = self.build(network), Hooks(owner=f"{self.space.name} {network.key}")
        with place.held():
            until = result.epochs
            train(
                module, self._data, self._plan(network), checkpoint=place.checkpoint, until=until, hooks=hooks
            )
        return module.eval(), result

    def after(self, epochs: int) -> TrainedQuality:
        """The same, stopped and rated after so many epochs."""
        return replace(self, epochs=epochs, data=self._data)

    def stages(self) -> tuple[Stage, ...]:
        """A stage for each leg of the plan: one training that goes on from checkpoint to checkpoint.

        Raises:
            InputError: charges that do not increase.
        """
        from codesign.search.stages.stage import Resource, training_stages

        last = self.plan.epochs
        named = {
            "full" if leg.epochs == last else f"{leg.epochs} of {last} epochs": Resource(
                leg.epochs, leg.data_fraction, leg.resolution
            )
            for leg in self.plan.parts
        }
        return training_stages(self._to, named, Path(self.folder))

    def _to(self, network: Candidate, precision: str, resource: Resource, folder: Path) -> Rating:  # noqa: ARG002
        """As `codesign.search.stages.stage.Train` has it; the folder is the one a training has anyway."""
        return self.after(int(resource.epochs or self.plan.epochs)).rate(network, precision)

    def build(self, network: Candidate) -> Any:
        """The network as its training starts: its weights follow from the plan's seed."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.plan.seed)
            return self.space.build(network)

    def _train(self, network: Candidate, until: int, place: Place) -> Outcome:
        from codesign.quality.training.loop import Hooks, train

        tell = self.progress
        hooks = Hooks(
            epoch=None if tell is None else lambda epoch: tell(network, epoch),
            hopeless=self.hopeless,
            owner=f"{self.space.name} {network.key}",
        )
        try:
            module = self.build(network)
            plan = self._plan(network)
            result = train(module, self._data, plan, checkpoint=place.checkpoint, until=until, hooks=hooks)
            outcome = Outcome(until, result)
        except DivergedError as error:
            outcome = Outcome(until, None, str(error))
        place.write(outcome)
        return outcome

    @cached_property
    def _data(self) -> DataSource:
        return self.data.in_memory()

    def _plan(self, network: Candidate) -> TrainingPlan:
        return (
            replace(self.plan, resolution=input_side(self.space, network))
            if self.own_resolution
            else self.plan
        )

    def _place(self, network: Candidate) -> Place:
        from codesign.config import fingerprint

        key = {
            "space": fingerprint(self.space),
            "network": network.key,
            "plan": self._plan(network).identity(),
            "data": self.data.fingerprint,
        }
        return Place(Path(self.folder) / network.digest, key)

    def _score(self, result: TrainingResult) -> Score:
        if self.rated_on == "val" or result.test is None:
            return result.val
        return result.test

    def _note(self, result: TrainingResult, score: Score) -> str:
        done = f"{result.epochs} of {result.epochs_asked} epochs on {self.data.title}"
        told = (
            f"error on {score.total.n} {score.split} images after {done}; interval: of so many images alone"
        )
        if result.stopped:
            told = f"{told}; stopped: {result.stopped}"
        if result.test is not None and score.split != "test":
            test = result.test.total
            told = f"{told}; on {test.n} test images, not used to decide: {100 * test.wrong / test.n:.2f} %"
        return told

    def _beside(self, network: Candidate) -> tuple[str, ...]:
        """Where the cost is told for another input than the training saw."""
        seen = self._plan(network).parts[-1].resolution or self.data.input_shape[1]
        costed = input_side(self.space, network)
        if seen == costed:
            return ()
        return (f"trained at {seen} pixels a side, its cost is told for {costed}",)


def check_fits(space: SearchSpace, data: DataSource, plan: TrainingPlan, *, own_resolution: bool) -> None:
    """Refuse what cannot be trained together.

    Raises:
        InputError: a space for another number of classes; a plan that says the resolution, too.
    """
    classes, wanted = getattr(space, "n_classes", None), len(data.classes)
    if classes not in (None, wanted):
        msg = (
            f"'{space.name}' with {classes} classes and '{data.name}' with {wanted} given, "
            f"expected as many; build the space with n_classes={wanted}"
        )
        raise InputError(msg)
    if own_resolution and (plan.legs or plan.resolution):
        raise InputError("own_resolution and a plan with resolution or legs given, expected one of them")


def input_side(space: SearchSpace, network: Candidate) -> int:
    """Pixels of the input's side that a network's cost is told for.

    Raises:
        InputError: a network that takes something else than one batch of images.
    """
    from hw_models.workload.op import TensorKind

    workload = space.workload(network)
    given = [t for t, kind in enumerate(workload.tensor_kind) if kind == TensorKind.INPUT]
    shape = workload.shape(given[0]) if len(given) == 1 else ()
    if len(shape) != 4:
        shapes = [workload.shape(t) for t in given]
        msg = f"'{space.name}' takes {shapes}, expected one batch of images"
        raise InputError(msg)
    return shape[2]
