"""What a data set is: three splits of images read when they are asked for, classes, slices, origin."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Bytes = NDArray[np.uint8]
Indices = NDArray[np.int64]
SplitName = Literal["train", "val", "test"]

SPLITS: Final[tuple[SplitName, ...]] = ("train", "val", "test")
HELD_BYTES: Final = 1 << 31
CHUNK: Final = 256
"""Images that are read at once where all of a split are wanted."""


class Images(Protocol):
    """Images that are read, or drawn, when they are asked for."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def __getitem__(self, indices: Indices) -> Bytes:
        """Images (n, C, H, W), 0 to 255, at these positions."""
        ...


@dataclass(frozen=True)
class Split:
    """Images of one purpose with their labels.

    Attributes:
        images: indexed by an array of positions.
        labels: (n,) position of the class of each image.
        slices: condition -> (n,) whether each image was taken under it ("night", "rain", ...).
    """

    images: Images
    labels: Indices
    slices: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {"images": len(self.images), "labels": len(self.labels)}
        lengths |= {f"slice '{name}'": len(mask) for name, mask in self.slices.items()}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{n} {what}" for what, n in lengths.items())
            msg = f"a split with {told} given, expected as many of each"
            raise InputError(msg)

    def __len__(self) -> int:
        return len(self.labels)

    def read(self) -> Bytes:
        """All images (n, C, H, W) in memory."""
        return np.concatenate([self.images[at] for at in self._chunks()])

    def _chunks(self) -> Iterator[Indices]:
        for start in range(0, len(self), CHUNK):
            yield np.arange(start, min(start + CHUNK, len(self)))


@dataclass(frozen=True)
class DataSource:
    """A classification data set.

    Attributes:
        name: as results show it.
        classes: names, in the order of the labels.
        input_shape: (C, H, W) of an image.
        train, val, test: what is learnt from; what decisions are made on; what is looked at once, at the end.
        licence: of the images.
        origin: where they come from.
        synthetic: whether they were drawn by a program and not taken by a camera.
        fingerprint: of what the images are; equal fingerprints, equal images.
        notes: what a reader of results must know.

    Raises:
        InputError: no images in a split, a label without a class, a class without an image to learn from.
    """

    name: str
    classes: tuple[str, ...]
    input_shape: tuple[int, int, int]
    train: Split
    val: Split
    test: Split
    licence: str
    origin: str
    synthetic: bool
    fingerprint: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in SPLITS:
            labels = self.split(name).labels
            if not len(labels):
                msg = f"data '{self.name}': the split '{name}' has no image, expected at least one"
                raise InputError(msg)
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= len(self.classes):
                wrong = low if low < 0 else high
                msg = f"data '{self.name}': label {wrong} in '{name}', expected 0 to {len(self.classes) - 1}"
                raise InputError(msg)
        counts = np.bincount(self.train.labels, minlength=len(self.classes))
        empty = [c for c, n in zip(self.classes, counts, strict=True) if not n]
        if empty:
            msg = (
                f"data '{self.name}': the class '{empty[0]}' has no image to learn from; "
                "add some, or leave the class out"
            )
            raise InputError(msg)

    @override
    def __repr__(self) -> str:
        drawn = "synthetic, " if self.synthetic else ""
        sizes = "/".join(str(len(self.split(s))) for s in SPLITS)
        shape = "x".join(str(n) for n in self.input_shape)
        return f"DataSource({self.name}: {drawn}{len(self.classes)} classes, {sizes} images of {shape})"

    @property
    def title(self) -> str:
        """The name as results show it; what was drawn by a program always says so."""
        return f"{self.name} (synthetic)" if self.synthetic else self.name

    @property
    def slices(self) -> tuple[str, ...]:
        """Conditions that are known of the test images."""
        return tuple(self.test.slices)

    def split(self, name: str) -> Split:
        """A split by name.

        Raises:
            UnknownNameError: a name that is none of train, val, test.
        """
        if name not in SPLITS:
            raise UnknownNameError("split", name, SPLITS)
        found: Split = getattr(self, name)
        return found

    def in_memory(self) -> DataSource:
        """The same data, every split of at most 2 GiB read once and kept."""
        train, val, test = (self._kept(s) for s in (self.train, self.val, self.test))
        return replace(self, train=train, val=val, test=test)

    def in_colour(self) -> DataSource:
        """The same data with a grey channel three times over, for networks that take colour."""
        if self.input_shape[0] != 1:
            return self
        train, val, test = (replace(s, images=Repeated(s.images)) for s in (self.train, self.val, self.test))
        shape = (3, *self.input_shape[1:])
        told = digest(self.fingerprint, "in colour")
        return replace(self, input_shape=shape, train=train, val=val, test=test, fingerprint=told)

    def _kept(self, split: Split) -> Split:
        size = len(split) * math.prod(self.input_shape)
        if isinstance(split.images, Held) or size > HELD_BYTES:
            return split
        return replace(split, images=Held(split.read()))


@dataclass(frozen=True)
class About:
    """What is known of images besides the images.

    Attributes:
        name: as results show it.
        licence: of the images.
        origin: where they come from.
        synthetic: whether a program drew them.
    """

    name: str = "arrays"
    licence: str = "unknown"
    origin: str = "arrays given in Python"
    synthetic: bool = False

    def data(
        self, classes: tuple[str, ...], shape: tuple[int, int, int], splits: Mapping[str, Split], told: str
    ) -> DataSource:
        """The data set of these splits; `told` is its fingerprint."""
        return DataSource(
            name=self.name,
            classes=classes,
            input_shape=shape,
            train=splits["train"],
            val=splits["val"],
            test=splits["test"],
            licence=self.licence,
            origin=self.origin,
            synthetic=self.synthetic,
            fingerprint=told,
        )


@dataclass(frozen=True)
class Held:
    """Images in memory."""

    values: Bytes

    def __post_init__(self) -> None:
        if self.values.dtype != np.uint8 or self.values.ndim != 4:
            msg = f"images {self.values.dtype} {self.values.shape} given, expected uint8 (n, C, H, W)"
            raise InputError(msg)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, indices: Indices) -> Bytes:
        return self.values[indices]


@dataclass(frozen=True)
class Repeated:
    """Grey images with their channel three times over."""

    grey: Images

    def __len__(self) -> int:
        return len(self.grey)

    def __getitem__(self, indices: Indices) -> Bytes:
        return self.grey[indices].repeat(3, axis=1)


def digest(*parts: Any) -> str:
    """Sixteen hexadecimal digits that tell data apart; arrays go in with shape, type and bytes."""
    found = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            found.update(f"{part.dtype}{part.shape}".encode())
            found.update(np.ascontiguousarray(part).tobytes())
        else:
            found.update(repr(part).encode())
        found.update(b"\0")
    return found.hexdigest()[:16]


def shares(labels: Indices, parts: Sequence[float], seed: int) -> list[Indices]:
    """Positions cut by shares, every class by itself, in an order that the seed alone decides.

    Args:
        labels: (n,) of the images.
        parts: shares of the parts after the first one, which gets the rest; a class of at least as many
            images as there are parts has one in each.
        seed: of the order.

    Raises:
        InputError: shares that leave nothing for the first part.
    """
    if any(not 0 < p < 1 for p in parts) or sum(parts) >= 1:
        msg = f"shares {', '.join(f'{p:g}' for p in parts)} given, expected each above 0 and a sum below 1"
        raise InputError(msg)
    rng = np.random.default_rng(seed)
    found: list[list[Indices]] = [[] for _ in range(len(parts) + 1)]
    for label in np.unique(labels):
        at = rng.permutation(np.flatnonzero(labels == label))
        wanted = [max(round(p * len(at)), int(len(at) > len(parts))) for p in parts]
        cuts = np.cumsum([len(at) - sum(wanted), *wanted])[:-1]
        for place, piece in zip(found, np.split(at, cuts), strict=True):
            place.append(piece)
    return [np.sort(np.concatenate(pieces)) for pieces in found]
