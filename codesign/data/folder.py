"""Folders of images, a folder a class: with a folder a split above, or cut into splits here.

signs/train/stop/0001.png   signs/val/stop/...   signs/test/stop/...      as given
signs/stop/0001.png                                                       cut by shares
signs/slices.csv            file,night,rain: which images are in which slice, 1 or 0 (optional)
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from codesign.data.pictures import Pictures, size_of
from codesign.data.source import SPLITS, About, DataSource, Indices, Split, digest, shares
from hw_models.errors import FileError, did_you_mean, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff", ".gif")
ALIASES: Final = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
SLICES: Final = "slices.csv"
HEAD: Final = 1024
"""Bytes of each file that go into the fingerprint, with its name and size."""


@dataclass(frozen=True)
class _Listed:
    """Files of one split with the class of each."""

    files: list[Path]
    labels: Indices


def image_folder(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    parts: tuple[float, float] = (0.1, 0.2),
    seed: int = 0,
    licence: str = "unknown",
    name: str = "",
) -> DataSource:
    """Images in folders named by their class; they are decoded when they are asked for.

    Args:
        path: has the classes, or `train`, `val` and `test` with the classes in each. Where there is no `val`
            it is cut from `train`, and `test` likewise.
        size: pixels of the side, or (height, width); None: as all images have.
        parts: shares of validation and test images where there are no folders of them.
        seed: of the cut.
        licence: of the images, as far as it is known.
        name: as results show it; the folder's where it is empty.

    Raises:
        FileError: no folder, a class without an image, a file that is no image, images of several sizes.
    """
    root = Path(path)
    if not root.is_dir():
        beside = [p.name for p in root.parent.iterdir() if p.is_dir()] if root.parent.is_dir() else []
        near = did_you_mean(nearest(root.name, beside))
        raise FileError.at(
            root, f"no such folder, expected one of images by class{f'; {near}' if near else ''}"
        )
    given = {
        split: next((root / a for a in names if (root / a).is_dir()), None)
        for split, names in ALIASES.items()
    }
    top = given["train"] or root
    classes = _classes(top)
    listed = {split: _listed(folder, classes) for split, folder in given.items() if folder is not None}
    listed = _cut(listed.get("train") or _listed(root, classes), listed, parts, seed)
    files = [f for s in SPLITS for f in listed[s].files]
    shape = _shape(files, size)
    marks = _slices(root, files)
    splits = {
        s: Split(
            Pictures(of.files, shape),
            of.labels,
            {n: np.array([f in marked for f in of.files]) for n, marked in marks.items()},
        )
        for s, of in listed.items()
    }
    told = [(str(f.relative_to(root)), f.stat().st_size, _head(f)) for f in files]
    sizes = [len(listed[s].files) for s in SPLITS]
    fingerprint = digest("folder", classes, shape, told, sizes, sorted(marks))
    return About(name or root.resolve().name, licence, str(root)).data(classes, shape, splits, fingerprint)


def _classes(folder: Path) -> tuple[str, ...]:
    names = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(names) < 2:
        told = f"{len(names)} folders" if len(names) != 1 else f"the one folder '{names[0]}'"
        raise FileError.at(folder, f"{told} found, expected a folder for each of two or more classes")
    return tuple(names)


def _listed(folder: Path, classes: Sequence[str]) -> _Listed:
    files: list[Path] = []
    labels: list[int] = []
    further = [p.name for p in folder.iterdir() if p.is_dir() and p.name not in classes and p.name[0] != "."]
    if further:
        near = did_you_mean(nearest(further[0], classes))
        raise FileError.at(
            folder / further[0], f"a class that the training images lack{f'; {near}' if near else ''}"
        )
    for label, name in enumerate(classes):
        of = folder / name
        found = sorted(p for p in of.rglob("*") if p.suffix.lower() in SUFFIXES) if of.is_dir() else []
        if not found:
            raise FileError.at(
                of,
                f"the class '{name}' has no image ({', '.join(SUFFIXES[:3])}, ...); add some, or remove it",
            )
        files += found
        labels += [label] * len(found)
    return _Listed(files, np.array(labels, np.int64))


def _cut(
    train: _Listed, given: Mapping[str, _Listed], parts: tuple[float, float], seed: int
) -> dict[str, _Listed]:
    """The splits that are there, and the others cut from the training images."""
    lacking = [(s, part) for s, part in zip(("val", "test"), parts, strict=True) if s not in given]
    pieces = (
        shares(train.labels, [part for _, part in lacking], seed)
        if lacking
        else [np.arange(len(train.files))]
    )
    names = ["train", *(s for s, _ in lacking)]
    cut = {
        s: _Listed([train.files[i] for i in at], train.labels[at])
        for s, at in zip(names, pieces, strict=True)
    }
    return {**given, **cut}


def _shape(files: Sequence[Path], size: int | tuple[int, int] | None) -> tuple[int, int, int]:
    """(C, H, W) of all images; every header is read, so a file that is no image is found here."""
    shapes = {file: size_of(file, str(file)) for file in files}
    channels = max(s[0] for s in shapes.values())
    if size is not None:
        height, width = (size, size) if isinstance(size, int) else size
        return channels, height, width
    first = files[0]
    other = next((f for f in files if shapes[f][1:] != shapes[first][1:]), None)
    if other is not None:
        (_, h, w), (_, h2, w2) = shapes[first], shapes[other]
        raise FileError.at(
            other, f"{w2} x {h2} pixels, but {first.name} has {w} x {h}; give size=, to resize all"
        )
    return (channels, *shapes[first][1:])


def _slices(root: Path, files: Sequence[Path]) -> dict[str, set[Path]]:
    """Slice -> files in it, as `slices.csv` says."""
    place = root / SLICES
    if not place.is_file():
        return {}
    known = set(files)
    with place.open(encoding="utf-8", newline="") as text:
        rows = csv.DictReader(text)
        names = [n for n in rows.fieldnames or () if n != "file"]
        if "file" not in (rows.fieldnames or ()) or not names:
            raise FileError.at(place, "columns 'file' and one for each slice expected", line=1)
        found: dict[str, set[Path]] = {n: set() for n in names}
        for row in rows:
            file = root / (row["file"] or "")
            if file not in known:
                raise FileError.at(
                    place,
                    f"'{row['file']}' is no image here, expected a path below {root}",
                    line=rows.line_num,
                )
            for slice_name in names:
                if row[slice_name] not in ("0", "1"):
                    raise FileError.at(
                        place,
                        f"{row[slice_name]!r} given, expected 0 or 1",
                        line=rows.line_num,
                        path=slice_name,
                    )
                if row[slice_name] == "1":
                    found[slice_name].add(file)
    return found


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(HEAD)
