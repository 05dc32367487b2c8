"""Which weights the networks of a space share, and how a smaller network's are cut from the shared ones.

A network takes the first channels of every layer (Yu et al., Slimmable Neural Networks, ICLR 2019), the first
blocks of every stage, and the middle of every kernel (Cai et al., Once-for-All, ICLR 2020, section 4.2).
Channels are not sorted by importance as Once-for-All does when it shrinks a network that was trained large:
here all sizes are trained together from the start, so the first channels become the important ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from codesign.quality.training.trained import input_side
from hw_models.errors import InputError
from search_spaces.candidate import Candidate
from search_spaces.knobs import Bool, Choice, IntRange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from search_spaces.knobs import Knob, Scalar
    from search_spaces.space import SearchSpace

NORM_BUFFERS: Final = ("running_mean", "running_var", "num_batches_tracked")


@runtime_checkable
class SharesWeights(Protocol):
    """A space whose networks may share weights.

    To have `shared_parts` is to say that a smaller network may take the first entries of every axis of every
    tensor. That holds where a layer's channels are all alike, and not where one tensor stacks several things,
    such as query, key and value.
    """

    def shared_parts(self, candidate: Candidate) -> Mapping[str, str]:
        """Module path -> the name of that part in all networks; a part not named is called by its path."""
        ...


@dataclass(frozen=True)
class Layout:
    """A network without weights of its own, and where its weights are found.

    Attributes:
        module: as the space builds it, on the meta device.
        parameters: path of each parameter -> its shared name.
        statistics: paths of the running statistics of batch norm.
        constants: path -> value of every other buffer.
        norms: the layers of batch norm.
        side: pixels of the input that its cost is told for.
    """

    module: nn.Module
    parameters: Mapping[str, str]
    statistics: tuple[str, ...]
    constants: Mapping[str, torch.Tensor]
    norms: tuple[nn.Module, ...]
    side: int

    def shape(self, path: str) -> tuple[int, ...]:
        """Of a parameter."""
        return tuple(self.module.get_parameter(path).shape)


def layout(space: SearchSpace, network: Candidate) -> Layout:
    """The layout of one network.

    Raises:
        InputError: a space that does not say which weights its networks share.
    """
    named = _parts(space, network)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        module: nn.Module = space.build(network)
    norms = {path: layer for path, layer in module.named_modules() if normalises(layer)}
    statistics = [f"{path}.{name}" for path in norms for name in NORM_BUFFERS]
    others = [name for name, _ in module.named_buffers() if name not in statistics]
    constants: dict[str, torch.Tensor] = {}
    if others:
        real = dict(built(space, network, 0).named_buffers())
        constants = {name: real[name] for name in others}
    parameters = {path: _shared(path, named) for path, _ in module.named_parameters()}
    side = input_side(space, network)
    return Layout(module, parameters, tuple(statistics), constants, tuple(norms.values()), side)


def normalises(layer: nn.Module) -> bool:
    """Whether a layer keeps running statistics of what it saw."""
    return isinstance(layer, _BatchNorm) and layer.track_running_stats


def built(space: SearchSpace, network: Candidate, seed: int) -> Any:
    """The network with weights that follow from the seed; random numbers elsewhere go on as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return space.build(network)


def _parts(space: SearchSpace, network: Candidate) -> Mapping[str, str]:
    if not isinstance(space, SharesWeights):
        msg = (
            f"'{space.name}' does not say which weights its networks share; give it a method `shared_parts` "
            "(codesign.quality.supernet.sharing.SharesWeights), or train its networks alone (TrainedQuality)"
        )
        raise InputError(msg)
    return space.shared_parts(network)


def _shared(path: str, named: Mapping[str, str]) -> str:
    """The name of a parameter in all networks: the longest part of its path that has one is replaced."""
    steps = path.split(".")
    for n in range(len(steps) - 1, 0, -1):
        head = ".".join(steps[:n])
        if head in named:
            return ".".join((named[head], *steps[n:]))
    return path


def extremes(space: SearchSpace) -> tuple[Candidate, Candidate]:
    """The smallest and the largest network: every size at its least, every size at its most.

    Raises:
        InputError: a knob whose values are kinds and not sizes; its networks cannot share weights.
    """
    ends: dict[str, tuple[Scalar, Scalar]] = {}
    for name, knob in space.knobs.items():
        if isinstance(knob, Choice) and not knob.ordered and len(knob) > 1:
            msg = (
                f"knob '{name}' of the space '{space.name}' has values of different kinds "
                f"({', '.join(map(repr, knob))}), which share no weights; keep one of them: "
                f"Narrowed(space, {{'{name}': [{knob.values[0]!r}]}}) of search_spaces.narrowed"
            )
            raise InputError(msg)
        ends[name] = _ends(knob)
    small, large = (Candidate({n: e[at] for n, e in ends.items()}) for at in (0, 1))
    return space.canonical(small), space.canonical(large)


def _ends(knob: Knob) -> tuple[Scalar, Scalar]:
    if isinstance(knob, Bool):
        return False, True
    if isinstance(knob, IntRange):
        values = tuple(knob)
        return values[0], values[-1]
    numbers = [v for v in knob.values if not isinstance(v, str)]
    if len(numbers) == len(knob):
        return min(numbers), max(numbers)
    return knob.values[0], knob.values[-1]


def cover(space: SearchSpace) -> Sequence[Candidate]:
    """Networks that between them have every weight of the space: the largest, and each one edit from it.

    A smaller size may need a weight that the largest network has not, such as a projection where the channels
    of the largest happen to agree.
    """
    _, large = extremes(space)
    whole = {name: _ends(knob)[1] for name, knob in space.knobs.items()}
    found = dict.fromkeys([large])
    for name, knob in space.knobs.items():
        for value in knob:
            found.setdefault(space.canonical(Candidate({**whole, name: value})))
    return tuple(found)
