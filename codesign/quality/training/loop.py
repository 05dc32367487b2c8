"""The training loop: an epoch is a function of the weights it starts from, the plan and its number.

So a training that was killed, or that stops early and goes on later, ends with the weights of one that did
neither.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from codesign.quality.training import checkpoint as files
from codesign.quality.training.device import device_of, memory_told, repeatable
from codesign.quality.training.errors import DivergedError, TrainingError
from codesign.quality.training.feed import Feed, Normal
from codesign.quality.training.result import Count, Epoch, Score, TrainingResult
from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.data.source import DataSource, Split
    from codesign.quality.training.plan import Leg, TrainingPlan

Hopeless = Callable[[Sequence[Epoch]], str | None]
"""Told every epoch so far: why it is no use to go on, or None."""

Losses = Callable[[torch.Tensor, torch.Tensor], Iterable[torch.Tensor]]
"""What a batch costs, in parts whose gradients add up; they decide the outcome, so `owner` must name them."""

LOOKED_AT: Final = 32
"""Steps after which the losses are looked at: often enough to stop early, and no wait for a GPU at each."""
_AUTOCAST: Final = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Hooks:
    """What is told while a training runs.

    Attributes:
        epoch: called after every epoch.
        hopeless: asked after every epoch but the last whether to stop.
        owner: space and candidate that a checkpoint belongs to.
        losses: of a batch (images, labels), each carried back as it comes, before one step is made; None:
            cross-entropy with the labels.
    """

    epoch: Callable[[Epoch], None] | None = None
    hopeless: Hopeless | None = None
    owner: str = ""
    losses: Losses | None = None


def train(
    module: nn.Module,
    data: DataSource,
    plan: TrainingPlan,
    *,
    checkpoint: Path | str | None = None,
    until: int | None = None,
    hooks: Hooks | None = None,
) -> TrainingResult:
    """Train a network from the weights it has, or on from its checkpoint; the module has the weights then.

    Args:
        module: (n, C, H, W) to logits (n, classes).
        data: what is learnt from.
        plan: how.
        checkpoint: written after every epoch, gone on from where it exists.
        until: epochs to stop at; None: all of the plan. The test images are looked at after the last alone.
        hooks: what is told meanwhile.

    Raises:
        InputError: a device that is not there, a network that does not fit the data.
        DivergedError: a loss that is no number.
        TrainingError: not one epoch within the time box.
        TooLargeError: memory ran out.
        StorageError: a checkpoint of something else, or one that cannot be written.
    """
    stop = plan.epochs if until is None else until
    if not 1 <= stop <= plan.epochs:
        msg = f"until={until!r} given, expected 1 to {plan.epochs} epochs"
        raise InputError(msg)
    device = device_of(plan)
    with repeatable(device), memory_told(module, plan, device):
        run = _Run(
            module, data.in_memory(), plan, device, hooks or Hooks(), Path(checkpoint) if checkpoint else None
        )
        return run.to(stop)


class _Run:
    """One training in progress."""

    def __init__(
        self,
        module: nn.Module,
        data: DataSource,
        plan: TrainingPlan,
        device: torch.device,
        hooks: Hooks,
        path: Path | None,
    ) -> None:
        self.module, self.data, self.plan, self.device, self.hooks, self.path = (
            module,
            data,
            plan,
            device,
            hooks,
            path,
        )
        self.identity = files.Identity(files.shape_of(module), data.fingerprint, plan, hooks.owner)
        module.to(device)
        self.optimiser = _optimiser(module, plan)
        self.scaler = torch.amp.GradScaler(device.type, enabled=plan.precision == "fp16")
        stored = files.load(path, self.identity, device) if path else None
        self.history: list[Epoch] = []
        self.test: Score | None = None
        self.normal = Normal.of(data.train) if stored is None else Normal(*map(tuple, stored["normal"]))
        self.feed = Feed(data, plan, self.normal, device)
        if stored is None:
            self._try_shape()
        else:
            self._restore(stored["state"])
            self.history = [Epoch.from_dict(e) for e in stored["history"]]
            self.test = None if stored["test"] is None else Score.from_dict(stored["test"])

    def to(self, stop: int) -> TrainingResult:
        """Go on to an epoch, and tell."""
        began, before, stopped = time.monotonic(), len(self.history), ""
        box = self.plan.time_box_s
        while len(self.history) < stop and not stopped:
            number = len(self.history) + 1
            last = self.history[-1].seconds if number > before + 1 else 0.0
            left = math.inf if box is None else box - (time.monotonic() - began)
            done = None if last > left else self._epoch(number, left)
            if done is None:
                stopped = f"time box of {box:g} s after {number - 1} of {stop} epochs"
                break
            self.history.append(done)
            self._save()
            if self.hooks.epoch is not None:
                self.hooks.epoch(done)
            if self.hooks.hopeless is not None and number < stop:
                stopped = self.hooks.hopeless(tuple(self.history)) or ""
        if not self.history:
            msg = f"not one epoch within the {stopped}; give it more time, or a smaller data_fraction"
            raise TrainingError(msg)
        if len(self.history) == self.plan.epochs and self.test is None:
            self.test = self._score("test", self.plan.parts[-1])
            self._save()
        return self._result(stop, len(self.history) - before, stopped)

    def _result(self, stop: int, paid: int, stopped: str) -> TrainingResult:
        whole = TrainingResult(
            epochs=len(self.history),
            epochs_asked=self.plan.epochs,
            epochs_paid=paid,
            history=tuple(self.history),
            val=self.history[-1].val,
            test=self.test,
            mean=self.normal.mean,
            std=self.normal.std,
            stopped=stopped,
            notes=(f"trained on {self.data.title}", *self.data.notes),
        )
        return whole.at(stop)

    def _epoch(self, number: int, seconds: float) -> Epoch | None:
        """One epoch; None, and everything as before it, where it takes longer than that."""
        began, leg = time.monotonic(), self.plan.leg_at(number)
        start = None if math.isinf(seconds) else copy.deepcopy(self._state())
        batches = self.feed.epoch(number, leg)
        seed = int(np.random.SeedSequence([self.plan.seed, number]).generate_state(1)[0])
        rng = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.module.train()
        losses: list[torch.Tensor] = []
        rate = 0.0
        for step, at in enumerate(batches, 1):
            rate = self.plan.rate_at((number - 1 + step / len(batches)) / self.plan.epochs)
            losses.append(self._step(*self.feed.batch(at, leg, rng), rate))
            if step % LOOKED_AT == 0 or step == len(batches):
                self._check(losses, number)
            if start is not None and time.monotonic() - began > seconds:
                self._restore(start)
                return None
        return Epoch(
            epoch=number,
            loss=float(torch.stack(losses).mean()),
            val=self._score("val", leg),
            learning_rate=rate,
            steps=len(batches),
            seconds=time.monotonic() - began,
            images=sum(map(len, batches)),
            resolution=self.feed.side(leg),
        )

    def _step(self, x: torch.Tensor, labels: torch.Tensor, rate: float) -> torch.Tensor:
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        parts = iter((self.hooks.losses or self._loss)(x, labels))
        total = torch.zeros((), device=self.device)
        while (loss := self._next(parts)) is not None:
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return total

    def _loss(self, x: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        smooth = self.plan.label_smoothing
        return (functional.cross_entropy(self.module(x), labels, label_smoothing=smooth),)

    def _next(self, parts: Iterator[torch.Tensor]) -> torch.Tensor | None:
        """The next loss, computed as the plan's precision says."""
        with self._autocast():
            return next(parts, None)

    def _check(self, losses: Sequence[torch.Tensor], number: int) -> None:
        bad = (~torch.isfinite(torch.stack(list(losses)))).nonzero()
        if not len(bad):
            return
        step = int(bad[0]) + 1
        value = float(losses[step - 1])
        kept = f"epoch {number - 1} is kept" if self.path and self.history else "no epoch before it is kept"
        msg = (
            f"the loss is {value} at epoch {number}, step {step} of the training "
            f"(learning rate up to {self.plan.learning_rate:g}); {kept}; lower it, or lengthen the warmup"
        )
        raise DivergedError(msg)

    def _score(self, name: str, leg: Leg) -> Score:
        split = self.data.split(name)
        with self._autocast():
            return scored(self.module, name, split, self.feed.plain(split, leg))

    def _autocast(self) -> torch.autocast:
        dtype = _AUTOCAST.get(self.plan.precision)
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)

    def _try_shape(self) -> None:
        """Whether the network takes the images and has as many outputs as there are classes."""
        self.module.eval()
        x = next(self.feed.plain(self.data.train, self.plan.leg_at(1)))[:2]
        shape = tuple(x.shape)
        try:
            with torch.no_grad():
                logits = self.module(x)
        except (RuntimeError, ValueError, TypeError) as error:
            if isinstance(error, torch.OutOfMemoryError) or "memory" in str(error):
                raise
            colour = "; a network for colour takes `data.in_colour()`" if shape[1] == 1 else ""
            msg = f"the network does not take images {shape}: {str(error).splitlines()[0]}{colour}"
            raise InputError(msg) from error
        wanted = (len(x), len(self.data.classes))
        if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != wanted:
            got = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            msg = (
                f"the network answers {got} to images {shape}, expected logits {wanted}: "
                f"'{self.data.name}' has {wanted[1]} classes; build it with n_classes={wanted[1]}"
            )
            raise InputError(msg)

    def _state(self) -> dict[str, Any]:
        scaler: dict[str, Any] = self.scaler.state_dict()
        return {
            "module": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": scaler,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state["module"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])

    def _save(self) -> None:
        if self.path is None:
            return
        state = {
            "state": self._state(),
            "history": [e.to_dict() for e in self.history],
            "test": None if self.test is None else self.test.to_dict(),
            "normal": [list(self.normal.mean), list(self.normal.std)],
        }
        files.save(self.path, self.identity, state)


def scored(module: nn.Module, name: str, split: Split, images: Iterable[torch.Tensor]) -> Score:
    """How a network does on a split, whose images come in batches as the network is to see them."""
    module.eval()
    found = []
    with torch.no_grad():
        for x in images:
            logits = module(x).float()
            # a network that answers with NaN has not answered
            found.append(torch.where(logits.isfinite().all(1), logits.argmax(1), -1).cpu())
    wrong = torch.cat(found).numpy() != split.labels
    slices = {s: Count(int(mask.sum()), int(wrong[mask].sum())) for s, mask in split.slices.items()}
    return Score(name, Count(len(wrong), int(wrong.sum())), slices)


def _optimiser(module: nn.Module, plan: TrainingPlan) -> torch.optim.Optimizer:
    """Weights of one axis are biases and normalisation: they do not decay.

    Source: He et al., Bag of Tricks for Image Classification, CVPR 2019, section 3.1.
    """
    of = [p for p in module.parameters() if p.requires_grad]
    if not of:
        raise InputError("a network without weights given, expected one that can be trained")
    groups = [
        {"params": [p for p in of if p.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [p for p in of if p.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    if plan.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=plan.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=plan.learning_rate)
