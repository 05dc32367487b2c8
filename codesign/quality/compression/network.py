"""A trained network made ready for quantisation: norms folded into the layers before them, layers by path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import torch
from torch import nn

from hw_models.errors import InputError, UnknownNameError
from hw_models.workload.from_torch import trace
from hw_models.workload.op import OpKind
from search_spaces.compression.groups import layers
from search_spaces.compression.sparse import baked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codesign.data.source import DataSource
    from codesign.quality.training.result import TrainingResult
    from hw_models.workload.graph import Workload

LAYERS: Final = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)
"""Modules whose weights are quantised."""


class Images(Protocol):
    """Images as a network takes them."""

    split: str
    """Which images they are, in a word."""

    @property
    def labels(self) -> NDArray[np.int64] | None:
        """(n,) of the images; None: not known."""
        ...

    def batches(self, size: int = 256) -> Iterator[torch.Tensor]:
        """(b, C, H, W) in order."""
        ...


@dataclass(frozen=True, eq=False)
class Tensors:
    """Images that are ready.

    Attributes:
        values: (n, C, H, W) as the network takes them.
        split: which they are, in a word.
        labels: (n,); None: not known.
    """

    values: torch.Tensor
    split: str = "images"
    labels: NDArray[np.int64] | None = None

    def batches(self, size: int = 256) -> Iterator[torch.Tensor]:
        """(b, C, H, W) in order."""
        for start in range(0, len(self.values), size):
            yield self.values[start : start + size]


@dataclass(frozen=True)
class Pictures:
    """Images of a split as a trained network takes them.

    Attributes:
        data: the data set.
        split: "train", "val" or "test".
        mean, std: what is subtracted and divided by, as the training had it.
        most: images at most, evenly spaced; None: all.
    """

    data: DataSource
    split: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    most: int | None = None

    @classmethod
    def of(cls, data: DataSource, split: str, result: TrainingResult, most: int | None = None) -> Pictures:
        """As the network of a training takes them."""
        return cls(data, split, result.mean, result.std, most)

    @property
    def at(self) -> NDArray[np.int64]:
        """Positions of the images."""
        n = len(self.data.split(self.split))
        if self.most is None or self.most >= n:
            return np.arange(n)
        return np.unique(np.linspace(0, n - 1, self.most).astype(np.int64))

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) of the images."""
        return self.data.split(self.split).labels[self.at]

    def batches(self, size: int = 256) -> Iterator[torch.Tensor]:
        """(b, C, H, W) normalised images, in order."""
        split, at = self.data.split(self.split), self.at
        mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (self.mean, self.std))
        for start in range(0, len(at), size):
            x = torch.from_numpy(split.images[at[start : start + size]]).float().div_(255)
            yield (x - mean) / std


@dataclass(frozen=True, eq=False)
class Network:
    """A network for quantisation.

    Attributes:
        module: with norms folded, in evaluation mode; its layers compute what those of the original did.
        layers: paths of its layers, in execution order.
        input_shape: (C, H, W) of an image.
    """

    module: nn.Module
    layers: tuple[str, ...]
    input_shape: tuple[int, ...]

    @classmethod
    def of(cls, module: nn.Module, input_shape: Sequence[int]) -> Network:
        """From a trained module.

        Args:
            module: (n, C, H, W) to logits (n, classes); it stays as it is. Masks of pruned weights are made
                final in the copy.
            input_shape: (C, H, W) of an image.

        Raises:
            TraceError: a module that cannot be traced.
            InputError: a module without layers to quantise.
        """
        plain = baked(module).eval()
        shape = tuple(int(n) for n in input_shape)
        workload = trace(plain, (1, *shape), cache=False)
        folded = fold_norms(plain, workload)
        paths = tuple(p for p in layers(workload) if isinstance(_layer(folded, p), LAYERS))
        if not paths:
            raise InputError(f"{type(module).__name__} has no convolution or linear layer to quantise")
        return cls(folded, paths, shape)

    def layer(self, path: str) -> Any:
        """A layer by its path.

        Raises:
            UnknownNameError: there is none.
        """
        self.check([path])
        return self.module.get_submodule(path)

    def check(self, paths: Iterable[str]) -> None:
        """Whether the network has these layers.

        Raises:
            UnknownNameError: it has not.
        """
        wrong = next((p for p in paths if p not in self.layers), None)
        if wrong is not None:
            raise UnknownNameError("layer", wrong, self.layers, f"the network has {len(self.layers)} layers")


def _layer(module: nn.Module, path: str) -> nn.Module | None:
    try:
        return module.get_submodule(path)
    except AttributeError:
        return None


def fold_norms(module: nn.Module, workload: Workload) -> nn.Module:
    """A copy in which batch norms behind a layer are part of its weights; it computes the same.

    A norm is folded where the layer's output goes nowhere else and both run once. What is left of it passes
    its input on.

    Source: Jacob et al., Quantization and Training of Neural Networks, CVPR 2018, section 3.2.
    """
    from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

    folded = deepcopy(module)
    maker = {t: op for op in workload.ops for t in op.outputs}
    readers = np.bincount(workload.in_tensor, minlength=workload.n_tensors)
    runs: dict[str, int] = {}
    for op in workload.ops:
        if op.kind in (OpKind.CONV, OpKind.GEMM, OpKind.NORM):
            runs[op.module] = runs.get(op.module, 0) + 1
    for op in workload.ops:
        if op.kind != OpKind.NORM or op.attrs.get("fn") != "batch_norm":
            continue
        before = maker.get(op.inputs[0])
        if (
            before is None
            or readers[op.inputs[0]] > 1
            or runs[op.module] > 1
            or runs.get(before.module, 0) != 1
        ):
            continue
        layer, norm = _layer(folded, before.module), _layer(folded, op.module)
        if not isinstance(layer, LAYERS) or not isinstance(norm, nn.modules.batchnorm._BatchNorm):
            continue
        if norm.running_mean is None or norm.running_var is None:
            continue
        statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
        if isinstance(layer, nn.Linear):
            layer.weight, layer.bias = fuse_linear_bn_weights(layer.weight, layer.bias, *statistics)
        else:
            transposed = isinstance(layer, nn.ConvTranspose2d)
            layer.weight, layer.bias = fuse_conv_bn_weights(
                layer.weight, layer.bias, *statistics, transpose=transposed
            )
        _neutralise(folded, op.module, norm)
    return folded


def _neutralise(module: nn.Module, path: str, norm: Any) -> None:
    """Leave a norm that passes its input on; a class of its own may hold an activation, which stays."""
    if type(norm) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        module.set_submodule(path, nn.Identity())
        return
    with torch.no_grad():
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0 - norm.eps)
        if norm.weight is not None:
            norm.weight.fill_(1.0)
            norm.bias.zero_()


def logits_of(module: nn.Module, batches: Iterable[torch.Tensor]) -> NDArray[np.float32]:
    """(n, classes) what a network answers to images."""
    with torch.no_grad():
        return np.concatenate([module(_innermost(x)).float().numpy() for x in batches])


def _innermost(x: torch.Tensor) -> torch.Tensor:
    """Images with their channels innermost in memory, which CPUs convolve faster."""
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x
