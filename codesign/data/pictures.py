"""Image files and image bytes as arrays of one size; a damaged one is named."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from hw_models.errors import FileError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codesign.data.source import Bytes, Indices

T = TypeVar("T")

MODES: Final = {1: "L", 3: "RGB"}
"""Channels -> what Pillow calls them."""


@dataclass(frozen=True)
class Pictures:
    """Images that are decoded when asked for.

    Attributes:
        sources: files, or bytes of encoded images.
        shape: (C, H, W) as which they are read; others are resized.
        names: what an error calls each; empty: the files themselves.
    """

    sources: Sequence[Path | bytes]
    shape: tuple[int, int, int]
    names: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, indices: Indices) -> Bytes:
        found = np.empty((len(indices), *self.shape), np.uint8)
        for place, at in enumerate(indices):
            found[place] = self._read(int(at))
        return found

    def _read(self, at: int) -> Bytes:
        source = self.sources[at]
        opened = source if isinstance(source, Path) else io.BytesIO(source)
        name = self.names[at] if self.names else str(source)

        def read() -> Bytes:
            with pillow().open(opened) as picture:
                return resized(picture, self.shape)

        return named(name, read)


@dataclass(frozen=True)
class Looked:
    """Images of a collection that gives (picture, label) by position, decoded when asked for."""

    items: Any
    shape: tuple[int, int, int]
    at: Indices
    name: str

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, indices: Indices) -> Bytes:
        found = np.empty((len(indices), *self.shape), np.uint8)
        for place, at in enumerate(self.at[indices]):
            picture = named(f"{self.name}[{at}]", lambda at=int(at): self.items[at][0])  # type: ignore[misc]
            found[place] = resized(as_picture(picture), self.shape)
        return found


def pillow() -> Any:
    """Pillow's module of images.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError(
            "images are read by Pillow, which is not installed: pip install pillow"
        ) from error
    return Image


def resized(picture: Any, shape: tuple[int, int, int]) -> Bytes:
    """(C, H, W) of a Pillow image."""
    channels, height, width = shape
    picture = picture.convert(MODES[channels])
    if picture.size != (width, height):
        picture = picture.resize((width, height), pillow().Resampling.BILINEAR)
    values = np.asarray(picture, np.uint8).reshape(height, width, channels)
    return np.moveaxis(values, -1, 0)


def as_picture(given: Any) -> Any:
    """A Pillow image of one, or of an array (H, W), (H, W, C) or a tensor (C, H, W)."""
    if hasattr(given, "convert"):
        return given
    values = np.asarray(given)
    if values.ndim == 3 and values.shape[0] in MODES and values.shape[2] not in MODES:
        values = np.moveaxis(values, 0, -1)
    if values.dtype != np.uint8:
        values = (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
    return pillow().fromarray(values.squeeze(-1) if values.shape[-1:] == (1,) else values)


def size_of(source: Path | bytes, name: str) -> tuple[int, int, int]:
    """(C, H, W) of an image, its pixels not decoded.

    Raises:
        FileError: no image.
    """

    def look() -> tuple[int, int, int]:
        with pillow().open(source if isinstance(source, Path) else io.BytesIO(source)) as picture:
            width, height = picture.size
            return (1 if picture.mode in ("1", "L", "I", "I;16") else 3), height, width

    return named(name, look)


def named(name: str, read: Callable[[], T]) -> T:
    """What `read` gives.

    Raises:
        FileError: it is no image, or a damaged one; with its name.
    """
    try:
        return read()
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
        why = " ".join(str(error).split())
        raise FileError.at(name, f"cannot be read as an image: {why}; replace it, or take it out") from error
