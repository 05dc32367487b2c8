"""Batches: which images an epoch sees in which order, how they are varied, and what the network gets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from codesign.data.source import DataSource, Indices, Split
    from codesign.quality.training.plan import Leg, TrainingPlan

MEASURED: Final = 2048
"""Training images from which mean and spread of the channels are taken."""
EVALUATED_AT_ONCE: Final = 512
SHIFT: Final = 8
"""The largest shift is the image's side over this."""


@dataclass(frozen=True)
class Normal:
    """What an image of 0 to 1 is shifted and divided by, channel by channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, split: Split) -> Normal:
        """Mean and spread over evenly spaced training images."""
        at = np.unique(np.linspace(0, len(split) - 1, min(MEASURED, len(split))).astype(np.int64))
        seen = split.images[at].astype(np.float64) / 255
        spread = np.maximum(seen.std(axis=(0, 2, 3)), 1e-3)
        return cls(tuple(map(float, seen.mean(axis=(0, 2, 3)))), tuple(map(float, spread)))


def share_of(labels: Indices, share: float, seed: int) -> Indices:
    """Positions of that share of each class, at least one; a larger share has those of a smaller one."""
    if share == 1.0:
        return np.arange(len(labels))
    rng = np.random.default_rng([seed, 0])
    found = []
    for label in np.unique(labels):
        of = rng.permutation(np.flatnonzero(labels == label))
        found.append(of[: max(1, math.ceil(share * len(of)))])
    return np.sort(np.concatenate(found))


class Feed:
    """Makes batches of one data set for one device.

    Args:
        data: what is learnt from; the splits are best held in memory.
        plan: seed, batch, augmentation.
        normal: as the network is to see the images.
        device: where the batches go.
    """

    def __init__(self, data: DataSource, plan: TrainingPlan, normal: Normal, device: torch.device) -> None:
        self.data, self.plan, self.device = data, plan, device
        shape = (1, -1, 1, 1)
        self._mean = torch.tensor(normal.mean, device=device).view(shape)
        self._std = torch.tensor(normal.std, device=device).view(shape)

    def side(self, leg: Leg) -> int:
        """Pixels of the images' side in a leg."""
        return leg.resolution or self.data.input_shape[1]

    def images(self, leg: Leg) -> int:
        """Images of an epoch."""
        return len(share_of(self.data.train.labels, leg.data_fraction, self.plan.seed))

    def epoch(self, number: int, leg: Leg) -> list[Indices]:
        """Positions of the images of every batch, in the epoch's own order; batches are nearly equal."""
        at = share_of(self.data.train.labels, leg.data_fraction, self.plan.seed)
        order = np.random.default_rng([self.plan.seed, number]).permutation(at)
        pieces = min(math.ceil(len(order) / self.plan.batch), len(order) // 2)  # none of a single image
        return np.array_split(order, max(1, pieces))

    def batch(self, at: Indices, leg: Leg, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """A training batch: (n, C, H, W) varied and normalised, (n,) labels."""
        split = self.data.train
        x = self._resized(self._ready(split, at), leg)
        for name in self.plan.augmentation:
            x = _VARIED[name](x, rng)
        labels = torch.from_numpy(split.labels[at]).to(self.device)
        return self._normalised(x), labels

    def plain(self, split: Split, leg: Leg) -> Iterator[torch.Tensor]:
        """All images of a split in order, normalised and not varied."""
        for start in range(0, len(split), EVALUATED_AT_ONCE):
            at = np.arange(start, min(start + EVALUATED_AT_ONCE, len(split)))
            yield self.plain_at(split, at, leg)

    def plain_at(self, split: Split, at: Indices, leg: Leg) -> torch.Tensor:
        """Images (n, C, H, W) at these positions, normalised and not varied."""
        return self._normalised(self._resized(self._ready(split, at), leg))

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        """Channels lie innermost in memory: depthwise convolutions train almost twice as fast on a CPU."""
        return ((x - self._mean) / self._std).contiguous(memory_format=torch.channels_last)

    def _ready(self, split: Split, at: Indices) -> torch.Tensor:
        return torch.from_numpy(split.images[at]).to(self.device).float().div_(255)

    def _resized(self, x: torch.Tensor, leg: Leg) -> torch.Tensor:
        if leg.resolution is None or x.shape[2:] == (leg.resolution, leg.resolution):
            return x
        size = (leg.resolution, leg.resolution)
        return functional.interpolate(x, size, mode="bilinear", align_corners=False, antialias=True)


def _shifted(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Each image moved by its own whole number of pixels; the edge is repeated."""
    n, _, height, width = x.shape
    places = []
    for size in (height, width):
        reach = max(1, size // SHIFT)
        by = torch.randint(-reach, reach + 1, (n, 1), generator=rng)
        places.append((torch.arange(size) + by).clamp_(0, size - 1).to(x.device))
    rows, columns = places
    moved: torch.Tensor = x.gather(2, rows[:, None, :, None].expand_as(x))
    found: torch.Tensor = moved.gather(3, columns[:, None, None, :].expand_as(x))
    return found


def _flipped(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    turned = torch.rand(len(x), 1, 1, 1, generator=rng).to(x.device) < 0.5
    return torch.where(turned, x.flip(3), x)


def _lit(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    contrast, brightness = (torch.rand(2, len(x), 1, 1, 1, generator=rng) * 0.4 - 0.2).to(x.device)
    found: torch.Tensor = x * (1 + contrast) + brightness
    return found


def _erased(x: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Half of the images lose a square of a quarter of their side to a grey of its own."""
    n, _, height, width = x.shape
    y0, x0, grey, whether = torch.rand(4, n, 1, 1, generator=rng).to(x.device)
    rows = torch.arange(height, device=x.device)[None, :, None] / height
    columns = torch.arange(width, device=x.device)[None, None, :] / width
    inside = (
        (rows >= y0 * 0.75)
        & (rows < y0 * 0.75 + 0.25)
        & (columns >= x0 * 0.75)
        & (columns < x0 * 0.75 + 0.25)
    )
    return torch.where((inside & (whether < 0.5))[:, None], grey[:, None], x)


_VARIED: Final = {"shift": _shifted, "flip": _flipped, "light": _lit, "erase": _erased}
