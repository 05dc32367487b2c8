"""The supernet: shared weights, and any network of the space run with its part of them.

A network is run as the module that the space builds for it, with tensors cut from the shared ones in place of
its own, so a network that is taken out computes the same.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Literal, get_args

import numpy as np
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import override

from codesign.quality.supernet.sharing import built, cover, extremes, layout, normalises
from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from codesign.quality.supernet.sharing import Layout
    from search_spaces.candidate import Candidate
    from search_spaces.space import SearchSpace

Kernels = Literal["transformed", "cropped"]
KERNELS: Final = get_args(Kernels)
KEPT: Final = 256
"""Layouts that are kept."""


class SuperNet(nn.Module):
    """The weights of all networks of a space; (n, C, H, W) to logits (n, classes).

    Running statistics of batch norm are kept for the largest network alone. Every other size needs its own,
    from images (`calibrate`): those of another size are wrong for it.

    Args:
        space: says which weights its networks share.
        kernels: how a small kernel is cut from a large one: its middle ("cropped"), or its middle times a
            matrix that is learnt for each layer and size, the unit matrix at first ("transformed"; Cai et
            al., Once-for-All, ICLR 2020, section 4.2).
        own_resolution: whether images are scaled to the side that a network's cost is told for.
        seed: of the first weights.

    Attributes:
        smallest, largest: candidates.

    Raises:
        InputError: a space whose networks share no weights, or one with kinds to choose from.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        kernels: Kernels = "transformed",
        own_resolution: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if kernels not in KERNELS:
            raise UnknownNameError("way to cut kernels", kernels, KERNELS)
        self.space, self.kernels, self.own_resolution = space, kernels, own_resolution
        self.smallest, self.largest = extremes(space)
        self._layouts: OrderedDict[Candidate, Layout] = OrderedDict()
        self.weights = nn.ParameterDict()
        self.transforms = nn.ParameterDict()
        self._sides: dict[str, tuple[int, ...]] = {}
        self._gather(seed)
        for path in self.layout(self.largest).statistics:
            self.register_buffer(_key(path), _fresh(path, self.layout(self.largest).module))

    def _gather(self, seed: int) -> None:
        """Every shared weight in its largest shape, as the network that has it so is initialised."""
        sides: dict[str, set[int]] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        networks = cover(self.space)
        for network in networks:
            here = self.layout(network)
            for path, name in here.parameters.items():
                shape = here.shape(path)
                before = shapes.setdefault(name, shape)
                if len(before) != len(shape):
                    msg = (
                        f"'{self.space.name}': '{name}' is {before} in one network and {shape} in another, "
                        "expected one kind of layer; `shared_parts` must call them by two names"
                    )
                    raise InputError(msg)
                shapes[name] = tuple(map(max, before, shape))
                if _square(shape):
                    sides.setdefault(name, set()).add(shape[-1])
        for network in networks:
            wanted = {
                path: name
                for path, name in self.layout(network).parameters.items()
                if _key(name) not in self.weights and self.layout(network).shape(path) == shapes[name]
            }
            if wanted:
                first = dict(built(self.space, network, seed).named_parameters())
                for path, name in wanted.items():
                    self.weights[_key(name)] = nn.Parameter(first[path].detach().clone())
        lacking = next((n for n in shapes if _key(n) not in self.weights), None)
        if lacking is not None:
            msg = (
                f"'{self.space.name}': no network has '{lacking}' in its largest shape {shapes[lacking]}, "
                "expected the largest network to have it"
            )
            raise InputError(msg)
        self._sides = {name: tuple(sorted(s, reverse=True)) for name, s in sides.items()}
        if self.kernels == "transformed":
            for name, steps in self._sides.items():
                for side in steps[1:]:
                    # kept as the difference from the unit matrix, so that weight decay leads to the middle
                    self.transforms[f"{_key(name)}/{side}"] = nn.Parameter(torch.zeros(side**2, side**2))

    def layout(self, network: Candidate) -> Layout:
        """How a network finds its weights.

        Raises:
            InputError: a candidate that is none of the space.
        """
        found = self._layouts.get(network)
        if found is None:
            found = layout(self.space, self.space.canonical(network))
            self._layouts[network] = found
            if len(self._layouts) > KEPT:
                self._layouts.popitem(last=False)
        return found

    def cut(self, network: Candidate) -> dict[str, torch.Tensor]:
        """Parameters of a network by their path, cut from the shared ones; gradients flow back to those.

        Raises:
            InputError: a candidate that is none of the space, or one with weights that are not shared.
        """
        here = self.layout(network)
        return {path: self._cut(name, here.shape(path)) for path, name in here.parameters.items()}

    def _cut(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        whole: torch.Tensor | None = self.weights.get(_key(name))
        held = () if whole is None else tuple(whole.shape)
        if whole is None or len(held) != len(shape) or any(map(operator.lt, held, shape)):
            had = held or "no such weight"
            msg = f"'{self.space.name}': a network needs '{name}' {shape}, the supernet has {had}"
            raise InputError(msg)
        if not _square(shape):
            return whole[tuple(slice(0, n) for n in shape)]
        found = whole[: shape[0], : shape[1]]
        for side in self._sides[name]:
            if shape[-1] <= side < found.shape[-1]:
                found = self._smaller(found, name, side)
        return found

    def _smaller(self, kernel: torch.Tensor, name: str, side: int) -> torch.Tensor:
        edge = (kernel.shape[-1] - side) // 2
        middle = kernel[..., edge : edge + side, edge : edge + side]
        if self.kernels == "cropped":
            return middle
        flat = middle.reshape(*middle.shape[:2], side**2)
        change: torch.Tensor = self.transforms[f"{_key(name)}/{side}"]
        return (flat + flat @ change).reshape(middle.shape)

    @override
    def forward(
        self,
        x: torch.Tensor,
        network: Candidate | None = None,
        statistics: Mapping[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Logits of one network.

        Args:
            x: images (n, C, H, W), normalised.
            network: which; None: the largest, whose running statistics are kept here.
            statistics: of its batch norms, by their path; None: those of these images themselves.
        """
        chosen = self.largest if network is None else network
        here = self.layout(chosen)
        if network is None:
            kept = {path: self.get_buffer(_key(path)) for path in here.statistics}
        else:
            kept = {path: _fresh(path, here.module, x.device) for path in here.statistics}
            kept |= statistics or {}
        constants = {path: value.to(x.device) for path, value in here.constants.items()}
        here.module.train(self.training)
        for norm in here.norms:
            norm.train(self.training if network is None else statistics is None)
        found: torch.Tensor = functional_call(
            here.module, {**self.cut(chosen), **kept, **constants}, (self.scaled(x, chosen),)
        )
        return found

    def scaled(self, x: torch.Tensor, network: Candidate) -> torch.Tensor:
        """Images (n, C, H, W) as that network sees them."""
        side = self.layout(network).side
        if not self.own_resolution or x.shape[2:] == (side, side):
            return x
        return functional.interpolate(x, (side, side), mode="bilinear", align_corners=False, antialias=True)

    def extract(self, network: Candidate) -> nn.Module:
        """The network by itself, as the space builds it, with copies of its weights.

        Its batch norms know nothing yet: `calibrate` them before it is run for inference.
        """
        module: nn.Module = built(self.space, self.space.canonical(network), 0)
        own = dict(module.named_parameters())
        with torch.no_grad():
            for path, value in self.cut(network).items():
                own[path].copy_(value)
        return module.to(next(iter(self.weights.values())).device)


def calibrate(module: nn.Module, batches: Iterable[torch.Tensor]) -> nn.Module:
    """Running statistics of batch norm as the mean over these batches; the module is set to inference.

    Source: Yu and Huang, Universally Slimmable Networks, ICCV 2019, section 3.3 (exact averages over a few
    batches after training).
    """
    module.eval()
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and normalises(m)]
    kept = [m.momentum for m in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch: the mean over all batches so far, each alike
        norm.train()
    with torch.no_grad():
        for x in batches if norms else ():
            module(x)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    return module.eval()


def _fresh(path: str, module: nn.Module, device: torch.device | str = "cpu") -> torch.Tensor:
    """A statistic of batch norm before it has seen anything."""
    shaped = module.get_buffer(path)
    if path.endswith("running_var"):
        return torch.ones(shaped.shape, dtype=shaped.dtype, device=device)
    return torch.zeros(shaped.shape, dtype=shaped.dtype, device=device)


def _square(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[2] == shape[3]


def _key(name: str) -> str:
    """As torch takes a name."""
    return name.replace(".", "/")


def weights_digest(net: SuperNet) -> str:
    """Sixteen hexadecimal digits of all weights and statistics."""
    from codesign.data.source import digest

    state = net.state_dict()
    return digest(*(part for name in sorted(state) for part in (name, np.asarray(state[name].cpu()))))
