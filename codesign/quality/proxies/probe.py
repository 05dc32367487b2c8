"""An untrained network under test: its forward and backward passes, each run once for all proxies."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.quality.proxies.batches import Batches
    from hw_models.workload.graph import Workload

RECTIFIERS: Final = (
    "relu",
    "relu_",
    "hardtanh",
    "hardtanh_",
    "leaky_relu",
    "leaky_relu_",
    "prelu",
    "_prelu_kernel",
)
"""Piecewise linear activations with a kink at zero (`hardtanh` is ReLU6): a sign tells the piece."""
SMOOTH: Final = (
    "silu",
    "silu_",
    "gelu",
    "gelu_",
    "hardswish",
    "hardswish_",
    "mish",
    "mish_",
    "elu",
    "elu_",
    "softplus",
)
"""Activations without linear pieces, or with pieces that the sign does not tell."""
NORMS: Final = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
BATCH_NORMS: Final = nn.modules.batchnorm._BatchNorm


class NoScoreError(Exception):
    """A proxy that does not apply to a network; the text says why."""


class _Activations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every activation, a module or a call: signs of what rectifiers give, counts of the others."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.codes: list[torch.Tensor] = []
        self.smooth: dict[str, int] = {}

    @override
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in RECTIFIERS:
            self.codes.append((out.detach() > 0).flatten(1))
        elif name in SMOOTH:
            self.smooth[name] = self.smooth.get(name, 0) + 1
        return out


class Probe:
    """One network with its weights as drawn; the module that was given is left as it was.

    Batch norms take mean and variance from the batch, as at the start of a training; dropout is off.

    Args:
        module: takes images (n, C, H, W), gives logits (n, classes).
        batches: what it is shown.
        workload: of the network, where its MACs are wanted; None: it is traced.

    Attributes:
        module: the copy that is tested.
    """

    def __init__(self, module: nn.Module, batches: Batches, workload: Workload | None = None) -> None:
        self.module, self.batches, self._given = copy.deepcopy(module).float().eval(), batches, workload
        for layer in self.module.modules():
            if isinstance(layer, BATCH_NORMS):
                layer.train()
        for parameter in self.module.parameters():
            parameter.requires_grad_(True)
        self._gradients: dict[int, list[torch.Tensor]] = {}

    @cached_property
    def weights(self) -> list[torch.Tensor]:
        """Parameters of two dimensions or more: kernels and matrices, no biases, nothing of norms."""
        return [p for p in self.module.parameters() if p.ndim > 1]

    @property
    def n_parameters(self) -> int:
        """All of them, each once."""
        return sum(p.numel() for p in self.module.parameters())

    @property
    def macs(self) -> float:
        """Multiply-accumulates of one image."""
        from hw_models.workload.from_torch import trace

        workload = self._given or trace(copy.deepcopy(self.module).eval(), (1, *self.batches.shape))
        return float(workload.macs)

    @cached_property
    def _first(self) -> tuple[torch.Tensor, torch.Tensor, _Activations]:
        """Images and logits of the first batch, and the activations on the way."""
        images = self.batches.images[0].clone().requires_grad_(True)
        seen = _Activations()
        with seen:
            logits = self._logits(images)
        return images, logits, seen

    @property
    def codes(self) -> list[torch.Tensor]:
        """Of each rectifier (n, units): whether it lets the unit of an image through.

        Raises:
            NoScoreError: another kind of activation, or no rectifier.
        """
        _, _, seen = self._first
        if seen.smooth:
            others = ", ".join(f"{n} x {name.rstrip('_')}" for name, n in sorted(seen.smooth.items()))
            msg = (
                f"{others} beside {len(seen.codes)} rectifiers: which linear piece an image is on is not told"
            )
            raise NoScoreError(msg)
        if not seen.codes:
            raise NoScoreError("no ReLU, ReLU6 or leaky ReLU in this network")
        return seen.codes

    @cached_property
    def jacobian(self) -> torch.Tensor:
        """(n, C*H*W) gradient of the sum of an image's logits by its pixels, first batch."""
        images, logits, _ = self._first
        (by_pixel,) = torch.autograd.grad(logits.sum(), images, retain_graph=True, allow_unused=True)
        if by_pixel is None:
            raise NoScoreError("the logits do not depend on the image")
        return by_pixel.detach().flatten(1)

    def gradients(self, batch: int) -> list[torch.Tensor]:
        """Of each weight, in the order of `weights`: gradient of the mean cross-entropy over a batch."""
        if batch not in self._gradients:
            logits = self._first[1] if batch == 0 else self._logits(self.batches.images[batch])
            labels = self.batches.labels[batch]
            if int(labels.max()) >= logits.shape[1]:
                msg = f"label {int(labels.max())} and a network of {logits.shape[1]} classes given"
                raise InputError(msg)
            loss = functional.cross_entropy(logits, labels)
            found = torch.autograd.grad(loss, self.weights, retain_graph=True, allow_unused=True)
            self._gradients[batch] = [
                torch.zeros_like(w) if g is None else g.detach()
                for g, w in zip(found, self.weights, strict=True)
            ]
        return self._gradients[batch]

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        logits = self.module(images)
        if not isinstance(logits, torch.Tensor) or logits.ndim != 2:
            raise NoScoreError("the network gives no logits (n, classes)")
        return logits
