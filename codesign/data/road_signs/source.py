"""The data set of road signs: 12 to 43 classes, any resolution, every image drawn when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from codesign.data.road_signs.draws import Words, keys
from codesign.data.road_signs.render import render
from codesign.data.road_signs.scene import conditions, scene
from codesign.data.road_signs.signs import SIGNS
from codesign.data.source import SPLITS, Bytes, DataSource, Indices, Split, digest
from hw_models.errors import InputError

VERSION: Final = 1
"""Of the drawings: another number, other images, another fingerprint."""
FEWEST: Final = 12
SMALLEST_SIDE: Final = 16
PIXELS_AT_ONCE: Final = 1 << 16
"""Drawn in pieces of about this size, which stay in the cache."""

NOTE: Final = (
    "synthetic: drawn by a program, no image of a camera; figures on it say nothing about real road signs"
)


@dataclass(frozen=True)
class Drawn:
    """Images that are drawn when asked for: number i is a function of seed, split and i.

    Attributes:
        classes: signs; number i shows sign i modulo their count.
        side: pixels.
        seed: of all splits.
        stream: which split.
        n: images.
    """

    classes: tuple[str, ...]
    side: int
    seed: int
    stream: int
    n: int

    def __len__(self) -> int:
        return self.n

    def words(self, indices: Indices) -> Words:
        """(n,) the samples' own random words."""
        return keys(self.seed, self.stream, indices)

    def labels(self, indices: Indices) -> Indices:
        """(n,) the classes of these images."""
        return indices % len(self.classes)

    def __getitem__(self, indices: Indices) -> Bytes:
        at = np.arange(self.n)[indices]
        found = np.empty((len(at), 3, self.side, self.side), np.uint8)
        step = max(1, PIXELS_AT_ONCE // self.side**2)
        for start in range(0, len(at), step):
            some = at[start : start + step]
            found[start : start + step] = render(
                self.classes, self.labels(some), scene(self.words(some)), self.side
            )
        return found


def road_signs(
    n_classes: int = 43,
    resolution: int = 32,
    *,
    n_train: int = 20_000,
    n_val: int = 4_000,
    n_test: int = 10_000,
    seed: int = 0,
) -> DataSource:
    """Drawn road signs with the slices night, rain, fog, snow, glare, occluded and small.

    The splits share no random number. The same seed, split and number give the same image, whatever the
    number of images.

    Args:
        n_classes: 12 to 43; the first twelve have every shape among them.
        resolution: pixels of a side, at least 16.
        n_train: images to learn from; in each split every class as often as any other, give or take one.
        n_val: images that decisions are made on.
        n_test: images that are looked at once.
        seed: another seed, other images.

    Raises:
        InputError: fewer or more classes, a smaller image, or fewer images than classes.
    """
    if not FEWEST <= n_classes <= len(SIGNS):
        msg = f"n_classes={n_classes} given, expected {FEWEST} to {len(SIGNS)}"
        raise InputError(msg)
    if resolution < SMALLEST_SIDE:
        msg = f"resolution={resolution} given, expected at least {SMALLEST_SIDE} pixels"
        raise InputError(msg)
    sizes = dict(zip(SPLITS, (n_train, n_val, n_test), strict=True))
    few = next((f"n_{s}={n}" for s, n in sizes.items() if n < n_classes), None)
    if few:
        msg = f"{few} given, expected at least one image of each of the {n_classes} classes"
        raise InputError(msg)
    classes = tuple(SIGNS)[:n_classes]
    splits = {}
    for stream, (name, n) in enumerate(sizes.items()):
        images = Drawn(classes, resolution, seed, stream, n)
        every = np.arange(n)
        splits[name] = Split(images, images.labels(every), conditions(images.words(every)))
    return DataSource(
        name="road_signs",
        classes=classes,
        input_shape=(3, resolution, resolution),
        **splits,
        licence="Apache-2.0 (part of this project)",
        origin=f"codesign.data.road_signs, drawing {VERSION}, seed {seed}",
        synthetic=True,
        fingerprint=digest("road_signs", VERSION, classes, resolution, seed, sizes),
        notes=(NOTE,),
    )
