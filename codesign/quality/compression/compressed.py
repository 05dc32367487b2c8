"""How good a network is after compression: trained, pruned, masked, tuned and quantised, then counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from codesign.quality.base import Rating
from codesign.quality.training.trained import WORST_SLICE
from hw_models.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from codesign.data.source import Split
    from codesign.quality.compression.distillation import Distillation
    from codesign.quality.compression.formats import Format
    from codesign.quality.compression.network import Network, Pictures
    from codesign.quality.training.plan import TrainingPlan
    from codesign.quality.training.result import Score, TrainingResult
    from codesign.quality.training.trained import TrainedQuality
    from search_spaces.candidate import Candidate
    from search_spaces.compression.space import Compressed

FIDELITY: Final = "fake quantised"
"""Of an error that was counted with values on the grids of their formats, computed in floating point."""


@dataclass(frozen=True)
class CompressedQuality:
    """Rates the candidates of a `Compressed` space; each network is trained once, whatever is done to it.

    Args:
        space: of compressed networks.
        trained: trains the networks of `space.space`.
        tuning: how a network is trained on after channels or weights went, or with its quantisers in place;
            None: not at all.
        distillation: how it then learns from the network before compression; None: from labels alone.
        qat: train on with the quantisers in place.
        calibration: training images that activation ranges are taken from.

    Raises:
        InputError: `trained` is of another space; distillation or QAT without a plan of tuning.
    """

    space: Compressed
    trained: TrainedQuality
    tuning: TrainingPlan | None = None
    distillation: Distillation | None = None
    qat: bool = False
    calibration: int = 512

    def __post_init__(self) -> None:
        if self.trained.space != self.space.space:
            msg = f"'{self.trained.space.name}' trained and '{self.space.space.name}' compressed given"
            raise InputError(f"{msg}, expected the same space")
        if self.tuning is None and (self.qat or self.distillation is not None):
            raise InputError(
                "QAT or distillation without a plan of tuning given, expected one; see TrainingPlan"
            )

    def rate(self, network: Candidate, precision: str) -> Rating:
        """Compress the network as the candidate says and count its errors.

        Raises:
            TrainingError: a training failed.
            InputError: what cannot be compressed.
            UnknownNameError: a precision without a rule of quantisation.
        """
        network = self.space.canonical(network)
        formats = self.formats(network, precision)
        whole, result = self.trained.trained(self.space.network(network))
        module, changed = self.space.compress(network, whole), self._changes(network)
        quantises = any(form is not None for form in formats.values())
        if not (changed or quantises):
            return self.trained.rate(self.space.network(network), "fp32")
        notes = []
        if changed and self.tuning is not None:
            module = self._tuned(module, whole, self._mark(network, ""))
            notes.append(self._told)
        if quantises:
            module = self._quantised(module, whole, formats, result, self._mark(network, precision))
            notes.append(f"quantised: {_listed(formats)}; ranges of {self.calibration} training images")
        score = self._score(module, result)
        error, worst = score.total.error(FIDELITY), score.worst_error(FIDELITY)
        further = {} if worst.value is None else {WORST_SLICE: worst}
        seen = f"error on {score.total.n} {score.split} images; interval: of so many images alone"
        return Rating(error, (seen, *notes, *result.notes), further)

    def formats(self, network: Candidate, precision: str) -> dict[str, Format | None]:
        """Format of each layer of a candidate at a precision of the network."""
        from codesign.quality.compression.formats import format_of
        from search_spaces.compression.groups import layers
        from search_spaces.compression.marks import BASE

        chosen = self.space.chosen(network, "precision")
        told = {p: chosen.get(p, BASE) for p in layers(self.space.workload(network))}
        return {p: format_of(precision if f == BASE else f) for p, f in told.items()}

    def _changes(self, network: Candidate) -> bool:
        """Whether channels or weights go."""
        masked = any(w != "dense" for w in self.space.chosen(network, "weights").values())
        return masked or bool(self.space.plan(network).kept)

    def _tuned(self, module: Any, teacher: Any, mark: str) -> Any:
        from codesign.quality.training.loop import Hooks, train

        plan = self.tuning
        if plan is None:
            return module
        losses = None if self.distillation is None else self.distillation.losses(module, teacher)
        file = Path(self.trained.folder) / "compressed" / f"{mark}.pt"
        file.parent.mkdir(parents=True, exist_ok=True)
        owner = f"{self.space.name} {mark} {self.distillation}"
        train(module, self.trained.data, plan, checkpoint=file, hooks=Hooks(owner=owner, losses=losses))
        return module.eval()

    @property
    def _told(self) -> str:
        epochs = self.tuning.epochs if self.tuning is not None else 0
        taught = ", taught by the network before compression" if self.distillation is not None else ""
        return f"trained on for {epochs} epochs{taught}"

    def _quantised(
        self, module: Any, teacher: Any, formats: dict[str, Format | None], result: TrainingResult, mark: str
    ) -> Any:
        from codesign.quality.compression.fake_quant import quantised, ranges_of
        from codesign.quality.compression.network import Network

        network: Network = Network.of(module, self.trained.data.input_shape)
        ranges = ranges_of(network, self._pictures("train", result, self.calibration).batches())
        known = {p: f for p, f in formats.items() if p in network.layers}
        found = quantised(network, known, ranges)
        return self._tuned(found, teacher, f"{mark}-qat") if self.qat else found

    def _pictures(
        self, split: Literal["train", "val", "test"], result: TrainingResult, most: int | None = None
    ) -> Pictures:
        from codesign.quality.compression.network import Pictures

        return Pictures.of(self.trained.data, split, result, most)

    def _score(self, module: Any, result: TrainingResult) -> Score:
        from codesign.quality.compression.network import logits_of
        from codesign.quality.training.result import Score

        name = self.trained.rated_on
        split: Split = self.trained.data.split(name)
        logits = logits_of(module, self._pictures(name, result).batches())
        wrong = logits.argmax(axis=1) != split.labels
        slices = {s: _count(wrong[mask]) for s, mask in split.slices.items()}
        return Score(name, _count(wrong), slices)

    def _mark(self, network: Candidate, precision: str) -> str:
        told = replace(self.tuning, time_box_s=None).identity() if self.tuning is not None else {}
        from codesign.data.source import digest

        return f"{network.digest}-{precision or 'float'}-{digest(told, self.distillation, self.qat)}"


def _count(wrong: NDArray[np.bool_]) -> Any:
    from codesign.quality.training.result import Count

    return Count(len(wrong), int(wrong.sum()))


def _listed(formats: dict[str, Format | None]) -> str:
    """Layers by format, in words."""
    told: dict[str, int] = {}
    for form in formats.values():
        if form is None:
            name = "floating point"
        else:
            bits = form.activation_bits
            name = f"w{form.weight_bits}a{bits}" if bits else f"w{form.weight_bits}"
        told[name] = told.get(name, 0) + 1
    return ", ".join(f"{n} layers {name}" for name, n in told.items())
