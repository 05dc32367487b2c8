"""What untrained networks are shown: noise, or images of a data set; always the same for the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from hw_models.errors import InputError

if TYPE_CHECKING:
    from codesign.data.source import DataSource

BATCH: Final = 64
"""Images of a batch. Source: Abdelfattah et al., ICLR 2021: one minibatch of 64."""
N_BATCHES: Final = 2
"""Batches: the fewest that have a spread. Source: Li et al., ZiCo, ICLR 2023: two batches."""
FEWEST: Final = 2


@dataclass(frozen=True, eq=False)
class Batches:
    """Labelled batches.

    Attributes:
        images: of each batch (n, C, H, W), float32, zero mean and unit spread in each channel.
        labels: of each batch (n,), int64.
        title: what the images are, for notes.

    Raises:
        InputError: no batch, batches of fewer than two images, or images and labels that do not fit.
    """

    images: tuple[torch.Tensor, ...]
    labels: tuple[torch.Tensor, ...]
    title: str

    def __post_init__(self) -> None:
        sizes = [len(x) for x in self.images]
        if not sizes or min(sizes) < FEWEST or sizes != [len(y) for y in self.labels]:
            msg = (
                f"batches of {sizes} images and {[len(y) for y in self.labels]} labels given, expected one "
                f"or more batches of at least {FEWEST} images with a label each"
            )
            raise InputError(msg)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        _, c, h, w = self.images[0].shape
        return int(c), int(h), int(w)


def noise(
    shape: Sequence[int], n_classes: int, *, batch: int = BATCH, n: int = N_BATCHES, seed: int = 0
) -> Batches:
    """Gaussian pixels with labels drawn at random: nothing can be learnt from them.

    Args:
        shape: (C, H, W) of an image.
        n_classes: of the labels.
        batch: images of a batch.
        n: batches.
        seed: another seed, other images.
    """
    rng = np.random.default_rng([seed, 0])
    drawn = rng.standard_normal((n, batch, *shape), np.float32)
    labels = rng.integers(n_classes, size=(n, batch))
    title = f"{n} batches of {batch} images of noise, {'x'.join(map(str, shape))}"
    return Batches(tuple(map(torch.from_numpy, drawn)), tuple(map(torch.from_numpy, labels)), title)


def of_data(data: DataSource, *, batch: int = BATCH, n: int = N_BATCHES, seed: int = 0) -> Batches:
    """Training images, normalised as for a training.

    Args:
        data: whose training split is drawn from, no image twice.
        batch: images of a batch.
        n: batches.
        seed: of the draw.

    Raises:
        InputError: fewer training images than are wanted.
    """
    from codesign.quality.training.feed import Normal

    split = data.train
    if len(split) < n * batch:
        msg = (
            f"{n} batches of {batch} of the {len(split)} training images of '{data.name}' wanted; lower them"
        )
        raise InputError(msg)
    at = np.random.default_rng([seed, 1]).permutation(len(split))[: n * batch]
    normal = Normal.of(split)
    mean, std = (np.asarray(v, np.float32)[:, None, None] for v in (normal.mean, normal.std))
    images = (split.images[at].astype(np.float32) / 255 - mean) / std
    pieces = np.split(images, n), np.split(split.labels[at], n)
    shape = "x".join(map(str, data.input_shape))
    title = f"{n} batches of {batch} training images of {data.title}, {shape}"
    return Batches(tuple(map(torch.from_numpy, pieces[0])), tuple(map(torch.from_numpy, pieces[1])), title)
